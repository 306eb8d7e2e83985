"""Where the media of rows lie that are named by a path beside their file: whoever asks a model gets rows without knowing that file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tuneport.dataset import Dataset
from tuneport.examples import Example, ImagePart, LabelledExample, MediaPart, Message, PreferenceExample

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:(?!\\)", re.IGNORECASE)


def placed(rows: Iterable[Example]) -> Iterable[Example]:
    """The rows with each relative path that is a file beside theirs as a whole path; others are left to the working folder."""
    if not isinstance(rows, Dataset) or rows.path is None or rows.address is not None:
        return rows
    return rows.changed(partial(_placed, folder=rows.path.parent.absolute()))


def _placed(example: Example, *, folder: Path) -> Example:
    if isinstance(example, LabelledExample):
        return example if example.image is None else msgspec.structs.replace(example, image=_path(example.image, folder))
    fields = ("prompt", "chosen", "rejected") if isinstance(example, PreferenceExample) else ("messages",)
    if not any(_has_media(message) for field in fields for message in getattr(example, field)):
        return example
    return msgspec.structs.replace(
        example, **{field: tuple(_turn(message, folder) for message in getattr(example, field)) for field in fields}
    )


def _has_media(message: Message) -> bool:
    return isinstance(message.content, tuple) and any(isinstance(part, ImagePart | MediaPart) for part in message.content)


def _turn(message: Message, folder: Path) -> Message:
    if not isinstance(message.content, tuple):
        return message
    parts: list[Any] = [
        msgspec.structs.replace(part, url=_path(part.url, folder)) if isinstance(part, ImagePart | MediaPart) else part
        for part in message.content
    ]
    return msgspec.structs.replace(message, content=tuple(parts))


def _path(url: str, folder: Path) -> str:
    if _SCHEME.match(url[:64]) or len(url) > 4096 or Path(url).is_absolute():
        return url
    return str(folder / url) if (folder / url).is_file() else url
