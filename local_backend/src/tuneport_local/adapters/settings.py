"""peft's configuration for each kind of adapter, for a model as it was loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tuneport.errors import RecipeError
from tuneport_local.rows.eyes import language_targets

if TYPE_CHECKING:
    from tuneport_local.training.assembly import Parts

_KEYS_AND_VALUES = ("k_proj", "v_proj", "key", "value", "key_proj", "value_proj", "query_key_value", "qkv_proj", "c_attn", "Wqkv")
_FEED_FORWARD = ("down_proj", "fc2", "dense_4h_to_h", "mlp.c_proj", "fc_out", "w2", "output.dense")
"""The second layer of a feed-forward part, and the layers whose outputs are keys and values, as architectures name them."""


def configuration(parts: Parts[Any]) -> Any:
    """What peft is to put on the model. Raises RecipeError for a model that has no place for it."""
    return _CONFIGURATIONS[parts.spec.kind.name](parts)


def refused(parts: Parts[Any], error: ValueError) -> RecipeError:
    """What to say where peft finds no place for the adapters: the names of the layers there are."""
    spec = parts.spec
    targets = spec.lora.targets if spec.weights is None else spec.weights.get("targets")
    if targets is None:
        return RecipeError(f"weights {spec.kind.name!r} cannot be trained on {spec.base}: {str(error).splitlines()[0]}")
    place = "lora" if spec.weights is None else "weights"
    layers = sorted({name.rpartition(".")[2] for name in _linear_layers(parts.model)} - set(parts.head))
    return RecipeError(f"{place}.targets {targets!r} name no layer of {spec.base}.", remedy=f"Its linear layers: {', '.join(layers)}.")


def _lora(parts: Parts[Any]) -> Any:
    from peft import LoraConfig

    lora = parts.spec.lora
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=language_targets(parts.model, lora.targets),
        use_rslora=lora.variant == "rslora",
        use_dora=lora.variant == "dora",
        init_lora_weights="pissa" if lora.variant == "pissa" else True,
        **_placed(parts),
    )


def _ia3(parts: Parts[Any]) -> Any:
    from peft import IA3Config

    names = _linear_layers(parts.model)
    inner, outer = ([each for each in known if _among(each, names)] for known in (_KEYS_AND_VALUES, _FEED_FORWARD))
    if not inner or not outer:
        raise RecipeError(
            f"weights 'ia3' know no keys, values and feed-forward layers in {parts.spec.base}.", remedy="Train another kind of weights."
        )
    return IA3Config(target_modules=[*inner, *outer], feedforward_modules=outer, **_placed(parts))


def _oft(parts: Parts[Any]) -> Any:
    from peft import OFTConfig

    block, targets = parts.spec.weights_table["block"], parts.spec.weights_table["targets"]
    uneven = sorted(
        {name.rpartition(".")[2] for name, size in _linear_layers(parts.model).items() if _meant(name, targets) and size % block}
    )
    if uneven:
        raise RecipeError(
            f"weights.block {block} does not divide the inputs of {', '.join(uneven)} in {parts.spec.base}.",
            remedy="Take a block that does, as 16 or 8, or leave these layers out of weights.targets.",
        )
    return OFTConfig(oft_block_size=block, target_modules=_targets(targets), **_placed(parts))


def _vera(parts: Parts[Any]) -> Any:
    """peft has no place for what VeRA shall leave alone, so that all linear layers are named where there is a head."""
    from peft import VeraConfig

    table = parts.spec.weights_table
    return VeraConfig(
        r=table["rank"],
        target_modules=_below_the_head(parts, table["targets"]),
        projection_prng_key=parts.spec.seed,
        save_projection=True,
        **{name: value for name, value in _placed(parts).items() if name != "exclude_modules"},
    )


def _ln(parts: Parts[Any]) -> Any:
    from peft import LNTuningConfig

    named = [
        name
        for name, module in parts.model.named_modules()
        if "norm" in type(module).__name__.lower() and any(True for _ in module.parameters())
    ]
    if not named:
        raise RecipeError(f"{parts.spec.base} has no normalising layers with weights.", remedy="Train another kind of weights.")
    return LNTuningConfig(target_modules=sorted({name.rpartition(".")[2] for name in named}), **_placed(parts))


def _prompt(parts: Parts[Any]) -> Any:
    from peft import PromptTuningConfig

    table = parts.spec.weights_table
    begun = (
        {"prompt_tuning_init": "SAMPLE_VOCAB"}
        if table.get("text") is None
        else {
            "prompt_tuning_init": "TEXT",
            "prompt_tuning_init_text": table["text"],
            "tokenizer_name_or_path": parts.tokenizer.name_or_path,
        }
    )
    return PromptTuningConfig(num_virtual_tokens=table["tokens"], task_type=parts.task, **begun)


def _prefix(parts: Parts[Any]) -> Any:
    from peft import PrefixTuningConfig

    return PrefixTuningConfig(num_virtual_tokens=parts.spec.weights_table["tokens"], task_type=parts.task)


_CONFIGURATIONS: Mapping[str, Callable[[Parts[Any]], Any]] = {
    "lora": _lora,
    "ia3": _ia3,
    "prompt": _prompt,
    "prefix": _prefix,
    "oft": _oft,
    "vera": _vera,
    "ln": _ln,
}


def _placed(parts: Parts[Any]) -> dict[str, Any]:
    """A head on top is learned whole, and gets no adapters."""
    head = list(parts.head)
    return {"task_type": parts.task, **({"modules_to_save": head, "exclude_modules": head} if head else {})}


def _below_the_head(parts: Parts[Any], targets: Any) -> Any:
    """The layers that are meant, by their full names, for a kind of adapter that can exclude none."""
    if not parts.head:
        return _targets(targets)
    return [name for name in _linear_layers(parts.model) if _meant(name, targets) and not name.startswith(parts.head)]


def _targets(targets: Any) -> Any:
    return targets if isinstance(targets, str) else list(targets)


def _linear_layers(model: Any) -> dict[str, int]:
    """The linear layers by their full names, with the number of their inputs. The output layer is none of them."""
    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    return {
        name: int(getattr(module, "in_features", None) or module.nx)
        for name, module in model.named_modules()
        if (type(module).__name__ == "Conv1D" or hasattr(module, "in_features")) and module is not output
    }


def _among(suffix: str, names: Mapping[str, int]) -> bool:
    return any(name == suffix or name.endswith(f".{suffix}") for name in names)


def _meant(name: str, targets: Any) -> bool:
    return targets == "all-linear" or any(name == each or name.endswith(f".{each}") for each in targets)
