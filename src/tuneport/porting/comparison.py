"""Who is asked what in the comparison: the held-out rows, put to the old model, the new one, and the untuned base under a prompt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING

from tuneport.evaluate import room_for
from tuneport.examples import ChatExample
from tuneport.exchange import question
from tuneport.parity.rows import ParityRow, Said, archived_rows, rows_of
from tuneport.porting.mapping import Mapped
from tuneport.porting.prompting import instruction, shots_from, under_prompt
from tuneport.provider import Generation
from tuneport.reference import reference

if TYPE_CHECKING:
    from pathlib import Path

    from tuneport.dataset import Dataset
    from tuneport.examples import Example
    from tuneport.porting.source import Source
    from tuneport.porting.work import Work

_FREE_TOKENS = 256
"""Room for an answer to rows of which one has no reference."""
_LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """`numbered` rows with their lines, `chosen` from the held-out ones; `prompted` are the same rows after `shots` examples."""

    chosen: Dataset
    numbered: tuple[tuple[int, Example], ...]
    prompted: tuple[Example, ...]
    shots: int
    generation: Generation

    @property
    def rows(self) -> tuple[Example, ...]:
        """Without their lines."""
        return tuple(example for _, example in self.numbered)

    def prompted_rows(self) -> Dataset:
        """The rows under the prompt, to be counted."""
        from tuneport.dataset import Dataset

        return Dataset.from_examples(self.prompted, name="rows under a prompt")

    def blank(self) -> tuple[ParityRow, ...]:
        """The rows before anybody has answered."""
        return rows_of(self.numbered)


def comparison(mapped: Mapped, *, work: Work) -> Comparison | None:
    """The same rows at every run; None where nothing is to be compared. Answers are compared as text: rows whose answer is a call of a tool
    are left out, and that is said."""
    wishes = work.wishes
    if mapped.held_out is None or wishes.ask == 0:
        return None
    chosen = mapped.held_out if mapped.held_out.count() <= wishes.ask else mapped.held_out.sample(wishes.ask)
    every = tuple(chosen.numbered())
    numbered = tuple((line, row) for line, row in every if not _calls(row))
    if len(numbered) < len(every):
        left_out = f"{len(every) - len(numbered):,} of {len(every):,} rows are answered by calls of tools, which are not compared"
        work.say("map", left_out, facts={"calls_left_out": len(every) - len(numbered)})
    if not numbered:
        return None
    rows = [example for _, example in numbered]
    learned = list(islice(mapped.recipe.train, _LOOKED_AT))
    shots: Sequence[ChatExample] = shots_from(learned, count=wishes.shots)
    prompted = under_prompt(rows, shots=shots, system=instruction(learned)) if shots else []
    return Comparison(chosen, numbered, tuple(prompted), len(shots), _generation(rows))


def _calls(row: Example) -> bool:
    last = row.messages[-1:] if isinstance(row, ChatExample) else ()
    return any(message.role == "assistant" and message.tool_calls for message in last)


def _generation(rows: Sequence[Example]) -> Generation:
    right = [reference(row) for row in rows]
    known = room_for([answer for answer in right if answer])
    return known if all(right) else Generation(max_tokens=max(known.max_tokens, _FREE_TOKENS))


def bases_to_prompt(source: Source, mapped: Mapped, *, work: Work) -> tuple[tuple[str, str], ...]:
    """Provider and name of the untuned bases that may be asked, the first that answers being enough: the destination's, and where that has
    the weights of the old one, the old provider's."""
    there = (work.wishes.to, mapped.recipe.base_for(work.wishes.to))
    if source.base is None or not work.journal.facts("map").get("same_weights") or source.provider == work.wishes.to:
        return (there,)
    return there, (source.provider, source.base)


@dataclass(frozen=True, slots=True)
class Archived:
    """Answers of the old model that an archive holds, by what was asked, and the day they were taken."""

    said: dict[str, Said]
    on: date | None

    def of(self, rows: Sequence[Example]) -> list[Said | None]:
        """One a row; None where it was not asked then."""
        return [self.said.get(question(row)) for row in rows]


def archived_answers(source: Source) -> Archived:
    """All that the source's archive holds. Raises UsageError for a file of another kind."""
    found: dict[str, Said] = {}
    days: list[date] = []
    for path in sorted(source.folder.glob("answers-*.jsonl")) if source.folder is not None else ():
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found |= {row.question: row.old for row in archived_rows(records) if row.old is not None and not row.old.failed}
        days.append(_day(path))
    return Archived(found, min(days, default=None))


def _day(path: Path) -> date:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
