"""Tuned models: what a finished job folder holds, as a Model. `<job>` is what was trained last, `<job>@<step>` a checkpoint of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tuneport.errors import UnknownModel
from tuneport.model import Model
from tuneport_local.bases.weights import catalogue, published_name
from tuneport_local.jobs import marks
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.trained import is_model, trained

_LEFT = "weights_of"


def model_of(folder: JobFolder, *, provider: str) -> Model:
    """The model that the job trained. It has ended well."""
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
        path=str(trained(folder.path)),
        checkpoints=tuple(f"{folder.id}@{step}" for step in marks.checkpoints(folder)),
        details=_details(recipe) | _left(folder),
    )


def checkpoint_of(folder: JobFolder, step: int, *, provider: str) -> Model | None:
    """The model as it was after `step` steps, or None when no complete checkpoint of that step is left. The job need not have ended."""
    path: Path | None = marks.checkpoints(folder).get(step)
    if path is None:
        return None
    name = f"{folder.id}@{step}"
    whole = model_of(folder, provider=provider)
    details = {key: value for key, value in whole.details.items() if key != _LEFT}
    return replace(whole, uri=f"{provider}:{name}", id=name, path=str(path), checkpoints=(), details=details)


def tuned_in(folder: str, *, provider: str) -> Model | None:
    """The tuned model in a folder, exported or archived: a PEFT adapter, or a whole model with its run.json; None where there is neither.
    run.json names the base as it was trained, else the adapter itself does. Raises UnknownModel for one that names none."""
    path = Path(folder).expanduser()
    config, run = _json(path / "adapter_config.json"), _json(path / "run.json") or {}
    if config is None and not (run and is_model(path)):
        return None
    config = config or {}
    base = (run.get("base") or {}).get("id") or _known_as(config.get("base_model_name_or_path"))
    if not base:
        raise UnknownModel(f"the adapter in {folder} does not say what base it was trained on.", remedy="See its adapter_config.json.")
    return Model(
        uri=f"{provider}:{folder}",
        provider=provider,
        id=folder,
        base=str(base),
        recipe_fingerprint=run.get("recipe_fingerprint"),
        dataset_fingerprint=run.get("dataset_fingerprint"),
        path=str(path.absolute()),
    )


def _json(path: Path) -> dict[str, Any] | None:
    """The object in the file, or None where there is none. Raises UnknownModel for a file that cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UnknownModel(f"{path} cannot be read: {type(error).__name__}.") from None
    return found if isinstance(found, dict) else None


def _known_as(published: str | None) -> str | None:
    """Our own name for a base, where it is one of the catalogue."""
    return next((base.id for base in catalogue() if published_name(base.id) == published), published)


def _left(folder: JobFolder) -> dict[str, Any]:
    """Of which step the weights are, where run.json says so."""
    how = folder.run().get("ending")
    return {_LEFT: f"step {how['step']} of {how['last_step']}: {how['why']}"} if isinstance(how, dict) else {}


def _details(recipe: dict[str, Any]) -> dict[str, Any]:
    trusted = bool(recipe.get("hyperparameters", {}).get("trust_remote_code"))
    said = {name: recipe[name] for name in ("suffix", "continues") if recipe.get(name)}
    return said | ({"trust_remote_code": True} if trusted else {})
