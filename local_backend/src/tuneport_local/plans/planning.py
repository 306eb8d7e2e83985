"""From a recipe to a plan, without torch and without touching anything: settings and defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tuneport.errors import RecipeError, Unsupported
from tuneport.own_settings import own, own_settings
from tuneport.provider import Capability
from tuneport.recipe import Recipe
from tuneport.recipe_table import RecipeTable
from tuneport.tables import Table, read_table
from tuneport_local.adapters.tuned_kinds import KINDS, LORA, goes_with
from tuneport_local.bases import quantized
from tuneport_local.engines import combinations
from tuneport_local.engines.engine import RESTARTS
from tuneport_local.jobs.devices import device_of
from tuneport_local.methods.objectives import OBJECTIVES
from tuneport_local.plans.machines import Machine, machine_of, without_table
from tuneport_local.support import support
from tuneport_local.tracking import tools
from tuneport_local.training.checkpoints import KEPT

if TYPE_CHECKING:
    from tuneport.methods import Training
    from tuneport.plan import Plan
    from tuneport.settings import Settings as Configuration

Auto = Literal["auto"]
SHARED = ("weights", "early_stopping", "keep", "neftune_alpha")
"""Settings that a plan names only where a recipe changes them."""
Steps = Annotated[int, Field(ge=1)]

DEFAULTS = {method: objective.defaults for method, objective in OBJECTIVES.items()}
"""What `auto` in a recipe means on this machine for each method, wherever the hardware has no say."""


class LocalOptions(Table):
    """`options.local` of a recipe. `auto` leaves the value to the hardware; the events of the job say what it became.

    `precision` is that of the frozen base, `adapter_precision` that of the trained weights. The three `…_every` count optimizer steps.
    `grader_…` are the limits of one call of a grader that runs in a process of its own.
    `trust_remote_code` runs Python code that comes with a model of the hub: only for models whose code you have read. `checkpoints_kept`
    are the newest; with keep = 'best' that one stays beside them. `forgetting`: whether a general text is read before and after.
    `track` names tools that are told of the training, beside TensorBoard's files. `engine` is what trains, `workers` are its processes
    (auto: one for each GPU), `restarts` how often they begin again from the last checkpoint when one is lost. An engine that rents machines
    has a table of its own, named as it is, which its launcher reads (`machines`).
    `address` is that of a Ray cluster's jobs API, `storage` an fsspec URL that this machine and all of the cluster's reach.
    `profile`: whether it is written where the time went. `share_beginning`: what all rows of a batch begin with goes through the model once
    (`sft`). `sharding`: whether the base is divided among the workers, or whole in each (auto: divided where only that fits).
    """

    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]{1,2})?)$")] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    adapter_precision: Literal["auto", "fp32", "bf16"] = "auto"
    eval_every: Steps | Auto = "auto"
    checkpoint_every: Steps | Auto = "auto"
    log_every: Steps = 1
    gradient_checkpointing: bool | Auto = "auto"
    trust_remote_code: bool = False
    grader_timeout_s: Annotated[float, Field(gt=0, le=3600, exclude_if=lambda value: value == 10.0)] = 10.0
    grader_memory_mb: Annotated[int, Field(ge=64, exclude_if=lambda value: value == 1024)] = 1024
    checkpoints_kept: Annotated[int, Field(ge=1, le=1000)] = own(KEPT)
    forgetting: bool | Auto = own("auto")
    track: list[tools.Name] = own([])
    engine: str = own("process")
    workers: Annotated[int, Field(ge=1, le=1024)] | Auto = own("auto")
    restarts: Annotated[int, Field(ge=0, le=100)] = own(RESTARTS)
    address: str | None = own(None)
    storage: str | None = own(None)
    profile: bool = own(False)
    share_beginning: bool = own(False)
    sharding: Literal["none", "full", "auto"] = own("none")


def options_of(recipe: Recipe, *, provider: str) -> LocalOptions:
    """The recipe's settings for this provider. Raises RecipeError naming the key, with the nearest known one."""
    return read_table(LocalOptions, without_table(recipe.options.get(provider, {})), place=f"options.{provider}", error=RecipeError)


