"""The words for a run's status, and what they mean. azure-ai-ml 1.35.2, _run_history_constants.py, read 2026-11-21.

That SDK counts Paused and NotResponding among the words of runs that have ended. Neither has: a paused run goes on, and one that does not
answer may.
"""

from __future__ import annotations

from typing import Any

from tuneport.job import JobState

STATES = {
    "NotStarted": JobState.CREATED,
    "Queued": JobState.QUEUED,
    "Preparing": JobState.STARTING,
    "Provisioning": JobState.STARTING,
    "Starting": JobState.STARTING,
    "Running": JobState.RUNNING,
    "Finalizing": JobState.FINALIZING,
    "CancelRequested": JobState.CANCELLING,
    "Completed": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "Canceled": JobState.CANCELLED,
    "Paused": JobState.PAUSED,
    "NotResponding": JobState.UNKNOWN,
}
_BY_SMALL = {word.casefold(): state for word, state in STATES.items()}
_DETAILS = {
    "preparing": "its environment is prepared",
    "provisioning": "its machines are set up",
    "notresponding": "the run has not been heard of for a while; it may go on",
}


def job_state(word: Any) -> JobState:
    """`unknown` for a word that nobody told us of."""
    return _BY_SMALL.get(word.casefold(), JobState.UNKNOWN) if isinstance(word, str) else JobState.UNKNOWN


def detail_of(word: str) -> str:
    """What the word says more than our state."""
    return _DETAILS.get(word.casefold(), "")
