"""Polling: one loop for any number of jobs of any number of providers.

What a provider says changes a job's state; that it says nothing changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tuneport.clock import Clock
from tuneport.errors import ConfigError, NotFound, TuneportError, Unreachable, WaitTimeout
from tuneport.job import Job, JobState
from tuneport.pace import Pace
from tuneport.provider import Trainer
from tuneport.redaction import warn
from tuneport.registry import JobRegistry

MISSING_FOR_S = 600.0
"""How long a provider may deny a job before a wait stops asking: listings lag, and regions fail over."""


@dataclass(frozen=True, slots=True)
class PollRound:
    """One look at all jobs. `jobs` in the order asked, `changed` those whose state or detail moved.

    `failures` holds why a whole provider gave no answer, by its name, and why a single job could not be asked for, by its URI.
    """

    jobs: tuple[Job, ...]
    changed: tuple[Job, ...] = ()
    failures: Mapping[str, TuneportError] = field(default_factory=dict)

    def failure(self, job: Job) -> TuneportError | None:
        """Why nothing is known of `job` since the last answer about it, if so."""
        return self.failures.get(job.uri) or self.failures.get(job.provider)

    def hopeless(self, jobs: Sequence[Job]) -> TuneportError | None:
        """The failure, if every one of `jobs` failed in a way that waiting does not mend: refused credentials, another account."""
        failures = [self.failure(job) for job in jobs]
        lasting = [error for error in failures if error is not None and not isinstance(error, Unreachable)]
        return lasting[0] if lasting and len(lasting) == len(failures) else None


def poll(jobs: Sequence[Job], *, trainers: Mapping[str, Trainer], registry: JobRegistry) -> PollRound:
    """Asks each of `trainers` once for its jobs and records the answers. What fails is named in `failures`, and its jobs stay as they are;
    so do those of a provider that is not among `trainers`."""
    by_provider: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.provider_id is not None and not job.state.terminal and job.provider in trainers:
            by_provider[job.provider].append(job)
    now: dict[str, Job] = {job.uri: job for job in jobs}
    failures: dict[str, TuneportError] = {}
    for provider, some in by_provider.items():
        try:
            here = trainers[provider].scope()
            failures |= {job.uri: error for job in some if (error := wrong_scope(job, here))}
            ids = [job.provider_id for job in some if job.provider_id is not None and job.uri not in failures]
            snapshots = trainers[provider].fetch(ids) if ids else {}
        except TuneportError as error:
            failures[provider] = error
            continue
        for job in registry.record(provider, ids, snapshots):
            now[job.uri] = job
    after = tuple(now[job.uri] for job in jobs)
    changed = tuple(new for old, new in zip(jobs, after, strict=True) if _moved(old, new))
    for job in changed:
        _warn_of_unknown_word(job)
    return PollRound(after, changed, failures)


def look_once(jobs: Sequence[Job], *, trainers: Mapping[str, Trainer], registry: JobRegistry) -> PollRound:
    """`poll` for one who does not look again: what failed is logged as a warning."""
    look = poll(jobs, trainers=trainers, registry=registry)
    for name, error in look.failures.items():
        warn(f"{name} did not answer, so what is known may be old: {error.message}")
    return look


def wrong_scope(job: Job, here: str) -> ConfigError | None:
    """What to say instead of asking the account or project `here` for a job of another one: its answer, "no such job", would mislead."""
    if job.in_scope(here):
        return None
    return ConfigError(
        f"{job.uri} is in {job.scope}, and {job.provider} is set up for {here}.",
        remedy=f"Set {job.provider} up for {job.scope}, or give that a profile of its own.",
    )


def _moved(old: Job, new: Job) -> bool:
    watched = ("state", "provider_state", "detail", "missing_since", "model", "error", "attempt", "partial")
    return any(getattr(old, name) != getattr(new, name) for name in watched)


def _warn_of_unknown_word(job: Job) -> None:
    if job.state is JobState.UNKNOWN:
        said = f"{job.provider} says {job.provider_state!r}, a state this version does not know"
        warn(f"{job.uri}: {said}; it is followed on as 'unknown'.")


def follow(
    jobs: Sequence[Job],
    *,
    trainers: Mapping[str, Trainer],
    registry: JobRegistry,
    clock: Clock,
    timeout_s: float | None = None,
    max_rounds: int | None = None,
    interval_s: float | None = None,
) -> Iterator[PollRound]:
    """Looks at `jobs` again and again until each has ended or is missing for good, and yields every look. A job given twice is one job.

    Every provider is asked at its own pace: `interval_s` fixes it; without it the pause is a fiftieth of the time already waited, within
    the bounds that the provider gives. `failures` of a look are those of each provider's last answer. Raises WaitTimeout when `timeout_s`
    or `max_rounds` is used up, after one last look in the end if nobody asked to be left alone until later; the jobs themselves are
    untouched. Raises the refusal when waiting cannot help any of the jobs.
    """
    pace = Pace(trainers, clock, interval_s=interval_s, timeout_s=timeout_s)
    missing: dict[str, float] = {}
    current = tuple({job.uri: job for job in jobs}.values())
    failures: dict[str, TuneportError] = {}
    rounds = 0
    while True:
        asked = pace.due({job.provider for job in current if not job.state.terminal})
        look = poll(current, trainers={name: trainers[name] for name in asked}, registry=registry)
        rounds += 1
        failures = _standing(failures, look, asked)
        look = replace(look, failures=failures)
        pace.asked(asked, failures)
        yield look
        current = look.jobs
        waiting = [job for job in current if not job.state.terminal and not _given_up(job, look, missing, clock.monotonic())]
        if not waiting:
            return
        if (hopeless := look.hopeless(waiting)) is not None:
            raise hopeless
        if (max_rounds is not None and rounds >= max_rounds) or not pace.wait({job.provider for job in waiting}):
            raise _timeout(waiting, pace.elapsed_s, rounds, look)


def _standing(before: Mapping[str, TuneportError], look: PollRound, asked: set[str]) -> dict[str, TuneportError]:
    """The failures of this look, and those of the providers that were not asked this time."""
    renewed = asked | {job.uri for job in look.jobs if job.provider in asked}
    return {name: error for name, error in before.items() if name not in renewed} | dict(look.failures)


def _given_up(job: Job, look: PollRound, missing: dict[str, float], now: float) -> bool:
    if job.missing_since is None or look.failure(job) is not None:
        missing.pop(job.uri, None)  # a provider that does not answer denies nothing
        return False
    return now - missing.setdefault(job.uri, now) >= MISSING_FOR_S


def ended(jobs: Sequence[Job]) -> list[Job]:
    """The jobs of the last look of `follow`. Raises NotFound for those that it gave up because their provider goes on denying them."""
    gone = [job for job in jobs if not job.state.terminal]
    if gone:
        names = ", ".join(job.uri for job in gone[:3]) + (f" and {len(gone) - 3} more" if len(gone) > 3 else "")
        since = f" (since {gone[0].missing_since:%Y-%m-%d %H:%M} UTC)" if gone[0].missing_since else ""
        raise NotFound(f"{gone[0].provider} no longer knows {names}{since}.", remedy="See: tuneport jobs sync")
    return list(jobs)


def _timeout(waiting: Sequence[Job], elapsed_s: float, rounds: int, look: PollRound) -> WaitTimeout:
    names = ", ".join(f"{job.uri} ({job.state})" for job in waiting[:3]) + (f" and {len(waiting) - 3} more" if len(waiting) > 3 else "")
    silent = "".join(f" {name} did not answer: {error.message}" for name, error in look.failures.items())
    return WaitTimeout(
        f"gave up waiting after {elapsed_s:.0f} s and {rounds} looks: {names}. The jobs go on.{silent}",
        remedy=f"Attach again: tuneport jobs wait {waiting[0].uri}",
    )
