"""From a recipe to a plan: the one request that creates the job, as the API spells it, and the files that go before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from tuneport.errors import RecipeError
from tuneport.limits import suffix_problem
from tuneport.methods import cloud_method
from tuneport.plan import Plan, PlannedFile, PlannedRequest
from tuneport.recipe import Recipe
from tuneport_openai.wire.bases import base_of
from tuneport_openai.wire.data import files_in, files_of, target_of
from tuneport_openai.wire.dialect import OPENAI, Dialect, compatible
from tuneport_openai.wire.hyperparameters import hyperparameters, method_body, notes
from tuneport_openai.wire.options import OpenAIOptions, integrations, options_of

__all__ = ["CREATE", "OPENAI", "Dialect", "compatible", "to_plan"]

CREATE = "POST /fine_tuning/jobs"


def to_plan(
    recipe: Recipe,
    *,
    provider: str,
    scope: str,
    base: str,
    on: date,
    dialect: Dialect = OPENAI,
    options: OpenAIOptions | None = None,
    beside: Mapping[str, Any] | None = None,
) -> Plan:
    """What would be sent for `recipe` on that day. `base` is as the recipe has it; the plan's is what the API takes.

    `options` are those of the recipe for this provider, where they were read already; `beside` are further keys of the job.

    Raises UnknownModel, Unsupported, RecipeError, CheckFailed and DatasetError; the cheap reasons come before the data are read.
    """
    method = cloud_method(recipe.method, who=dialect.name)
    base = base_of(base, provider=provider, method=method.kind, on=on, dialect=dialect)
    options = options or options_of(recipe, provider=provider)
    values = hyperparameters(method, dialect=dialect)
    trained_by = method_body(method, options=options, dialect=dialect)
    _refuse_suffix(recipe, base=base, dialect=dialect)
    data = files_of(recipe, base=base, dialect=dialect)
    body = _body(recipe, base=base, files=data.files, trained_by=trained_by, options=options) | dict(beside or {})
    return Plan(
        provider=provider,
        scope=scope,
        base=base,
        method=method.kind,
        requests=(PlannedRequest(CREATE, body),),
        files=data.files,
        hyperparameters=values,
        recipe=recipe.to_dict(),
        recipe_fingerprint=recipe.fingerprint,
        dataset_fingerprint=recipe.train.fingerprint,
        seed=recipe.seed,
        suffix=recipe.suffix,
        findings=data.findings,
        notes=(*notes(method, dialect=dialect), *data.notes),
    )


def _refuse_suffix(recipe: Recipe, *, base: str, dialect: Dialect) -> None:
    limits = target_of(base, method=recipe.method.kind, dialect=dialect).limits
    problem = suffix_problem(recipe.suffix, limits) if recipe.suffix is not None else None
    if problem is not None:
        raise RecipeError(f"{dialect.name}: {problem}")


def _body(
    recipe: Recipe, *, base: str, files: tuple[PlannedFile, ...], trained_by: dict[str, Any], options: OpenAIOptions
) -> dict[str, Any]:
    """File ids are not known before the upload: they stand as {file:<purpose>}."""
    found = {"suffix": recipe.suffix, "integrations": integrations(options), "metadata": dict(options.metadata)}
    return {
        "model": base,
        **files_in({file.purpose: f"{{file:{file.purpose}}}" for file in files}),
        **trained_by,
        "seed": recipe.seed,
        **{key: value for key, value in found.items() if value},
    }
