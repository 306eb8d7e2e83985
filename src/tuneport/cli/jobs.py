"""`tuneport jobs`: list, show, follow and steer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli.ending import say_ending_soon
from tuneport.cli.light import LightCommand, LightGroup
from tuneport.cli.output import note
from tuneport.cli.session import Session, session_of
from tuneport.cli.views import JOB_HEADERS, event_document, job_document, job_fields, job_row, metric_document, number, short_uri
from tuneport.errors import TuneportError, worst_exit_code
from tuneport.job import Job
from tuneport.unsettled import refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuneport.job import Metric
    from tuneport.syncing import SyncResult

app = typer.Typer(
    cls=LightGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="List, follow, plot, cancel, pause and resume jobs; clean up uploads.",
)

OneJob = Annotated[str, typer.Argument(metavar="JOB", help="A job's URI, or a unique beginning of it or of its id.")]
SomeJobs = Annotated[list[str], typer.Argument(metavar="JOB...", help="URIs, or unique beginnings of them.")]
FromProvider = Annotated[str | None, typer.Option(metavar="NAME", help="Only this provider or profile.")]
STALE_AFTER_S = 60.0
SYNC_WARNS = ("uncertain", "missing", "other_scope", "unreachable")


@app.command("list", cls=LightCommand)
def list_jobs(
    context: typer.Context,
    provider: FromProvider = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the providers first.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, newest first.")] = None,
    failed_submits: Annotated[bool, typer.Option("--refused", help="Instead the submits that were refused, with the reason.")] = False,
) -> None:
    """Every job known here, newest first."""
    session = session_of(context)
    if failed_submits:
        found = refused(session.client.registry, provider=provider)
    else:
        found = session.client.jobs(provider=provider, refresh=refresh)
    jobs = found[:limit]
    if session.json:
        session.out.document({"jobs": [job_document(job) for job in jobs]})
    elif jobs:
        _print_jobs(session, jobs)
        say_ending_soon(session, found)
    else:
        session.out.say("No submit was refused." if failed_submits else "No jobs yet. Make one: tuneport demo")


def _print_jobs(session: Session, jobs: Sequence[Job]) -> None:
    now = session.client.clock.now()
    rows = [job_row(job, now=now, terminal=session.out.terminal) for job in jobs]
    session.out.table(JOB_HEADERS, rows, last_is_long=True)
    live = [job for job in jobs if not job.state.terminal and job.last_heard_at is not None]
    if session.out.terminal and any((now - job.last_heard_at).total_seconds() > STALE_AFTER_S for job in live if job.last_heard_at):
        session.out.say("States are as last heard. Ask now: tuneport jobs list --refresh", style="dim")


@app.command()
def show(context: typer.Context, job: OneJob) -> None:
    """One job in full, its provider asked first."""
    session = session_of(context)
    found = session.client.job(job)
    if session.json:
        session.out.document(job_document(found))
    else:
        session.out.fields(job_fields(found, now=session.client.clock.now()))


@app.command()
def events(
    context: typer.Context,
    job: OneJob,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Only events after the one with this id.")] = None,
) -> None:
    """What happened to a job, in order."""
    session = session_of(context)
    known = session.client.job(job, refresh=False)
    for event in session.client.events(known, after=after):
        if session.json:
            session.out.record("event", event_document(known.uri, event))
        else:
            level = f"{event.level}: " if event.level != "info" else ""
            session.out.say(
                f"{event.at.astimezone():%Y-%m-%d %H:%M:%S}  {level}{event.message}", style="bad" if event.level == "error" else ""
            )


@app.command()
def metrics(context: typer.Context, job: OneJob) -> None:
    """What was measured at every step."""
    session = session_of(context)
    known = session.client.job(job, refresh=False)
    found = session.client.metrics(known)
    if session.json:
        session.out.document({"uri": known.uri, "metrics": [metric_document(metric) for metric in found]})
    elif found:
        _print_metrics(session, found)
    else:
        session.out.say(f"{short_uri(known.uri)} has no metrics yet.")


def _print_metrics(session: Session, found: Sequence[Metric]) -> None:
    names = list(dict.fromkeys(name for metric in found for name in metric.values))
    rows = [[str(metric.step), *(number(metric.values[name]) if name in metric.values else "" for name in names)] for metric in found]
    session.out.table(["step", *names], rows, right=range(len(names) + 1))


@app.command()
def plot(
    context: typer.Context,
    jobs: SomeJobs,
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Write a PNG instead of drawing here.")] = None,
) -> None:
    """The loss curves of one or several jobs."""
    from tuneport.cli.plots import plot_jobs

    plot_jobs(session_of(context), jobs, png=png)


@app.command()
def wait(
    context: typer.Context,
    jobs: SomeJobs,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="S", min=0, help="Give up after so many seconds (exit code 4).")
    ] = None,
    interval: Annotated[float | None, typer.Option("--interval", metavar="S", min=0.1, help="Look every so many seconds.")] = None,
) -> None:
    """Follow jobs to their end. Ctrl-C stops following and leaves the jobs alone. Exit code 1 if one did not succeed."""
    from tuneport.cli.following import follow_jobs, outcome_code, say_ended

    session = session_of(context)
    known = {(one := session.client.job(job, refresh=False)).uri: one for job in jobs}
    ended = follow_jobs(session, list(known.values()), timeout_s=timeout, interval_s=interval)
    say_ended(session, ended)
    raise typer.Exit(outcome_code(ended))


@app.command()
def cancel(context: typer.Context, jobs: SomeJobs) -> None:
    """Cancel jobs; what is there so far is kept."""
    session = session_of(context)
    _for_each(session, jobs, session.client.cancel)


@app.command()
def pause(context: typer.Context, jobs: SomeJobs) -> None:
    """Pause jobs that can be resumed."""
    session = session_of(context)
    _for_each(session, jobs, session.client.pause)


@app.command()
def resume(context: typer.Context, jobs: SomeJobs) -> None:
    """Go on with paused jobs."""
    session = session_of(context)
    _for_each(session, jobs, session.client.resume)


def _for_each(session: Session, jobs: Sequence[str], act: Callable[[Job], Job]) -> None:
    """Acts once on every job, says what each is now, and goes on when one refuses. A single job's error is raised as it is."""
    if len(jobs) == 1:
        return _say_acted(session, [act(session.client.job(jobs[0], refresh=False))], {})
    done: dict[str, Job] = {}
    refused: dict[str, TuneportError] = {}
    for job in jobs:
        uri = job
        try:
            known = session.client.job(job, refresh=False)
            uri = known.uri
            if uri not in done and uri not in refused:
                done[uri] = act(known)
        except TuneportError as error:
            refused[uri] = error
            note(f"error: {error}")
    _say_acted(session, list(done.values()), refused)
    raise typer.Exit(worst_exit_code(error.exit_code for error in refused.values()))


