"""Tuned models: what a finished job folder holds, as a Model. `<job>` is the final adapter, `<job>@<step>` a checkpoint of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tuneport.model import Model
from tuneport_local import marks
from tuneport_local.jobfolder import JobFolder


def model_of(folder: JobFolder, *, provider: str) -> Model:
    """The model that the job trained. The folder holds a complete adapter."""
    recipe, status = folder.recipe(), folder.status()
    return Model(
        uri=f"{provider}:{folder.id}",
        provider=provider,
        id=folder.id,
        base=recipe.get("base"),
        job_uri=f"{provider}:{folder.id}",
        recipe_fingerprint=recipe.get("recipe_fingerprint"),
        dataset_fingerprint=recipe.get("dataset_fingerprint"),
        created_at=datetime.fromisoformat(status.finished_at) if status.finished_at else None,
        path=str(folder.adapter),
        checkpoints=tuple(f"{folder.id}@{step}" for step in marks.checkpoints(folder)),
        details=_details(recipe),
    )


def checkpoint_of(folder: JobFolder, step: int, *, provider: str) -> Model | None:
    """The model as it was after `step` steps, or None when no complete checkpoint of that step is left. The job need not have ended."""
    path: Path | None = marks.checkpoints(folder).get(step)
    if path is None:
        return None
    name = f"{folder.id}@{step}"
    return replace(model_of(folder, provider=provider), uri=f"{provider}:{name}", id=name, path=str(path), checkpoints=())


def _details(recipe: dict[str, Any]) -> dict[str, Any]:
    trusted = bool(recipe.get("hyperparameters", {}).get("trust_remote_code"))
    return ({"suffix": recipe["suffix"]} if recipe.get("suffix") else {}) | ({"trust_remote_code": True} if trusted else {})
