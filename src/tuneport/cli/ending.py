"""The line under lists of jobs and models that says when a tuned model is about to stop answering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuneport.cli.output import note
from tuneport.cli.session import Session

if TYPE_CHECKING:
    from tuneport.job import Job


def say_ending_soon(session: Session, jobs: Sequence[Job]) -> None:
    """Says so beside the output when it is near for one of these jobs' models. Asks nobody; without tuned models it reads nothing."""
    if not any(job.model for job in jobs):
        return
    from tuneport.watching import ending_soon

    line = ending_soon(jobs, on=session.client.clock.now().date(), profiles=session.client.settings.providers)
    if line:
        note(line)
