"""What one resource may have of jobs: figures for sentences, never a reason to refuse by ourselves.

Source: quotas page of Azure OpenAI as far as it was found on 2026-11-21 (an older one: one job training at a time, 20 in the queue, 100 in
all, 720 hours or 2 billion tokens a job). The page of 2026 was not found, and the vendor raises limits on request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tuneport.finding import Finding
from tuneport.job import JobState, Snapshot

AT_A_TIME = 1
IN_THE_QUEUE = 20
IN_ALL = 100
NEARLY = 90
TRAINING = frozenset({JobState.RUNNING, JobState.PAUSING, JobState.FINALIZING})
WAITING = frozenset({JobState.CREATED, JobState.VALIDATING, JobState.QUEUED, JobState.STARTING})


@dataclass(frozen=True, slots=True)
class Jobs:
    """How many jobs a resource has, by what they do."""

    training: int
    waiting: int
    paused: int
    total: int

    @classmethod
    def of(cls, found: Iterable[Snapshot]) -> Jobs:
        states = Counter(each.state for each in found)
        return cls(
            training=sum(states[state] for state in TRAINING),
            waiting=sum(states[state] for state in WAITING),
            paused=states[JobState.PAUSED],
            total=states.total(),
        )


def told(jobs: Jobs, *, resource: str) -> Iterator[Finding]:
    """What the next job may run into."""
    yield Finding(
        "quota",
        "info",
        f"{resource} has {jobs.total} jobs: {jobs.training} training, {jobs.waiting} waiting, {jobs.paused} paused. By an older page of "
        f"the vendor's, {AT_A_TIME} trains at a time, {IN_THE_QUEUE} wait, and {IN_ALL} are kept in all.",
    )
    if jobs.training + jobs.waiting >= AT_A_TIME:
        yield Finding("quota", "info", f"a new job would wait for {jobs.training + jobs.waiting} before it; waiting is not billed.")
    if jobs.waiting >= IN_THE_QUEUE:
        yield Finding("quota", "warning", f"{jobs.waiting} jobs wait, and a new one may be refused.", remedy="Wait, or cancel some.")
    if jobs.total >= NEARLY:
        yield Finding(
            "quota",
            "warning",
            f"{jobs.total} of about {IN_ALL} jobs are kept there; when that is full, new ones are refused.",
            remedy="Delete jobs that have ended (Client.trainer(…).delete, or the portal), or ask the vendor for more.",
        )
