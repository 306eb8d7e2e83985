"""Who is asked what in the comparison: the held-out rows, put to the old model, the new one, and the untuned base under a prompt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import TYPE_CHECKING

from tuneport.archive.bundle import read_manifest
from tuneport.evaluate import room_for
from tuneport.examples import ChatExample, canonical_bytes
from tuneport.exchange import question
from tuneport.parity.rows import ParityRow, Said, archived_rows, rows_of
from tuneport.porting.mapping import Mapped
from tuneport.porting.prompting import instruction, shots_from, under_prompt
from tuneport.provider import Generation
from tuneport.reference import reference

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.examples import Example
    from tuneport.porting.source import Source
    from tuneport.porting.work import Work

_FREE_TOKENS = 256
"""Room for an answer to rows of which one has no reference."""
_LOOKED_AT = 1_000
_SEED = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """`numbered` rows with their lines, `chosen` from the held-out ones (with `seed`, where not all are); `prompted` are the same rows
    after `shots` examples. `cautions` are what whoever believes the comparison has to know of the rows."""

    chosen: Dataset
    numbered: tuple[tuple[int, Example], ...]
    prompted: tuple[Example, ...]
    shots: int
    generation: Generation
    cautions: tuple[str, ...] = ()
    seed: int | None = None

    @property
    def mark(self) -> str:
        """Tells what is asked from what would be asked of other rows, or under another prompt."""
        digest = hashlib.sha256(f"{self.chosen.fingerprint}\n{len(self.rows)}\n{self.generation}\n".encode())
        for row in self.prompted:
            digest.update(canonical_bytes(row) + b"\n")
        return digest.hexdigest()

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
    are left out. So are rows that ask what another one asks: they would be answered alike, and count as if they told more. Both is said."""
    wishes = work.wishes
    if mapped.held_out is None or wishes.ask == 0:
        return None
    seed = None if mapped.held_out.count() <= wishes.ask else _SEED
    chosen = mapped.held_out if seed is None else mapped.held_out.sample(wishes.ask, seed=seed)
    every = tuple(chosen.numbered())
    in_text = [(line, row) for line, row in every if not _calls(row)]
    numbered = _once(in_text)
    calls, repeated = len(every) - len(in_text), len(in_text) - len(numbered)
    left_out = []
    if calls:
        left_out.append(f"{calls:,} of {len(every):,} rows are answered by calls of tools, which are not compared")
    if repeated:
        left_out.append(f"{repeated:,} of {len(every):,} rows ask what another one asks, which is asked once")
    if left_out:
        work.say("map", *left_out, facts={"calls_left_out": calls, "repeated_left_out": repeated})
    if not numbered:
        return None
    rows = [example for _, example in numbered]
    learned = list(islice(mapped.recipe.train, _LOOKED_AT))
    shots: Sequence[ChatExample] = shots_from(learned, count=wishes.shots)
    prompted = under_prompt(rows, shots=shots, system=instruction(learned)) if shots else []
    cautions = (*mapped.cautions, *(f"{sentence}." for sentence in left_out))
    return Comparison(chosen, numbered, tuple(prompted), len(shots), _generation(rows), cautions, seed)


def _once(rows: Sequence[tuple[int, Example]]) -> tuple[tuple[int, Example], ...]:
    """The first of those that ask the same."""
    firsts: dict[str, tuple[int, Example]] = {}
    for line, row in rows:
        firsts.setdefault(question(row), (line, row))
    return tuple(firsts.values())


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
    """All that the source's archive holds. Raises UsageError for a file of another kind, ConfigError for a damaged manifest."""
    found: dict[str, Said] = {}
    days: list[date] = []
    files = read_manifest(source.folder)["files"] if source.folder is not None else ()
    for entry in files:
        if source.folder is None or not str(entry["piece"]).startswith("answers "):
            continue
        lines = (source.folder / str(entry["name"])).read_bytes().splitlines()  # of bytes: in a text there are other ends of lines
        records = [json.loads(line) for line in lines]
        found |= {row.question: row.old for row in archived_rows(records) if row.old is not None and not row.old.failed}
        days += [datetime.fromisoformat(str(entry["at"])).date()] if "at" in entry else []
    return Archived(found, min(days, default=None))
