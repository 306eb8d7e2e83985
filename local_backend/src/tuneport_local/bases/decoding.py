"""The decoding loop: a batch of prompts in, tokens out step by step. What the prompts have in common is computed once.

Prompts are padded on the left, behind their common beginning; rows that have ended leave the batch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tuneport.provider import Generation

_WORTH_SHARING = 8

Look = Callable[[Any], Mapping[str, Any]]
"""From token ids, padded on the left, to what a model that sees gets beside them."""


@dataclass(frozen=True)
class Shared:
    """The common beginning of some prompts, and what the model remembers of it. `cache` is None while `length` is 0."""

    length: int
    cache: Any


def shared_beginning(model: Any, prompts: Sequence[Sequence[int]]) -> Shared:
    """Runs what all prompts begin with through the model once, if it is worth it. At least one token of each is left over."""
    length = common_length(prompts)
    if len(prompts) < 2 or length < _WORTH_SHARING or _sees_a_window(model):
        return Shared(0, None)
    ids = torch.tensor([list(prompts[0][:length])], device=device_of(model))
    with torch.inference_mode():
        return Shared(length, model(input_ids=ids, use_cache=True, logits_to_keep=last_position(ids)).past_key_values)


def _sees_a_window(model: Any) -> bool:
    """Whether some layer sees the last tokens only. It counts places, and the padding between a shared beginning and a short rest takes
    some of them."""
    from transformers import DynamicCache

    return any(getattr(layer, "is_sliding", False) for layer in DynamicCache(config=model.config).layers)


def common_length(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts share from the start, but less than the shortest has."""
    if not prompts:
        return 0
    least, most = min(map(tuple, prompts)), max(map(tuple, prompts))
    shortest = min(len(prompt) for prompt in prompts) - 1
    pairs = zip(least[:shortest], most[:shortest], strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), min(shortest, len(least), len(most)))


Pick = Callable[[Any, Sequence[int]], list[int]]
"""logits (rows, vocabulary) and the rows' numbers -> one token each."""


def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    shared: Shared,
    generation: Generation,
    seeds: Sequence[int],
    ends: frozenset[int],
    look: Look | None = None,
    times: int = 1,
    pick: Pick | None = None,
) -> Iterator[list[tuple[int, int]]]:
    """Yields, step by step, (row, token) for every row that goes on; an end token is yielded and ends its row.

    The consumer ends other rows by sending their numbers with `send`. `seeds`: one per row, used when the temperature is above 0.
    `look` says what the model gets of the prompts' pictures; nothing is shared then. A prompt is read once and answered `times` times, in
    rows beside each other.
    """
    pick = pick or _Picker(generation, seeds)
    cache, ids, mask = _start(model, prompts, shared)
    alive = list(range(len(prompts) * times))
    places = shared.length + mask.cumsum(1) - 1
    everything = torch.cat([mask.new_ones(len(prompts), shared.length), mask], 1)
    places = places.clamp(min=0)
    shown = look(ids) if look is not None else {}
    for number in range(generation.max_tokens):
        with torch.inference_mode():
            seen = {"attention_mask": everything, "position_ids": places, "past_key_values": cache}
            answer = model(input_ids=ids, **seen, **shown, use_cache=True, logits_to_keep=last_position(ids))
        shown = {}
        logits, cache = answer.logits[:, -1].float(), answer.past_key_values
        if number == 0 and times > 1:
            cache.batch_repeat_interleave(times)
            logits, places, everything = (each.repeat_interleave(times, 0) for each in (logits, places, everything))
        tokens = pick(logits, alive)
        stopped = yield list(zip(alive, tokens, strict=True))
        over = stopped or ()
        kept = [spot for spot, row in enumerate(alive) if tokens[spot] not in ends and row not in over]
        if not kept:
            return
        ids = torch.tensor([[tokens[spot]] for spot in kept], device=ids.device)
        places = places[kept, -1:] + 1
        everything = torch.cat([everything[kept], everything.new_ones(len(kept), 1)], 1)
        if len(kept) < len(alive):
            cache.batch_select_indices(torch.tensor(kept, device=ids.device))
            alive = [alive[spot] for spot in kept]


class _Picker:
    """Greedy at temperature 0; else each row draws from its own stream, so that an answer does not depend on its neighbours."""

    def __init__(self, generation: Generation, seeds: Sequence[int]) -> None:
        self._temperature = generation.temperature
        self._top_p = generation.top_p
        self._streams = [torch.Generator().manual_seed(seed) for seed in seeds] if generation.temperature > 0 else []

    def __call__(self, logits: Any, rows: Sequence[int]) -> list[int]:
        """logits: (rows, vocabulary) -> one token each."""
        if self._temperature <= 0:
            return [int(token) for token in logits.argmax(-1).tolist()]
        drawn = torch.stack([torch.rand(1, generator=self._streams[row]) for row in rows])
        return draw(logits, temperature=self._temperature, top_p=self._top_p, drawn=drawn)


def draw(logits: Any, *, temperature: Any, top_p: Any, drawn: Any) -> list[int]:
    """One token for each row of logits (rows, vocabulary). `drawn`: (rows, 1) in [0, 1); the others are numbers or likewise (rows, 1)."""
    chances, tokens = (logits / temperature).softmax(-1).sort(-1, descending=True)
    before = chances.cumsum(-1) - chances
    chances = chances.masked_fill(before >= top_p, 0.0)
    wanted = drawn.to(chances.device) * chances.sum(-1, keepdim=True)
    spots = (chances.cumsum(-1) < wanted).sum(-1, keepdim=True).clamp(max=chances.shape[-1] - 1)
    return [int(token) for token in tokens.gather(-1, spots).flatten().tolist()]


def _start(model: Any, prompts: Sequence[Sequence[int]], shared: Shared) -> tuple[Any, Any, Any]:
    """The cache, the rest of each prompt padded on the left, and its mask; both (rows, longest rest)."""
    from transformers import DynamicCache

    rests = [list(prompt[shared.length :]) for prompt in prompts]
    longest = max(len(rest) for rest in rests)
    device = device_of(model)
    ids = torch.tensor([[0] * (longest - len(rest)) + rest for rest in rests], device=device)
    mask = torch.tensor([[0] * (longest - len(rest)) + [1] * len(rest) for rest in rests], device=device)
    if shared.cache is None:
        return DynamicCache(config=model.config), ids, mask
    cache = copy.deepcopy(shared.cache)
    cache.batch_repeat_interleave(len(prompts))
    return cache, ids, mask


def last_position(ids: Any) -> Any:
    """The last position, as a tensor: the number 1 would make a view of it, for which torch copies the output layer once per row."""
    return torch.tensor([ids.shape[1] - 1], device=ids.device)


def device_of(model: Any) -> Any:
    """Where the model's weights lie."""
    return next(model.parameters()).device
