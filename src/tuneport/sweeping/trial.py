"""One trial of a sweep: values for the fields that are varied, and the job that was trained with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal

from tuneport.sweeping.measured import Curve

TrialState = Literal["planned", "begun", "running", "pruning", "succeeded", "unmeasured", "pruned", "failed", "cancelled", "same"]
"""planned: drawn and quoted, nothing sent.  begun: it is being submitted.  pruning: it was told to stop.  unmeasured: it ended well without
the metric.  same: the plan of an earlier trial, whose result it has, also where that one failed."""

LIVE = frozenset({"running", "pruning"})
WAITING = frozenset({"planned", "begun"})


@dataclass(frozen=True, slots=True)
class Trial:
    """`plan` and `scope` are those of its plan. `quoted_usd` is the most it costs by its quote, None where nobody sends a bill;
    `cost_usd` what was billed, None while that is not known. `before`: its job was there before the sweep, which pays nothing for it."""

    number: int
    values: Mapping[str, Any]
    plan: str
    scope: str
    state: TrialState = "planned"
    quoted_usd: Decimal | None = None
    cost_usd: Decimal | None = None
    job: str | None = None
    value: float | None = None
    curve: Curve = ()
    same_as: int | None = None
    before: bool = False
    reason: str = ""

    @property
    def reserved_usd(self) -> Decimal:
        """What the budget has to hold for it: what was billed, or the most it may come to."""
        if self.state == "same" or self.before or (self.state == "failed" and self.job is None):
            return Decimal(0)
        return self.cost_usd if self.cost_usd is not None else self.quoted_usd or Decimal(0)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; money as text."""
        money = {name: None if (usd := getattr(self, name)) is None else str(usd) for name in ("quoted_usd", "cost_usd")}
        return {**asdict(self), "values": dict(self.values), "curve": [list(point) for point in self.curve], **money}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Trial:
        """The inverse of `to_json`."""
        money = {name: None if said[name] is None else Decimal(said[name]) for name in ("quoted_usd", "cost_usd")}
        return cls(**{**said, **money, "curve": tuple((int(step), float(value)) for step, value in said["curve"])})


def spent_usd(trials: Sequence[Trial]) -> Decimal:
    """What these cost, and may still come to."""
    return sum((each.reserved_usd for each in trials), Decimal(0))
