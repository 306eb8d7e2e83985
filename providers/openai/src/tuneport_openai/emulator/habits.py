"""What servers that speak this dialect do differently from one another, or from one year to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Habits:
    """The defaults are what public reports say OpenAI does."""

    absent_error: Literal["object", "null"] = "object"
    """A job without an error says `"error": {}`, or null as the documentation has it."""
    results_in_base64: bool = True
    """The content of a results file comes as base64 of the CSV (OpenAI's cookbook decodes it; Azure sends the CSV itself)."""
    keeps_metadata: bool = True
    filters_by_metadata: bool = True
    """False: a listing with a metadata filter answers as if there were none."""
    listing_lag_s: float = 0.0
    """A new job stays out of listings that long."""
    processing_s: float = 2.0
    """An uploaded file becomes `processed`, or `error`, after that."""
    largest_file_bytes: int = 512 * 1024 * 1024
    largest_part_bytes: int = 64 * 1024 * 1024
    upload_expires_s: float = 3600.0
    extra_job_fields: frozenset[str] = frozenset()
    """Fields of a job request that are accepted and forgotten, such as Azure's `trainingType`."""
