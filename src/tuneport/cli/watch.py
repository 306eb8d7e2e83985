"""`tuneport watch`: until when each tuned model answers, and what to do; as a table, JSON and a calendar file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli.everywhere import say_silent
from tuneport.cli.session import Session, session_of
from tuneport.cli.views import short_uri
from tuneport.errors import UsageError
from tuneport.plurals import counted

if TYPE_CHECKING:
    from datetime import date

    from tuneport.watching import Watch, Watched

app = typer.Typer(rich_markup_mode=None, add_completion=False)

STANDARD = Path("-")
HEADERS = ("Model", "Answers until", "Days", "New jobs until", "Base", "Says", "What to do")
NARROW = (0, 1, 2, 3, 6)
"""The columns on a terminal: the base stands in most models' names, and who says so stands below."""


@app.command()
def watch(
    context: typer.Context,
    *,
    provider: Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Only this provider or profile.")] = None,
    within: Annotated[
        str | None, typer.Option("--within", metavar="TIME", help="Only what ends so soon: 60d, 8w. Exit code 1 when there is any.")
    ] = None,
    ics: Annotated[
        Path | None, typer.Option("--ics", metavar="FILE", help="Also write the dates as an iCalendar file; - is standard output.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what has stopped already, and what is on your own machine and has no end.")
    ] = False,
) -> None:
    """Which tuned models and deployments stop answering when, and what to do. Asks every provider; one without an answer is passed over."""
    session = session_of(context)
    days = None if within is None else days_of(within)
    _refuse_target(ics, json=session.json)
    found = session.client.watch(provider=provider)
    silent = "{name} gave no full answer, so some of its models may be missing here: {error.message}"
    say_silent(session, found.not_asked, silent, named=provider)
    shown = _shown(found, days=days, everything=everything)
    if ics is not None:
        _write_calendar(session, ics, shown)
    if session.json:
        session.out.document(_document(replace(found, watched=tuple(shown)), days))
    elif ics != STANDARD:
        _print(session, shown, left_out=len(found.watched) - len(shown), days=days)
    raise typer.Exit(1 if days is not None and shown else 0)


def days_of(text: str) -> int:
    """`60d`, `8w` or `60` in days. Raises UsageError."""
    read = re.fullmatch(r"(\d{1,5})([dw]?)", text.strip(), re.ASCII)
    if read is None:
        raise UsageError(f"--within {text!r} is no time; write days or weeks: 60d, 8w.")
    return int(read[1]) * (7 if read[2] == "w" else 1)


def _shown(found: Watch, *, days: int | None, everything: bool) -> list[Watched]:
    if days is not None:
        return [each for each in found.watched if each.ends_within(days)]
    return [each for each in found.watched if everything or not (each.stopped or (each.free and each.serving_ends is None))]


# --- the calendar ------------------------------------------------------------------------------------------------------------------------


def _refuse_target(target: Path | None, *, json: bool) -> None:
    """Raises UsageError before anybody is asked. A calendar that Tuneport wrote is replaced, so that cron can write it again."""
    from tuneport.calendar_file import PRODUCT

    if target == STANDARD and json:
        raise UsageError("--json and --ics - both want standard output.", remedy="Name a file: --ics FILE")
    if target is None or target == STANDARD or not target.is_file():
        return
    with target.open("rb") as file:
        if PRODUCT.encode() not in file.read(200):
            raise UsageError(
                f"{target} is already there and no calendar of Tuneport's; nothing was written.", remedy="Choose another name."
            )


def _write_calendar(session: Session, target: Path, shown: Sequence[Watched]) -> None:
    from tuneport.calendar_file import calendar
    from tuneport.files import write_bytes

    content = calendar(shown, at=session.client.clock.now())
    if target == STANDARD:
        session.out.stream.write(content.decode("utf-8"))
        return
    write_bytes(target, content)
    if not session.json:
        session.out.say(f"Wrote {counted(sum(each.serving_ends is not None for each in shown), 'date')} to {target}.")


# --- for people and for scripts ----------------------------------------------------------------------------------------------------------


def _print(session: Session, shown: Sequence[Watched], *, left_out: int, days: int | None) -> None:
    if shown:
        columns = NARROW if session.out.terminal else range(len(HEADERS))
        rows = [_row(each, short=session.out.terminal) for each in shown]
        session.out.table([HEADERS[n] for n in columns], [[row[n] for n in columns] for row in rows], right=(2,))
        for line in _sources(shown):
            session.out.say(line, style="dim")
        _say_how_to_move(session, shown)
    elif days is not None:
        session.out.say(f"Nothing stops answering within {counted(days, 'day')}.")
    else:
        session.out.say("No tuned models that could stop answering.")
    if left_out and days is None:
        session.out.say(
            f"Not shown, for they have stopped already or are on your own machine: {left_out:,}. See: tuneport watch --all", style="dim"
        )


def _say_how_to_move(session: Session, shown: Sequence[Watched]) -> None:
    """The command for the first that has to move: a tune is named by its job, where one is known; a deployment is none."""
    first = next((each for each in shown if each.to_move and (each.job_uri or each.kind == "model")), None)
    if first is not None:
        to = str(first.move_to).partition(":")[0]
        session.out.say(f"To move it, its copy proved: {session.command('port', first.job_uri or first.uri, '--to', to)}")


def _row(each: Watched, *, short: bool) -> tuple[str, ...]:
    says = each.provider if each.own_word else f"catalogue {each.as_of}" if each.as_of else ""
    return (
        short_uri(each.uri) if short else each.uri,
        _day(each.serving_ends, earliest=each.serving_earliest),
        "" if each.days_left is None else str(each.days_left),
        _day(each.training_ends, earliest=each.training_earliest),
        each.base or "",
        says,
        each.todo,
    )


def _day(day: date | None, *, earliest: bool) -> str:
    return "" if day is None else f"{'at least ' if earliest else ''}{day}"


def _sources(shown: Sequence[Watched]) -> list[str]:
    """Where the dates are from, each source once."""
    told = dict.fromkeys((each.provider, each.source, each.as_of) for each in shown if each.source)
    return [f"{provider}, as of {as_of}: {source}" for provider, source, as_of in told]


def _document(found: Watch, days: int | None) -> dict[str, Any]:
    from tuneport.cli.failures import error_document

    return {
        "on": found.on.isoformat(),
        "within_days": days,
        "watched": [_watched_document(each) for each in found.watched],
        "not_asked": [{"provider": name, **error_document(error)} for name, error in found.not_asked.items()],
    }


_DAYS = ("serving_ends", "training_ends", "removed", "as_of")


def _watched_document(each: Watched) -> dict[str, Any]:
    days = {name: None if (day := getattr(each, name)) is None else day.isoformat() for name in _DAYS}
    names = ("uri", "provider", "kind", "base", "job_uri", "serving_earliest", "training_earliest", "days_left", "stopped", "source")
    return {name: getattr(each, name) for name in names} | days | {"move_to": each.move_to, "todo": each.todo}