def hyperparameters(recipe: Recipe, *, provider: str, configuration: Configuration | None = None) -> dict[str, Any]:
    """Every number the training of this recipe will use; `auto` stays only where the hardware decides. Raises RecipeError.

    `configuration` is what a launcher reads its profile in; without it the one that this process finds.
    """
    machine = machine_of(recipe.options.get(provider, {}), configuration=configuration)
    options, method = options_of(recipe, provider=provider), _method(recipe)
    return resolved(method, options, seed=recipe.seed, machine=machine)


def resolved(method: Training, options: LocalOptions, *, seed: int, machine: Machine | None = None) -> dict[str, Any]:
    """The same from its parts."""
    objective = OBJECTIVES[_kind(method)]
    if method.batch_size != "auto" and method.batch_size < objective.least_batch:
        least = objective.least_batch
        raise RecipeError(
            f"batch_size {method.batch_size} is too small for method {objective.method}, which compares the rows of a batch.",
            remedy=f"Set it to {least} or more.",
        )
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
        **{name: _plain(_or(getattr(method, name), usual)) for name, usual in objective.own.items()},
        **{name: _plain(value) for name, value in own_settings(method) if name in SHARED},
        **(_machine(options) if machine is None else _rented(options, machine)),
        **_validated_every(method, options),
    }


def _machine(options: LocalOptions) -> dict[str, Any]:
    """The options, with the number of workers where there are several."""
    values = options.model_dump()
    workers = combinations.workers_of(values)
    if options.engine != "process":
        return {**values, "workers": workers}
    return {name: value for name, value in values.items() if name != "workers"}


def _rented(options: LocalOptions, machine: Machine) -> dict[str, Any]:
    """The same for a machine that is rented: what it is trained on is known from its settings."""
    values = options.model_dump()
    values["device"] = combinations.device_there(options.device, machine)
    several = {"machines": machine.count} if machine.count > 1 else {}
    workers = combinations.workers_there(options.workers, machine, device=values["device"])
    return {**values, "workers": workers, **several, "rented": machine.settings}


def _validated_every(method: Training, options: LocalOptions) -> dict[str, Any]:
    """`eval_interval` of a method that has one, where the options do not say it."""
    asked = getattr(method, "eval_interval", "auto")
    return {} if asked == "auto" or options.eval_every != "auto" else {"eval_every": asked}


def plan(
    recipe: Recipe,
    *,
    provider: str,
    scope: str,
    base: str,
    knows_tools: bool = True,
    blind: str = "",
    configuration: Configuration | None = None,
) -> Plan:
    """The plan for a recipe whose base has been found to exist. Raises RecipeError, Unsupported, DatasetError, CheckFailed.

    `knows_tools` is False when the base's chat template is at hand and has no place for tools; `blind`: why it is shown no images.
    """
    from tuneport.plan import Plan, PlannedRequest
    from tuneport_local.plans import planned_files

    values = hyperparameters(recipe, provider=provider, configuration=configuration)
    refuse_what_does_not_run_here(recipe, options_of(recipe, provider=provider), values)
    tools.refuse_absent(values.get("track", ()))
    OBJECTIVES[recipe.method.kind].refuse(recipe)
    data = planned_files.carried(
        recipe, provider=provider, base=base, knows_tools=knows_tools, blind=blind, workers=values.get("workers", 1)
    )
    body = {
        "base": base,
        "method": recipe.method.kind,
        "hyperparameters": values,
        "files": {file.purpose: f"{{file:{file.purpose}}}" for file in data.files},
        "suffix": recipe.suffix,
        **({"format": data.format} if data.format != OBJECTIVES[recipe.method.kind].format else {}),
    }
    return Plan(
        provider=provider,
        scope=scope,
        base=base,
        method=recipe.method.kind,
        requests=(PlannedRequest("create job folder", body),),
        files=data.files,
        hyperparameters=values,
        recipe=recipe.to_dict(),
        recipe_fingerprint=recipe.fingerprint,
        dataset_fingerprint=recipe.train.fingerprint,
        seed=recipe.seed,
        suffix=recipe.suffix,
        findings=data.findings,
        notes=_notes(recipe, values),
        billed="rented" in values,
    )


