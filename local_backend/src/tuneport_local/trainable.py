"""The network with the weights that a recipe has trained: adapters put on, or everything thawed. The same for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneport.errors import RecipeError
from tuneport_local.loading import torch_dtype
from tuneport_local.weights import Precision, published_name

if TYPE_CHECKING:
    from tuneport_local.assembly import Parts
    from tuneport_local.hardware import Hardware
    from tuneport_local.spec import TrainingSpec


def loaded_in(spec: TrainingSpec, machine: Hardware) -> Precision:
    """The precision that the base is loaded in: what is learned itself has to be kept finely."""
    return machine.adapter_precision if spec.kind.whole else machine.precision


def trainable(parts: Parts[Any]) -> Any:
    """The model of a job, ready for its trainer. Raises RecipeError for settings that the model has no place for."""
    return _whole(parts) if parts.spec.kind.whole else _adapted(parts)


def is_adapted(model: Any) -> bool:
    """Whether it is peft's: a base with adapters on it."""
    return hasattr(model, "peft_config")


def _whole(parts: Parts[Any]) -> Any:
    from transformers import set_seed

    set_seed(parts.spec.seed)
    return parts.model.requires_grad_(True)


def _adapted(parts: Parts[Any]) -> Any:
    """With fresh adapters in their own precision; everything else frozen."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    spec = parts.spec
    set_seed(spec.seed)
    targets = spec.lora.targets
    config = LoraConfig(
        r=spec.lora.rank,
        lora_alpha=spec.lora.alpha,
        lora_dropout=spec.lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type=parts.task,
        modules_to_save=list(parts.head) or None,
        exclude_modules=list(parts.head) or None,
    )
    try:
        tuned: Any = get_peft_model(parts.model, config, autocast_adapter_dtype=False)
    except ValueError:
        layers = sorted({name.rpartition(".")[2] for name, module in parts.model.named_modules() if type(module).__name__ == "Linear"})
        raise RecipeError(
            f"lora.targets {targets!r} name no layer of {spec.base}.", remedy=f"Its linear layers: {', '.join(layers)}."
        ) from None
    config.base_model_name_or_path = published_name(spec.base)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch_dtype(parts.machine.adapter_precision))
    return tuned
