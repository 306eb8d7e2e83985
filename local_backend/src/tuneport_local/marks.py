"""What of a job is complete on disk, told without torch: the newest complete checkpoint, the finished adapter."""

from __future__ import annotations

from pathlib import Path

from tuneport_local.jobfolder import JobFolder


def newest_checkpoint(folder: JobFolder) -> Path | None:
    """The complete checkpoint of the highest step, or None."""
    complete = [path.parent for path in folder.checkpoints.glob("*/complete.json")]
    return max(complete, key=lambda path: path.name, default=None)


def adapter_complete(folder: JobFolder) -> bool:
    """Whether the trained adapter is there, whole. It gets its name last, after run.json."""
    return (folder.adapter / "adapter_model.safetensors").exists() and (folder.path / "run.json").exists()


def something_kept(folder: JobFolder) -> bool:
    """Whether an ended job left anything that can be used."""
    return adapter_complete(folder) or newest_checkpoint(folder) is not None
