"""What of a job is complete on disk, told without torch: its checkpoints, its adapter."""

from __future__ import annotations

from pathlib import Path

from tuneport_local.checkpoints import MARKER
from tuneport_local.jobfolder import JobFolder


def checkpoints(folder: JobFolder) -> dict[int, Path]:
    """The complete checkpoints by step, oldest first. Their files are only verified when training reads them."""
    found = sorted(path.parent for path in folder.checkpoints.glob(f"step-*/{MARKER}"))
    return {int(path.name.removeprefix("step-")): path for path in found}


def newest_checkpoint(folder: JobFolder) -> Path | None:
    """The complete checkpoint of the highest step, or None."""
    return next(reversed(checkpoints(folder).values()), None)


def adapter_complete(folder: JobFolder) -> bool:
    """Whether the trained adapter is there, whole. It gets its name last, after run.json."""
    return (folder.adapter / "adapter_model.safetensors").exists() and (folder.path / "run.json").exists()


def something_kept(folder: JobFolder) -> bool:
    """Whether an ended job left anything that can be used."""
    return adapter_complete(folder) or newest_checkpoint(folder) is not None
