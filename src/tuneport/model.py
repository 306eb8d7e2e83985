"""Models and deployments, and what a server answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tuneport.plan import PlannedRequest
    from tuneport.quote import QuoteLine


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


Phase = Literal["starting", "ready", "failed", "ending", "unknown"]
"""What a deployment's state means: it comes, it answers, it never will, it goes; `unknown` for a word that nobody has told us."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A tuned model being served. `state` is the provider's own word, never mixed with a job's; `reason` is why it failed.

    `model` is the id of the model that answers. `last_used_at` is None where that is not known. `removed_at` is when the provider removes
    it by itself, should nothing change; `details["shutdown_date"]`, where there is one, is its last day in any case.
    """

    uri: str
    provider: str
    id: str
    model: str
    state: str
    phase: Phase = "unknown"
    reason: str = ""
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    removed_at: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What deploying a model would send and cost.

    `costs` stand as long as the deployment does, whether it is asked or not; `rules` are sentences about when the provider removes it and
    what else is paid. `stands` is a deployment of that name which is there already and serves this very model, or failed to.
    """

    uri: str
    provider: str
    id: str
    model: str
    requests: tuple[PlannedRequest, ...]
    costs: tuple[QuoteLine, ...] = ()
    rules: tuple[str, ...] = ()
    stands: Deployment | None = None

    @property
    def sends_nothing(self) -> bool:
        """Whether it is there already, so that deploying makes no new one and costs nothing more."""
        return self.stands is not None and self.stands.phase not in ("failed", "ending")

    @property
    def free(self) -> bool:
        """Whether it is known to cost nothing as long as it stands."""
        return bool(self.costs) and all(line.price == 0 for line in self.costs)

    @property
    def cost_sentences(self) -> tuple[str, ...]:
        """`hosting: 1.70 USD per hosting hour, 1,241.00 USD a month`, for each line of the costs."""
        return tuple(map(_sentence, self.costs)) or ("what it costs is not known",)


MONTH_HOURS = 730


def _sentence(line: QuoteLine) -> str:
    if line.price is None:
        return f"{line.item}: price per {line.unit} not known"
    by_month = f", {line.price * MONTH_HOURS:,.2f} {line.currency} a month" if line.unit.endswith("hour") and line.price else ""
    return f"{line.item}: {line.price:,.2f} {line.currency} per {line.unit}{by_month}"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one row. `log_probability` is the sum over the reference's tokens when it was asked for and the server can give it.

    `finish` is stop | length | tool_calls | error; `tokens` is (prompt, completion). A model with a head of its own answers with a `label`,
    with its `probability` from 0 to 1, or with a `score`; `text` says the same then.
    """

    text: str
    finish: str = "stop"
    tokens: tuple[int, int] = (0, 0)
    log_probability: float | None = None
    log_probability_tokens: int = 0
    label: str | None = None
    score: float | None = None
    probability: float | None = None
