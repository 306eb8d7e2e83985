"""Answers and log-probabilities for many rows at once. Answers end where the model ends its turn."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from tuneport.errors import UsageError
from tuneport.model import Prediction
from tuneport.provider import Generation
from tuneport_local.bases.decoding import Look, Shared, decode, device_of, shared_beginning
from tuneport_local.rows.rendering import RenderedRow, Template

if TYPE_CHECKING:
    from tuneport_local.rows.eyes import Eyes

_BATCH_ROWS = 48
_BATCH_TOKENS = 6144
_WINDOW_ROWS = 512
"""Rows that are sorted by length together: answers come in order, so so many are held back at most."""


@dataclass(frozen=True)
class Seen:
    """The pictures of some prompts, in the order of these, for a model that sees."""

    eyes: Eyes
    pictures: Sequence[Sequence[str]]

    def look(self, model: Any, places: Sequence[int]) -> Look:
        """What the model gets of the pictures of these prompts."""
        found = [picture for place in places for picture in self.pictures[place]]

        def inputs(ids: Any) -> dict[str, Any]:
            shown = self.eyes.inputs(found, dtype=model.dtype)
            return {**{name: value.to(device_of(model)) for name, value in shown.items()}, **self.eyes.kinds(ids)}

        return inputs


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    generation: Generation,
    first: int = 0,
    seen: Seen | None = None,
) -> Iterator[Prediction]:
    """One answer per prompt (token ids that end where the assistant begins), in order. Greedy at temperature 0. `seen` are the pictures of
    prompts for a model that sees.

    `first` is the number of the first prompt among all that are asked with this seed: each draws from a stream of its own.
    Raises UsageError for a prompt that leaves no room in what the model can see.
    """
    ends = end_tokens(model, tokenizer)
    room = _room(model, prompts, generation)
    seeds = seeds_of(generation, len(prompts), first=first)
    for window in _ranges(len(prompts), _WINDOW_ROWS):
        shared = Shared(0, None) if seen else shared_beginning(model, [prompts[place] for place in window])
        found: dict[int, Prediction] = {}
        for batch in _batches(window, prompts):
            limits = [min(generation.max_tokens, room[place]) for place in batch]
            look = seen.look(model, batch) if seen else None
            job = _Batch([prompts[place] for place in batch], [seeds[place] for place in batch], limits, shared, look)
            found.update(zip(batch, _answer(model, tokenizer, job, generation=generation, ends=ends), strict=True))
        yield from (found[place] for place in window)


def stream(model: Any, tokenizer: Any, prompt: Sequence[int], *, generation: Generation, seen: Seen | None = None) -> Iterator[str]:
    """The answer to one prompt, piece by piece; the pieces add up to what `generate` gives. Raises like `generate`."""
    ends = end_tokens(model, tokenizer)
    bounded = replace(generation, max_tokens=min(generation.max_tokens, _room(model, [prompt], generation)[0]))
    written: list[int] = []
    told = ""
    look = seen.look(model, [0]) if seen else None
    steps = decode(model, [prompt], shared=Shared(0, None), generation=bounded, seeds=seeds_of(generation, 1), ends=ends, look=look)
    for ((_, token),) in steps:
        if token in ends:
            break
        written.append(token)
        text, stopped = cut_at(_text(written, tokenizer), generation.stop)
        ready = text if stopped else certain(text, generation.stop)
        if len(ready) > len(told):
            yield ready[len(told) :]
            told = ready
        if stopped:
            return
    text, _ = cut_at(_text(written, tokenizer), generation.stop)
    if len(text) > len(told):
        yield text[len(told) :]


def log_probabilities(model: Any, tokenizer: Any, rows: Sequence[RenderedRow], *, eyes: Eyes | None = None) -> Iterator[tuple[float, int]]:
    """For each row, in order: the sum of the log-probabilities of its learned tokens, and their number.

    Raises UsageError for a row longer than the model can see.
    """
    lengths = [row.input_ids for row in rows]
    longest, context = max(map(len, lengths), default=0), context_tokens(model)
    if longest > context:
        raise UsageError(f"a row has {longest} tokens with its reference, and the model sees {context}.", remedy="Shorten it.")
    for window in _ranges(len(rows), _WINDOW_ROWS):
        found: dict[int, tuple[float, int]] = {}
        for batch in _batches(window, lengths):
            found.update(zip(batch, _scores(model, [rows[place] for place in batch], eyes), strict=True))
        yield from (found[place] for place in window)


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The ids after which an answer is over: those of the chat template, of the tokenizer and of the model's own settings."""
    said = model.generation_config.eos_token_id
    own = said if isinstance(said, list) else [said]
    template = Template.of(tokenizer)
    return template.ends | {int(token) for token in (*own, template.text_end) if token is not None}


@dataclass(frozen=True)
class _Batch:
    """Prompts that are answered together. `limits`: the most tokens each answer may have."""

    prompts: Sequence[Sequence[int]]
    seeds: Sequence[int]
    limits: Sequence[int]
    shared: Shared
    look: Look | None = None


