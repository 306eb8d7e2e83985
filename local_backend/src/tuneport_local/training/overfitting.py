"""Overfitting, told in words: the validation got worse while the training rows were still learned better."""

from __future__ import annotations

from dataclasses import dataclass

from tuneport_local.training.course import Course, Validation

_WORSE = 0.03
_MUCH_WORSE = 0.10
_LOWER = 0.03


@dataclass(frozen=True, slots=True)
class Overfitting:
    """`best` and `last` are the validations; what the training loss was then and now stands in them."""

    best: Validation
    last: Validation

    @property
    def worse(self) -> float:
        """The share by which the loss of the last is above that of the best."""
        return self.last.loss / self.best.loss - 1

    @property
    def sentence(self) -> str:
        """What happened, with the numbers."""
        return (
            f"overfitting: the validation loss was best at step {self.best.step} ({self.best.loss:.4f}) and is {self.worse:.0%} higher at "
            f"step {self.last.step} ({self.last.loss:.4f}), while the training loss went on from {self.best.trained:.4f} to "
            f"{self.last.trained:.4f}: the model learns the training rows by heart"
        )


def overfitting(course: Course) -> Overfitting | None:
    """None unless the loss is clearly worse than at its best: by 3 % in the last two validations, or by 10 % in the last, and the
    training loss clearly lower. A validation has the same rows every time, so that only the weights make it move."""
    if len(course.validations) < 2:
        return None
    best = min(course.validations, key=lambda each: each.loss)
    *_, before, last = course.validations
    if best.loss <= 0 or best.trained is None or last.trained is None or last.trained > best.trained * (1 - _LOWER):
        return None
    found = Overfitting(best, last)
    twice = before.step > best.step and before.loss > best.loss * (1 + _WORSE)
    return found if found.worse > _MUCH_WORSE or (found.worse > _WORSE and twice) else None
