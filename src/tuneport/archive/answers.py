"""Sample answers of a tuned model for its archive: the same held-out rows at every asking, each asked and paid for once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuneport.archive.bundle import Bundle
from tuneport.archive.plain import lines
from tuneport.exchange import answer, question
from tuneport.provider import Generation

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.examples import Example
    from tuneport.model import Model, Prediction
    from tuneport.provider import Server


@dataclass(frozen=True, slots=True)
class Asking:
    """What a tuned model is asked: rows with their lines in the file called `name`, chosen from it as the dataset `chosen`."""

    name: str
    chosen: Dataset
    rows: tuple[tuple[int, Example], ...]

    @classmethod
    def of(cls, dataset: Dataset, count: int) -> Asking:
        """`count` rows spread over the dataset: the same ones each time. Raises DatasetError."""
        chosen = dataset.sample(count)
        return cls(dataset.name, chosen, tuple(chosen.numbered()))

    @property
    def mark(self) -> str:
        """Eight digits that tell these rows from others."""
        return self.chosen.fingerprint[:8]

    @property
    def piece(self) -> str:
        """Its name in a manifest: other rows are another piece."""
        return f"answers {self.mark}"

    def left(self, bundle: Bundle) -> int:
        """How many of the rows have not been answered yet."""
        return 0 if bundle.has(self.piece) else len(self.rows) - len(_answered(self, bundle))


def take_answers(asking: Asking, model: Model, *, server: Server, into: Bundle) -> None:
    """Asks for the answers that are not there yet. What was answered before a failure is kept, and not asked again."""
    records = _answered(asking, into)
    try:
        rows = asking.rows[len(records) :]
        for row, said in zip(rows, _asked(asking, model, rows, server), strict=True):
            records.append(_record(row, said))
    finally:
        if records:
            done = len(records) == len(asking.rows)
            note = f"{len(records)} of {len(asking.rows)} rows chosen from {asking.name}"
            into.put(asking.piece, _file(asking), lines(records), origin=f"asking {model.uri}", final=done, note=note)


def _asked(asking: Asking, model: Model, rows: Iterable[tuple[int, Example]], server: Server) -> Iterator[Prediction]:
    examples = [example for _, example in rows]
    return server.predict(model, examples, generation=Generation(), needs=frozenset({"text"}))


def _record(row: tuple[int, Example], said: Prediction) -> dict[str, Any]:
    line, example = row
    return {
        "line": line,
        "question": question(example),
        "reference": answer(example),
        "answer": said.text,
        "finish": said.finish,
        "prompt_tokens": said.tokens[0],
        "completion_tokens": said.tokens[1],
    }


def _answered(asking: Asking, bundle: Bundle) -> list[Mapping[str, Any]]:
    """The answers of an earlier time that was cut off."""
    entries = bundle.entries(asking.piece)
    if not entries or not bundle.sound(entries[0]):
        return []
    return [json.loads(line) for line in (bundle.folder / _file(asking)).read_bytes().splitlines()]  # text has line ends of its own inside


def _file(asking: Asking) -> str:
    return f"answers-{asking.mark}.jsonl"
