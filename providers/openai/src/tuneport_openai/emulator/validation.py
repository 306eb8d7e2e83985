"""Reading a training file as the vendor does before it trains: line by line, to the first thing that is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tuneport.testing.emulator import Blob
from tuneport_openai.emulator.bases import DPO, REINFORCEMENT, SUPERVISED, Base
from tuneport_openai.emulator.graders import Grader
from tuneport_openai.emulator.rows import BadRow, check_row, shape_of
from tuneport_openai.emulator.tokens import row_tokens, tokens_of

LEAST_ROWS = 10
MOST_PROMPTS, MOST_VALIDATION_PROMPTS = 50_000, 1_000
UNSAFE = "EMULATOR-UNSAFE"
"""A row that holds this text is one that the vendor's moderation would flag."""
SHAPE_FOR = {SUPERVISED: "fine-tune-chat", REINFORCEMENT: "fine-tune-chat", DPO: "fine-tune-preference"}
KIND_FOR = {"fine-tune-chat": SUPERVISED, "fine-tune-preference": DPO, "fine-tune-completion": SUPERVISED}


class InvalidFile(Exception):
    """Why a job fails while its files are validated: an error's `code` and `message`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds. `tokens`: all that are trained on in one epoch, None where nothing counts them; `cut`: rows that were too long."""

    rows: int
    tokens: int | None
    cut: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read. `which` is `training` or `validation`, `file_id` how the vendor names it."""

    which: str
    file_id: str
    method: str
    base: Base
    grader: Grader | None = None


def read_file(blob: Blob, reading: Reading) -> Contents:
    """Raises InvalidFile. Memory holds one line."""
    tokens = tokens_of(reading.base.encoding)
    rows = total = cut = unsafe = 0
    for row in _rows(blob, reading):
        rows += 1
        if rows == 1:
            _check_shape(row, reading)
        _check(row, rows, reading)
        unsafe += UNSAFE in json.dumps(row)
        if tokens is not None:
            size = row_tokens(row, tokens)
            cut += size > reading.base.example_tokens
            total += min(size, reading.base.example_tokens)
    _check_number(rows, reading)
    if unsafe:
        raise _unsafe(unsafe, reading)
    return Contents(rows, None if tokens is None else total, cut)


def _rows(blob: Blob, reading: Reading) -> Iterator[Any]:
    with blob.open() as file:
        number = 0
        for line in file:
            if not line.strip():
                continue
            number += 1
            try:
                yield json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
                why = f"Example {number} cannot be parsed. Error: line contains invalid json: {error} (line {number})"
                raise _bad_format(why, reading) from None


def _check_shape(row: Any, reading: Reading) -> None:
    """A file made for another method is told from one that is merely wrong."""
    shape = shape_of(row)
    if shape is None and isinstance(row, dict):
        raise _invalid("Unexpected file format, expected either prompt/completion pairs or chat messages.", reading)
    if shape is None or shape == SHAPE_FOR[reading.method]:
        return
    raise _invalid(
        f"Invalid file format. Input file {reading.file_id} is in the {shape} format, but the specified fine-tuning job is not using "
        f"'{KIND_FOR[shape]}' as the training method (provided method={reading.method}).",
        reading,
    )


def _check(row: Any, number: int, reading: Reading) -> None:
    try:
        check_row(row, reading.method, sees_images=reading.base.sees_images)
    except BadRow as error:
        comma = "," if str(error).startswith(("message ", "the last")) else ""
        raise _bad_format(f"Example {number}{comma} {error}", reading) from None
    missing = sorted(reading.grader.item_keys - row.keys()) if reading.grader else []
    if missing:
        message = f"The job failed due to an invalid grader: it refers to item.{missing[0]}, which example {number} does not have."
        raise InvalidFile("invalid_grader", message)


def _check_number(rows: int, reading: Reading) -> None:
    name = f"{reading.which.capitalize()} file"
    if reading.which == "training" and rows < LEAST_ROWS:
        raise InvalidFile("invalid_n_examples", f"{name} has {rows} example(s), but must have at least {LEAST_ROWS} examples")
    most = MOST_PROMPTS if reading.which == "training" else MOST_VALIDATION_PROMPTS
    if reading.method == REINFORCEMENT and rows > most:
        raise InvalidFile("invalid_n_examples", f"{name} has {rows} example(s), but must have at most {most} examples")


def _bad_format(why: str, reading: Reading) -> InvalidFile:
    message = f"The job failed due to a file format error in the {reading.which} file. Invalid file format. {why}"
    return InvalidFile("invalid_file_format", message)


def _invalid(why: str, reading: Reading) -> InvalidFile:
    return InvalidFile(f"invalid_{reading.which}_file", f"The job failed due to an invalid {reading.which} file. {why}")


def _unsafe(rows: int, reading: Reading) -> InvalidFile:
    message = (
        f"The job failed due to an unsafe {reading.which} file. This {reading.which} file was blocked because too many examples were "
        f"flagged by our moderation API for containing content that violates OpenAI's usage policies ({rows} of them)."
    )
    return InvalidFile("unsafe_file", message)
