"""Findings: what a check has to say, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check. `line` is 1-based, None for the whole file; `rule` is a stable id such as `chat-ends-with-assistant`."""

    rule: str
    severity: Severity
    message: str
    line: int | None = None
    remedy: str = ""
