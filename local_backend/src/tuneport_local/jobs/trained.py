"""What a training leaves, told without torch: an adapter for its base, or a model that stands by itself.

    <job>/adapter/   adapter_config.json, adapter_model.safetensors: PEFT's layout
    <job>/model/     config.json, model.safetensors, the tokenizer: transformers' layout

Either gets its name last, after run.json, whole.
"""

from __future__ import annotations

from pathlib import Path

from tuneport.model import Model

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


def stands_on(model: Model) -> str:
    """What has to be loaded for a model to answer: itself where it is whole, else the base that its adapter is for."""
    return model.path if model.path and is_model(Path(model.path)) else model.base or model.id


def has_adapter(model: Model) -> bool:
    """Whether it is an adapter on what it stands on."""
    return model.kind == "tuned" and not is_model(Path(model.path or ""))
