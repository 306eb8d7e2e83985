"""How alike two models answer: what the one says on some prompts, what the other makes of the same words, and what is still the same.

The answers of the original are greedy. At each of their places its 64 likeliest tokens and all others as one are compared with what the
export gives them, as the Kullback-Leibler divergence in nats (0: the same). That is sound where two tokens are nearly equally likely, and
rounding decides which one is said; how many answers are word for word the same is told beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TOP = 64
_LEAST = 1e-12
_TUNED_AT_ALL = 1e-5
"""Below this a base and its tune differ by no more than the order in which numbers are added up."""

LIMITS: Mapping[str, float] = {
    "adapter": 1e-5,
    "fp32": 1e-4,
    "bf16": 0.02,
    "fp16": 0.02,
    "f32": 0.02,
    "f16": 0.02,
    "q8_0": 0.05,
    "q6_k": 0.15,
    "q5_k_m": 0.3,
    "q5_k_s": 0.3,
    "q5_1": 0.3,
    "q5_0": 0.3,
    "q4_k_m": 0.6,
    "q4_k_s": 0.6,
    "q4_1": 0.6,
    "q4_0": 0.6,
}
"""The most by which an export of each kind may differ, in nats a token. Coarse: above it something is wrong, not merely rounded."""
_COARSEST = 1.5
EXACT = frozenset({"adapter", "fp32", "bf16", "fp16", "f32", "f16"})
"""Kinds that must keep what the tuning changed. Coarser ones may round it away: that is told, and the user's to judge."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place of an answer: the likeliest tokens there, and their log-probabilities."""

    tokens: tuple[int, ...]
    logs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What the original says to one prompt: the tokens of both, the end token included, and what it makes of every place of the answer.

    `ended` is False for an answer that was cut.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    places: tuple[Place, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """What another model makes of the same: the log-probabilities of each place's tokens, the token that it would say there, and its own
    greedy answer, cut where the original's may be cut."""

    logs: tuple[tuple[float, ...], ...]
    choices: tuple[int, ...]
    answer: tuple[int, ...]
    ended: bool


def mean_kl(said: Sequence[Said], heard: Sequence[Heard]) -> float:
    """The mean over all places of the divergence of what was heard from what was said."""
    found = [
        _kl(place.logs, logs) for one, other in zip(said, heard, strict=True) for place, logs in zip(one.places, other.logs, strict=True)
    ]
    return math.fsum(found) / max(len(found), 1)


def _kl(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Of the likeliest tokens and the rest. Not a number where a model gave none."""
    p, q = _with_rest(ours), _with_rest(theirs)
    return math.fsum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True) if a > _LEAST)


def _with_rest(logs: Sequence[float]) -> list[float]:
    chances = [math.exp(each) for each in logs]
    return [max(each, _LEAST) if not math.isnan(each) else math.nan for each in (*chances, 1.0 - math.fsum(chances))]


def same_tokens(said: Sequence[Said], heard: Sequence[Heard]) -> float:
    """The share of places where the export would say what the original says."""
    pairs = [
        token == choice for one, other in zip(said, heard, strict=True) for token, choice in zip(one.answer, other.choices, strict=True)
    ]
    return sum(pairs) / max(len(pairs), 1)


def figures(said: Sequence[Said], heard: Sequence[Heard], base: Sequence[Heard] | None) -> dict[str, float | int | str | None]:
    """What is told of a check. `base` is what the model without its tuning makes of the same answers, where that was asked."""
    return {
        "answers": len(said),
        "equal_answers": sum(one.answer == other.answer for one, other in zip(said, heard, strict=True)),
        "answer_tokens": sum(len(one.answer) for one in said),
        "equal_tokens_share": round(same_tokens(said, heard), 4),
        "mean_kl_nats": mean_kl(said, heard),
        "mean_kl_of_base_nats": None if base is None else mean_kl(said, base),
    }


def faults(kind: str, said: Sequence[Said], heard: Sequence[Heard], found: Mapping[str, float | int | str | None]) -> tuple[str, ...]:
    """A sentence for everything in which the export does not answer like the original."""
    kl, base, limit = float(found["mean_kl_nats"] or 0.0), found["mean_kl_of_base_nats"], limit_of(kind)
    endless = sum(_runs_on(one, other) for one, other in zip(said, heard, strict=True))
    sentences = []
    if not kl <= limit:  # also where it is not a number
        sentences.append(f"Its answers differ from the model's by {kl:.3g} nats a token; at most {limit:g} is what {kind} may cost.")
    elif kind in EXACT and isinstance(base, float) and base > _TUNED_AT_ALL and kl > base / 2:
        sentences.append(
            f"It is nearer to the base than to the tune: the tuning changed the answers by {base:.3g} nats a token, and the export "
            f"differs from the tune by {kl:.3g}. A finer precision keeps more of it."
        )
    if endless:
        sentences.append(f"{endless} of {len(said)} answers go on where the model's own end: the export does not know that end token.")
    return tuple(sentences)


def remarks(kind: str, found: Mapping[str, float | int | str | None]) -> tuple[str, ...]:
    """What is no fault, and worth knowing."""
    kl, base = float(found["mean_kl_nats"] or 0.0), found["mean_kl_of_base_nats"]
    if not isinstance(base, float):
        return ()
    if base <= _TUNED_AT_ALL:
        return ("The tuning changed nothing in the answers to these prompts, so they cannot tell the tune from its base: see --prompts.",)
    if kind not in EXACT and kl > base / 2:
        return (f"Rounding to {kind} changes these answers by {kl:.3g} nats a token, the tuning itself by {base:.3g}.",)
    return ()


def limit_of(kind: str) -> float:
    """The bound on the divergence of an export of that kind."""
    return LIMITS.get(kind, _COARSEST)


def _runs_on(one: Said, other: Heard) -> bool:
    """Whether the export says what the original says and then more, where the original had ended."""
    words = one.answer[:-1]
    return one.ended and not other.ended and len(other.answer) > len(words) and other.answer[: len(words)] == words
