"""Following jobs to their end: a live line on a terminal, plain lines in a pipe, JSON lines for scripts. Ctrl-C only stops looking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from tuneport.cli.output import Output, note
from tuneport.cli.progress import Standing, plain, stage, standing
from tuneport.cli.session import Session
from tuneport.cli.views import job_document, short_uri
from tuneport.errors import Detached, TuneportError, Unreachable, worst_exit_code
from tuneport.job import Job, JobState

if TYPE_CHECKING:
    from tuneport.client import Client
    from tuneport.job import Metric
    from tuneport.poll import PollRound

PLAIN_EVERY_S = 30.0
MOST_MEASURED = 4
"""Metrics cost a request a job: they are asked for while no more jobs than this are followed."""


class Watcher(Protocol):
    """Shows one look at the jobs."""

    def show(self, standings: Sequence[Standing]) -> None: ...


def follow_jobs(
    session: Session,
    jobs: Sequence[Job],
    *,
    timeout_s: float | None = None,
    interval_s: float | None = None,
    announced: bool = False,
) -> list[Job]:
    """Follows the jobs to their end and returns them as they ended. `announced`: they were printed already, so only changes are.

    Raises Detached on Ctrl-C, WaitTimeout, Refused when every provider turns us away, NotFound when a job is gone for good.
    """
    from tuneport.poll import ended

    last: Sequence[Job] = jobs
    silent: dict[str, str] = {}
    try:
        with _watcher(session, jobs, announced=announced) as watcher:
            for look in session.client.follow(jobs, timeout_s=timeout_s, interval_s=interval_s):
                last = look.jobs
                silent = _say_silent(look, before=silent)
                measured = _measured(session.client, look)
                watcher.show([standing(job, measured.get(job.uri, ())) for job in look.jobs])
    except KeyboardInterrupt:
        raise detached(session, last) from None
    return ended(last)


def outcome_code(jobs: Sequence[Job]) -> int:
    """0 when all succeeded, else 1."""
    return worst_exit_code(0 if job.state is JobState.SUCCEEDED else 1 for job in jobs)


def detached(session: Session, jobs: Sequence[Job]) -> Detached:
    """What Ctrl-C says: the jobs go on, and how to come back."""
    live = [job.uri for job in jobs if not job.state.terminal] or [job.uri for job in jobs]
    what = "the job goes on" if len(live) == 1 else f"the {len(live)} jobs go on"
    return Detached(f"stopped following; {what}.", remedy=f"Attach again: {session.command('jobs', 'wait', *live)}")


def _say_silent(look: PollRound, *, before: dict[str, str]) -> dict[str, str]:
    """Says which providers do not answer, each reason once, and returns them with their reasons."""
    now = {name: error.message for name, error in look.failures.items()}
    if look.hopeless([job for job in look.jobs if not job.state.terminal]) is not None:
        return now  # the wait is about to end with it
    for name, error in look.failures.items():
        if before.get(name) != error.message:
            note(f"{name} did not answer: {error.message} Trying again." if isinstance(error, Unreachable) else f"{name}: {error.message}")
    return now


def _measured(client: Client, look: PollRound) -> dict[str, Sequence[Metric]]:
    moved = {job.uri for job in look.changed}
    wanted = [job for job in look.jobs if not job.state.terminal or job.uri in moved]
    if len(wanted) > MOST_MEASURED:
        return {}
    return {job.uri: _metrics(client, job) for job in wanted if job.provider not in look.failures}


def _metrics(client: Client, job: Job) -> Sequence[Metric]:
    try:
        return client.metrics(job)
    except TuneportError:
        return ()


@contextmanager
def _watcher(session: Session, jobs: Sequence[Job], *, announced: bool) -> Iterator[Watcher]:
    if session.json:
        yield JsonWatcher(session.out, seen=jobs if announced else ())
    elif session.out.terminal:
        from tuneport.cli.live import live_watcher

        with live_watcher(session.out) as watcher:
            yield watcher
    else:
        yield PlainWatcher(session.client, session.out, named=len(jobs) > 1)


class JsonWatcher:
    """One line a job whenever it moved, and one whenever a step was measured."""

    def __init__(self, out: Output, *, seen: Sequence[Job] = ()) -> None:
        self._out = out
        self._said = {job.uri: stage(job) for job in seen}
        self._steps: dict[str, int] = {}

    def show(self, standings: Sequence[Standing]) -> None:
        for one in standings:
            uri = one.job.uri
            if one.step is not None and one.step != self._steps.get(uri):
                self._steps[uri] = one.step
                values = {"loss": one.loss, "eval_loss": one.eval_loss, "tokens_per_second": one.tokens_per_second, "eta_s": one.eta_s}
                self._out.record("progress", {"uri": uri, "step": one.step, "total_steps": one.total, **values})
            if self._said.get(uri) != stage(one.job):
                self._said[uri] = stage(one.job)
                self._out.record("job", job_document(one.job))


class PlainWatcher:
    """`03:41:07 running  step 12/72  loss 0.91 …`: a line at every change, and every half minute while steps go by."""

    def __init__(self, client: Client, out: Output, *, named: bool) -> None:
        self._clock = client.clock
        self._out = out
        self._named = named
        self._said: dict[str, tuple[tuple[object, ...], int | None, float]] = {}

    def show(self, standings: Sequence[Standing]) -> None:
        for one in standings:
            if self._worth_a_line(one):
                name = f"{one.job.uri}  " if self._named else ""
                self._out.say(f"{self._clock.now().astimezone():%H:%M:%S}  {name}{plain(one)}")
                self._said[one.job.uri] = (stage(one.job), one.step, self._clock.monotonic())
        self._out.stream.flush()

    def _worth_a_line(self, one: Standing) -> bool:
        if one.job.uri not in self._said:
            return True
        before, step, at = self._said[one.job.uri]
        if stage(one.job) != before:
            return True
        return one.step != step and self._clock.monotonic() - at >= PLAIN_EVERY_S


def say_ended(session: Session, jobs: Sequence[Job]) -> None:
    """What became of each job, and what to do next."""
    from tuneport.methods import HEADED

    if session.json:
        return
    out = session.out
    for job in jobs:
        name = short_uri(job.uri)
        if job.state is JobState.SUCCEEDED:
            out.say(f"{name} succeeded" + (f": {job.model}" if job.model else ""), style="good")
            out.say(f"Ask it: {session.command('models', *(('predict', name, 'FILE') if job.method in HEADED else ('chat', name)))}")
        else:
            reason = f": {job.error}" if job.error else ""
            out.say(f"{name} {job.state}{reason}", style="bad")
            out.say(f"See: {session.command('jobs', 'events', name)}")
