"""Rows to measure on: three messages of made-up words, no two alike, the same from the same seed on every machine."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

ROWS = 100_000
"""About 83 MB."""

SEED = 1
_WORDS = 3000
_BATCH = 1000


def lines(seed: int = SEED) -> Iterator[bytes]:
    """Rows of OpenAI's chat format without end: an instruction, a question, and an answer with a line break and quotation marks."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(string.ascii_lowercase, k=chance.randint(2, 9))) for _ in range(_WORDS)]

    def text(length: int) -> str:
        return " ".join(chance.choices(words, k=length))

    while True:
        said = (("system", text(20)), ("user", text(46) + "?"), ("assistant", text(43) + '.\n"ok"'))
        yield json.dumps({"messages": [{"role": role, "content": content} for role, content in said]}).encode() + b"\n"


def write_rows(path: Path, rows: int) -> Path:
    """A file of that many rows."""
    with path.open("wb") as file:
        file.writelines(islice(lines(), rows))
    return path


def write_megabytes(path: Path, megabytes: float) -> Path:
    """A file that is just that long, or a row longer."""
    wanted, made = int(megabytes * 1e6), lines()
    with path.open("wb") as file:
        while file.tell() < wanted:
            for line in islice(made, _BATCH):
                file.write(line)
                if file.tell() >= wanted:
                    break
    return path