def _say_acted(session: Session, jobs: Sequence[Job], refused: Mapping[str, TuneportError]) -> None:
    if session.json:
        from tuneport.cli.failures import error_document

        errors = [{"job": job, **error_document(error)} for job, error in refused.items()]
        session.out.document({"jobs": [job_document(job) for job in jobs], "errors": errors})
    else:
        for job in jobs:
            session.out.say(f"{short_uri(job.uri)} is {job.state}")


@app.command()
def sync(
    context: typer.Context,
    provider: Annotated[str | None, typer.Argument(metavar="[PROVIDER]", help="Only this provider or profile.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also record jobs that were submitted elsewhere.")] = False,
) -> None:
    """Settle open submits and refresh live jobs. Creates nothing."""
    from tuneport.redaction import without_secrets

    session = session_of(context)
    results = session.client.sync(provider=provider, adopt_all=everything)
    if session.json:
        session.out.document({"results": [_sync_document(result) for result in results]})
    else:
        for result in results:
            session.out.say(without_secrets(result.sentence), style="warn" if result.kind in SYNC_WARNS else "")
            if result.error is not None and result.error.remedy:
                session.out.say(result.error.remedy, style="dim")
        if not results:
            session.out.say("Nothing to settle: no live jobs and no open submits.")
    raise typer.Exit(worst_exit_code(_sync_code(result) for result in results))


def _sync_code(result: SyncResult) -> int:
    """4 for a submit whose outcome is still not known; for a provider that did not answer, as its error says."""
    if result.error is not None:
        return result.error.exit_code
    return 4 if result.kind == "uncertain" or (result.kind == "other_scope" and result.job is None) else 0


def _sync_document(result: SyncResult) -> dict[str, object]:
    from tuneport.cli.failures import error_document
    from tuneport.redaction import without_secrets

    job = job_document(result.job) if result.job else None
    error = error_document(result.error) if result.error else None
    return {"kind": result.kind, "sentence": without_secrets(result.sentence), "client_id": result.client_id, "job": job, "error": error}


@app.command(cls=LightCommand)
def clean(
    context: typer.Context,
    provider: FromProvider = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Only files unused for so long: 12h, 30d, 2w.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List them, and delete nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
) -> None:
    """Delete the files at the providers that were uploaded from here and that no live job uses."""
    from tuneport.cli.cleaning import clean_files

    clean_files(session_of(context), provider=provider, older_than=older_than, dry_run=dry_run, yes=yes)
