"""The messages of google-cloud-aiplatform, each version of the API loaded when it is first asked for: together they take seconds."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any


@cache
def message(version: str, name: str) -> Any:
    """The class of a message: `message("v1beta1", "TuningJob")`."""
    return getattr(import_module(f"google.cloud.aiplatform_{version}"), name)
