"""Media of a question that lie on this machine: they go along in the request itself, since nothing is uploaded to be asked once."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from tuneport.errors import UsageError
from tuneport.examples import ImagePart, MediaPart, Message, Part, TextPart

_ELSEWHERE = re.compile(r"(?:gs|https?|data):", re.IGNORECASE)


def inlined(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with files of this machine as data: addresses; paths are taken from the working folder. Raises UsageError for one that
    cannot be read, or whose type its name does not tell."""
    return tuple(map(_turn, messages))


def _turn(message: Message) -> Message:
    if not isinstance(message.content, tuple) or all(isinstance(part, TextPart) for part in message.content):
        return message
    return msgspec.structs.replace(message, content=tuple(map(_part, message.content)))


def _part(part: Part) -> Part:
    if isinstance(part, TextPart) or _ELSEWHERE.match(part.url):
        return part
    path = Path(unquote(urlsplit(part.url).path) if part.url.startswith("file://") else part.url)
    mime_type = part.mime_type or mimetypes.guess_type(path.name)[0]
    if mime_type is None:
        raise UsageError(f"the type of {path.name} cannot be told from its name.", remedy="Give it the suffix of its type, such as .png.")
    try:
        data = base64.b64encode(path.read_bytes()).decode()
    except (OSError, ValueError) as error:
        raise UsageError(f"the file {path.name!r} of a question cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    return _with(part, f"data:{mime_type};base64,{data}", mime_type)


def _with(part: ImagePart | MediaPart, url: str, mime_type: str) -> Part:
    return ImagePart(url, part.detail) if isinstance(part, ImagePart) else MediaPart(url, mime_type)
