"""The rows as the destination takes them: what it cannot carry, what it finds wrong, and the exact plan."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tuneport.errors import CheckFailed, DatasetError, UnknownModel, Unreachable
from tuneport.plurals import counted
from tuneport.porting.mapping import OF_VALIDATION, Mapped
from tuneport.porting.work import Work

if TYPE_CHECKING:
    from tuneport.plan import Plan


def converted(mapped: Mapped, *, work: Work) -> Plan:
    """The plan of the job, with everything said that gets lost on the way.

    Raises CheckFailed for rows that the destination would refuse, and what its plug-in raises for the rest.
    """
    to = work.wishes.to
    losses = _losses(mapped, work)
    try:
        plan = work.client.plan(mapped.recipe, provider=to)
    except (UnknownModel, Unreachable) as error:
        others = f" ({', '.join(mapped.others)} would do)" if mapped.others else ""
        raise error.__class__(error.message, remedy=f"{error.remedy} Or name another base: --base MODEL{others}".strip()) from None
    except CheckFailed as error:
        left = mapped.recipe.train.left_out
        if not left:
            raise
        more = f"{counted(left, 'row')} to compare on are left out of the training; to train on all: --test FILE, or --hold-out 0."
        raise CheckFailed(error.message, remedy=f"{error.remedy} {more}") from None
    before = work.journal.facts("map").get("read_losses", [])
    lost = [*((each["kind"], each["rows"]) for each in before), *(losses or ())]
    lines = [*(f"not carried: {kind} in {counted(rows, 'row')}" for kind, rows in lost), *plan.notes]
    lines += [f"{finding.severity}: {finding.message}" for finding in plan.findings]
    if losses is None:
        lines.insert(0, f"what the files of {to} can hold is not known here: look at the plan before you believe that all is carried")
    elif not lost:
        lines.insert(0, "everything in the rows is carried")
    facts = {
        "plan_fingerprint": plan.fingerprint,
        "scope": plan.scope,
        "lost": [{"kind": kind, "rows": rows} for kind, rows in lost],
        "files": [
            {"purpose": file.purpose, "rows": file.rows, "size_bytes": file.size_bytes, "sha256": file.sha256} for file in plan.files
        ],
        "notes": plan.notes,
    }
    work.journal.finish("convert", facts)
    work.say("convert", *lines, facts=facts)
    return plan


def _losses(mapped: Mapped, work: Work) -> list[tuple[str, int]] | None:
    """What the destination's format cannot hold, and in how many rows; None where that format is not known. Rows that it cannot hold at all
    are for the plan to refuse."""
    there = work.destination(work.wishes.to, mapped.recipe.base_for(work.wishes.to))
    format = there.formats.get(mapped.recipe.method.kind) if there else None
    if format is None:
        return None
    found: list[tuple[str, int]] = []
    for rows, which in ((mapped.recipe.train, ""), (mapped.recipe.validation, OF_VALIDATION)):
        if rows is not None:
            with TemporaryDirectory(dir=work.folder) as folder, suppress(DatasetError):
                losses = rows.write(Path(folder) / "rows.jsonl", format=format).losses
                found += [(f"{loss.kind}{which}", loss.rows) for loss in losses]
    return found
