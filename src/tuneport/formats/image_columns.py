"""Pictures that stand beside a conversation, in the key `images` or `image`, with placeholders for them inside.

TRL (1.16, `prepare_multimodal_messages`, read 2026-11-21): parts `{"type": "image"}` outside the answers of tools take the pictures in
order; where all is text, they come before the first text of the user. LLaMA-Factory (its data format, read 2026-11-21): each `<image>` in
a text is one. `datasets` has a picture as `{"bytes": …, "path": …}`, of which one may be null; the bytes are base64 where rows are JSON.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec

from tuneport.examples import ImagePart, Message, Part, TextPart
from tuneport.formats.format import BadRow, Lose, Row
from tuneport.formats.json_values import kind_of

IMAGE_KEYS = frozenset({"images", "image"})
MARK = "<image>"
ADDRESS_KEYS = ("image", "url", "path", "base64")
"""Where a part of type `image` may have its address itself."""

Address = Annotated[str, msgspec.Meta(min_length=1)]


def images_of(row: Row, lose: Lose) -> tuple[str, ...]:
    """The addresses of the pictures beside a conversation. Raises BadRow."""
    given = [key for key in ("images", "image") if row.get(key) not in (None, "", [])]
    if len(given) > 1:
        raise BadRow('there are pictures under both "images" and "image".')
    if not given:
        return ()
    value = _listed(row[given[0]])
    return tuple([address_of(each, f"{given[0]}[{place}]", lose) for place, each in enumerate(value)])


def _listed(value: Any) -> list[Any]:
    """Tables have a list as JSON text."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return [value]
    return value if isinstance(value, list) else [value]


def address_of(value: Any, place: str, lose: Lose) -> str:
    """The address of a picture; bytes become a data: address. Raises BadRow."""
    if isinstance(value, str) and value:
        return value
    held = value if isinstance(value, dict) else {}
    data, path = held.get("bytes"), held.get("path")
    if isinstance(data, str) and data:
        if path:
            lose("image.path")
        return f"data:{_type_of(data, place)};base64,{data}"
    if isinstance(path, str) and path:
        return path
    raise BadRow(f"{place}: expected an address or an object with bytes or a path, got {kind_of(value)}.")


_BEGINNINGS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"BM": "bmp", b"II*\0": "tiff", b"MM\0*": "tiff"}


def _type_of(data: str, place: str) -> str:
    """The type of a picture in base64, which its first bytes tell."""
    try:
        head = base64.b64decode(data[:24], validate=True)
    except (binascii.Error, ValueError):
        raise BadRow(f"{place}.bytes: is not base64.") from None
    kind = next((kind for beginning, kind in _BEGINNINGS.items() if head.startswith(beginning)), "")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        kind = "webp"
    if not kind:
        raise BadRow(f"{place}.bytes: is no picture in PNG, JPEG, GIF, WEBP, BMP or TIFF.")
    return f"image/{kind}"


# --- parts that wait for a picture -----------------------------------------------------------------------------------------------------


def placeholders(messages: Any) -> int:
    """How many parts of messages, as rows have them, wait for a picture."""
    return sum(1 for message in (messages if isinstance(messages, list) else []) for part in _parts(message) if _waits(part))


def _parts(message: Any) -> list[Any]:
    """None of a tool's: TRL fills no pictures in there."""
    content = message.get("content") if isinstance(message, dict) and message.get("role") != "tool" else None
    return content if isinstance(content, list) else []


