"""What images cost by the rules that providers document. The size is read from images that lie in the row; of others it is not known."""

from __future__ import annotations

import base64
import binascii
import struct
from math import ceil, sqrt

from tuneport.examples import ImagePart
from tuneport.tokens.facts import Images

ASSUMED = (1024, 1024)
"""Width and height of an image of unknown size."""

_HEAD = 65_536
"""Characters of base64 that are looked at; a JPEG may hold a picture in small before its size."""


def image_tokens(part: ImagePart, rule: Images | None) -> int:
    """What an image costs; 0 without a rule."""
    return 0 if rule is None else tokens_of_size(*(size_of(part.url) or ASSUMED), part.detail or "", rule)


def tokens_of_size(width: int, height: int, detail: str, rule: Images | None) -> int:
    """What an image of so many pixels costs; 0 without a rule."""
    if rule is None:
        return 0
    if detail == "low" and rule.low is not None:
        return rule.low
    return _RULES[rule.rule](width, height, rule)


def _tiles(width: int, height: int, rule: Images) -> int:
    if max(width, height) <= rule.small:
        return ceil(rule.each)
    if rule.within:
        shrink = min(1.0, rule.within / max(width, height))
        shrink *= min(1.0, rule.short / (shrink * min(width, height)))
        width, height = round(width * shrink), round(height * shrink)
    return ceil(rule.base + rule.each * ceil(width / rule.side) * ceil(height / rule.side))


def _patches(width: int, height: int, rule: Images) -> int:
    patches = ceil(width / rule.side) * ceil(height / rule.side)
    if patches > rule.most:
        shrink = sqrt(rule.most * rule.side**2 / (width * height))
        across, down = width * shrink / rule.side, height * shrink / rule.side
        shrink *= min(int(across) / across, int(down) / down) if min(across, down) >= 1 else 1.0
        patches = min(rule.most, ceil(round(width * shrink / rule.side, 6)) * ceil(round(height * shrink / rule.side, 6)))
    return ceil(patches * rule.each)


def _area(width: int, height: int, rule: Images) -> int:
    return min(rule.most, ceil(width * height / rule.side))


def _fixed(width: int, height: int, rule: Images) -> int:
    return ceil(rule.each)


_RULES = {"tiles": _tiles, "patches": _patches, "area": _area, "fixed": _fixed}


def size_of(url: str) -> tuple[int, int] | None:
    """Width and height in pixels of an image in a data: URL (PNG, JPEG, GIF, WEBP); None where they cannot be read."""
    if not url.startswith("data:"):
        return None
    about, _, data = url[: _HEAD + 256].partition(",")
    if not about.endswith(";base64"):
        return None
    whole = data[: len(data) // 4 * 4]
    try:
        return _size(base64.b64decode(whole))
    except (binascii.Error, ValueError, struct.error, IndexError):
        return None


def _size(image: bytes) -> tuple[int, int] | None:
    size: tuple[int, int] | None = None
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        size = struct.unpack(">II", image[16:24])
    elif image.startswith((b"GIF87a", b"GIF89a")):
        size = struct.unpack("<HH", image[6:10])
    elif image.startswith(b"\xff\xd8"):
        size = _jpeg_size(image)
    elif image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        size = _webp_size(image)
    return size if size is None or min(size) > 0 else None


_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})
"""Markers among those of JPEG's frames that begin none."""


def _jpeg_size(image: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(image) and image[at] == 0xFF:
        marker, length = image[at + 1], struct.unpack(">H", image[at + 2 : at + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack(">HH", image[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


def _webp_size(image: bytes) -> tuple[int, int] | None:
    kind = image[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(image[24:27], "little"), 1 + int.from_bytes(image[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(image[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", image[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None
