"""Weights from disk into memory, through transformers and peft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuneport.errors import ConfigError, UnknownModel, Unreachable, Unsupported
from tuneport_local.adapters.kind import is_virtual
from tuneport_local.bases import divided
from tuneport_local.bases.quantized import configuration, differentiable
from tuneport_local.bases.seeing import sees
from tuneport_local.quiet import quiet

_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.py"]


def torch_dtype(precision: str) -> Any:
    """torch's dtype for fp32, bf16 or fp16."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def load_tokenizer(folder: Path, *, trust_remote_code: bool = False) -> Any:
    """The tokenizer in `folder`, with a padding token. Raises UnknownModel when transformers cannot read it."""
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code, local_files_only=True)
    except Exception as error:  # transformers, tokenizers, safetensors and the system each raise their own
        raise cannot_load(folder, error) from None
    if tokenizer.chat_template is None and sees(folder):
        tokenizer.chat_template = _template_of_processor(folder)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _template_of_processor(folder: Path) -> Any:
    """Older models that see have their chat template beside the processor, where the tokenizer does not look."""
    from tuneport_local.rows.eyes import processor_of

    return getattr(processor_of(folder), "chat_template", None)


def load_config(folder: Path, *, trust_remote_code: bool = False) -> Any:
    """The configuration of the model's text part. Raises UnknownModel when transformers cannot read it."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code, local_files_only=True).get_text_config()
    except Exception as error:  # an unknown kind of model, code of its own that was not allowed, a broken file
        raise cannot_load(folder, error) from None


def load_model(
    folder: Path, *, dtype: str, device: str, trust_remote_code: bool = False, bits: int | None = None, processes: int = 1
) -> Any:
    """The model in `folder`, in evaluation mode; its linear layers in 4 or 8 `bits`. One of a family
    that sees and has been tried comes with its eyes.

    Raises UnknownModel when transformers cannot read it or when it is no causal language model, ConfigError for the device.
    """
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    seen_by: Any = AutoModelForImageTextToText if sees(folder) else AutoModelForCausalLM
    try:
        with quiet():
            model, told = seen_by.from_pretrained(
                folder,
                dtype=torch_dtype(dtype),
                use_safetensors=True,
                trust_remote_code=trust_remote_code,
                local_files_only=True,
                output_loading_info=True,
                **({"quantization_config": configuration(bits, dtype=torch_dtype(dtype)), "device_map": {"": device}} if bits else {}),
                **({"distributed_config": divided.configuration(processes)} if processes > 1 else {}),
            )
    except Exception as error:  # transformers, tokenizers, safetensors and the system each raise their own
        if processes > 1 and "fsdp_plan" in str(error):
            raise _indivisible(folder) from None
        raise cannot_load(folder, error) from None
    if processes > 1 and not divided.by_blocks(model):
        raise _indivisible(folder)
    if told["missing_keys"]:
        raise _no_language_model(folder, f"it lacks {some(told['missing_keys'])}, which would be made up at random")
    model = (differentiable(model) if bits else model if processes > 1 else placed(model, device)).eval()
    if not _is_causal(model):
        raise _no_language_model(folder, "what it says of a word depends on the words that follow")
    return divided.taken_apart(model) if processes > 1 else model


def _indivisible(folder: Path) -> Unsupported:
    return Unsupported(
        f"transformers does not say how a model such as {folder} is divided among processes block by block.",
        remedy="Leave options.local.sharding out, or choose a base such as Llama, Qwen, Gemma or Mistral.",
    )


def _is_causal(model: Any) -> bool:
    """Whether the answer at a position stays the same when a later token changes. An encoder loads as readily as a decoder, and would learn
    to read off what it is to predict."""
    import torch

    shown = getattr(model.config, "image_token_id", None)
    words = [token for token in range(1, 7) if token != shown][:5]  # a token that stands for a picture asks for one
    ids = torch.tensor([words[:4], [*words[:3], words[4]]], device=next(model.parameters()).device)
    with torch.no_grad():
        one, other = model(input_ids=ids, use_cache=False).logits[:, :3].float()
    tolerance = 1e-4 if model.dtype is torch.float32 else 0.02
    return not bool((one - other).norm() > tolerance * one.norm())  # broken weights give NaN, which is for the training to tell


def _no_language_model(folder: Path, why: str) -> UnknownModel:
    return UnknownModel(f"{folder} holds no causal language model: {why}.", remedy="Choose a base that was made to generate text.")


def some(names: Any) -> str:
    """The first three names, and how many more there are."""
    found = sorted(names)
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def cannot_load(folder: Path, error: Exception) -> UnknownModel:
    """What to raise for an error of transformers."""
    return UnknownModel(f"transformers cannot load {folder}: {_first_line(error)}", remedy="See the model's own page for what it needs.")


def load_adapter(model: Any, adapter: Path, *, device: str, name: str = "default", keeps_precision: bool = False) -> Any:
    """`model` with the adapter on it under `name`, not merged, in the model's precision or, with `keeps_precision`, in its own; `model` may
    carry others of its kind already. Of learned tokens before the prompt: `model` itself, answering behind them.

    Raises UnknownModel when the folder holds none that fits; the model is not to be used any more then.
    """
    from peft import PeftModel

    if not (adapter / "adapter_model.safetensors").is_file():
        raise UnknownModel(f"{adapter} holds no adapter_model.safetensors.", remedy="Name a finished job, or a folder with a PEFT adapter.")
    try:
        with quiet():
            if is_virtual(adapter):
                from tuneport_local.adapters.prefixed import prefixed

                return prefixed(model, adapter, device=device)
            if isinstance(model, PeftModel):
                tuned: Any = model
                tuned.load_adapter(str(adapter), adapter_name=name, torch_device=device, autocast_adapter_dtype=False)
            else:
                tuned = PeftModel.from_pretrained(model, str(adapter), adapter_name=name, torch_device=device, autocast_adapter_dtype=False)
            strange = _weights_in(adapter) ^ _weights_of(tuned, name)
    except Exception as error:  # peft, safetensors and torch each raise their own
        raise UnknownModel(f"the adapter in {adapter} does not fit its base: {_first_line(error)}") from None
    if strange:
        raise UnknownModel(f"the adapter in {adapter} does not fit its base: they differ in {some(strange)}.")
    return tuned.eval() if keeps_precision else tuned.to(model.dtype).eval()


def _weights_in(adapter: Path) -> set[str]:
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
        return set(file.keys())


def _weights_of(tuned: Any, name: str) -> set[str]:
    from peft import get_peft_model_state_dict

    return set(get_peft_model_state_dict(tuned, adapter_name=name, save_embedding_layers=False))


def download(repository: str) -> Path:
    """The repository's folder in the hub's cache, fetched now. Raises UnknownModel or Unreachable."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    try:
        disable_progress_bars()
        return Path(snapshot_download(repository, allow_patterns=_FILES))
    except GatedRepoError:
        raise UnknownModel(
            f"{repository} is gated, and your account has not been let in.", remedy="Ask on its page, then: hf auth login"
        ) from None
    except RepositoryNotFoundError:
        raise UnknownModel(f"the hub shows no repository {repository!r}.") from None
    except Exception as error:  # the hub's client raises its own, httpx's and the system's errors
        raise Unreachable(f"{repository} could not be fetched from the hub: {_first_line(error)}", remedy="Try again.") from None
    finally:
        enable_progress_bars()


def placed(model: Any, device: str) -> Any:
    """The model on the device. Raises ConfigError when it does not go there."""
    try:
        return model if device == "cpu" else model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"the model does not go on {device}: {_first_line(error)}", remedy="Choose another with options.local.device."
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
