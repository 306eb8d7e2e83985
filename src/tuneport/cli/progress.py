"""How far a job is: what its metrics say about steps, loss, speed and the time that is left. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneport.cli.views import duration, number
from tuneport.job import JobState

if TYPE_CHECKING:
    from tuneport.job import Job, Metric

_LOOK_BACK = 20
"""Metrics that the speed is taken from."""
_STEP_OF = re.compile(r"step (\d+) of (\d+)")
"""How a provider's detail may say where a job is: it moves with every step and is no news."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A job at one moment. What is not known is None; `eta_s` is in seconds from the last metric."""

    job: Job
    step: int | None = None
    total: int | None = None
    loss: float | None = None
    eval_loss: float | None = None
    tokens_per_second: float | None = None
    eta_s: float | None = None

    @property
    def share(self) -> float:
        """The part that is done, from 0 to 1."""
        if self.job.state == "succeeded":
            return 1.0
        return min(1.0, self.step / self.total) if self.step and self.total else 0.0


def standing(job: Job, metrics: Sequence[Metric]) -> Standing:
    """What the metrics say about `job`."""
    said = _STEP_OF.fullmatch(job.detail)
    step, total = (int(said[1]), int(said[2])) if said else (None, None)
    if not metrics:
        return Standing(job, step=step, total=total)
    total = total or int(_latest(metrics, "total_steps") or 0) or None
    return Standing(
        job,
        step=max(step or 0, metrics[-1].step),
        total=total,
        loss=_latest(metrics, "loss"),
        eval_loss=_latest(metrics, "eval_loss"),
        tokens_per_second=_latest(metrics, "tokens_per_second"),
        eta_s=None if job.state is not JobState.RUNNING else _eta_s(metrics, total),
    )


def stage(job: Job) -> tuple[object, ...]:
    """What is worth saying when it changes: all that moves, but for the steps going by."""
    detail = "" if _STEP_OF.fullmatch(job.detail) else job.detail
    return job.state, job.provider_state, detail, job.missing_since, job.model, job.error, job.attempt, job.partial


def _latest(metrics: Sequence[Metric], name: str) -> float | None:
    return next((metric.values[name] for metric in reversed(metrics) if name in metric.values), None)


def _eta_s(metrics: Sequence[Metric], total: int | None) -> float | None:
    """As the provider says, else from the pace of the last steps."""
    if (told := _latest(metrics, "eta_s")) is not None:
        return told
    if total is None:
        return None
    timed = [metric for metric in metrics[-_LOOK_BACK:] if metric.at is not None]
    if len(timed) < 2:
        return None
    first, last = timed[0], timed[-1]
    if first.at is None or last.at is None or last.step <= first.step:
        return None
    return (total - last.step) * (last.at - first.at).total_seconds() / (last.step - first.step)


def plain(standing: Standing) -> str:
    """`running  step 45/108  loss 0.412  812 tokens/s  ETA 1:32`"""
    return "  ".join([standing.job.state.value, *details(standing)])


def details(standing: Standing) -> list[str]:
    """What is known beside the state, each as a few words."""
    steps = None if standing.step is None else f"step {standing.step}/{standing.total}" if standing.total else f"step {standing.step}"
    said = [
        steps,
        None if standing.loss is None else f"loss {number(standing.loss)}",
        None if standing.eval_loss is None else f"eval loss {number(standing.eval_loss)}",
        None if standing.tokens_per_second is None else f"{standing.tokens_per_second:,.0f} tokens/s",
        None if standing.eta_s is None else f"ETA {duration(standing.eta_s)}",
        None if _STEP_OF.fullmatch(standing.job.detail) else standing.job.detail or None,
    ]
    return [word for word in said if word is not None]
