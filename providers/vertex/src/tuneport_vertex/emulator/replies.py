"""What a model says: a base repeats the question, a tuned one answers as the row that is most like it."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneport_vertex.emulator.memory import Memory, Part, text_of

PIECES = re.compile(r"\s*\S+|\s+")
OTHERS = ("the", " a", "I", "?", " not", "No", " of", "\n", "Yes", " it", " in", ",", ".", " to", " and", " is", ":", "-", " or", "!")


@dataclass(frozen=True, slots=True)
class Reply:
    """Text in pieces, and the parts that are no text, such as calls of functions. `cut`: there was more."""

    pieces: tuple[str, ...]
    others: tuple[Part, ...]
    cut: bool

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def reply_to(question: str, memory: Memory | None, *, stops: Sequence[str], most: int | None) -> Reply:
    parts = memory.reply(question) if memory is not None else None
    if parts is None:
        parts = ({"text": f"As a general model I can only repeat what I was asked: {question.strip()[-200:] or '(nothing)'}"},)
    text = text_of(parts)
    for stop in stops:
        text = text.partition(stop)[0] if stop else text
    pieces = tuple(PIECES.findall(text))
    cut = most is not None and len(pieces) > most
    return Reply(pieces[:most] if cut else pieces, tuple(part for part in parts if "text" not in part), cut)


def logprobs(pieces: Sequence[str], top: int) -> dict[str, Any]:
    """A LogprobsResult that follows from the tokens; the others each is compared with are less likely."""
    chosen = [_token(piece, _logprob(piece)) for piece in pieces]
    result: dict[str, Any] = {"chosenCandidates": chosen}
    if top:
        result["topCandidates"] = [{"candidates": _alternatives(one, top)} for one in chosen]
    return result


def average(pieces: Sequence[str]) -> float:
    return sum(_logprob(piece) for piece in pieces) / len(pieces) if pieces else 0.0


def _alternatives(one: Mapping[str, Any], top: int) -> list[Mapping[str, Any]]:
    others = [_token(token, round(one["logProbability"] - 1.5 - place, 6)) for place, token in enumerate(OTHERS) if token != one["token"]]
    return [one, *others][:top]


def _logprob(piece: str) -> float:
    return -round(random.Random(piece).uniform(0.001, 0.6), 6)


def _token(piece: str, logprob: float) -> dict[str, Any]:
    return {"token": piece, "tokenId": sum(piece.encode()) % 262_144, "logProbability": logprob}
