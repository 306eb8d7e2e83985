"""Run by the interpreter of our environment: rounds a GGUF file with llama.cpp's library. Arguments: the file, the new file, the kind."""

from __future__ import annotations

import importlib
import os
import sys


def main(source: str, to: str, kind: str) -> int:
    """0 when it is written."""
    llama = importlib.import_module("llama_cpp")
    settings = llama.llama_model_quantize_default_params()
    settings.ftype = getattr(llama, f"LLAMA_FTYPE_MOSTLY_{kind.upper()}")
    settings.nthread = os.cpu_count() or 1
    return int(llama.llama_model_quantize(source.encode(), to.encode(), settings))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