def _answer(model: Any, tokenizer: Any, batch: _Batch, *, generation: Generation, ends: frozenset[int]) -> list[Prediction]:
    prompts = batch.prompts
    written: list[list[int]] = [[] for _ in prompts]
    finish = ["length"] * len(prompts)
    longest = replace(generation, max_tokens=max(batch.limits))
    steps = decode(model, prompts, shared=batch.shared, generation=longest, seeds=batch.seeds, ends=ends, look=batch.look)
    stopped: set[int] = set()
    try:
        step = next(steps)
        while True:
            for row, token in step:
                if token in ends:
                    finish[row] = "stop"
                    continue
                written[row].append(token)
                if generation.stop and cut_at(_text(written[row], tokenizer), generation.stop)[1]:
                    finish[row] = "stop"
                    stopped.add(row)
                if len(written[row]) == batch.limits[row]:
                    stopped.add(row)
            step = steps.send(stopped)  # type: ignore[attr-defined]
    except StopIteration:
        pass
    texts = [cut_at(_text(tokens, tokenizer), generation.stop)[0] for tokens in written]
    return [
        Prediction(text=text, finish=end, tokens=(len(prompt), len(tokens)))
        for text, end, prompt, tokens in zip(texts, finish, prompts, written, strict=True)
    ]


def _scores(model: Any, rows: Sequence[RenderedRow], eyes: Eyes | None) -> list[tuple[float, int]]:
    """One forward pass over rows padded on the right; only the positions before learned tokens meet the output layer."""
    longest = max(len(row.input_ids) for row in rows)
    ids = torch.tensor([[*row.input_ids, *[0] * (longest - len(row.input_ids))] for row in rows])
    learned = torch.tensor([[False, *row.loss_mask[1:], *[False] * (longest - len(row.loss_mask))] for row in rows])
    seen = torch.tensor([[1] * len(row.input_ids) + [0] * (longest - len(row.input_ids)) for row in rows])
    positions = learned[:, 1:].any(0).nonzero().flatten()
    device = next(model.parameters()).device
    pictures = Seen(eyes, [row.pictures for row in rows]).look(model, range(len(rows)))(ids.to(device)) if eyes else {}
    given = {"input_ids": ids.to(device), "attention_mask": seen.to(device), **pictures}
    with torch.inference_mode():
        logits = model(**given, use_cache=False, logits_to_keep=positions.to(device)).logits
    targets, taken = ids[:, 1:][:, positions], learned[:, 1:][:, positions]
    return [(_score(logits[row], targets[row].to(device), taken[row].to(device)), rows[row].trained_tokens) for row in range(len(rows))]


def _score(logits: Any, targets: Any, taken: Any) -> float:
    """logits: (positions, vocabulary); targets, taken: (positions,)."""
    chosen = logits[taken].float()
    of_target = chosen.gather(-1, targets[taken][:, None])[:, 0]
    return float((of_target - chosen.logsumexp(-1)).sum())


def context_tokens(model: Any) -> int:
    """How many tokens the model can see behind those that are learned."""
    whole = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 20
    return int(whole) - int(getattr(model, "virtual_tokens", 0))


def _room(model: Any, prompts: Sequence[Sequence[int]], generation: Generation) -> list[int]:
    """How many tokens each prompt leaves for its answer."""
    context = context_tokens(model)
    longest = max((len(prompt) for prompt in prompts), default=0)
    if longest >= context:
        raise UsageError(f"a prompt of {longest} tokens leaves no room for an answer: the model sees {context}.", remedy="Shorten it.")
    if generation.max_tokens < 1:
        raise UsageError(f"max_tokens is {generation.max_tokens}; an answer needs at least 1.")
    return [context - len(prompt) for prompt in prompts]


def seeds_of(generation: Generation, rows: int, *, first: int = 0) -> list[int]:
    """One for each row, made of the seed that was asked for, or of chance."""
    start = generation.seed if generation.seed is not None else random.SystemRandom().randrange(1 << 30)
    return [start * 1_000_003 + row for row in range(first, first + rows)]


def _ranges(total: int, size: int) -> Iterator[range]:
    return (range(start, min(start + size, total)) for start in range(0, total, size))


def _batches(window: Sequence[int], prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Rows of like length together, no more than a batch holds."""
    batch: list[int] = []
    for place in sorted(window, key=lambda place: len(prompts[place])):
        if batch and (len(batch) == _BATCH_ROWS or (len(batch) + 1) * len(prompts[place]) > _BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _text(tokens: Sequence[int], tokenizer: Any) -> str:
    return str(tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def cut_at(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text up to the first stop string, and whether there was one."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def certain(text: str, stops: Sequence[str]) -> str:
    """What later tokens cannot change: without a character that is still incomplete or the beginning of a stop string."""
    held = max((size for stop in stops for size in range(1, min(len(stop), len(text) + 1)) if text.endswith(stop[:size])), default=0)
    return text[: len(text) - held].rstrip("\ufffd")
