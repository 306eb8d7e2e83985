"""Tuned models: what a finished job folder holds, as a Model."""

from __future__ import annotations

from datetime import datetime

from tuneport.model import Model
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
        details={"suffix": recipe["suffix"]} if recipe.get("suffix") else {},
    )
