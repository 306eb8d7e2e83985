"""The rows that are trained on: real ones, spread evenly over their files, as conversations."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """One data set. `train` and `test` are its files; its pairs are what is asked and what is answered."""

    name: str
    train: str
    test: str
    asked: str
    answered: str

    def why_absent(self, folder: Path) -> str:
        """Why it cannot be read, or ''."""
        missing = [name for name in (self.train, self.test) if not (folder / self.name / name).is_file()]
        return f"there is no {folder / self.name / missing[0]}" if missing else ""

    def rows(self, folder: Path, *, count: int, file: str) -> list[Pair]:
        """So many of a file (`train` or `test`), every so manieth from the first on: labels lie in order in banking77."""
        found = list(self._pairs(folder / self.name / (self.train if file == "train" else self.test)))
        step = max(1, len(found) // count)
        return found[: step * count : step]

    def _pairs(self, path: Path) -> Iterator[Pair]:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
            for row in rows:
                yield row[self.asked], row[self.answered]


SOURCES = {
    "banking77": Source("banking77", "train.csv", "test.csv", "text", "category"),
    "gsm8k": Source("gsm8k", "train.jsonl", "test.jsonl", "question", "answer"),
}


def write(pairs: list[Pair], path: Path) -> Path:
    """As a file of conversations."""
    rows = ({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]} for asked, answered in pairs)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
