"""The rows as the destination takes them: what it cannot carry, what it finds wrong, and the exact plan."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tuneport.errors import DatasetError, UnknownModel, Unreachable
from tuneport.porting.destinations import destinations
from tuneport.porting.mapping import Mapped
from tuneport.porting.work import Work

if TYPE_CHECKING:
    from tuneport.losses import Loss
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
    before = work.journal.facts("map").get("read_losses", [])
    lost = [*((each["kind"], each["rows"]) for each in before), *((loss.kind, loss.rows) for loss in losses)]
    lines = [*(f"not carried: {kind} in {rows:,} {'row' if rows == 1 else 'rows'}" for kind, rows in lost), *plan.notes]
    lines += [f"{finding.severity}: {finding.message}" for finding in plan.findings]
    if not lost:
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


def _losses(mapped: Mapped, work: Work) -> tuple[Loss, ...]:
    """What the destination's format cannot hold. Rows that it cannot hold at all are for the plan to refuse."""
    there = destinations().get(work.vendor(work.wishes.to, destinations()) or "")
    format = there.formats.get(mapped.recipe.method.kind) if there else None
    if format is None:
        return ()
    with TemporaryDirectory(dir=work.folder) as folder, suppress(DatasetError):
        return mapped.recipe.train.write(Path(folder) / "train.jsonl", format=format).losses
    return ()
