"""Which bases see, told from the files beside their weights. Imports no torch.

A base that sees is one of a family that has been tried here with its own processor: what a family expects of pictures, and of the tokens
that stand for them, is its own affair. Their processors work with Pillow; others of transformers need torchvision.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuneport_local.bases.weights import BaseWeights

FAMILIES = ("gemma3", "idefics3", "llava")
"""`model_type` of transformers: Gemma 3, Idefics 3 and SmolVLM (the first), LLaVA 1.5."""
_PROCESSORS = ("processor_config.json", "preprocessor_config.json")


def why_blind(folder: Path) -> str:
    """Why the base in the folder is not shown pictures; '' where it is."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "its config.json cannot be read"
    kind = config.get("model_type")
    if not isinstance(config.get("vision_config"), dict):
        return "it has no part that sees"
    if kind not in FAMILIES:
        return f"models of the kind {kind!r} have not been tried with pictures here; those of {', '.join(FAMILIES)} have"
    if not any((folder / name).is_file() for name in _PROCESSORS):
        return f"there is no {_PROCESSORS[0]} beside its weights"
    return ""


def why_base_blind(found: BaseWeights) -> str:
    """The same of a base wherever it lies. One that has yet to be fetched is looked at then, before anything is trained."""
    if found.source == "hub":
        return ""
    return "it has no part that sees" if found.source == "package" else why_blind(Path(found.location))


def picture_tokens(folder: Path) -> tuple[int, int, int]:
    """How many tokens stand for a picture at least, likely and at most, by the settings beside the weights. Where pictures are taken apart,
    into as many as 4 by 4 parts and the whole (Idefics 3), a photograph of 4 to 3 makes 13."""
    config, processor = _settings(folder / "config.json"), _settings(folder / _PROCESSORS[0])
    each = processor.get("image_seq_len") or processor.get("image_seq_length")
    vision = config.get("vision_config", {})
    if not each:
        each = (vision.get("image_size", 336) // vision.get("patch_size", 14)) ** 2
    pictures = {**_settings(folder / _PROCESSORS[1]), **(processor.get("image_processor") or {})}
    apart = config.get("model_type") == "idefics3" and pictures.get("do_image_splitting", True)
    return (each, 13 * each, 17 * each) if apart else (each, each, each)


def _settings(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sees(folder: Path) -> bool:
    """Whether the base in the folder is shown pictures."""
    return not why_blind(folder)
