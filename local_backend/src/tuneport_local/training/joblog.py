"""What training writes to and asks of a job: the folder, as far as training needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol

from tuneport.job import JobState


class JobLog(Protocol):
    """Implemented by `jobfolder.JobFolder`."""

    path: Path
    checkpoints: Path
    adapter: Path

    def event(self, level: str, message: str, data: dict[str, Any] | None = None) -> None: ...

    def metric(self, step: int, values: dict[str, float]) -> None: ...

    def phase(self, state: JobState, detail: str = "") -> object: ...

    def wish(self) -> Literal["run", "pause", "cancel"]: ...
