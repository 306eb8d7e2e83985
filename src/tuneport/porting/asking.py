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

from tuneport.errors import ConfigError, Refused, Unreachable
from tuneport.examples import LabelledExample, canonical_bytes
from tuneport.files import write_bytes
from tuneport.model import Deployment, Model, Prediction
from tuneport.parity.rows import Said
from tuneport.provider import Generation, Need, Server, given_by
from tuneport.reference import as_chat

if TYPE_CHECKING:
    from tuneport.clock import Clock
    from tuneport.examples import Example

TIMED = 20
"""So many answers are asked for one after the other and timed; the others several at once, which tells no single one's time. The first
one is not timed: a model may have to be loaded for it."""

MOST_REFUSED = 10
"""So many rows that are refused one after the other are no matter of the rows any more."""


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
    """A row that is refused by itself, as a content filter does, has failed, and the others go on. Raises Refused where that is the fault
    of no row: where too many are refused in a row, or all that there are."""
    questioner = _Questioner(questions, target, server, clock)
    place, refused, heard = start, list[Said](), start > 0
    while place < len(questions.rows):
        try:
            for said in questioner.answers(place, timed=place > start):
                yield from refused
                refused.clear()
                yield said
                place, heard = place + 1, True
        except Refused as error:
            refused.append(Said(Prediction("", finish="error")))
            place += 1
            if type(error) is not Refused or len(refused) == MOST_REFUSED or (place == len(questions.rows) and not heard):
                raise
    yield from refused


@dataclass(frozen=True, slots=True)
class _Questioner:
    """Puts questions to one model."""

    questions: Questions
    target: Model | Deployment
    server: Server
    clock: Clock

    def answers(self, place: int, *, timed: bool) -> Iterator[Said]:
        """To the row at `place`, and further on to all after it."""
        rows = self.questions.rows
        asked = rows[place : place + 1] if place < TIMED else rows[place:]
        labels = "labels" in given_by(self.server, self.target) and all(isinstance(row, LabelledExample) for row in rows)
        needs: frozenset[Need] = frozenset({"labels"} if labels else {"text"})
        put = [row if labels else as_chat(row) for row in asked]
        began = self.clock.monotonic()
        given = self.server.predict(self.target, put, generation=self.questions.generation, needs=needs)
        for prediction in _answers(given, len(put), self.target):
            yield Said(prediction, latency_s=self.clock.monotonic() - began if timed and place < TIMED else None)


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
    """The answers that are there, to the first of the rows. Last lines that were cut off, or that a power cut has spoiled, are taken away.

    Raises ConfigError where answers stand behind one that cannot be read: they were paid for, and belong to rows that nobody can tell.
    """
    path = folder / questions.file
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    read = [_said(line) for line in lines]
    sound = next((place for place, said in enumerate(read) if said is None), len(read))
    if any(read[sound:]):
        raise ConfigError(f"{path}:{sound + 1} cannot be read.", remedy="Restore the file, or remove it to ask for its answers anew.")
    if sound < len(read):
        write_bytes(path, b"".join(lines[:sound]))
    return [said for said in read[:sound] if said is not None][: len(questions.rows)]


def _said(line: bytes) -> Said | None:
    """None for a line that is not whole."""
    try:
        record = json.loads(line) if line.endswith(b"\n") else {}
        latency_s = record.pop("latency_s")
        return Said(Prediction(**{**record, "tokens": tuple(record["tokens"])}), latency_s)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
