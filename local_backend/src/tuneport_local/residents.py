"""The models that are in memory: each base once, with the adapters asked for so far, switched between answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from tuneport.errors import UnknownModel
from tuneport.examples import ChatExample, Example, Message
from tuneport.model import Model, Prediction
from tuneport.provider import Generation, Need
from tuneport.reference import as_chat
from tuneport_local import generation as answers
from tuneport_local import hardware, weights
from tuneport_local.rendering import Template, render, render_prompt

_ROWS_AT_ONCE = 96
"""Rows that are answered before any is handed on: two full batches."""


@dataclass(slots=True)
class _Base:
    """A loaded base. `tuned` wraps it once an adapter has been put on; `adapters` maps model ids to PEFT's names for them."""

    loaded: weights.LoadedModel
    template: Template
    device: str
    tuned: Any = None
    adapters: dict[str, str] = field(default_factory=dict)


class Residents:
    """Loads what is asked for and keeps it. `precision` and device are the machine's best, the same for a base and its tunes."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._bases: dict[str, _Base] = {}

    def predict(self, model: Model, rows: Iterable[Example], *, generation: Generation, needs: frozenset[Need]) -> Iterator[Prediction]:
        """One answer per row, in order. A last turn of the assistant is the reference: not shown, only measured."""
        waiting = iter(rows)
        while chunk := [as_chat(row) for row in islice(waiting, _ROWS_AT_ONCE)]:
            with self._active(model) as (network, base):
                found = list(_predict(network, base, chunk, generation=generation, needs=needs))
            yield from found

    def chat(self, model: Model, messages: Sequence[Message], *, generation: Generation) -> Iterator[str]:
        """The answer piece by piece."""
        with self._active(model) as (network, base):
            prompt = render_prompt(messages, base.loaded.tokenizer, template=base.template)
            pieces = answers.stream(network, base.loaded.tokenizer, prompt, generation=generation)
        while True:
            with self._active(model):  # another model of this base may have answered in between
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    @contextmanager
    def _active(self, model: Model) -> Iterator[tuple[Any, _Base]]:
        """The network that answers as `model` does, for as long as the block lasts."""
        base = self._base(model)
        if model.kind == "base":
            if base.tuned is None:
                yield base.loaded.model, base
                return
            with base.tuned.disable_adapter():
                yield base.tuned, base
            return
        if model.id in base.adapters:
            base.tuned.set_adapter(base.adapters[model.id])
        else:
            _put_on(base, model)
        yield base.tuned, base

    def _base(self, model: Model) -> _Base:
        name = model.base or model.id
        if name not in self._bases:
            machine = hardware.choose()
            trusted = bool(model.details.get("trust_remote_code", False))
            loaded = weights.load(name, home=self._home, dtype=machine.precision, device=machine.device, trust_remote_code=trusted)
            self._bases[name] = _Base(loaded, Template.of(loaded.tokenizer), machine.device)
        return self._bases[name]


def _put_on(base: _Base, model: Model) -> None:
    """Loads the model's adapter onto its base and makes it the active one."""
    from tuneport_local.loading import load_adapter
    from tuneport_local.quiet import quiet

    path = Path(model.path or "")
    if base.tuned is None:
        base.tuned = load_adapter(base.loaded.model, path, device=base.device)
        base.adapters[model.id] = base.tuned.active_adapter
        return
    if not (path / "adapter_model.safetensors").is_file():
        raise UnknownModel(f"the adapter of {model.uri} is no longer in {path}.")
    name = f"tune{len(base.adapters)}"
    with quiet():
        base.tuned.load_adapter(str(path), adapter_name=name, torch_device=base.device, autocast_adapter_dtype=False)
    base.tuned.to(base.loaded.model.dtype).eval()
    base.tuned.set_adapter(name)
    base.adapters[model.id] = name


def _predict(
    network: Any, base: _Base, rows: Sequence[ChatExample], *, generation: Generation, needs: frozenset[Need]
) -> Iterator[Prediction]:
    tokenizer, template = base.loaded.tokenizer, base.template
    found = [Prediction(text="")] * len(rows)
    if "text" in needs:
        prompts = [render_prompt(_asked(row), tokenizer, tools=row.tools, template=template) for row in rows]
        found = list(answers.generate(network, tokenizer, prompts, generation=generation))
    if "log_probabilities" in needs:
        found = _measured(network, base, rows, found)
    return iter(found)


def _measured(network: Any, base: _Base, rows: Sequence[ChatExample], found: Sequence[Prediction]) -> list[Prediction]:
    """The same predictions with the log-probability of each reference, where a row has one."""
    tokenizer, template = base.loaded.tokenizer, base.template
    places = [place for place, row in enumerate(rows) if _asked(row) != row.messages and row.messages[-1].text]
    rendered = [render(_answered(rows[place]), tokenizer, template=template, line=place + 1, last_turn_only=True) for place in places]
    scores = dict(zip(places, answers.log_probabilities(network, tokenizer, rendered), strict=True))
    return [
        replace(one, log_probability=scores[place][0], log_probability_tokens=scores[place][1]) if place in scores else one
        for place, one in enumerate(found)
    ]


def _asked(row: ChatExample) -> tuple[Message, ...]:
    """The conversation up to the reference."""
    return row.messages[:-1] if row.messages and row.messages[-1].role == "assistant" else row.messages


def _answered(row: ChatExample) -> ChatExample:
    """The row with its reference counted, also where the data give it no weight in training."""
    last = msgspec.structs.replace(row.messages[-1], weight=None)
    return msgspec.structs.replace(row, messages=(*row.messages[:-1], last))
