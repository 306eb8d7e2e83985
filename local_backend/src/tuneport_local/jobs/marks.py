"""What of a job is complete on disk, told without torch: its checkpoints, and whether anything is kept."""

from __future__ import annotations

from pathlib import Path

from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.trained import trained
from tuneport_local.training.checkpoints import MARKER


def checkpoints(folder: JobFolder) -> dict[int, Path]:
    """The complete checkpoints by step, oldest first. Their files are only verified when training reads them."""
    found = sorted(path.parent for path in folder.checkpoints.glob(f"step-*/{MARKER}"))
    return {int(path.name.removeprefix("step-")): path for path in found}


def newest_checkpoint(folder: JobFolder) -> Path | None:
    """The complete checkpoint of the highest step, or None."""
    return next(reversed(checkpoints(folder).values()), None)


def something_kept(folder: JobFolder) -> bool:
    """Whether an ended job left anything that can be used."""
    return trained(folder.path) is not None or newest_checkpoint(folder) is not None
