"""Events of a job, moderation's among them. The SDK knows the types `message` and `metrics`; the guides show `moderation_checks` too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tuneport.job import Event
from tuneport.redaction import without_secrets
from tuneport.replies import Json, text_in, texts_in, time_in

_LEVELS = {"warn": "warning"}
_NO_TIME = datetime.fromtimestamp(0, UTC)


def event_of(event: Json) -> Event:
    """An event as it comes; one without a time is of 1970, one without an id gets one from what it says."""
    level = text_in(event, "level") or "info"
    message = _message(event)
    return Event(
        id=text_in(event, "id") or _id_of(event, message),
        at=time_in(event, "created_at") or _NO_TIME,
        level=_LEVELS.get(level, level),
        message=message,
        data=data_of(event) | ({"type": kind} if (kind := text_in(event, "type")) else {}),
    )


def data_of(event: Json) -> dict[str, Any]:
    """What an event holds beside its message; what is no object stands under `data`."""
    data = event.get("data")
    if isinstance(data, Mapping):
        return dict(data)
    return {} if data is None else {"data": data}


def blocked_categories(event: Json) -> tuple[str, ...]:
    """The categories of moderation that a model was blocked for."""
    return texts_in(data_of(event), "blocked_categories")


def _message(event: Json) -> str:
    """The event's own, with the categories of moderation where it does not name them."""
    said = without_secrets(text_in(event, "message") or text_in(event, "type") or "")
    unnamed = [each for each in blocked_categories(event) if each not in said]
    return f"{said} (blocked: {', '.join(unnamed)})" if unnamed else said


def _id_of(event: Json, message: str) -> str:
    at = time_in(event, "created_at") or _NO_TIME
    return f"{at.timestamp():.0f}-{hashlib.sha256(message.encode()).hexdigest()[:12]}"
