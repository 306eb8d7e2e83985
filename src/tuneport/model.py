"""Models and deployments, and what a server answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Model:
    """A base or tuned model at a provider.

    `uri` is `<provider>:<id>`. `job_uri`, `recipe_fingerprint` and `dataset_fingerprint` are the lineage of a tuned one; `path` is where a
    local one lies. `checkpoints` are model ids that can be used in its place, oldest first.
    """

    uri: str
    provider: str
    id: str
    base: str | None = None
    kind: str = "tuned"
    job_uri: str | None = None
    recipe_fingerprint: str | None = None
    dataset_fingerprint: str | None = None
    created_at: datetime | None = None
    path: str | None = None
    checkpoints: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A tuned model being served. Its states are the provider's own and never mixed with a job's."""

    uri: str
    provider: str
    id: str
    model: str
    state: str
    created_at: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one row. `log_probability` is the sum over the reference's tokens when it was asked for and the server can give it.

    `finish` is stop | length | tool_calls | error; `tokens` is (prompt, completion).
    """

    text: str
    finish: str = "stop"
    tokens: tuple[int, int] = (0, 0)
    log_probability: float | None = None
    log_probability_tokens: int = 0
    label: str | None = None
    score: float | None = None
