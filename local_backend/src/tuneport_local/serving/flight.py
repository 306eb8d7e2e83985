"""Rows of one model that are answered together, one token each at a time. A row comes aboard between two steps, and leaves when it is done.

A prompt is read by itself, in pieces, so that the rows aboard need not wait long for it. Then its memory of the prompt is put beside
theirs, padded on the left. Models whose memory cannot be put together so (those that see a window, or keep a running state) are answered
row by row: each row has a flight of its own, and the engine lets them take turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad

from tuneport.provider import Generation
from tuneport_local.bases.decoding import device_of, draw, last_position

_PIECE_TOKENS = 512
_TRIM = 64
"""Columns of padding that all rows have in common and that are worth cutting off."""


@dataclass(slots=True)
class Passenger:
    """A row: its prompt, how its tokens are drawn, and its memory until it sits with the others. `read`: tokens of the prompt so far."""

    number: int
    prompt: Sequence[int]
    generation: Generation
    stream: torch.Generator
    cache: Any = None
    read: int = 0

    @classmethod
    def of(cls, number: int, prompt: Sequence[int], *, generation: Generation, seed: int) -> Passenger:
        """`seed` decides what is drawn at temperatures above 0."""
        return cls(number, prompt, generation, torch.Generator().manual_seed(seed))


class Flight:
    """The rows of one network. `network` is given anew at each call, set to the right adapter."""

    def __init__(self) -> None:
        self._aboard: list[Passenger] = []
        self._cache: Any = None
        self._mask: Any = None
        self._next: Any = None
        self._places: Any = None
        self.joinable = True
        """False once a row has shown that no other can sit beside it."""

    def __len__(self) -> int:
        return len(self._aboard)

    @property
    def numbers(self) -> list[int]:
        """The rows aboard."""
        return [passenger.number for passenger in self._aboard]

    def board(self, network: Any, passenger: Passenger) -> int | None:
        """Reads on in the prompt; when it is read, the row's first token, and the row sits with the others."""
        logits = _read_on(network, passenger)
        if logits is None:
            return None
        token = _pick(logits, [passenger])[0]
        self._seat(network, passenger, token)
        return token

    def step(self, network: Any) -> list[tuple[int, int]]:
        """(row, token) for every row aboard."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._aboard), 1)], 1)
        with torch.inference_mode():
            answer = network(
                input_ids=self._next,
                attention_mask=self._mask,
                position_ids=self._places,
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=last_position(self._next),
            )
        tokens = _pick(answer.logits[:, -1].float(), self._aboard)
        self._cache = answer.past_key_values
        self._next = torch.tensor([[token] for token in tokens], device=self._mask.device)
        self._places = self._places + 1
        return list(zip(self.numbers, tokens, strict=True))

    def leave(self, numbers: frozenset[int]) -> None:
        """Lets these rows go."""
        kept = [spot for spot, passenger in enumerate(self._aboard) if passenger.number not in numbers]
        if len(kept) == len(self._aboard):
            return
        self._aboard = [self._aboard[spot] for spot in kept]
        if not kept:
            self._cache = self._mask = self._next = self._places = None
            return
        self._cache.batch_select_indices(torch.tensor(kept, device=self._mask.device))
        self._mask, self._next, self._places = self._mask[kept], self._next[kept], self._places[kept]
        self._trim()

    def _seat(self, network: Any, passenger: Passenger, token: int) -> None:
        cache, length = passenger.cache, len(passenger.prompt)
        device = device_of(network)
        mask = torch.ones(1, length, dtype=torch.long, device=device)
        following, place = torch.tensor([[token]], device=device), torch.tensor([[length]], device=device)
        passenger.cache = None
        self.joinable = _can_be_joined(cache) and not getattr(network, "virtual_tokens", 0)  # padding would come between these and the row
        self._aboard.append(passenger)
        if self._cache is None:
            self._cache, self._mask, self._next, self._places = cache, mask, following, place
            return
        width = max(length, self._mask.shape[1])
        here, there = width - self._mask.shape[1], width - length
        for mine, new in zip(self._cache.layers, cache.layers, strict=True):
            mine.keys = torch.cat([pad(mine.keys, (0, 0, here, 0)), pad(new.keys, (0, 0, there, 0))])
            mine.values = torch.cat([pad(mine.values, (0, 0, here, 0)), pad(new.values, (0, 0, there, 0))])
        self._mask = torch.cat([pad(self._mask, (here, 0)), pad(mask, (there, 0))])
        self._next, self._places = torch.cat([self._next, following]), torch.cat([self._places, place])

    def _trim(self) -> None:
        """Cuts off the padding that the longest row has left behind."""
        empty = int(self._mask.any(0).int().argmax())
        if empty < _TRIM or not self.joinable:
            return
        self._mask = self._mask[:, empty:]
        for layer in self._cache.layers:
            layer.keys, layer.values = layer.keys[:, :, empty:], layer.values[:, :, empty:]


def _read_on(network: Any, passenger: Passenger) -> Any:
    """Puts the next piece of the prompt through the network. Logits (1, vocabulary) behind its last token; None while there is more."""
    from transformers import DynamicCache

    if passenger.cache is None:
        passenger.cache = DynamicCache(config=network.config)
    whole = not _can_be_joined(passenger.cache)
    stop = len(passenger.prompt) if whole else min(passenger.read + _PIECE_TOKENS, len(passenger.prompt))
    device = device_of(network)
    ids = torch.tensor([list(passenger.prompt[passenger.read : stop])], device=device)
    with torch.inference_mode():
        answer = network(
            input_ids=ids,
            attention_mask=torch.ones(1, stop, dtype=torch.long, device=device),
            position_ids=torch.arange(passenger.read, stop, device=device)[None],
            past_key_values=passenger.cache,
            use_cache=True,
            logits_to_keep=last_position(ids),
        )
    passenger.cache, passenger.read = answer.past_key_values, stop
    return answer.logits[:, -1].float() if stop == len(passenger.prompt) else None


def _can_be_joined(cache: Any) -> bool:
    """Whether each layer remembers every token, and nothing but the tokens."""
    from transformers.cache_utils import DynamicLayer

    return all(type(layer) is DynamicLayer for layer in cache.layers)


def _pick(logits: Any, rows: Sequence[Passenger]) -> list[int]:
    """logits: (rows, vocabulary) -> one token each: the likeliest at temperature 0, else one drawn from the row's own stream."""
    tokens = [int(token) for token in logits.argmax(-1).tolist()]
    warm = [spot for spot, row in enumerate(rows) if row.generation.temperature > 0]
    if warm:
        settings = [rows[spot].generation for spot in warm]
        drawn = draw(
            logits[warm],
            temperature=torch.tensor([[each.temperature] for each in settings], device=logits.device),
            top_p=torch.tensor([[each.top_p] for each in settings], device=logits.device),
            drawn=torch.stack([torch.rand(1, generator=rows[spot].stream) for spot in warm]),
        )
        for spot, token in zip(warm, drawn, strict=True):
            tokens[spot] = token
    return tokens
