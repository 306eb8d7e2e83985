"""From a recipe to a plan, without torch and without touching anything: settings, defaults, the data as they will lie in the job folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tuneport.errors import CheckFailed, RecipeError, Unsupported
from tuneport.finding import Finding
from tuneport.own_settings import own, own_settings
from tuneport.provider import Capability
from tuneport.recipe import Recipe
from tuneport.recipe_table import RecipeTable
from tuneport.tables import Table, read_table
from tuneport_local.objectives import OBJECTIVES
from tuneport_local.support import support
from tuneport_local.tracking import tools

if TYPE_CHECKING:
    from tuneport.checks import CheckReport, Target
    from tuneport.dataset import Dataset
    from tuneport.methods import Training
    from tuneport.plan import Plan, PlannedFile

Auto = Literal["auto"]
SHARED = ("weights", "early_stopping", "keep", "neftune_alpha")
"""Settings that a plan names only where a recipe changes them."""
SHARED_BUILT: tuple[str, ...] = ()
Steps = Annotated[int, Field(ge=1)]
_SHOWN = 3


DEFAULTS = {method: objective.defaults for method, objective in OBJECTIVES.items()}
"""What `auto` in a recipe means on this machine for each method, wherever the hardware has no say."""


class LocalOptions(Table):
    """`options.local` of a recipe. `auto` leaves the value to the hardware; the events of the job say what it became.

    `precision` is that of the frozen base, `adapter_precision` that of the trained weights. The three `…_every` count optimizer steps.
    `trust_remote_code` runs Python code that comes with a model of the hub: only for models whose code you have read. `track` names tools
    that are told of the training, beside TensorBoard's files.
    """

    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]{1,2})?)$")] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    adapter_precision: Literal["auto", "fp32", "bf16"] = "auto"
    eval_every: Steps | Auto = "auto"
    checkpoint_every: Steps | Auto = "auto"
    log_every: Steps = 1
    gradient_checkpointing: bool | Auto = "auto"
    trust_remote_code: bool = False
    track: list[tools.Name] = own([])


def options_of(recipe: Recipe, *, provider: str) -> LocalOptions:
    """The recipe's settings for this provider. Raises RecipeError naming the key, with the nearest known one."""
    return read_table(LocalOptions, recipe.options.get(provider, {}), place=f"options.{provider}", error=RecipeError)


def hyperparameters(recipe: Recipe, *, provider: str) -> dict[str, Any]:
    """Every number the training of this recipe will use; `auto` stays only where the hardware decides. Raises RecipeError."""
    return resolved(_method(recipe), options_of(recipe, provider=provider), seed=recipe.seed)


def resolved(method: Training, options: LocalOptions, *, seed: int) -> dict[str, Any]:
    """The same from its parts."""
    objective = OBJECTIVES[_kind(method)]
    return {
        "epochs": _or(method.epochs, objective.defaults.epochs),
        "batch_size": _or(method.batch_size, objective.defaults.batch_size),
        "learning_rate": _learning_rate(method),
        "warmup_ratio": method.warmup_ratio,
        "schedule": method.schedule,
        "weight_decay": method.weight_decay,
        "max_grad_norm": method.max_grad_norm,
        "max_length": method.max_length,
        "too_long": method.too_long,
        "lora": {
            "rank": method.lora.rank,
            "alpha": method.lora.scale * method.lora.rank,
            "dropout": method.lora.dropout,
            "targets": method.lora.targets if isinstance(method.lora.targets, str) else list(method.lora.targets),
            **dict(own_settings(method.lora)),
        },
        "seed": seed,
        **{name: _or(getattr(method, name), usual) for name, usual in objective.own.items()},
        **{name: _plain(value) for name, value in own_settings(method) if name in SHARED},
        **options.model_dump(),
    }


