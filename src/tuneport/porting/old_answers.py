"""What the old model says to the held-out rows: from its archive, which costs nothing, else from itself, while it still answers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Literal

from tuneport.errors import ConfigError, CredentialsRefused, QuotaExceeded, TuneportError, Unreachable
from tuneport.parity.rows import Said
from tuneport.porting.asking import Questions, ask, kept
from tuneport.porting.comparison import Comparison, archived_answers
from tuneport.porting.deploying import reason, standing
from tuneport.porting.source import Source
from tuneport.porting.work import Work


@dataclass(frozen=True, slots=True)
class OldAnswers:
    """One a row, None where there is none; `problem` says why there are none, or not all. `source` is where they are from; `on` the day of
    those that were archived; `note` what else is to be known of them."""

    said: Sequence[Said | None]
    problem: str = ""
    source: Literal["model", "archive"] = "model"
    on: date | None = None
    note: str = ""


def ask_early(source: Source, compared: Comparison | None, *, work: Work) -> None:
    """Asks while the new model is trained: by the end of that the old one may be gone. What goes wrong is told when it is needed."""
    if compared is not None and source.model is not None and not work.journal.done("prove"):
        with suppress(TuneportError):
            _ask(source.model, compared, _left(archived_answers(source).of(compared.rows)), work)


def old_answers(source: Source, compared: Comparison, *, work: Work) -> OldAnswers:
    """All that can be had. Raises Unreachable where the old model may answer later, unless its archive is to stand alone."""
    archive = archived_answers(source)
    before = archive.of(compared.rows)
    if archive.said and not any(before):
        work.say("prove", f"the archive has {len(archive.said):,} answers to other rows than these; to compare with them: --test FILE")
    left = _left(before)
    from_archive = OldAnswers(before, source="archive", on=archive.on)
    if not left:
        return from_archive
    if source.model is None:
        return OldAnswers(before, "there is none that is known")
    try:
        asked = _ask(source.model, compared, left, work)
        return OldAnswers(_filled(before, left, asked), note=_mixed(len(before) - len(left), len(before), archive.on))
    except Unreachable as error:
        if not (source.stands_alone or any(before)):
            again = f"{error.remedy} Or compare nothing: --ask 0".strip()
            raise Unreachable(f"{source.model} gave no answer: {error.message}", remedy=again) from None
        problem = f"{source.model} gave no answer: {reason(error)}"
    except TuneportError as error:
        remedy = f" ({error.remedy.rstrip('.')})" if error.remedy else ""
        here = isinstance(error, CredentialsRefused | QuotaExceeded | ConfigError)
        problem = f"{source.model} {'gives no answer here' if here else 'does not answer any more'}: {reason(error)}{remedy}"
    some = _filled(before, left, kept(_questions(source.model, compared, left), work.folder / "answers"))
    known = f"; {sum(said is not None for said in some):,} of {len(some):,} answers are there" if any(some) else ""
    return OldAnswers(some, problem + known, "archive" if any(before) else "model", archive.on if any(before) else None)


def _mixed(archived: int, rows: int, on: date | None) -> str:
    return f"{archived:,} of {rows:,} answers of the old model are from its archive, of {on}." if archived else ""


def _left(before: Sequence[Said | None]) -> list[int]:
    return [number for number, said in enumerate(before) if said is None]


def _filled(before: Sequence[Said | None], left: Sequence[int], said: Sequence[Said]) -> list[Said | None]:
    """The answers with those that were asked for in their places; the last ones may be missing."""
    more = dict(zip(left, said, strict=False))
    return [more.get(number, known) for number, known in enumerate(before)]


def _questions(uri: str, compared: Comparison, left: Sequence[int]) -> Questions:
    rows = compared.rows
    return Questions("old", uri, [rows[number] for number in left], compared.generation)


def _ask(uri: str, compared: Comparison, left: Sequence[int], work: Work) -> list[Said]:
    target = partial(standing, uri, client=work.client)
    return ask(_questions(uri, compared, left), work.asker("the old model", target))
