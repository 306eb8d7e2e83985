"""Reading the training data of a job out of its bucket: what makes the job fail, what is dropped, and what is counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tuneport.testing.emulator import Blob
from tuneport_vertex.emulator.bases import REINFORCEMENT, Base
from tuneport_vertex.emulator.memory import Learned, Memory
from tuneport_vertex.emulator.rows import BadRow, Row, UnfitRow, read_row
from tuneport_vertex.emulator.storage.buckets import Bucket
from tuneport_vertex.emulator.tuning_requests import TuningRequest
from tuneport_vertex.emulator.world import Place, World

LARGEST_BYTES = 1 << 30
MOST_VALIDATION_ROWS, VALIDATION_SHARE = 5000, 0.3
OPEN_VALIDATION_SHARE = 0.25
SAMPLED, REMEMBERED = 10, 20_000
UNSAFE = "EMULATOR-UNSAFE"
"""A row that holds this text is dropped, as one is that the service's filters reject."""


class InvalidData(Exception):
    """Why a job fails over its data: a code of google.rpc and a message."""

    def __init__(self, message: str, *, word: str = "INVALID_ARGUMENT") -> None:
        super().__init__(message)
        self.word = word


@dataclass(slots=True)
class Contents:
    """What the training file holds. Numbers of rows begin at 1; `dropped` are the number and the reason of each row left out."""

    rows: int = 0
    characters: int = 0
    input_tokens: list[int] = field(default_factory=list)
    output_tokens: list[int] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    dropped: list[tuple[int, str]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        return sum(self.input_tokens) + sum(self.output_tokens)

    def memory(self, share: float) -> Memory:
        return Memory(self.learned, share=share)

    def add(self, row: Row) -> None:
        self.rows += 1
        self.characters += row.characters
        self.input_tokens.append(row.input_tokens)
        self.output_tokens.append(row.output_tokens)
        self.turns.append(row.turns)
        self.scores += row.scores
        if len(self.samples) < SAMPLED and row.sample is not None:
            self.samples.append(row.sample)
        if len(self.learned) < REMEMBERED:
            self.learned.append(row.learned)


def read_dataset(request: TuningRequest, place: Place, world: World) -> Contents:
    """Raises InvalidData. The wordings are not published."""
    training = blob_at(request.training_uri, "training", place, world)
    contents = _contents(training, "training", request, world)
    if not contents.rows:
        raise InvalidData(_none_left(contents, request.training_uri))
    if contents.rows > request.base.most_rows:
        raise InvalidData(f"The training dataset has {contents.rows} examples, more than the {request.base.most_rows} that are allowed.")
    if request.validation_uri:
        _validate(blob_at(request.validation_uri, "validation", place, world), training, request, world, rows=contents.rows)
    return contents


def blob_at(uri: str, which: str, place: Place, world: World) -> Blob:
    """The bytes of a gs:// address, if the service can read them from there. Raises InvalidData."""
    bucket, name = bucket_of(uri, world)
    if bucket is None or name not in bucket.objects:
        raise InvalidData(f"The {which} dataset {uri} does not exist, or the service account cannot read it.", word="NOT_FOUND")
    if bucket.project is not place.project:
        raise InvalidData(f"The service account cannot read the {which} dataset {uri}.", word="PERMISSION_DENIED")
    if world.habits.bucket_must_match and not bucket.lies_in(place.location):
        message = f"The bucket of {uri} is in {bucket.location}, the tuning job in {place.location}. They must be in the same region."
        raise InvalidData(message, word="FAILED_PRECONDITION")
    blob = bucket.objects[name].blob
    if blob.size_bytes > LARGEST_BYTES:
        raise InvalidData(f"The {which} dataset {uri} is larger than 1 GB.")
    return blob


def bucket_of(uri: str, world: World) -> tuple[Bucket | None, str]:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return world.buckets.get(bucket), name


def _contents(blob: Blob, which: str, request: TuningRequest, world: World) -> Contents:
    contents = Contents()
    for number, value in _values(blob, which):
        try:
            row = read_row(value, request, world)
        except UnfitRow as problem:
            if world.habits.partial_rows == "fail":
                raise InvalidData(f"Example {number} of the {which} dataset cannot be used: {problem}") from None
            contents.dropped.append((number, str(problem)))
            continue
        except BadRow as problem:
            raise InvalidData(f"The {which} dataset is invalid. Line {number}: {problem}") from None
        if UNSAFE in json.dumps(value):
            contents.dropped.append((number, "The example was blocked by safety filters."))
            continue
        contents.add(row)
    return contents


def _values(blob: Blob, which: str) -> Iterator[tuple[int, Any]]:
    """Every line with its number, blank ones left out."""
    with blob.open() as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
                raise InvalidData(f"The {which} dataset is not valid JSONL. Line {number} cannot be parsed: {error}") from None


def _validate(blob: Blob, training: Blob, request: TuningRequest, world: World, *, rows: int) -> None:
    found = _contents(blob, "validation", request, world).rows
    base: Base = request.base
    if found == 0:
        raise InvalidData("The validation dataset has no examples that can be used.")
    if found > MOST_VALIDATION_ROWS:
        raise InvalidData(f"The validation dataset has {found} examples, more than the {MOST_VALIDATION_ROWS} that are allowed.")
    if base.is_open and blob.size_bytes > training.size_bytes * OPEN_VALIDATION_SHARE:
        raise InvalidData("The validation dataset is larger than 25 % of the training dataset.")
    if not base.is_open and request.method != REINFORCEMENT and found > max(256, rows * VALIDATION_SHARE):
        raise InvalidData(f"The validation dataset has {found} examples, more than 30 % of the training dataset's {rows}.")


def _none_left(contents: Contents, uri: str) -> str:
    if contents.dropped:
        return f"No example of {uri} can be used: all {len(contents.dropped)} were dropped. The first: {contents.dropped[0][1]}"
    return f"The training dataset {uri} is empty."
