"""How a launch ended, left by the machine at the job's place under the launch's name. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from tuneport_local.engines.reports import Report
from tuneport_local.storage.place import Place

_FOLDER = "ended"


def leave(place: Place, report: Report, *, launch: str) -> None:
    """Once everything else is there: whoever follows takes no other look."""
    place.write(f"{_FOLDER}/{launch}.json", report.to_json())


def ended(place: Place, launches: Iterable[str]) -> Report | None:
    """What the first of them that has ended left, or None while all go on."""
    found = (Report.from_json(place.read(f"{_FOLDER}/{launch}.json")) for launch in launches)
    return next((report for report in found if report is not None), None)
