"""Versions of the API: v1, which has no date, and dated ones, some of which are too old.

Facts of 2026-11-21: `method`, `trainingType`, pause and resume came with 2025-04-01-preview; the GA version 2024-10-21 takes supervised
jobs only and trains them as Standard whatever one writes (Azure/azure-rest-api-specs, authoring; azure-ai-docs).
"""

from __future__ import annotations

import re
from datetime import date

from tuneport.errors import Unsupported

SINCE = "2025-04-01-preview"
"""The first dated version in which a job says by which method and in which tier it is trained."""
_FORM = re.compile(r"(\d{4}-\d{2}-\d{2})(?:-preview)?")
_FIRST = date(2025, 4, 1)


def version_problem(version: str) -> str | None:
    """Why that cannot be a version; None where it can."""
    return None if _day(version) is not None else f"api_version {version!r} is none: a dated one looks like {SINCE}."


def is_v1_only(address: str) -> bool:
    """Whether an address as somebody copied it is one of the v1 API: then a version in the environment is meant for something else."""
    return bool(re.search(r"/openai/v1/?$|/api/projects/", address.strip()))


def _day(version: str) -> date | None:
    found = _FORM.fullmatch(version)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def too_old(version: str | None) -> bool:
    """Whether it knows neither methods nor training types; v1 (None) does."""
    day = None if version is None else _day(version)
    return day is not None and day < _FIRST


def refuse_old(version: str | None, *, what: str) -> None:
    """Raises Unsupported where the version is too old to be asked for `what`."""
    if too_old(version):
        raise Unsupported(
            f"api_version {version} is too old {what}: it knows neither methods nor training types, which came with {SINCE}.",
            remedy='Leave it out (api_version = "v1", and OPENAI_API_VERSION unset), or take a later one.',
        )
