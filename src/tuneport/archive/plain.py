"""Values as plain JSON for an archive: times as ISO 8601, no NaN, and nothing that looks like a key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from tuneport.redaction import without_secrets

_OF_A_SECRET = re.compile(r"(^|[_\-])(api_?key|key|secret|password|passwd|token|authorization|credentials?)$", re.IGNORECASE)
"""Keys whose text is left out, whatever it looks like: W&B's `api_key`, say."""


def plain(value: Any) -> Any:
    """`value` as JSON can hold it, without secrets."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {
            str(key): "[hidden]" if isinstance(inner, str) and _OF_A_SECRET.search(str(key)) else plain(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return value.isoformat() if isinstance(value, datetime) else without_secrets(str(value))


def document(value: Any) -> bytes:
    """One JSON document, indented."""
    return (json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n").encode(errors="replace")


def lines(values: Iterable[Any]) -> Iterator[bytes]:
    """JSON lines, one a value."""
    for value in values:
        yield (json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False) + "\n").encode(errors="replace")
