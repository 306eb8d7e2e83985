"""Answers as tokens, many prompts at once: what a model that is being trained tries out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tuneport.provider import Generation
from tuneport_local.decoding import decode, shared_beginning

_ROWS = 64
_TOKENS = 24_576
"""Rows, and tokens with room for their answers, that are answered together."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """`ends` are the tokens after which an answer is over; `look` is called before every token and may raise."""

    generation: Generation
    ends: frozenset[int]
    look: Callable[[], None]


def sample(model: Any, prompts: Sequence[Sequence[int]], *, seeds: Sequence[int], sampling: Sampling) -> list[list[int]]:
    """One answer per prompt, in order, its end token included; without one it was cut at the generation's `max_tokens`."""
    written: list[list[int]] = [[] for _ in prompts]
    for places in _parts(prompts, sampling.generation.max_tokens):
        asked = [prompts[place] for place in places]
        shared = shared_beginning(model, asked)
        steps = decode(
            model, asked, shared=shared, generation=sampling.generation, seeds=[seeds[place] for place in places], ends=sampling.ends
        )
        sampling.look()
        for step in steps:
            for row, token in step:
                written[places[row]].append(token)
            sampling.look()
    return written


def seeds_for(number: int, *, seed: int, step: int) -> list[int]:
    """One stream of chance for each answer of a step: the same after a break, however much memory there is."""
    drawn = (hashlib.sha256(f"{seed}|{step}|{place}".encode()).digest() for place in range(number))
    return [int.from_bytes(each[:8], "big") >> 1 for each in drawn]


def _parts(prompts: Sequence[Sequence[int]], most_new: int) -> list[list[int]]:
    """Places of prompts that are answered together, those of like length beside each other."""
    parts: list[list[int]] = []
    for place in sorted(range(len(prompts)), key=lambda place: (len(prompts[place]), place)):
        room = len(prompts[place]) + most_new
        if not parts or len(parts[-1]) == _ROWS or (len(parts[-1]) + 1) * room > _TOKENS:
            parts.append([])
        parts[-1].append(place)
    return parts
