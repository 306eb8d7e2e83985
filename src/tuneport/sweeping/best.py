"""The best recipe of a sweep, as a file that any other command takes."""

from __future__ import annotations

from pathlib import Path

from tuneport.errors import UsageError
from tuneport.files import write_text
from tuneport.recipe import ENDINGS, Recipe
from tuneport.sweeping.trial import Trial

_MARK = "# The best of sweep"


def refuse_target(path: Path, sweep: str) -> None:
    """Raises UsageError for a file that is not this sweep's to write, before anything is paid for."""
    if ENDINGS.get(path.suffix.lower()) not in ("toml", "yaml"):
        raise UsageError(f"{path.name!r} is no name for a recipe with remarks: it ends in .toml or .yaml.")
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(f"{_MARK} {sweep}"):
        raise UsageError(f"{path} is there already and is not of this sweep.", remedy="Name another file: --out FILE")


def write_best(path: Path, recipe: Recipe, trial: Trial, *, sweep: str, metric: str, trials: int) -> Path:
    """The recipe with the values of that trial, and above it where it comes from."""
    part = recipe.save(path.with_name(f".{path.stem}.part{path.suffix}"))
    content = part.read_text(encoding="utf-8")
    part.unlink()
    varied = "".join(f"#   {name} = {value}\n" for name, value in trial.values.items())
    head = f"{_MARK} {sweep}: {metric} {trial.value:.6g} in trial {trial.number + 1} of {trials} ({trial.job}).\n# Varied were:\n{varied}"
    return write_text(path, head + content)
