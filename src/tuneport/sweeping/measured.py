"""What trials are compared by: one metric of a job, from what its provider tells of each step."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Literal

from tuneport.errors import UsageError
from tuneport.job import Metric
from tuneport.recipe import Recipe

Direction = Literal["minimize", "maximize"]
_LOWER = ("loss", "perplexity", "error", "entropy")
_HIGHER = ("accuracy", "accuracies", "reward", "rewards", "margins", "score", "f1", "chosen")
_SPAN = 10
"""The loss of one training step is that of a few rows: the mean of so many is taken."""

Curve = tuple[tuple[int, float], ...]
"""(step, value), in order of step."""


def metric_of(recipe: Recipe, given: str | None) -> str:
    """The metric that is wanted, or the loss on validation rows. Raises UsageError where there are none."""
    if given is not None:
        return given
    if recipe.validation is None:
        raise UsageError(
            "the recipe has no validation rows, and what a model learned shows on rows that it has not seen.",
            remedy="Add validation rows to the recipe, or compare by what training rows give: --metric loss",
        )
    return "eval_loss"


def direction_of(metric: str, given: str | None) -> Direction:
    """Whether less of it is better. Raises UsageError where its name does not tell."""
    if given in ("minimize", "maximize"):
        return "minimize" if given == "minimize" else "maximize"
    if given is not None:
        raise UsageError(f"--direction is minimize or maximize, not {given!r}.")
    words = metric.replace("/", "_").split("_")
    if words[-1] in _LOWER:
        return "minimize"
    if words[-1] in _HIGHER:
        return "maximize"
    raise UsageError(f"it is not known whether more or less of {metric!r} is better.", remedy="Add --direction minimize or maximize.")


def curve_of(metrics: Iterable[Metric], name: str) -> Curve:
    """The course of one metric. That of the training loss is smoothed over the steps before."""
    told = sorted({each.step: each.values[name] for each in metrics if isfinite(each.values.get(name, float("nan")))}.items())
    if name != "loss":
        return tuple(told)
    return tuple((step, _mean([value for _, value in told[max(0, place + 1 - _SPAN) : place + 1]])) for place, (step, _) in enumerate(told))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def names_in(metrics: Iterable[Metric]) -> str:
    """What there would be to compare by."""
    return ", ".join(sorted({name for each in metrics for name in each.values})) or "nothing"


def steps_compare(names: Iterable[str]) -> bool:
    """Whether a step is as far into the training in every trial, whatever the values of these fields."""
    changing = ("method.epochs", "method.batch_size", "method.kind", "train", "base", "method.max_length", "method.too_long")
    return not any(name == each or name.startswith(f"{each}.") for name in names for each in changing)
