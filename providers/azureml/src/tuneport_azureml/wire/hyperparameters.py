"""Hyperparameters by the names that the service has for them, and what becomes of a recipe's other settings.

Names: three stand in all of Microsoft's samples of fine-tuning jobs (Azure/azureml-examples, cli/jobs/finetuning); the others are inputs of
the pipelines that such a job runs on compute (Azure/azureml-assets: text_classification_pipeline 0.0.77 and summarization_pipeline 0.0.21,
read 2026-11-21; question_answering_datapreprocess 0.0.76, read 2026-11-22). Jobs on the service's own machines are sent the three alone.
The service wants every value as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tuneport.errors import RecipeError, Unsupported
from tuneport.methods import SFT, Classify
from tuneport.own_settings import refuse_own_settings
from tuneport.tuned_weights import Full, LoRA
from tuneport_azureml.wire.options import AzureMLOptions
from tuneport_azureml.wire.rows import KEYS
from tuneport_azureml.wire.tunable import Road

WHO = "Azure ML"
Method = SFT | Classify
_SAMPLES = {"epochs": "num_train_epochs", "batch_size": "per_device_train_batch_size", "learning_rate": "learning_rate"}
_PIPELINES = {"schedule": "lr_scheduler_type", "weight_decay": "weight_decay", "max_grad_norm": "max_grad_norm"}
_OPENAI = {"epochs": "nEpochs", "batch_size": "batchSize", "learning_rate_multiplier": "learningRateMultiplier"}


def hyperparameters(method: Method, options: AzureMLOptions, *, road: Road, on_compute: bool) -> dict[str, Any]:
    """The values that will be used, by a recipe's own names; `auto` where the service chooses.

    Raises RecipeError for one with another meaning here, Unsupported for one that cannot be said.
    """
    _refuse_others(method, road=road)
    if road == "custom" and not on_compute and method.weights is not None:
        raise Unsupported(
            f"on machines of its own {WHO} decides itself which weights are trained, and the recipe says weights.",
            remedy="Name machines: compute or instance_types, in options.azureml or in the profile.",
        )
    if road == "azure_openai":
        if options.hyperparameters:
            raise RecipeError("options: hyperparameters is for models of the registries; Azure OpenAI's are the recipe's own.")
        return {name: getattr(method, name) for name in _OPENAI}
    _refuse_ours(options.hyperparameters)
    found = {name: getattr(method, name) for name in _SAMPLES}
    if on_compute:
        found |= {name: getattr(method, name) for name in _PIPELINES if _is_changed(method, name)} | _weights(method)
    return found | {f"hyperparameters.{name}": value for name, value in options.hyperparameters.items()}


def sent(values: dict[str, Any], *, road: Road) -> dict[str, Any]:
    """The hyperparameters as the job's body has them."""
    if road == "azure_openai":
        return {_OPENAI[name]: value for name, value in values.items() if value != "auto"}
    names = _SAMPLES | _PIPELINES
    found = {names.get(name, name): _text(value) for name, value in values.items() if value != "auto" and "." not in name}
    return found | {name.partition(".")[2]: value for name, value in values.items() if "." in name}


def notes(method: Method, *, road: Road, on_compute: bool, seed: int) -> Iterator[str]:
    """What of the method's settings is not used, and what the service chooses."""
    unused = [name for name in ("warmup_ratio",) if _is_changed(method, name)]
    if not on_compute or road == "azure_openai":
        unused += [name for name in _PIPELINES if _is_changed(method, name)]
        unused += ["lora"] if method.lora != LoRA() else []
    if getattr(method, "label_weights", "equal") != "equal":
        unused.append("label_weights")
    if seed:
        unused.append("seed")
    if unused:
        yield f"{WHO} is not told these, and decides them by itself: {', '.join(unused)}"
    if method.epochs == "auto":
        yield f"{WHO} chooses how many epochs there are (1 by its pipelines); to say it: epochs"


def _weights(method: Method) -> dict[str, str]:
    """Adapters unless the recipe says all weights. The pipelines would train all of them by themselves."""
    if isinstance(method.weights, Full):
        return {"apply_lora": "false"}
    lora = method.lora
    alpha = 2 * lora.rank if lora.alpha == "auto" else lora.alpha
    return {"apply_lora": "true", "lora_r": _text(lora.rank), "lora_alpha": _text(alpha), "lora_dropout": _text(lora.dropout)}


def _refuse_others(method: Method, *, road: Road) -> None:
    if road == "azure_openai" and method.learning_rate != "auto":
        raise RecipeError(
            f"learning_rate is {method.learning_rate:g}, and Azure OpenAI takes no absolute one.",
            remedy="Use learning_rate_multiplier, which is relative to the service's own.",
        )
    if road == "custom" and method.learning_rate_multiplier != "auto":
        raise RecipeError(
            f"learning_rate_multiplier is {method.learning_rate_multiplier:g}, and {WHO} takes an absolute learning rate only.",
            remedy="Use learning_rate.",
        )
    if road == "custom" and _plain_full(method):
        refuse_own_settings(method.model_copy(update={"weights": None}), who=WHO)
    else:
        refuse_own_settings(method, who=WHO)
    if method.too_long != "refuse":
        raise Unsupported(
            f"{WHO} is not told what to do with rows that are too long, and the recipe says too_long {method.too_long!r}.",
            remedy="Leave it at 'refuse', or shorten the rows before.",
        )
    if method.lora.targets != "all-linear":
        raise Unsupported(f"{WHO} has no place for lora.targets.", remedy="Leave it out, or train with local.")


def _refuse_ours(further: Mapping[str, str]) -> None:
    """What the recipe itself says, or what follows from its rows, is not said a second time."""
    own = {sent: name for name, sent in (_SAMPLES | _PIPELINES).items()}
    own |= dict.fromkeys(("apply_lora", "lora_r", "lora_alpha", "lora_dropout"), "lora or weights")
    own |= {key: "rows" for keys in KEYS.values() for key in keys}
    if (name := next((name for name in further if name in own), None)) is not None:
        raise RecipeError(
            f"options: hyperparameters has {name!r}, which follows from the recipe's {own[name]}.", remedy="Leave it out there."
        )


def _plain_full(method: Method) -> bool:
    """All weights, with nothing more said of them."""
    return isinstance(method.weights, Full) and method.weights == Full()


def _is_changed(method: Method, name: str) -> bool:
    return bool(getattr(method, name) != type(method).model_fields[name].default)


def _text(value: Any) -> str:
    """A number as people write it: 0.00002, not 2e-05."""
    return format(Decimal(repr(value)).normalize(), "f") if isinstance(value, float) else str(value)