def _waits(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "image" and all(part.get(key) is None for key in ADDRESS_KEYS)


def filled(messages: Any, images: Sequence[str], *, key: str) -> Any:
    """The messages with a picture in each part that waits for one. Raises BadRow where there are more or fewer of these."""
    waiting = placeholders(messages)
    if waiting != len(images):
        raise BadRow(f'{key}: {waiting} placeholders wait for pictures, and the row has {len(images)} for them under "images" or "image".')
    left = iter(images)
    return [_filled(message, left) for message in messages]


def _filled(message: Any, images: Iterator[str]) -> Any:
    parts = _parts(message)
    if not parts:
        return message
    if len(parts) == 1 and isinstance(parts[0], dict) and parts[0].get("type") == "text" and isinstance(parts[0].get("text"), str):
        return {**message, "content": parts[0]["text"]}
    return {**message, "content": [{**part, "image": next(images)} if _waits(part) else part for part in parts]}


def into_column(messages: Sequence[Any], *, until: int | None = None) -> tuple[Sequence[Any], list[str]]:
    """The first of the messages, as Hugging Face has them, with placeholders for pictures, and the addresses of these.

    The user's texts become parts then: before a text that is none, TRL would put all pictures again.
    """
    if not isinstance(messages[0], dict) or list not in [message.get("content").__class__ for message in messages]:
        return messages, []
    images = [part["image"] for message in messages[:until] for part in _parts(message) if "image" in part]
    if not images:
        return messages, []
    return [*map(_emptied, messages[:until]), *(messages[until:] if until is not None else ())], images


def _emptied(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if message["role"] == "user" and isinstance(content, str):
        return {**message, "content": [{"type": "text", "text": content}]}
    if not _parts(message):
        return message
    return {**message, "content": [{"type": "image"} if "image" in part else part for part in _parts(message)]}


def beside(images: list[str]) -> dict[str, list[str]]:
    """What stands beside the messages of a row."""
    return {"images": images} if images else {}


# --- marks in texts --------------------------------------------------------------------------------------------------------------------


def marked(messages: Sequence[Message], images: Sequence[str]) -> tuple[Message, ...]:
    """The messages with a picture for each mark in their texts; without any mark, all before the first text of the user. Raises BadRow."""
    found = sum(message.content.count(MARK) for message in messages if isinstance(message.content, str) and _may_be_marked(message))
    if not found:
        return _before_the_first(messages, images)
    if found != len(images):
        raise BadRow(f'the texts hold {MARK} {found} times, and the row has {len(images)} pictures under "images" or "image".')
    left = iter(images)
    return tuple([_with_parts(message, left) if _may_be_marked(message) else message for message in messages])


def _may_be_marked(message: Message) -> bool:
    return message.role not in ("system", "developer")


def _with_parts(message: Message, images: Iterator[str]) -> Message:
    if not isinstance(message.content, str) or MARK not in message.content:
        return message
    first, *texts = message.content.split(MARK)
    parts: list[Part] = [TextPart(first)] if first else []
    for text in texts:
        parts.append(ImagePart(next(images)))
        parts += [TextPart(text)] if text else []
    return msgspec.structs.replace(message, content=tuple(parts))


def _before_the_first(messages: Sequence[Message], images: Sequence[str]) -> tuple[Message, ...]:
    place = next((place for place, message in enumerate(messages) if message.role == "user" and isinstance(message.content, str)), None)
    if place is None:
        raise BadRow('the row has pictures under "images" or "image", and no placeholder or text of the user that they belong to.')
    asked = messages[place]
    text = (TextPart(asked.content),) if isinstance(asked.content, str) and asked.content else ()
    content = (*(ImagePart(image) for image in images), *text)
    return (*messages[:place], msgspec.structs.replace(asked, content=content), *messages[place + 1 :])


def into_marks(messages: Sequence[Message], lose: Lose) -> tuple[Sequence[Message], list[str]]:
    """The messages with marks for pictures, and the addresses of these; unchanged where a text holds a mark that is none."""
    if tuple not in [message.content.__class__ for message in messages]:  # most rows, so that they cost no more than this
        return messages, []
    if not any(map(_pictured, messages)) or any(MARK in message.text for message in messages if _may_be_marked(message)):
        return messages, []
    images = [part.url for message in messages if _pictured(message) for part in message.content or () if isinstance(part, ImagePart)]
    return [_with_marks(message, lose) if _pictured(message) else message for message in messages], images


def _pictured(message: Message) -> bool:
    """Turns of tools may be put in another order, and what is said beside calls is left out."""
    kinds = map(type, message.content) if isinstance(message.content, tuple) else ()
    return message.role in ("user", "assistant") and not message.tool_calls and ImagePart in kinds


def _with_marks(message: Message, lose: Lose) -> Message:
    text, last = "", ""
    for part in message.content or ():
        if isinstance(part, ImagePart):
            text, last = text + MARK, ""
            lose_labels(part, lose)
        elif isinstance(part, TextPart):
            if last or not part.text:
                lose("message.parts")
            text, last = text + part.text, part.text
        else:
            lose("part.media")
    return msgspec.structs.replace(message, content=text)


def lose_labels(part: ImagePart, lose: Lose) -> None:
    """What stands beside the address of a picture."""
    if part.detail is not None:
        lose("image.detail")
    if part.mime_type is not None:
        lose("image.mime_type")
