"""What of a reinforcement recipe the local backend takes, told before anything runs. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneport.errors import RecipeError, Unsupported
from tuneport.grading.fitness import refuse_rows, refuse_unfit
from tuneport.grading.grade import Grading
from tuneport.grading.process import GraderLimits
from tuneport.grading.reading import grader_of
from tuneport.methods import GRPO

if TYPE_CHECKING:
    from tuneport.recipe import Recipe
    from tuneport_local.training.spec import TrainingSpec

_VENDORS = {"compute_multiplier": "auto", "reasoning_effort": None, "response_format": None}
"""Settings that only vendors have a place for, with what they are when nothing is asked for."""


def refuse_unusable(recipe: Recipe) -> None:
    """Raises RecipeError, Unsupported or CheckFailed for what would not train here."""
    method = recipe.method
    assert isinstance(method, GRPO)
    for name, usual in _VENDORS.items():
        if getattr(method, name) != usual:
            raise Unsupported(f"{name} has no meaning for local reinforcement.", remedy=f"Leave {name} out.")
    if method.too_long == "truncate":
        raise RecipeError("too_long 'truncate' would cut prompts where their answers begin.", remedy="Use 'refuse' or 'drop'.")
    if method.max_length != "auto" and method.max_tokens != "auto" and method.max_length <= method.max_tokens:
        raise RecipeError(f"max_length {method.max_length} leaves no room for a prompt beside an answer of {method.max_tokens} tokens.")
    refuse_unfit(method.grader)
    refuse_rows(method.grader, recipe.train, purpose="train")
    if recipe.validation is not None:
        refuse_rows(method.grader, recipe.validation, purpose="validation")


def grading_of(spec: TrainingSpec) -> Grading:
    """The grader of a job. Raises RecipeError for a job folder that holds none."""
    limits = GraderLimits(timeout_s=spec.grader_timeout_s, memory_mb=spec.grader_memory_mb)
    return Grading(grader_of(spec.own["grader"]), limits=limits)


def try_grader(spec: TrainingSpec) -> None:
    """Runs the source of Python graders once. Raises GraderFailed for one that does not run."""
    with grading_of(spec) as grading:
        grading.start()
