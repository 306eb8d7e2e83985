"""Answers as tokens, many prompts at once: what a model that is being trained tries out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tuneport.provider import Generation
from tuneport_local.bases.decoding import Pick, decode, shared_beginning

_ROWS = 64
_TOKENS = 24_576
"""Rows, and tokens with room for their answers, that are answered together."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """`ends` are the tokens after which an answer is over; `look` is called before every token and may raise."""

    generation: Generation
    ends: frozenset[int]
    look: Callable[[], None]


def sample(model: Any, prompts: Sequence[Sequence[int]], *, seeds: Sequence[int], sampling: Sampling, times: int = 1) -> list[list[int]]:
    """`times` answers to each prompt, beside each other, in order, each with a seed. The end token is included; without one it was cut
    at the generation's `max_tokens`."""
    written: list[list[int]] = [[] for _ in range(len(prompts) * times)]
    for places in _parts(prompts, sampling.generation.max_tokens, times=times):
        asked, rows = [prompts[place] for place in places], [place * times + each for place in places for each in range(times)]
        steps = decode(
            model,
            asked,
            shared=shared_beginning(model, asked),
            generation=sampling.generation,
            seeds=[seeds[row] for row in rows],
            ends=sampling.ends,
            times=times,
            pick=_drawing(sampling.generation.temperature, [seeds[row] for row in rows]),
        )
        sampling.look()
        for step in steps:
            for row, token in step:
                written[rows[row]].append(token)
            sampling.look()
    return written


def seeds_for(number: int, *, seed: int, step: int) -> list[int]:
    """One stream of chance for each answer of a step: the same after a break, however much memory there is."""
    drawn = (hashlib.sha256(f"{seed}|{step}|{place}".encode()).digest() for place in range(number))
    return [int.from_bytes(each[:8], "big") >> 1 for each in drawn]


def _drawing(temperature: float, seeds: Sequence[int]) -> Pick | None:
    """Draws from all of the vocabulary, which need not be sorted for that: a tenth of the time. None for greedy answers."""
    if temperature <= 0:
        return None
    streams = [torch.Generator().manual_seed(seed) for seed in seeds]

    def pick(logits: Any, rows: Sequence[int]) -> list[int]:
        chances = (logits / temperature).softmax(-1).cumsum(-1)
        drawn = torch.stack([torch.rand(1, generator=streams[row]) for row in rows]).to(chances.device)
        places = torch.searchsorted(chances, drawn * chances[:, -1:], right=True).clamp(max=chances.shape[-1] - 1)
        return [int(token) for token in places.flatten().tolist()]

    return pick


def _parts(prompts: Sequence[Sequence[int]], most_new: int, *, times: int) -> list[list[int]]:
    """Places of prompts that are answered together, those of like length beside each other."""
    parts: list[list[int]] = []
    for place in sorted(range(len(prompts)), key=lambda place: (len(prompts[place]), place)):
        room = (len(prompts[place]) + most_new) * times
        if not parts or (len(parts[-1]) + 1) * times > _ROWS or (len(parts[-1]) + 1) * room > _TOKENS:
            parts.append([])
        parts[-1].append(place)
    return parts
