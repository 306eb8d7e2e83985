"""Polling: one loop for any number of jobs of any number of providers.

What a provider says changes a job's state; that it says nothing changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tuneport.clock import Clock
from tuneport.errors import RateLimited, TuneportError, WaitTimeout
from tuneport.job import Job, JobState
from tuneport.provider import Trainer
from tuneport.registry import JobRegistry

MISSING_FOR_S = 600.0
"""How long a provider may deny a job before a wait stops asking: listings lag, and regions fail over."""


@dataclass(frozen=True, slots=True)
class PollRound:
    """One look at all jobs. `jobs` in the order asked, `changed` those whose state or detail moved, `failures` by provider."""

    jobs: tuple[Job, ...]
    changed: tuple[Job, ...] = ()
    failures: Mapping[str, TuneportError] = field(default_factory=dict)

    @property
    def retry_after_s(self) -> float:
        """The longest pause a provider asked for, 0 if none did."""
        return max((e.retry_after_s or 0.0 for e in self.failures.values() if isinstance(e, RateLimited)), default=0.0)


def poll(jobs: Sequence[Job], *, trainers: Mapping[str, Trainer], registry: JobRegistry) -> PollRound:
    """Asks each provider once for its jobs and records the answers. A provider that fails is named in
    `failures`; its jobs stay as they are."""
    by_provider: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.provider_id is not None and not job.state.terminal:
            by_provider[job.provider].append(job)
    now: dict[str, Job] = {job.uri: job for job in jobs}
    failures: dict[str, TuneportError] = {}
    for provider, some in by_provider.items():
        ids = [job.provider_id for job in some if job.provider_id is not None]
        try:
            snapshots = trainers[provider].fetch(ids)
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


def _moved(old: Job, new: Job) -> bool:
    watched = ("state", "provider_state", "detail", "missing_since", "model", "error", "attempt", "partial")
    return any(getattr(old, name) != getattr(new, name) for name in watched)


def _warn_of_unknown_word(job: Job) -> None:
    if job.state is JobState.UNKNOWN:
        import logging

        logging.getLogger("tuneport").warning(
            "%s: %s says %r, a state this version does not know; it is followed on as 'unknown'.", job.uri, job.provider, job.provider_state
        )


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
    """Looks at `jobs` again and again until each has ended or is missing for good, and yields every look.

    `interval_s` fixes the pause; without it the pause grows with the age of the youngest job between the bounds the providers give.
    Raises WaitTimeout when `timeout_s` or `max_rounds` is used up; the jobs themselves are untouched.
    """
    started = clock.monotonic()
    missing: dict[str, float] = {}
    rounds = 0
    current = tuple(jobs)
    while True:
        look = poll(current, trainers=trainers, registry=registry)
        rounds += 1
        yield look
        current = look.jobs
        waiting = [job for job in current if not job.state.terminal and not _given_up(job, missing, clock.monotonic())]
        if not waiting:
            return
        elapsed = clock.monotonic() - started
        pause = max(interval_s or _pause_s(waiting, trainers, elapsed), look.retry_after_s)
        if (timeout_s is not None and elapsed + pause > timeout_s) or (max_rounds is not None and rounds >= max_rounds):
            raise _timeout(waiting, elapsed, rounds, look)
        clock.sleep(pause)


def _given_up(job: Job, missing: dict[str, float], now: float) -> bool:
    if job.missing_since is None:
        missing.pop(job.uri, None)
        return False
    return now - missing.setdefault(job.uri, now) >= MISSING_FOR_S


def _pause_s(waiting: Sequence[Job], trainers: Mapping[str, Trainer], elapsed_s: float) -> float:
    """Short at first, then a fiftieth of the time already waited, within the narrowest provider's bounds."""
    bounds = [trainers[provider].poll_interval_s for provider in {job.provider for job in waiting}]
    shortest, longest = min(low for low, _ in bounds), min(high for _, high in bounds)
    return min(max(shortest, elapsed_s / 50), longest)


def _timeout(waiting: Sequence[Job], elapsed_s: float, rounds: int, look: PollRound) -> WaitTimeout:
    names = ", ".join(f"{job.uri} ({job.state})" for job in waiting[:3]) + (f" and {len(waiting) - 3} more" if len(waiting) > 3 else "")
    silent = "".join(f" {provider} did not answer: {error.message}" for provider, error in look.failures.items())
    return WaitTimeout(
        f"gave up waiting after {elapsed_s:.0f} s and {rounds} looks: {names}. The jobs go on.{silent}",
        remedy=f"Attach again: tuneport jobs wait {waiting[0].uri}",
    )
