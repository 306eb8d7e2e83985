"""Bases that came with a job from another machine: `<home>/models/brought/<digest of their id>`. Imports no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

NOTE = "brought.txt"
"""What the sender said of where it had the base from."""


def folder_of(model_id: str, *, home: Path) -> Path:
    """Where it lies, or would."""
    return home / "models" / "brought" / hashlib.sha256(model_id.encode()).hexdigest()[:16]


def brought(model_id: str, *, home: Path) -> tuple[Path, str] | None:
    """The folder, and what to say of it; None where it was not brought."""
    folder = folder_of(model_id, home=home)
    try:
        return folder, (folder / NOTE).read_text(encoding="utf-8")
    except OSError:
        return None
