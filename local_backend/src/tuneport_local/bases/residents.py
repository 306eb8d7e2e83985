"""The models that are in memory: each base once, with the adapters asked for so far, switched between answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from tuneport.errors import UnknownModel, UsageError
from tuneport.examples import ChatExample, Example, Message
from tuneport.model import Model, Prediction
from tuneport.provider import Generation, Need
from tuneport.reference import as_chat
from tuneport_local.adapters.kind import beside, is_virtual
from tuneport_local.bases import generation as answers
from tuneport_local.bases import weights
from tuneport_local.jobs.trained import has_adapter, stands_on
from tuneport_local.machine import hardware
from tuneport_local.rows.eyes import Album, Eyes
from tuneport_local.rows.rendering import RenderedRow, Template, render, render_prompt

_ROWS_AT_ONCE = 96
"""Rows that are answered before any is handed on: two full batches."""
_BASES_KEPT = 2
"""Bases in memory at once: what a comparison needs. The one that was not asked for longest goes."""


_NONE = ""
"""What is active while no adapter is."""


@dataclass(slots=True)
class _Base:
    """A loaded base: what stands under `name`. `tuned` wraps it once an adapter has been put on; `adapters` maps model ids to PEFT's names
    for them, all of one kind, which `kind` tells; `active` is the model whose adapter is on, None where that is not known. `prefixed` are
    networks of learned tokens before the prompt, which change nothing of the base."""

    name: str
    loaded: weights.LoadedModel
    template: Template
    device: str
    tuned: Any = None
    adapters: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    active: str | None = None
    prefixed: dict[str, Any] = field(default_factory=dict)

    def eyes(self) -> Eyes | None:
        """Of a model that sees, over an album of its own, which is forgotten with them."""
        return None if self.loaded.processor is None else Eyes(self.loaded.processor, Album())


class Residents:
    """Loads what is asked for and keeps it. `precision` and device are the machine's best, the same for a base and its tunes."""

    def __init__(self, home: Path, *, bases_kept: int = _BASES_KEPT) -> None:
        self._home = home
        self._bases_kept = bases_kept
        self._bases: list[_Base] = []

    def loaded(self, model: Model) -> weights.LoadedModel:
        """The base under `model`, in memory with its adapter."""
        base = self._base(model)
        with self._active(base, model):
            return base.loaded

    @contextmanager
    def answering(self, model: Model) -> Iterator[Any]:
        """The network that answers as `model` does, for as long as the block lasts."""
        with self._active(self._base(model), model) as network:
            yield network

    def predict(self, model: Model, rows: Iterable[Example], *, generation: Generation, needs: frozenset[Need]) -> Iterator[Prediction]:
        """One answer per row, in order. A last turn of the assistant is the reference: not shown, only measured."""
        waiting, first = iter(rows), 0
        while chunk := [as_chat(row) for row in islice(waiting, _ROWS_AT_ONCE)]:
            base = self._base(model)
            with self._active(base, model) as network:
                found = list(_predict(network, base, chunk, generation=generation, needs=needs, first=first))
            first += len(chunk)
            yield from found

    def chat(self, model: Model, messages: Sequence[Message], *, generation: Generation) -> Iterator[str]:
        """The answer piece by piece."""
        base = self._base(model)
        with self._active(base, model) as network:
            eyes = base.eyes()
            prompt = render_prompt(messages, base.loaded.tokenizer, template=base.template, eyes=eyes)
            seen = answers.Seen(eyes, [eyes.look(messages)]) if eyes else None
            pieces = answers.stream(network, base.loaded.tokenizer, prompt, generation=generation, seen=seen)
        while True:
            with self._active(base, model):  # another model of this base may have answered in between
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    @contextmanager
    def _active(self, base: _Base, model: Model) -> Iterator[Any]:
        """The network of `base` that answers as `model` does, for as long as the block lasts."""
        tuned = has_adapter(model)
        if tuned and model.id not in base.adapters and model.id not in base.prefixed:
            self._put_on(base, model)
        wanted = model.id if model.id in base.adapters and tuned else _NONE
        if base.tuned is not None and base.active != wanted:
            _switch(base.tuned, None if wanted is _NONE else base.adapters[wanted])
            base.active = wanted
        plain = base.loaded.model if base.tuned is None else base.tuned
        yield base.prefixed.get(model.id, plain) if tuned else plain

    def _base(self, model: Model) -> _Base:
        name, kind = stands_on(model), _kind_on_base(model)
        here = [kept for kept in self._bases if kept.name == name and kind in ("", kept.kind or kind)]
        found = next((kept for kept in here if kept.kind == kind), here[0] if here else None) or self._loaded(name, model)
        found.kind = found.kind or kind
        others = [kept for kept in self._bases if kept is not found]
        self._bases = [*others, found][-self._bases_kept :]
        return found

    def _loaded(self, name: str, model: Model) -> _Base:
        machine = hardware.choose()
        trusted = bool(model.details.get("trust_remote_code", False))
        loaded = weights.load(name, home=self._home, dtype=machine.precision, device=machine.device, trust_remote_code=trusted)
        return _Base(name, loaded, Template.of(loaded.tokenizer), machine.device)

    def _put_on(self, base: _Base, model: Model) -> None:
        """Loads the model's adapter onto its base. One that does not fit may have left its weights there: then the base is given up."""
        from tuneport_local.bases.loading import load_adapter

        name, folder = f"tune{len(base.adapters)}", Path(model.path or "")
        if base.tuned is not None:
            _switch(base.tuned, None)
        base.active = None
        try:
            if not _kind_on_base(model):
                base.prefixed[model.id] = load_adapter(base.loaded.model, folder, device=base.device)
                return
            base.tuned = load_adapter(base.tuned or base.loaded.model, folder, device=base.device, name=name)
        except UnknownModel:
            self._bases = [kept for kept in self._bases if kept is not base]
            raise
        base.adapters[model.id] = name


