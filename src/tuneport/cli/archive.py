"""`tuneport archive`: for every tune a folder that outlives its provider; and whether such folders are still what they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli.data_files import Columns, FromFormat, open_dataset
from tuneport.cli.output import note
from tuneport.cli.session import Session, session_of
from tuneport.errors import ConfigError, TuneportError, Unreachable, UsageError, worst_exit_code
from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.archive import Archived, Asking, Verified
    from tuneport.archive.price import AskingPrice
    from tuneport.job import Job
    from tuneport.quote import Quote

_ROWS_ASKED = 20

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Names = Annotated[
    list[str], typer.Argument(metavar="[JOB]... DIR", help="The jobs, then the folder for their archives; with --verify the folder alone.")
]
Rows = Annotated[Path | None, typer.Option("--rows", metavar="FILE", help="Held-out rows: the tuned model's answers to some go in too.")]


@app.command()
def archive(
    context: typer.Context,
    names: Names,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every job known here that has a tuned model.")] = False,
    rows: Rows = None,
    ask: Annotated[
        int | None, typer.Option("--ask", metavar="N", min=1, help="Ask for the answers to N of the rows; 20 if not given.")
    ] = None,
    format: FromFormat = None,
    columns: Columns = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend the money for answers without asking.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the checksums of the archives in DIR; exit code 1 on a mismatch.")
    ] = False,
) -> None:
    """Keep all there is of tuned models in a folder: rows, recipe, plan, events, metrics, lineage, answers.

    Run it again to complete it: what is there and as its checksums say is not fetched again.
    """
    session = session_of(context)
    if verify:
        if everything or rows is not None or len(names) != 1:
            raise UsageError("--verify takes one folder and nothing else.", remedy="Write: tuneport archive --verify DIR")
        return _verify(session, Path(names[0]))
    if ask is not None and rows is None:
        raise UsageError("--ask says how many rows, and no rows are named.", remedy="Add --rows FILE.")
    to = _target(session, names, everything=everything)
    from tuneport.archive import Asking

    asking = None if rows is None else Asking.of(open_dataset(rows, format=format, columns=columns), ask or _ROWS_ASKED)
    jobs, failed = _jobs(session, None if everything else names[:-1])
    if asking is not None and not yes:
        _confirm(session, jobs, asking, to)
    done = _archived(session, jobs, to, asking, failed)
    if session.json:
        session.out.document(_document(done, failed, to))
    raise typer.Exit(worst_exit_code([*(each.exit_code for each in done), *(error.exit_code for error in failed.values())]))


def _target(session: Session, names: Sequence[str], *, everything: bool) -> Path:
    """The folder to write into. Raises UsageError where it, or a job, is not named."""
    to, jobs = Path(names[-1]), names[:-1]
    if everything == bool(jobs):
        what = "both --all and jobs are named" if everything else "no job is named"
        raise UsageError(f"{what}.", remedy="Write: tuneport archive JOB... DIR, or: tuneport archive --all DIR")
    if not to.exists() and session.client.registry.match(names[-1]):
        raise UsageError(f"{names[-1]!r} is a job; the folder is missing.", remedy="Write: tuneport archive JOB... DIR")
    if to.exists() and not to.is_dir():
        raise UsageError(f"{to} is a file; archives go into a folder.", remedy="Name another one.")
    return to


def _jobs(session: Session, names: Sequence[str] | None) -> tuple[list[Job], dict[str, TuneportError]]:
    """The jobs of those names, or all that have a tuned model; and what is wrong with names that lead to none."""
    if names is None:
        known = [job for job in session.client.jobs(refresh=True) if job.provider_id is not None]
        tuned = [job for job in known if job.model is not None]
        if len(tuned) < len(known):
            note(f"{counted(len(known) - len(tuned), 'job')} without a tuned model left out.")
        return tuned, {}
    found: dict[str, Job] = {}
    failed: dict[str, TuneportError] = {}
    for name in names:
        try:
            job = session.client.job(name)
            found[job.uri] = job
        except TuneportError as error:
            if len(names) == 1:
                raise
            failed[name] = error
            note(f"error: {name}: {error}")
    return list(found.values()), failed


def _confirm(session: Session, jobs: Sequence[Job], asking: Asking, to: Path) -> None:
    """Asks before money is spent on answers. Raises UsageError where nobody can be asked."""
    from tuneport.archive.price import prices
    from tuneport.quote import Usage

    billing = {info.name for info in session.client.providers() if info.bills}

    def quotes(provider: str, base: str | None) -> list[Quote]:
        return session.client.quote(asking.chosen, base=base, providers=[provider], usage=Usage(requests=1000))

    paid = [job for job in jobs if job.provider in billing]
    found = [each for each in prices(paid, asking, to=to, quotes=quotes, clock=session.client.clock) if each.billed]
    if not found:
        return
    said = "; ".join(map(_price_sentence, found))
    if not session.can_ask:
        raise UsageError(
            f"asking for sample answers spends money ({said}) and there is no terminal to confirm on; nothing was asked or written.",
            remedy="Add --yes to confirm, or leave out --rows.",
        )
    session.out.say(f"To ask: {said}.")
    typer.confirm("Ask for these answers?", abort=True)


def _price_sentence(price: AskingPrice) -> str:
    from tuneport.quoting.wording import money_span

    what = f"{counted(price.requests, 'request')} to tuned {price.base or 'models'} at {price.provider}"
    if price.cost is None or price.thousand is None:
        return f"{what} at a cost that is not known"
    cost, thousand = money_span(price.cost, currency=price.currency), money_span(price.thousand, currency=price.currency)
    return f"{what} for about {cost}{' USD' if price.currency == 'USD' else ''} ({thousand} for 1,000)"


def _archived(session: Session, jobs: Sequence[Job], to: Path, asking: Asking | None, failed: dict[str, TuneportError]) -> list[Archived]:
    from tuneport.archive import Origins, archive_job

    client = session.client
    origins = Origins(client.registry, client.trainer, client.server, client.clock)
    done: list[Archived] = []
    silent: set[str] = set()
    for job in jobs:
        try:
            each = archive_job(job, to, origins=origins, asking=asking, attempts=1 if job.provider in silent else 4)
        except ConfigError as error:
            failed[job.uri] = error
            note(f"error: {job.uri}: {error}")
            continue
        silent |= {job.provider for error in each.errors if isinstance(error, Unreachable)}
        done.append(each)
        _say(session, each)
    if not jobs and not failed and not session.json:
        session.out.say("No job here has a tuned model. Those that were tuned elsewhere: tuneport jobs sync --all")
    return done


def _say(session: Session, done: Archived) -> None:
    for error in done.errors:
        note(f"error: {done.job.uri}: {error}")
    if session.json:
        return
    kept = f", {len(done.kept)} there already" if done.kept else ""
    session.out.say(f"{done.job.uri}: {counted(len(done.taken), 'piece')} taken{kept}, in {done.folder}")
    for piece, why in done.missing.items():
        session.out.say(f"  missing: {piece}: {why}", style="warn")


def _document(done: Sequence[Archived], failed: dict[str, TuneportError], to: Path) -> dict[str, Any]:
    from tuneport.cli.failures import error_document

    archives = [
        {
            "uri": each.job.uri,
            "folder": each.folder,
            "taken": each.taken,
            "kept": each.kept,
            "missing": [{"piece": piece, "why": why} for piece, why in each.missing.items()],
            "errors": [error_document(error) for error in each.errors],
        }
        for each in done
    ]
    return {"to": to, "archives": archives, "errors": [{"job": name, **error_document(error)} for name, error in failed.items()]}


def _verify(session: Session, folder: Path) -> None:
    from tuneport.archive import verify

    found = verify(folder)
    if session.json:
        session.out.document({"archives": [_verified_document(each) for each in found]})
    else:
        for each in found:
            state = "as it was" if not each.faults else f"{counted(len(each.faults), 'file')} not as they should be"
            session.out.say(f"{each.folder}: {counted(each.sound, 'file')} sound, {state}", style="bad" if each.faults else "good")
            for fault in each.faults:
                session.out.say(f"  {fault.path}: {fault.sentence}", style="bad")
    raise typer.Exit(1 if any(each.faults for each in found) else 0)


def _verified_document(each: Verified) -> dict[str, Any]:
    faults = [{"path": fault.path, "message": fault.sentence} for fault in each.faults]
    return {"folder": each.folder, "job": each.job, "sound": each.sound, "ok": not faults, "faults": faults}
