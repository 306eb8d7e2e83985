"""The model that is exported, in memory as it answers here, and what it says: the measure for every export of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneport.errors import UsageError
from tuneport.examples import Example
from tuneport_local.bases import weights
from tuneport_local.bases.generation import context_tokens, end_tokens
from tuneport_local.bases.loading import load_adapter, load_model, load_tokenizer
from tuneport_local.exporting.answers import ANSWER_TOKENS, heard, said
from tuneport_local.exporting.figures import Heard, Said
from tuneport_local.exporting.prompts import question
from tuneport_local.exporting.source import Source
from tuneport_local.machine import hardware
from tuneport_local.rows.rendering import Template, render_prompt

_SHARE = 0.7
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True)
class Measure:
    """What an export is compared with: the answers of the original, and what the base alone makes of them (None for a whole model).

    `texts` are the prompts in words, None for one that has control tokens as plain words in it; `ends` are the tokens after which an answer
    is over.
    """

    said: tuple[Said, ...]
    base: tuple[Heard, ...] | None
    texts: tuple[str | None, ...]
    ends: frozenset[int]


@dataclass
class Original:
    """The network with its adapter on it, unmerged, in `precision`; `folder` is where the base lies, or the whole model."""

    network: Any
    tokenizer: Any
    folder: Path
    device: str
    precision: weights.Precision
    source: Source

    def measure(self, rows: Sequence[Example]) -> Measure:
        """Asks it. Raises UsageError for a prompt that leaves no room for an answer, or that the chat template refuses."""
        prompts = self._prompts(rows)
        ends = end_tokens(self.network, self.tokenizer)
        answers = said(self.network, prompts, ends=ends)
        base = None
        if self.source.kind == "adapter":
            with _without(self.network) as alone:
                base = heard(alone, answers, ends=ends)
        return Measure(answers, base, tuple(map(self._text, prompts)), ends)

    def _text(self, prompt: Sequence[int]) -> str | None:
        text = str(self.tokenizer.decode(list(prompt), skip_special_tokens=False, clean_up_tokenization_spaces=False))
        return text if self.tokenizer(text, add_special_tokens=False).input_ids == list(prompt) else None

    def _prompts(self, rows: Sequence[Example]) -> list[list[int]]:
        template, room = Template.of(self.tokenizer), context_tokens(self.network) - ANSWER_TOKENS
        asked = [question(row) for row in rows]
        prompts = [render_prompt(row.messages, self.tokenizer, tools=row.tools, template=template) for row in asked]
        if long := [number for number, prompt in enumerate(prompts, start=1) if len(prompt) > room]:
            raise UsageError(
                f"prompt {long[0]} is longer than the {room} tokens that leave room for an answer.",
                remedy="Give shorter rows in --prompts.",
            )
        return prompts


@contextmanager
def _without(tuned: Any) -> Iterator[Any]:
    """The base alone."""
    if not hasattr(tuned, "disable_adapter"):  # learned tokens stand before it and change nothing of it
        yield tuned.model
        return
    with tuned.disable_adapter():
        yield tuned


def load(source: Source, *, home: Path, hear: Callable[[str], object]) -> Original:
    """Raises UnknownModel, Unreachable and ConfigError like every loading of weights."""

    def say(words: str) -> None:
        hear(words)

    found = weights.fetch(source.base, home=home, say=say)
    folder, machine = Path(found.location), hardware.choose()
    precision = computing(folder, machine)
    hear(f"loading {source.model.uri} in {precision} on {machine.device}")
    tokenizer = load_tokenizer(folder, trust_remote_code=source.trusted)
    network = load_model(folder, dtype=precision, device=machine.device, trust_remote_code=source.trusted)
    if source.kind == "adapter":
        network = load_adapter(network, source.folder, device=machine.device)
    return Original(network, tokenizer, folder, machine.device, precision, source)


def computing(folder: Path, machine: hardware.Hardware) -> weights.Precision:
    """fp32 where the weights fit into memory so, which leaves rounding to what is written; else what the machine trains in."""
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    numbers = stored / BYTES[stored_in(folder)]
    return "fp32" if numbers * BYTES["fp32"] < _SHARE * machine.memory_bytes else machine.precision


def stored_in(folder: Path) -> weights.Precision:
    """The precision that the configuration says the weights in `folder` are stored in."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    said = config.get("dtype") or config.get("torch_dtype") or (config.get("text_config") or {}).get("dtype") or "float32"
    names: dict[str, weights.Precision] = {"bfloat16": "bf16", "float16": "fp16"}
    return names.get(str(said).rpartition(".")[2], "fp32")
