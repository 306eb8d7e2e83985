"""Jobs: what we submitted, what the provider last said of it, and how it moves from state to state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    """The state of a job, the same words for every provider. `unknown` is a word we do not know: not terminal, never guessed."""

    CREATED = "created"
    VALIDATING = "validating"
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    FINALIZING = "finalizing"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def terminal(self) -> bool:
        """True when the job will never change again."""
        return self in _TERMINAL


_TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a provider said about one of its jobs at one moment. Adapters build it; nothing else does.

    `provider_state` is the provider's own word. `client_id` and `plan_fingerprint` are what we wrote on the job, if they came back.
    `files` maps a purpose (train, validation) to the provider's file id, `sha256` where known: what `find` compares without metadata.
    """

    provider_id: str
    state: JobState
    provider_state: str
    detail: str = ""
    created_at: datetime | None = None
    finished_at: datetime | None = None
    base: str | None = None
    method: str | None = None
    model: str | None = None
    error: str | None = None
    client_id: str | None = None
    plan_fingerprint: str | None = None
    recipe_fingerprint: str | None = None
    dataset_fingerprint: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    suffix: str | None = None
    partial: bool = False
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Job:
    """One recipe submitted to one provider, as the registry knows it.

    `last_heard_at` is when the provider last answered about it; `missing_since` when it first said that it does not know the job.
    `state` is what it last said, however long ago. `model` is the URI of the tuned model, `cost` a decimal string in USD, or None while
    unknown.
    """

    uri: str
    provider: str
    provider_id: str | None
    state: JobState
    provider_state: str = ""
    detail: str = ""
    client_id: str | None = None
    scope: str = ""
    created_at: datetime | None = None
    finished_at: datetime | None = None
    last_heard_at: datetime | None = None
    missing_since: datetime | None = None
    base: str | None = None
    method: str | None = None
    model: str | None = None
    cost: str | None = None
    error: str | None = None
    partial: bool = False
    attempt: int = 1
    plan_fingerprint: str | None = None
    recipe_fingerprint: str | None = None
    dataset_fingerprint: str | None = None
    note: str = ""

    def heard(self, snapshot: Snapshot, at: datetime) -> Job:
        """The job after the provider said `snapshot` at `at`. A terminal state is never overwritten, only completed.

        Before that, what is not said any more no longer holds: a job that goes on after a failure has no error.
        """
        if self.state.terminal:
            return replace(
                self,
                model=self.model or self._model_uri(snapshot),
                error=self.error or snapshot.error,
                finished_at=self.finished_at or snapshot.finished_at,
                last_heard_at=at,
                missing_since=None,
            )
        return replace(
            self,
            state=snapshot.state,
            provider_state=snapshot.provider_state,
            detail=snapshot.detail,
            created_at=self.created_at or snapshot.created_at,
            finished_at=snapshot.finished_at,
            last_heard_at=at,
            missing_since=None,
            base=self.base or snapshot.base,
            method=self.method or snapshot.method,
            model=self._model_uri(snapshot) or self.model,
            error=snapshot.error,
            partial=snapshot.partial,
            attempt=max(self.attempt, snapshot.attempt),
            recipe_fingerprint=self.recipe_fingerprint or snapshot.recipe_fingerprint,
            dataset_fingerprint=self.dataset_fingerprint or snapshot.dataset_fingerprint,
        )

    def _model_uri(self, snapshot: Snapshot) -> str | None:
        return f"{self.provider}:{snapshot.model}" if snapshot.model else None

    def in_scope(self, scope: str) -> bool:
        """Whether a provider that is set up for `scope` can know this job. To any other it does not exist, which says nothing about it."""
        return self.scope in ("", scope)

    def unheard(self, at: datetime) -> Job:
        """The job after the provider said that it knows no such job. Its state stays what it was."""
        return replace(self, missing_since=self.missing_since or at)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a job's history. `id` orders and identifies it within the job."""

    id: str
    at: datetime
    level: str
    message: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """The measurements of one optimizer step. Names as the field has them: loss, eval_loss, learning_rate, tokens_per_second …"""

    step: int
    values: dict[str, float]
    at: datetime | None = None
