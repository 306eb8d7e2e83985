"""How the losses of a run have gone so far: all that early stopping, the best checkpoint and the words about divergence and overfitting
are decided by. It travels in the checkpoints, so that a resumed run decides as an unbroken one. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

WINDOW = 20
"""Steps that are looked at together; one step alone says little."""


@dataclass(frozen=True, slots=True)
class Validation:
    """One validation: after which step, its loss, and the mean training loss of the steps since the one before (None: not known).

    `score` is what validations are compared by; lower is better.
    """

    step: int
    loss: float
    score: float
    trained: float | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """`first` and `recent` are the losses of the first and the last steps, WINDOW at most; `lowest`: at best, three
    of four of WINDOW steps in a row were no higher. `since` is the sum of the losses since the last validation, and how many."""

    first: tuple[float, ...] = ()
    recent: tuple[float, ...] = ()
    lowest: float | None = None
    since: tuple[float, int] = (0.0, 0)
    validations: tuple[Validation, ...] = ()

    @classmethod
    def of(cls, kept: Mapping[str, Any], *, eval_losses: Sequence[Sequence[float]] = ()) -> Course:
        """From `to_dict`, or from what checkpoints held before there was such a thing: [step, loss] of each validation."""
        if not kept:
            return cls(validations=tuple(Validation(int(step), loss, loss) for step, loss in eval_losses))
        total, steps = kept["since"]
        return cls(
            first=tuple(kept["first"]),
            recent=tuple(kept["recent"]),
            lowest=kept["lowest"],
            since=(float(total), int(steps)),
            validations=tuple(Validation(**each) for each in kept["validations"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def stepped(self, loss: float) -> Course:
        """After one more step."""
        recent = (*self.recent, loss)[-WINDOW:]
        level = sorted(recent)[-WINDOW // 4] if len(recent) == WINDOW else None
        lowest = level if self.lowest is None else self.lowest if level is None else min(level, self.lowest)
        total, steps = self.since
        return replace(self, first=(*self.first, loss)[:WINDOW], recent=recent, lowest=lowest, since=(total + loss, steps + 1))

    def validated(self, step: int, *, loss: float, score: float) -> Course:
        """After a validation."""
        total, steps = self.since
        now = Validation(step, loss, score, total / steps if steps else None)
        return replace(self, since=(0.0, 0), validations=(*self.validations, now))

    @property
    def best(self) -> Validation | None:
        """The best validation, the first of equals; None before there is one."""
        return min(self.validations, key=lambda each: each.score, default=None)
