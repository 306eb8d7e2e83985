"""The network with the weights that a recipe has trained: adapters put on, or everything thawed. The same for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneport.tuned_weights import Full
from tuneport_local.adapters.files import begun, go_on_from, settings_again
from tuneport_local.adapters.layered import layered
from tuneport_local.adapters.settings import configuration, refused
from tuneport_local.bases.divided import is_divided, taken_apart
from tuneport_local.bases.loading import torch_dtype
from tuneport_local.bases.weights import Precision, published_name

if TYPE_CHECKING:
    from tuneport_local.machine.hardware import Hardware
    from tuneport_local.training.assembly import Parts
    from tuneport_local.training.spec import TrainingSpec


def loaded_in(spec: TrainingSpec, machine: Hardware) -> Precision:
    """The precision that the base is loaded in: what is learned itself, or taken apart, has to be kept finely."""
    return machine.adapter_precision if spec.kind.whole or spec.lora.variant == "pissa" else machine.precision


def trainable(parts: Parts[Any]) -> Any:
    """The model of a job, ready for its trainer. Raises RecipeError for settings that the model has no place for."""
    if is_divided(parts.model):
        taken_apart(parts.model)
    return _whole(parts) if parts.spec.kind.whole else _adapted(parts)


def is_adapted(model: Any) -> bool:
    """Whether it is peft's: a base with adapters on it."""
    return hasattr(model, "peft_config")


def _whole(parts: Parts[Any]) -> Any:
    from transformers import set_seed

    spec, model = parts.spec, parts.model.requires_grad_(True)
    set_seed(spec.seed)
    table = Full(**(spec.weights or {}))
    if table != Full():
        model.layered = layered(
            model, freeze=table.freeze, decay=table.layer_decay, gradual=table.gradual, steps=parts.steps, base=spec.base
        )
        if table.freeze:
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(model.layered.depths[name] > table.freeze)
    return model


def _adapted(parts: Parts[Any]) -> Any:
    """With fresh adapters in their own precision; everything else frozen."""
    from peft import get_peft_model
    from transformers import set_seed

    set_seed(parts.spec.seed)
    earlier = parts.spec.continued_settings
    config = configuration(parts) if earlier is None else settings_again(earlier)
    try:
        tuned: Any = get_peft_model(parts.model, config, autocast_adapter_dtype=False)
    except ValueError as error:
        raise refused(parts, error) from None
    if parts.spec.continued is not None:
        go_on_from(tuned, parts.spec.continued, named=parts.spec.continues, base=parts.spec.base)
    config.base_model_name_or_path = published_name(parts.spec.base)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch_dtype(parts.machine.adapter_precision))
    return begun(tuned, parts) if earlier is None else tuned
