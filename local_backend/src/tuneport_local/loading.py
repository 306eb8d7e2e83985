"""Weights from disk into memory, through transformers and peft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuneport.errors import ConfigError, UnknownModel, Unreachable
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
        raise _cannot_load(folder, error) from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(folder: Path, *, dtype: str, device: str, trust_remote_code: bool = False) -> Any:
    """The model in `folder`, in evaluation mode. Raises UnknownModel when transformers cannot read it, ConfigError for the device."""
    from transformers import AutoModelForCausalLM

    try:
        with quiet():
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=torch_dtype(dtype),
                attn_implementation="sdpa",
                use_safetensors=True,
                trust_remote_code=trust_remote_code,
                local_files_only=True,
            )
    except Exception as error:  # transformers, tokenizers, safetensors and the system each raise their own
        raise _cannot_load(folder, error) from None
    return _placed(model, device).eval()


def _cannot_load(folder: Path, error: Exception) -> UnknownModel:
    return UnknownModel(f"transformers cannot load {folder}: {_first_line(error)}", remedy="See the model's own page for what it needs.")


def load_adapter(model: Any, adapter: Path, *, device: str) -> Any:
    """`model` with the adapter on it, not merged, in the model's precision. Raises UnknownModel when the folder holds none that fits."""
    from peft import PeftModel

    if not (adapter / "adapter_model.safetensors").is_file():
        raise UnknownModel(f"{adapter} holds no adapter_model.safetensors.", remedy="Name a finished job, or a folder with a PEFT adapter.")
    try:
        with quiet():
            return PeftModel.from_pretrained(model, str(adapter), torch_device=device, autocast_adapter_dtype=False).to(model.dtype).eval()
    except Exception as error:  # peft, safetensors and torch each raise their own
        raise UnknownModel(f"the adapter in {adapter} does not fit its base: {_first_line(error)}") from None


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


def _placed(model: Any, device: str) -> Any:
    try:
        return model if device == "cpu" else model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"the model does not go on {device}: {_first_line(error)}", remedy="Choose another with options.local.device."
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
