"""Last days as an iCalendar file (RFC 5545): one all-day event each, with a reminder 30 and 7 days before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from tuneport.watching import Watched

PRODUCT = "-//Tuneport//tuneport watch//EN"
REMIND_DAYS_BEFORE = (30, 7)
_LINE_BYTES = 75


def calendar(watched: Iterable[Watched], *, at: datetime) -> bytes:
    """The file. What has no end is left out. An event keeps its UID from one file to the next, so that a calendar moves it."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT}", "CALSCALE:GREGORIAN"]
    lines += [line for each in watched for line in _event(each, at)]
    return "".join(f"{folded}\r\n" for line in [*lines, "END:VCALENDAR"] for folded in _folded(line)).encode("utf-8")


def _event(watched: Watched, at: datetime) -> Iterator[str]:
    """Nothing for one that has no end."""
    day = watched.serving_ends
    if day is None:
        return
    summary = _escaped(f"{watched.uri} {'may stop' if watched.serving_earliest else 'stops'} answering")
    description = _escaped("\n".join(_description(watched)))
    yield "BEGIN:VEVENT"
    yield f"UID:{hashlib.sha256(watched.uri.encode()).hexdigest()[:32]}@tuneport"
    yield f"DTSTAMP:{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    yield f"DTSTART;VALUE=DATE:{day:%Y%m%d}"
    yield f"DTEND;VALUE=DATE:{day + timedelta(days=1):%Y%m%d}"
    yield f"SUMMARY:{summary}"
    yield f"DESCRIPTION:{description}"
    yield "TRANSP:TRANSPARENT"
    for days in REMIND_DAYS_BEFORE:
        yield from ("BEGIN:VALARM", "ACTION:DISPLAY", f"TRIGGER:-P{days}D", f"DESCRIPTION:{summary}", "END:VALARM")
    yield "END:VEVENT"


def _description(watched: Watched) -> Iterator[str]:
    yield watched.todo
    if watched.base:
        ends = watched.training_ends
        yield f"base: {watched.base}{f', new jobs until {ends}' if ends else ''}"
    yield f"says: {watched.source}{f' ({watched.as_of})' if watched.as_of else ''}"


_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"} | dict.fromkeys((*range(10), *range(11, 32), 127)))
"""Commas, semicolons, backslashes and line ends; control characters have no place in a text (3.3.11)."""


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _folded(line: str) -> Iterator[str]:
    """The line in pieces of at most 75 bytes, each but the first begun with the space that says so; no letter is cut in two (3.1)."""
    piece = ""
    for letter in line:
        if len((piece + letter).encode()) > _LINE_BYTES:
            yield piece
            piece = " "
        piece += letter
    yield piece
