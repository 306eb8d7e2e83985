"""The two words in which the service tells where a job stands: JobState, and TuningJobState for the detail (facts of 2026-11-21).

google-genai gets them as words, the clients of google-cloud-aiplatform as numbers; both are understood.
"""

from __future__ import annotations

from typing import Any

from tuneport.job import JobState

STATE_PREFIX = "JOB_STATE_"
DETAIL_PREFIX = "TUNING_JOB_STATE_"
PARTIAL = "JOB_STATE_PARTIALLY_SUCCEEDED"

_NUMBERED = (
    "UNSPECIFIED",
    "QUEUED",
    "PENDING",
    "RUNNING",
    "SUCCEEDED",
    "FAILED",
    "CANCELLING",
    "CANCELLED",
    "PAUSED",
    "EXPIRED",
    "UPDATING",
    "PARTIALLY_SUCCEEDED",
)
"""JobState of google.cloud.aiplatform_v1 by number."""
_STATES = {
    "UNSPECIFIED": JobState.CREATED,
    "QUEUED": JobState.QUEUED,
    "PENDING": JobState.STARTING,
    "RUNNING": JobState.RUNNING,
    "UPDATING": JobState.RUNNING,
    "PAUSED": JobState.PAUSED,
    "CANCELLING": JobState.CANCELLING,
    "SUCCEEDED": JobState.SUCCEEDED,
    "PARTIALLY_SUCCEEDED": JobState.SUCCEEDED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "EXPIRED": JobState.EXPIRED,
}
_DETAILS = {
    "WAITING_FOR_QUOTA": JobState.QUEUED,
    "PROCESSING_DATASET": JobState.VALIDATING,
    "WAITING_FOR_CAPACITY": JobState.QUEUED,
    "TUNING": JobState.RUNNING,
    "POST_PROCESSING": JobState.FINALIZING,
}
_SENTENCES = {
    "WAITING_FOR_QUOTA": "waits until the project's quota of tuning jobs has room",
    "PROCESSING_DATASET": "reads the dataset",
    "WAITING_FOR_CAPACITY": "waits until the region has room",
    "TUNING": "tunes",
    "POST_PROCESSING": "makes the model and its endpoints",
}
_NARROWED = frozenset({JobState.QUEUED, JobState.STARTING, JobState.RUNNING, JobState.CREATED})
"""What the detail says more of; a job that is ending or has ended goes by its state alone."""


def state_word(value: Any) -> str:
    """The service's own word, `JOB_STATE_RUNNING`, also for its number; '' where nothing is said."""
    if isinstance(value, int) and not isinstance(value, bool):
        return STATE_PREFIX + _NUMBERED[value] if 0 <= value < len(_NUMBERED) else str(value)
    return value if isinstance(value, str) else ""


def job_state(word: str, detail: str = "") -> JobState:
    """What both words together mean; `unknown` for a state that nobody told us of, whatever the detail says."""
    state = _STATES.get(word.upper().removeprefix(STATE_PREFIX), JobState.UNKNOWN)
    return _DETAILS.get(detail_word(detail), state) if state in _NARROWED else state


def detail_word(detail: str) -> str:
    """`TUNING` for TUNING_JOB_STATE_TUNING; '' for an unspecified one."""
    word = detail.upper().removeprefix(DETAIL_PREFIX)
    return "" if word == "UNSPECIFIED" else word


def detail_sentence(detail: str) -> str:
    """What the detail means, after the job as its subject; the word itself where nobody told us."""
    word = detail_word(detail)
    return _SENTENCES.get(word, word)
