"""What the parts measure on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Setting:
    """`rows` in a submitted file, `rounds` of paired runs and of starts, `megabytes` to upload, `jobs` to follow; `folder` is for what is
    written."""

    folder: Path
    rows: int = 1000
    rounds: int = 20
    megabytes: float = 500.0
    jobs: int = 5000
