"""Asking a GGUF file: by llama.cpp's library in our own environment, else by what transformers reads of the file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneport.errors import ConfigError
from tuneport_local.exporting.answers import ANSWER_TOKENS, heard
from tuneport_local.exporting.figures import Heard
from tuneport_local.exporting.original import Measure
from tuneport_local.exporting.workshop import PACKAGE, VERSION, Workshop
from tuneport_local.quiet import quiet


@dataclass(frozen=True, slots=True)
class Answered:
    """What the file makes of the original's answers; `tokens` are the prompts in its own tokens, None where that was not to be had."""

    heard: tuple[Heard, ...]
    tokens: tuple[tuple[int, ...] | None, ...]
    asked_with: str


def by_llama(file: Path, measure: Measure, *, shop: Workshop, environ: Mapping[str, str]) -> Answered:
    """Raises ConfigError when the library cannot read the file."""
    question, reply = file.with_name(".question.json"), file.with_name(".reply.json")
    question.write_text(json.dumps(_question(file, measure)), encoding="utf-8")
    command = [str(shop.python), "-I", str(Path(__file__).with_name("asked_by_llama.py")), str(question), str(reply)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, **environ}, check=False)
    if done.returncode:
        lines = done.stderr.decode("utf-8", errors="replace").strip().splitlines() or [f"it ended with {done.returncode}"]
        raise ConfigError(f"llama.cpp's library cannot be asked with {file.name}: {lines[-1][:300]}")
    found = json.loads(reply.read_text(encoding="utf-8"))["prompts"]
    question.unlink()
    reply.unlink()
    tokens = tuple(None if each["tokens"] is None else tuple(each["tokens"]) for each in found)
    return Answered(tuple(map(_heard, found)), tokens, f"llama.cpp ({PACKAGE} {VERSION})")


def _question(file: Path, measure: Measure) -> dict[str, Any]:
    return {
        "model": str(file),
        "answer_tokens": ANSWER_TOKENS,
        "prompts": [
            {"text": text, "tokens": one.prompt, "answer": one.answer, "places": [place.tokens for place in one.places]}
            for one, text in zip(measure.said, measure.texts, strict=True)
        ],
    }


def _heard(found: Mapping[str, Any]) -> Heard:
    return Heard(
        logs=tuple(tuple(row) for row in found["logs"]),
        choices=tuple(found["choices"]),
        answer=tuple(found["answer"]),
        ended=bool(found["ended"]),
    )


def by_transformers(file: Path, measure: Measure, *, device: str) -> Answered:
    """The weights of the file alone, given back as numbers: its tokens and its way to stop are not asked so. Raises ConfigError."""
    import contextlib
    import io

    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    try:
        with quiet(), contextlib.redirect_stderr(io.StringIO()):  # the reader draws its progress bar whatever one says
            network: Any = AutoModelForCausalLM.from_pretrained(
                str(file.parent), gguf_file=file.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
            )
    except Exception as error:  # an architecture or a rounding that transformers does not read
        raise ConfigError(
            f"the GGUF file cannot be asked: llama.cpp's library is not here, and transformers does not read it ({error}).",
            remedy="Let the library be built: install a C++ compiler, and export with --yes without --converter.",
        ) from None
    found = heard(network.to(device).eval(), measure.said, ends=measure.ends)
    return Answered(found, (None,) * len(found), "transformers, which reads the file's weights and not its tokenizer")
