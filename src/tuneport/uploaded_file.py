"""A file that was uploaded from here, as the registry remembers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """`file_id` is the provider's, or None while it is not known. `used_at` is when it was uploaded, or last used for a job."""

    scope: str
    purpose: str
    sha256: str
    file_id: str | None
    used_at: datetime

    @property
    def name(self) -> str:
        """The beginning of its name at the provider."""
        return f"tuneport-{self.sha256[:32]}"