def refuse_what_does_not_run_here(recipe: Recipe, options: LocalOptions, values: Mapping[str, Any]) -> None:
    """Raises Unsupported for settings that this machine, or a kind of weights, cannot do."""
    method = recipe.method
    combinations.refuse(values, method=method.kind, workers=values.get("workers", 1))
    if method.lora.quantize is not None and "rented" not in values and (why := quantized.why_not(device_of(options.device))):
        raise Unsupported(f"{why}.", remedy="Leave lora.quantize out.")
    if options.share_beginning and method.kind != "sft":
        raise Unsupported(
            f"share_beginning is for method sft; the recipe says {method.kind}.", remedy="Leave options.local.share_beginning out."
        )
    kind = KINDS[LORA if method.weights is None else method.weights.kind]
    if kind.name == "prefix" and options.gradient_checkpointing is True:
        raise Unsupported(
            "weights 'prefix' do not go with gradient_checkpointing: peft keeps the prefix as a memory.", remedy="Leave it out."
        )
    if kind.virtual and getattr(method, "neftune_alpha", None) is not None:
        raise Unsupported(f"neftune_alpha is noise on the embeddings of words, and weights {kind.name!r} learn some of their own.")


def _plain(value: Any) -> Any:
    """JSON-ready."""
    return value.model_dump(mode="json") if isinstance(value, Table | RecipeTable) else value


def _or(value: Any, default: Any) -> Any:
    return default if value == "auto" else value


def _method(recipe: Recipe) -> Training:
    """Raises Unsupported for the methods that are not built yet."""
    if recipe.method.kind not in OBJECTIVES:
        raise Unsupported(f"{support(Capability.TRAIN, method=recipe.method.kind).reason}.")
    weights, lora = recipe.method.weights, recipe.method.lora.model_dump()
    if not (answer := goes_with(LORA if weights is None else weights.kind, method=recipe.method.kind, lora=lora)):
        raise Unsupported(f"{answer.reason}.")
    _refuse_unvalidated(recipe)
    return recipe.method


def _refuse_unvalidated(recipe: Recipe) -> None:
    """Raises RecipeError for what only a validation can decide, where there are no rows for one."""
    method = recipe.method
    wanted = "early_stopping" if method.early_stopping is not None else "keep = 'best'" if method.keep == "best" else ""
    if wanted and recipe.validation is None:
        raise RecipeError(
            f"{wanted} needs validation rows, and the recipe names none.",
            remedy="Give `validation` a file of its own, or a part of the data: {path, split}.",
        )


def _kind(method: Training) -> str:
    return str(getattr(method, "kind"))  # noqa: B009 - each method has one, and their common class has not


def _usual_rate(method: Training) -> float:
    return DEFAULTS[_kind(method)].learning_rate * KINDS[LORA if method.weights is None else method.weights.kind].rate


def _learning_rate(method: Training) -> float:
    usual = _usual_rate(method)
    if method.learning_rate_multiplier != "auto":
        return usual * method.learning_rate_multiplier
    return float(_or(method.learning_rate, usual))


def _notes(recipe: Recipe, values: dict[str, Any]) -> tuple[str, ...]:
    from tuneport.planned_data import unlearned

    method = recipe.method
    names = ("epochs", "batch_size", "learning_rate", *OBJECTIVES[recipe.method.kind].own)
    taken = [f"{name} {values[name]:g}" for name in names if getattr(method, name) == "auto"]
    notes = [f"taken where the recipe says auto: {', '.join(taken)}"] if taken else []
    if method.learning_rate_multiplier != "auto":
        times = f"{method.learning_rate_multiplier:g} x the local default {_usual_rate(method):g}"
        notes.append(f"learning rate {values['learning_rate']:g} = {times}")
    if "rented" in values:
        notes.append(f"a machine that engine {values['engine']!r} rents trains it, which its vendor bills")
    return (*notes, *unlearned(recipe))


def body_of(plan: Plan) -> dict[str, Any]:
    """The one request of a local plan, JSON-ready."""
    if len(plan.requests) != 1 or plan.requests[0].call != "create job folder":
        raise Unsupported(f"this plan was made for {plan.provider}, not for a local backend.")
    return dict(json.loads(json.dumps(plan.requests[0].body)))
