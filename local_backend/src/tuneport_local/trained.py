"""What a training leaves, told without torch: an adapter for its base, or a model that stands by itself.

    <job>/adapter/   adapter_config.json, adapter_model.safetensors: PEFT's layout
    <job>/model/     config.json, model.safetensors, the tokenizer: transformers' layout

Either gets its name last, after run.json, whole.
"""

from __future__ import annotations

from pathlib import Path

ADAPTER, MODEL = "adapter", "model"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter with its weights."""
    return (folder / "adapter_model.safetensors").is_file()


def is_model(folder: Path) -> bool:
    """Whether the folder holds a whole model."""
    return (folder / "config.json").is_file() and any((folder / name).is_file() for name in _WEIGHTS)


def trained(job: Path) -> Path | None:
    """The folder with what the job trained, or None while it is not complete."""
    if not (job / "run.json").is_file():
        return None
    if is_adapter(job / ADAPTER):
        return job / ADAPTER
    return job / MODEL if is_model(job / MODEL) else None
