"""What is exported: the weights of a tuned model on disk, what they stand on, and which forms they have. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tuneport.errors import UnknownModel, Unsupported
from tuneport.exporting import Form
from tuneport.model import Model
from tuneport_local.bases import weights
from tuneport_local.heads.head import FILE as HEAD
from tuneport_local.jobs.trained import is_adapter, is_model

_LEARNED_PROMPTS = {"PROMPT_TUNING": "prompt tuning", "PREFIX_TUNING": "prefix tuning", "P_TUNING": "p-tuning"}


@dataclass(frozen=True, slots=True)
class Source:
    """A tuned model on disk. `folder` holds the adapter or the whole model, `base` says where the base's weights are.

    `peft` is PEFT's word for the kind of adapter ('LORA'), '' for a whole model. `run` is the job's run.json, empty where there is none.
    """

    model: Model
    folder: Path
    kind: Literal["adapter", "model"]
    base: weights.BaseWeights
    peft: str
    has_head: bool
    trusted: bool
    run: dict[str, Any]


def source_of(model: Model, *, home: Path) -> Source:
    """Raises UnknownModel where no tuned weights lie, Unreachable and UnknownModel for a base that cannot be had."""
    folder = Path(model.path or "")
    if model.kind == "base" or not model.path:
        raise Unsupported(f"{model.uri} was not tuned here, so there is nothing to export.", remedy="Name a job, or a model that one made.")
    kind: Literal["adapter", "model"] = "adapter" if is_adapter(folder) else "model"
    if kind == "model" and not is_model(folder):
        raise UnknownModel(f"{folder} holds neither an adapter nor a whole model.", remedy="See: tuneport models list")
    return Source(
        model=model,
        folder=folder,
        kind=kind,
        base=weights.resolve(model.base or "", home=home) if kind == "adapter" else _itself(model, folder),
        peft=str(_json(folder / "adapter_config.json").get("peft_type", "")) if kind == "adapter" else "",
        has_head=(folder / HEAD).is_file(),
        trusted=bool(model.details.get("trust_remote_code", False)),
        run=_json(folder / "run.json") or _json(folder.parent / "run.json"),
    )


def _itself(model: Model, folder: Path) -> weights.BaseWeights:
    return weights.BaseWeights(model.id, "folder", str(folder), f"tuned from {model.base}")


def refuse_form(source: Source, form: Form) -> None:
    """Raises Unsupported, with the reason, for a form that these weights do not have."""
    uri = source.model.uri
    if form == "adapter" and source.kind == "model":
        raise Unsupported(f"{uri} is a whole model and no adapter.", remedy="Export it with --as merged.")
    if form == "adapter":
        return
    if source.peft in _LEARNED_PROMPTS:
        raise Unsupported(
            f"{uri} was tuned by {_LEARNED_PROMPTS[source.peft]}: it learned vectors that stand before a prompt and changed no weights, so "
            "there is nothing to merge into the base.",
            remedy="Export it with --as adapter.",
        )
    if form in ("gguf", "ollama") and source.has_head:
        raise Unsupported(f"{uri} gives labels or scores and no words, and {form} is for models that write.", remedy="Use --as merged.")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
