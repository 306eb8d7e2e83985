"""Tuned models by the names people give: a job's id or its beginning, a checkpoint of it, a folder. Imports no torch."""

from __future__ import annotations

from tuneport.errors import UnknownModel
from tuneport.model import Model
from tuneport_local.jobs import marks
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.home import Jobs
from tuneport_local.jobs.trained import trained
from tuneport_local.jobs.tuned import checkpoint_of, model_of, tuned_in

_BEGINNING = 8


def tuned_named(name: str, *, jobs: Jobs, provider: str) -> Model | None:
    """The tuned model, or None for what names none. Raises UnknownModel for a job without one, and for a beginning that several have."""
    job_id, at, step = name.rpartition("@")
    if at and step.isdecimal() and (folder := _job(job_id, jobs)) is not None:
        return _checkpoint(folder, int(step), provider)
    if (folder := _job(name, jobs)) is not None:
        return _final(folder, provider)
    return tuned_in(name, provider=provider)


def _final(folder: JobFolder, provider: str) -> Model:
    if trained(folder.path) is None:
        remedy = f"See: tuneport jobs show {provider}:{folder.id}"
        raise UnknownModel(f"job {folder.id} has no tuned model: it is {folder.status().state}.", remedy=remedy)
    return model_of(folder, provider=provider)


def _checkpoint(folder: JobFolder, step: int, provider: str) -> Model:
    found = checkpoint_of(folder, step, provider=provider)
    if found is None:
        known = ", ".join(map(str, marks.checkpoints(folder))) or "none"
        raise UnknownModel(f"job {folder.id} has no checkpoint of step {step}.", remedy=f"There are: {known}.")
    return found


def _job(start: str, jobs: Jobs) -> JobFolder | None:
    """The job of that id, or the only one whose id begins so."""
    if (folder := jobs.get(start)) is not None:
        return folder
    found = [folder for folder in jobs.all() if folder.id.startswith(start)] if len(start) >= _BEGINNING else []
    if len(found) > 1:
        raise UnknownModel(f"{len(found)} jobs here begin with {start!r}.", remedy="Give more of the id.")
    return found[0] if found else None
