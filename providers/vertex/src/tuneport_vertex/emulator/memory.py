"""What a tuned model has learned, as `contents` have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneport.testing.emulator import recall

Part = Mapping[str, Any]
Learned = recall.Learned[tuple[Part, ...]]
"""A row with the parts of its reply."""
Memory = recall.Memory[tuple[Part, ...]]


def text_of(parts: object) -> str:
    """The text of a content's parts."""
    listed = parts if isinstance(parts, list | tuple) else [parts]
    return "".join(str(part.get("text", "")) for part in listed if isinstance(part, Mapping))


def question_of(contents: Sequence[Mapping[str, Any]]) -> str:
    """The text of the last content that is from the user."""
    asked = (one for one in reversed(contents) if one.get("role", "user") == "user")
    return next((text_of(one.get("parts")) for one in asked), "")
