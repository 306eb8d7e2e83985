"""What Azure does otherwise than OpenAI, or is said to do by some and not by others: each one a switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuneport_openai.emulator.habits import Habits


@dataclass(frozen=True, slots=True)
class AzureHabits(Habits):
    """The defaults are what the documentation or most reports say; where neither says anything, the less convenient of two answers."""

    absent_error: Literal["object", "null"] = "null"
    results_in_base64: bool = False
    keeps_metadata: bool = False
    filters_by_metadata: bool = False
    processing_s: float = 5.0
    names_training_type: bool = False
    """The refusal of a base that cannot be trained so says the base and the training type (reported since 2026), instead of neither."""
    echoes_training_type: Literal["canonical", "lower", "never"] = "canonical"
    oldest_first: bool = False
    """Jobs are listed from the oldest to the newest: their order is not documented."""
    deletes_jobs_on_v1: bool = False
    """DELETE of a job is documented for the dated versions only."""
    pauses_at_once: bool = False
    """A pause answers `paused`, as the specification's example does, instead of `pausing`."""
    quota_status: int = 400
    """The status of `quotaExceeded`: documented nowhere."""
    state_status: int = 400
    """The status of `unexpectedEntityState`: documented nowhere."""
    announces_operations: bool = True
    """A PUT or DELETE of a deployment is answered with an Azure-AsyncOperation header."""
    throttles: bool = False
    """A deployment of capacity n answers n requests a minute, and 429 to the rest."""
    metrics_lag_s: float = 180.0
    """Azure Monitor learns of a request that long after it."""
