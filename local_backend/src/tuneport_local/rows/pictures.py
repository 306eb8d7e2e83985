"""Pictures of rows: read where they lie, once, before a job; from then on they travel in its rows. Imports no torch, and Pillow when used.

A job must not depend on files that may go or change, so a path becomes a `data:` address when the job is planned. Nothing is fetched from
the network: what an address says tomorrow is not what was checked today.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from tuneport.examples import ChatExample, Example, ImagePart, LabelledExample, Message, PreferenceExample, PromptExample
from tuneport.formats.format import BadRow

if TYPE_CHECKING:
    from PIL.Image import Image

    from tuneport.dataset import Dataset

MOST_BYTES = 32 << 20
MOST_PIXELS = 64_000_000
TYPES = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""As Pillow calls them. Of a moving picture the first frame is seen."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:(?!\\)", re.IGNORECASE)
_ELSEWHERE = "save the pictures beside the file and name them by their paths"


def pictured(example: Example) -> Iterator[ImagePart]:
    """Every picture of a row, in the order of its messages."""
    if isinstance(example, LabelledExample):
        yield from () if example.image is None else (ImagePart(example.image),)
        return
    for message in _messages(example):
        if message.content.__class__ is tuple:
            yield from (part for part in message.content or () if isinstance(part, ImagePart))


def embedded(dataset: Dataset) -> Dataset:
    """The same rows with each picture in them, whole, as a `data:` address. Paths are taken from the folder that the dataset's file is in.

    A row cannot be read whose picture is missing, damaged, too large, of another type, or elsewhere than on this disk.
    """
    folder = dataset.path.parent if dataset.path is not None and dataset.address is None else Path.cwd()
    checked: set[str] = set()
    return dataset.changed(lambda example: _with_pictures(example, partial(_address, folder=folder, checked=checked)))


def bytes_of(url: str) -> bytes:
    """The bytes of a `data:` address. Raises BadRow for any other."""
    head, comma, data = url.partition(",")
    if not head[:5].lower() == "data:" or not comma or "base64" not in head.lower().split(";"):
        raise BadRow("a picture's address is not `data:` with base64.")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise BadRow("a picture's data: address is not base64.") from None


def held(url: str, *, folder: Path) -> str:
    """The address of the picture with its bytes in it, which need not be one. Raises BadRow for what does not lie on this disk."""
    if url[:5].lower() == "data:":
        bytes_of(url)
        return url
    data = _read(url, folder)
    return f"data:{_type(data)};base64,{base64.b64encode(data).decode()}"


def opened(data: bytes) -> Image:
    """The picture in three colours, upright, its transparent places white. Raises BadRow for what is none or holds too much."""
    from PIL import Image, ImageOps

    if len(data) > MOST_BYTES:
        raise BadRow(f"a picture has {len(data):,} bytes; at most {MOST_BYTES:,} are taken.")
    try:
        with Image.open(io.BytesIO(data), formats=TYPES) as found:
            width, height = found.size
            if width * height > MOST_PIXELS:
                raise BadRow(f"a picture has {width} x {height} pixels; at most {MOST_PIXELS:,} are taken.")
            upright = ImageOps.exif_transpose(found)
            return _opaque(upright)
    except BadRow:
        raise
    except Exception as error:  # Pillow and its decoders raise their own, OSError, ValueError, struct.error, SyntaxError
        reason = "is none in " + ", ".join(TYPES) if type(error).__name__ == "UnidentifiedImageError" else "is damaged or cut off"
        raise BadRow(f"what is named as a picture {reason}.") from None


def _opaque(image: Image) -> Image:
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


# --- rows ------------------------------------------------------------------------------------------------------------------------------


def _messages(example: ChatExample | PreferenceExample | PromptExample) -> tuple[Message, ...]:
    if isinstance(example, PreferenceExample):
        return (*example.prompt, *example.chosen, *example.rejected)
    return example.messages


def _with_pictures(example: Example, address: Callable[[str], str]) -> Example:
    if next(pictured(example), None) is None:
        return example
    if isinstance(example, LabelledExample):
        return msgspec.structs.replace(example, image=address(example.image or ""))

    def turns(messages: tuple[Message, ...]) -> tuple[Message, ...]:
        return tuple(_turn(message, address) for message in messages)

    if isinstance(example, PreferenceExample):
        sides = {"prompt": turns(example.prompt), "chosen": turns(example.chosen), "rejected": turns(example.rejected)}
        return msgspec.structs.replace(example, **sides)
    return msgspec.structs.replace(example, messages=turns(example.messages))


def _turn(message: Message, address: Callable[[str], str]) -> Message:
    if not isinstance(message.content, tuple):
        return message
    parts: list[Any] = [ImagePart(address(part.url), part.detail) if isinstance(part, ImagePart) else part for part in message.content]
    return msgspec.structs.replace(message, content=tuple(parts))


def _address(url: str, *, folder: Path, checked: set[str]) -> str:
    """The picture as a `data:` address. It is opened once: `checked` has the digests of those that were."""
    address = held(url, folder=folder)
    data = bytes_of(address)
    digest = hashlib.sha256(data).hexdigest()
    if digest not in checked:
        opened(data)
        checked.add(digest)
    return address


def _read(url: str, folder: Path) -> bytes:
    path = Path(unquote(urlsplit(url).path)) if url.lower().startswith("file:") else Path(url).expanduser()
    if not url.lower().startswith("file:") and _SCHEME.match(url):
        raise BadRow(f"a picture's address begins with {url.partition(':')[0]}:, and nothing is fetched for a job here; {_ELSEWHERE}.")
    path = path if path.is_absolute() else folder / path
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadRow(f"the picture {path.name!r} has {path.stat().st_size:,} bytes; at most {MOST_BYTES:,} are taken.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, BadRow):
            raise
        raise BadRow(f"its picture {path.name!r} cannot be read: {getattr(error, 'strerror', None) or 'it cannot be opened'}.") from None


_BEGINNINGS = {b"\x89PNG": "png", b"\xff\xd8": "jpeg", b"GIF8": "gif", b"BM": "bmp", b"II*\0": "tiff", b"MM\0*": "tiff", b"RIFF": "webp"}


def _type(data: bytes) -> str:
    return next((f"image/{kind}" for beginning, kind in _BEGINNINGS.items() if data.startswith(beginning)), "image/*")