def _kind_on_base(model: Model) -> str:
    """Which other adapters can be on a base with the model's: those of which this says the same. '' for what changes nothing of it."""
    folder = Path(model.path or "")
    return "" if not has_adapter(model) or is_virtual(folder) else beside(folder)


def _switch(tuned: Any, adapter: str | None) -> None:
    """Puts one adapter in force, or none. It goes through every layer, so it is done when another model is asked, not at each answer."""
    if adapter is None:
        tuned.base_model.disable_adapter_layers()
    else:
        tuned.base_model.enable_adapter_layers()
        tuned.set_adapter(adapter)


def _predict(
    network: Any, base: _Base, rows: Sequence[ChatExample], *, generation: Generation, needs: frozenset[Need], first: int
) -> Iterator[Prediction]:
    tokenizer, template, eyes = base.loaded.tokenizer, base.template, base.eyes()
    found = [Prediction(text="")] * len(rows)
    if "text" in needs:
        _refuse_texts(rows)
        prompts = [render_prompt(_asked(row), tokenizer, tools=row.tools, template=template, eyes=eyes) for row in rows]
        seen = _seen(rows, eyes)
        found = list(answers.generate(network, tokenizer, prompts, generation=generation, first=first, seen=seen))
    if "log_probabilities" in needs:
        found = _measured(network, base, rows, found, eyes=eyes)
    return iter(found)


def _seen(rows: Sequence[ChatExample], eyes: Eyes | None) -> answers.Seen | None:
    """The pictures that are asked about, if there are any."""
    pictures = [eyes.look(_asked(row)) for row in rows] if eyes else []
    return answers.Seen(eyes, pictures) if eyes and any(pictures) else None


def _measured(
    network: Any, base: _Base, rows: Sequence[ChatExample], found: Sequence[Prediction], *, eyes: Eyes | None
) -> list[Prediction]:
    """The same predictions with the log-probability of each reference, where a row has one."""
    tokenizer, template = base.loaded.tokenizer, base.template
    places = [place for place, row in enumerate(rows) if _asked(row) != row.messages and row.messages[-1].text]
    how: dict[str, Any] = {"template": template, "last_turn_only": True, "eyes": eyes}
    rendered = [render(_answered(rows[place]), tokenizer, line=place + 1, **how) for place in places]
    scores = dict(zip(places, _scores(network, tokenizer, rendered, eyes), strict=True))
    return [
        replace(one, log_probability=scores[place][0], log_probability_tokens=scores[place][1]) if place in scores else one
        for place, one in enumerate(found)
    ]


def _scores(network: Any, tokenizer: Any, rows: Sequence[RenderedRow], eyes: Eyes | None) -> list[tuple[float, int]]:
    """Of each row the sum of the log-probabilities of its learned tokens, and their number. Plain text of more tokens than the model sees
    is measured in pieces, as it is trained on."""
    context = answers.context_tokens(network)
    parts = [row.split(context) if row.text else (row,) for row in rows]
    found = iter(list(answers.log_probabilities(network, tokenizer, [part for each in parts for part in each], eyes=eyes)))
    sums = [[next(found) for _ in each] for each in parts]
    return [(sum(score for score, _ in each), sum(tokens for _, tokens in each)) for each in sums]


def _refuse_texts(rows: Sequence[ChatExample]) -> None:
    if any(row.style == "text" for row in rows):
        raise UsageError("a row is plain text, which asks nothing that could be answered.", remedy="Measure it: --metric perplexity")


def _asked(row: ChatExample) -> tuple[Message, ...]:
    """The conversation up to the reference."""
    return row.messages[:-1] if row.messages and row.messages[-1].role == "assistant" else row.messages


def _answered(row: ChatExample) -> ChatExample:
    """The row with its reference counted, also where the data give it no weight in training."""
    last = msgspec.structs.replace(row.messages[-1], weight=None)
    return msgspec.structs.replace(row, messages=(*row.messages[:-1], last))
