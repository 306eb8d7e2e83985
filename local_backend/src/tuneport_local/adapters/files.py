"""How adapters of all kinds begin, are written and are read again, so that what lies in a folder goes onto the base as it is.

PiSSA moves the principal parts of the base's weights into its adapters and trains on what is left of the base. What it has learned beside
them is as well a plain low-rank adapter of twice the rank: what they are now, less what they began as. That is what is written; a
checkpoint keeps beside it what training goes on from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.errors import UnknownModel
from tuneport_local.bases.divided import is_divided, undivided

if TYPE_CHECKING:
    from tuneport_local.training.assembly import Parts

DEFAULT = "default"
"""What peft calls the adapter that is trained."""
_DOWN, _UP = ".lora_A.", ".lora_B."
WEIGHTS, CONFIG, RAW = "adapter_model.safetensors", "adapter_config.json", "principal.safetensors"


def begun(tuned: Any, parts: Parts[Any]) -> Any:
    """The same with what its kind begins as. A prefix begins as what the base keeps of words drawn at random."""
    config = tuned.peft_config[DEFAULT]
    if parts.spec.kind.name == "prefix":
        _as_words(tuned, parts)
    if parts.spec.kind.name == "prompt":
        config.prompt_tuning_init, config.prompt_tuning_init_text, config.tokenizer_name_or_path = "RANDOM", None, None
    if parts.spec.weights is None and parts.spec.lora.variant == "pissa":
        config.init_lora_weights = True  # for a copy of it, and for whoever reads what is written
        tuned.begun_as = {name: weights.clone() for name, weights in _state(tuned).items() if _DOWN in name or _UP in name}
    return tuned


def settings_again(file: Path) -> Any:
    """peft's configuration of an adapter that is trained on. How it once began has no part in it."""
    from peft import PeftConfig

    said = json.loads(file.read_text(encoding="utf-8"))
    begun_as: dict[str, Any] = {"init_lora_weights": True} if "init_lora_weights" in said else {}
    begun_as |= {"prompt_tuning_init": "RANDOM"} if "prompt_tuning_init" in said else {}
    return PeftConfig.from_peft_type(**{**said, **begun_as, "inference_mode": False, "base_model_name_or_path": None})


def go_on_from(tuned: Any, weights: Path, *, named: str, base: str) -> None:
    """Puts an earlier adapter's weights in place of the fresh ones. Raises UnknownModel where they are of another base."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    earlier, fresh = load_file(weights), _state(tuned)
    odd = sorted({*earlier} ^ {*fresh} | {name for name in {*earlier} & {*fresh} if earlier[name].shape != fresh[name].shape})
    if odd:
        more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        raise UnknownModel(
            f"the adapter of {named} does not fit {base}: they differ in {odd[0]}{more}.", remedy="Name the base it was trained on."
        )
    set_peft_model_state_dict(tuned, earlier, adapter_name=DEFAULT)
    tuned.continued = True


def base_is_reference(tuned: Any) -> bool:
    """Whether the model without its adapters is what it was before the training."""
    return not hasattr(tuned, "begun_as") and not hasattr(tuned, "continued")


def write(tuned: Any, folder: Path, *, to_go_on: bool = False) -> None:
    """The adapter in peft's layout; `to_go_on`: with everything that training goes on from."""
    from safetensors.torch import save_file

    whole = {"state_dict": undivided(tuned)} if is_divided(tuned) else {}
    tuned.save_pretrained(folder, save_embedding_layers=False, selected_adapters=[DEFAULT], **whole)  # "auto" would ask the hub
    (folder / "README.md").unlink(missing_ok=True)
    if not hasattr(tuned, "begun_as"):
        return
    now = _state(tuned)
    if to_go_on:
        save_file({name: weights.contiguous() for name, weights in now.items()}, folder / RAW, metadata={"format": "pt"})
    save_file(_plain(now, tuned.begun_as), folder / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    config |= {"r": 2 * config["r"], "lora_alpha": 2 * config["lora_alpha"]}
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def read_to_go_on(tuned: Any, folder: Path) -> bool:
    """Puts back what `write` kept for going on. False where the adapter in the folder is that itself."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    if not (folder / RAW).is_file():
        return False
    set_peft_model_state_dict(tuned, load_file(folder / RAW), adapter_name=DEFAULT)
    return True


def _state(tuned: Any) -> dict[str, Any]:
    from peft import get_peft_model_state_dict

    whole = {"state_dict": undivided(tuned)} if is_divided(tuned) else {}
    found = get_peft_model_state_dict(tuned, adapter_name=DEFAULT, save_embedding_layers=False, **whole)
    return {name: weights.detach() for name, weights in found.items()}


def _plain(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """lora_A: (rank, in) one below the other; lora_B: (out, rank) side by side, the earlier one taken away. Their product is what was
    learned: now's less before's."""
    import torch

    found = {}
    for name, weights in now.items():
        parts = [weights, before[name]] if _DOWN in name else [weights, -before[name]] if _UP in name else [weights]
        found[name] = torch.cat(parts, 0 if _DOWN in name else 1).contiguous() if len(parts) > 1 else weights.contiguous()
    return found


def _as_words(tuned: Any, parts: Parts[Any]) -> None:
    import torch
    from peft import initialize_kv_prefix_from_past_key_values

    tokens, base = parts.spec.virtual_tokens, tuned.get_base_model()
    vocabulary = int(base.get_input_embeddings().num_embeddings)
    ids = torch.randint(0, vocabulary, (1, tokens), generator=torch.Generator().manual_seed(parts.spec.seed))
    with torch.no_grad():
        kept = base(input_ids=ids.to(next(base.parameters()).device), use_cache=True).past_key_values
    initialize_kv_prefix_from_past_key_values(tuned, past_key_values=kept, num_virtual_tokens=tokens)
