"""What Vertex AI does in ways that no source settles, or that changed: each one a switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Habits:
    """The defaults are what the documentation or most reports say; where neither says anything, the less convenient of two answers."""

    when_full: Literal["wait", "refuse"] = "wait"
    """What becomes of a tuning job beyond the quota of concurrent ones: it waits, or its creation is refused with RESOURCE_EXHAUSTED."""
    waits_as: Literal["JOB_STATE_QUEUED", "JOB_STATE_PENDING"] = "JOB_STATE_QUEUED"
    concurrent_jobs: int = 1
    """Of a project, in all locations together (facts: Vertex AI quotas, read 2026-11-21)."""
    tells_detail: bool = True
    """`tuningJobState` and `tuningJobMetadata` are in the answers: google-genai has them, the published reference has not."""
    writes_metrics: bool = False
    """A job that ends well names a file of its metrics in `gcsMetricsUri`. What such a file looks like is published nowhere."""
    multi_region_only: bool = True
    """A tuned Gemini 3.x answers on `us` and `eu` only."""
    registers_open_models: bool = False
    """A tuned open model is put into the model registry; otherwise it only lies under `outputUri`."""
    default_page: int = 100
    largest_page: int = 1000
    honours_filters: bool = False
    """A listing's filter by label is obeyed; otherwise it is accepted and ignored."""
    listing_lag_s: float = 0.0
    rebase_s: float = 30.0
    """How long the operation of a rebase takes before it answers with its job."""
    bucket_must_match: bool = True
    """Training data from a bucket in another region makes the job fail."""
    admits_short_uploads: bool = True
    """Of a chunk that was kept in part the answer says how much was kept; otherwise only the next query does."""
    partial_rows: Literal["drop", "fail"] = "drop"
    """Rows that cannot be trained on (too long, an image that cannot be read) are dropped and counted, or make the job fail."""
