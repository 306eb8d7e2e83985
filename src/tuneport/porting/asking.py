"""Asking a model rows once: every answer is on disk before the next one is waited for, and is never asked for again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.errors import Unreachable
from tuneport.examples import LabelledExample, canonical_bytes
from tuneport.files import write_bytes
from tuneport.model import Deployment, Model, Prediction
from tuneport.parity.rows import Said
from tuneport.provider import Generation, Need, Server
from tuneport.reference import as_chat

if TYPE_CHECKING:
    from tuneport.clock import Clock
    from tuneport.examples import Example

TIMED = 20
"""So many answers are asked for one after the other and timed; the others several at once, which tells no single one's time."""


@dataclass(frozen=True, slots=True)
class Questions:
    """`rows` to ask the model of that URI, in a fixed order, and how. `who` names the file of the answers."""

    who: str
    model_uri: str
    rows: Sequence[Example]
    generation: Generation

    @property
    def file(self) -> str:
        """Its eight digits tell these rows to this model from any others."""
        digest = hashlib.sha256(f"{self.model_uri}\n{self.generation}\n".encode())
        for row in self.rows:
            digest.update(canonical_bytes(row) + b"\n")
        return f"{self.who}-{digest.hexdigest()[:8]}.jsonl"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who is asked, opened when there is something to ask. `folder` keeps the answers; `tell` hears how many there are, of how many."""

    target: Callable[[], Model | Deployment]
    server: Callable[[str], Server]
    folder: Path
    clock: Clock
    tell: Callable[[int, int], object] = lambda done, rows: None


def ask(questions: Questions, asker: Asker) -> list[Said]:
    """One answer a row, in order; those of an earlier time are read from the folder, and nobody is asked where none are left.

    Raises what the server raises; what came is kept.
    """
    path = asker.folder / questions.file
    found = kept(questions, asker.folder)
    if len(found) < len(questions.rows):
        target = asker.target()
        server = asker.server(target.provider)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            try:
                for said in _asked(questions, len(found), target, server=server, clock=asker.clock):
                    file.write(_line(said))
                    file.flush()  # from here on it outlives this process; a power cut may take the last ones
                    found.append(said)
                    asker.tell(len(found), len(questions.rows))
            finally:
                os.fsync(file.fileno())
    return found


def _asked(questions: Questions, start: int, target: Model | Deployment, *, server: Server, clock: Clock) -> Iterator[Said]:
    labels = "labels" in server.gives and all(isinstance(row, LabelledExample) for row in questions.rows)
    rows: list[Example] = [row if labels else as_chat(row) for row in questions.rows]
    needs: frozenset[Need] = frozenset({"labels"} if labels else {"text"})
    timed = max(start, min(TIMED, len(rows)))
    for row in rows[start:timed]:
        began = clock.monotonic()
        (prediction,) = _answers(server.predict(target, [row], generation=questions.generation, needs=needs), 1, target)
        yield Said(prediction, latency_s=clock.monotonic() - began)
    rest = rows[timed:]
    if rest:
        yield from map(Said, _answers(server.predict(target, rest, generation=questions.generation, needs=needs), len(rest), target))


def _answers(given: Iterator[Prediction], rows: int, target: Model | Deployment) -> Iterator[Prediction]:
    """As many as there are rows. Raises Unreachable for fewer, since none can be matched to its row then."""
    answered = 0
    for prediction in islice(given, rows):
        answered += 1
        yield prediction
    if answered < rows:
        raise Unreachable(f"{target.uri} gave {answered} answers to {rows} rows.", remedy="Give the command again.")


def _line(said: Said) -> bytes:
    return json.dumps({**asdict(said.prediction), "latency_s": said.latency_s}, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def kept(questions: Questions, folder: Path) -> list[Said]:
    """The answers that are there, to the first of the rows. A last line that was cut off is taken away."""
    path = folder / questions.file
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        write_bytes(path, whole)
    return [_said(line) for line in whole.splitlines()][: len(questions.rows)]


def _said(line: bytes) -> Said:
    record = json.loads(line)
    latency_s = record.pop("latency_s")
    return Said(Prediction(**{**record, "tokens": tuple(record["tokens"])}), latency_s)
