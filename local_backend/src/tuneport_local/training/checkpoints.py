"""Checkpoints of a job: whole or not at all, the newest two and the best, and a damaged one is passed over for the one before.

    checkpoints/step-00000040/    adapter, optimizer, scheduler, random states, trainer state, and last of all complete.json
    checkpoints/.step-…part/      one that is being written

complete.json names every file with its size and digest, so that what a crash or a full disk did to them is noticed before they are loaded.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tuneport.files import whole_folder
from tuneport_local.jobs.failures import written

MARKER = "complete.json"
KEPT = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come, and under what. `tokens` and `seconds` count all attempts; `rows_digest` is of the rendered rows in order.

    `last` are the newest readings, `last_eval` those of the newest validation, `eval_losses` [step, loss] of every one. `evaluation_due`:
    the job was paused before the validation of this very step was done. `course` is what `course.Course` keeps; {} in older checkpoints.
    """

    step: int
    epoch: float
    tokens: int = 0
    seconds: float = 0.0
    seed: int = 0
    rows_digest: str = ""
    adapter_precision: str = "fp32"
    last: dict[str, float] = field(default_factory=dict)
    last_eval: dict[str, float] = field(default_factory=dict)
    eval_losses: list[list[float]] = field(default_factory=list)
    evaluation_due: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    course: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete checkpoint."""

    path: Path
    progress: Progress


def write_checkpoint(
    folder: Path, *, progress: Progress, save: Callable[[Path], None], kept: int = KEPT, beside: int | None = None
) -> Checkpoint:
    """`save` puts the files into the folder it is given; then they get their marker and their name, and old checkpoints go: all but the
    newest `kept` and that of step `beside`.

    Raises MachineGaveOut when the disk does not take them; nothing half written is left behind.
    """
    target = _place(folder, progress.step)
    with written(f"a checkpoint in {folder}"), whole_folder(target) as part:
        save(part)
        files = {path.name: _stamp(path) for path in sorted(part.iterdir())}
        (part / MARKER).write_text(json.dumps({"progress": asdict(progress), "files": files}, indent=1), encoding="utf-8")
    _prune(folder, newest=target, kept=kept, beside=None if beside is None else _place(folder, beside))
    return Checkpoint(target, progress)


def newest_checkpoint(folder: Path, *, say: Callable[[str], None], rows_digest: str | None = None) -> Checkpoint | None:
    """The newest checkpoint that is whole, or None. `say` hears of each one passed over; `rows_digest` is what it must have trained on."""
    for path in sorted(folder.glob("step-*"), reverse=True):
        try:
            progress = _verified(path)
        except _Damaged as error:
            say(f"checkpoint {path.name} is passed over: {error}")
            continue
        if rows_digest is not None and progress.rows_digest != rows_digest:
            say(f"checkpoint {path.name} is passed over: it was trained on other rows")
            continue
        return Checkpoint(path, progress)
    return None


def checkpoint_at(folder: Path, step: int, *, say: Callable[[str], None]) -> Checkpoint | None:
    """The checkpoint of that very step, or None where it is not there or not whole, which `say` hears."""
    path = _place(folder, step)
    try:
        return Checkpoint(path, _verified(path))
    except _Damaged as error:
        say(f"checkpoint {path.name} cannot be used: {error}")
        return None


def _place(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}"


class _Damaged(Exception):
    """Why a checkpoint cannot be used."""


def _verified(path: Path) -> Progress:
    try:
        marker = json.loads((path / MARKER).read_text(encoding="utf-8"))
        progress = Progress(**marker["progress"])
        files: dict[str, Any] = dict(marker["files"])
    except FileNotFoundError:
        raise _Damaged("it is incomplete") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise _Damaged(f"its {MARKER} cannot be read") from None
    for name, stamp in files.items():
        if not (path / name).is_file() or _stamp(path / name) != stamp:
            raise _Damaged(f"its {name} is damaged")
    return progress


def _stamp(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _prune(folder: Path, *, newest: Path, kept: int, beside: Path | None) -> None:
    """Keeps the newest. Those of later steps were passed over when this attempt began: they are of other rows, or damaged."""
    complete = sorted(path.parent for path in folder.glob(f"step-*/{MARKER}"))
    stay = {*[path for path in complete if path <= newest][-kept:], beside}
    for path in complete:
        if path not in stay:
            shutil.rmtree(path, ignore_errors=True)