def plan(recipe: Recipe, *, provider: str, scope: str, base: str, knows_tools: bool = True) -> Plan:
    """The plan for a recipe whose base has been found to exist. Raises RecipeError, Unsupported, DatasetError, CheckFailed.

    `knows_tools` is False when the base's chat template is at hand and has no place for tools.
    """
    from tuneport.checks import Limits, Target
    from tuneport.plan import Plan, PlannedRequest

    values = hyperparameters(recipe, provider=provider)
    tools.refuse_absent(values.get("track", ()))
    datasets = {"train": recipe.train} | ({"validation": recipe.validation} if recipe.validation is not None else {})
    method = recipe.method.kind
    target = Target(provider=provider, model=base, method=method, limits=Limits(images=False, media=False, tools=knows_tools))
    reports = {purpose: _checked(dataset, purpose=purpose, target=target) for purpose, dataset in datasets.items()}
    files = tuple(_file(dataset, purpose=purpose, rows=reports[purpose].rows, method=method) for purpose, dataset in datasets.items())
    body = {
        "base": base,
        "method": method,
        "hyperparameters": values,
        "files": {file.purpose: f"{{file:{file.purpose}}}" for file in files},
        "suffix": recipe.suffix,
    }
    return Plan(
        provider=provider,
        scope=scope,
        base=base,
        method=method,
        requests=(PlannedRequest("create job folder", body),),
        files=files,
        hyperparameters=values,
        recipe=recipe.to_dict(),
        recipe_fingerprint=recipe.fingerprint,
        dataset_fingerprint=recipe.train.fingerprint,
        seed=recipe.seed,
        suffix=recipe.suffix,
        findings=reports["train"].findings,
        notes=_notes(recipe, values),
    )


def _plain(value: Any) -> Any:
    """JSON-ready."""
    return value.model_dump(mode="json") if isinstance(value, Table | RecipeTable) else value


def _or(value: Any, default: Any) -> Any:
    return default if value == "auto" else value


def _method(recipe: Recipe) -> Training:
    """Raises Unsupported for the methods that are not built yet."""
    if recipe.method.kind not in OBJECTIVES:
        raise Unsupported(f"{support(Capability.TRAIN, method=recipe.method.kind).reason}.")
    built = (*SHARED_BUILT, *OBJECTIVES[recipe.method.kind].own)
    if (later := next((name for name, _ in own_settings(recipe.method) if name not in built), None)) is not None:
        raise Unsupported(f"{later} is not built for the local backend yet.", remedy="Leave it out.")
    return recipe.method


def _kind(method: Training) -> str:
    return str(getattr(method, "kind"))  # noqa: B009 - each method has one, and their common class has not


def _learning_rate(method: Training) -> float:
    usual = DEFAULTS[_kind(method)].learning_rate
    if method.learning_rate_multiplier != "auto":
        return usual * method.learning_rate_multiplier
    return float(_or(method.learning_rate, usual))


def _notes(recipe: Recipe, values: dict[str, Any]) -> tuple[str, ...]:
    from tuneport.planned_data import unlearned

    method = _method(recipe)
    names = ("epochs", "batch_size", "learning_rate", *OBJECTIVES[recipe.method.kind].own)
    taken = [f"{name} {values[name]:g}" for name in names if getattr(method, name) == "auto"]
    notes = [f"taken where the recipe says auto: {', '.join(taken)}"] if taken else []
    if method.learning_rate_multiplier != "auto":
        times = f"{method.learning_rate_multiplier:g} x the local default {DEFAULTS[recipe.method.kind].learning_rate:g}"
        notes.append(f"learning rate {values['learning_rate']:g} = {times}")
    return (*notes, *unlearned(recipe))


def _checked(dataset: Dataset, *, purpose: str, target: Target) -> CheckReport:
    """What the rules say of the data. Raises CheckFailed with the first lines that cannot be trained on."""
    from tuneport.checks import check

    report = check(dataset, target=target)
    problems = [finding for finding in report.findings if finding.severity == "error"]
    if problems:
        raise CheckFailed(f"{dataset.name} ({purpose}) cannot be used: {_listed(problems)}", remedy="See: tuneport data check")
    return report


def _listed(problems: list[Finding]) -> str:
    shown = [f"line {problem.line}: {problem.message}" if problem.line else problem.message for problem in problems[:_SHOWN]]
    return " ".join([*shown, *([f"(and {len(problems) - _SHOWN} more)"] if len(problems) > _SHOWN else [])])


def _file(dataset: Dataset, *, purpose: str, rows: int, method: str) -> PlannedFile:
    from tuneport.plan import PlannedFile

    return PlannedFile.from_chunks(lambda: dataset.chunks(format=OBJECTIVES[method].format), purpose=purpose, rows=rows)


def body_of(plan: Plan) -> dict[str, Any]:
    """The one request of a local plan, JSON-ready."""
    if len(plan.requests) != 1 or plan.requests[0].call != "create job folder":
        raise Unsupported(f"this plan was made for {plan.provider}, not for a local backend.")
    return dict(json.loads(json.dumps(plan.requests[0].body)))
