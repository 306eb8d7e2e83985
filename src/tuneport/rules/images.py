"""Rules about images and other media, all of them the provider's."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from tuneport.examples import Example, ImagePart, LabelledExample, MediaPart, Message, PreferenceExample
from tuneport.limits import Target
from tuneport.rules.rule import Rule, turns


def images_in(example: Example) -> Iterator[tuple[Message | None, ImagePart]]:
    """Every image of a row, with the message that it stands in."""
    if isinstance(example, LabelledExample):
        if example.image is not None:
            yield None, ImagePart(example.image)
        return
    messages = turns(example) + (example.rejected if isinstance(example, PreferenceExample) else ())
    for message in messages:
        if message.content.__class__ is tuple:
            yield from ((message, part) for part in message.content if isinstance(part, ImagePart))


def images_taken(example: Example, target: Target) -> str | None:
    if target.limits.images is not False or not any(images_in(example)):
        return None
    return f"the row has an image, which {target.model or target.provider} does not take."


def media_taken(example: Example, target: Target) -> str | None:
    if target.limits.media is not False:
        return None
    parts = [part for message in turns(example) if isinstance(message.content, tuple) for part in message.content]
    media = any(isinstance(part, MediaPart) for part in parts)
    return f"the row has audio, video or a document, which {target.provider} does not take." if media else None


def images_not_too_many(example: Example, target: Target) -> str | None:
    most, found = target.limits.max_images, sum(1 for _ in images_in(example))
    return f"the row has {found} images; at most {most} are taken." if most is not None and found > most else None


def images_not_too_big(example: Example, target: Target) -> str | None:
    most = target.limits.max_image_bytes
    for place, (_, image) in enumerate(images_in(example) if most is not None else ()):
        size = _held_bytes(image.url)
        if most is not None and size > most:
            return f"image {place + 1} of the row has {size:,} bytes; at most {most:,} are taken."
    return None


def image_types_taken(example: Example, target: Target) -> str | None:
    taken = target.limits.image_types
    for place, (_, image) in enumerate(images_in(example) if taken is not None else ()):
        kind = mime_type(image)
        if taken is not None and kind is not None and kind not in taken:
            return f"image {place + 1} of the row is of type {kind!r}; {', '.join(sorted(taken))} are taken."
    return None


def image_schemes_taken(example: Example, target: Target) -> str | None:
    taken = target.limits.image_schemes
    for place, (_, image) in enumerate(images_in(example) if taken is not None else ()):
        scheme = _scheme(image.url)
        if taken is not None and scheme not in taken:
            what = f"begins with {scheme!r}" if scheme else "is a path"
            return f"the address of image {place + 1} of the row {what}; {', '.join(sorted(taken))} are taken."
    return None


def images_placed(example: Example, target: Target) -> str | None:
    taken = target.limits.image_roles
    for message, _ in images_in(example) if taken is not None else ():
        if taken is not None and message is not None and message.role not in taken:
            return f"a message from {message.role!r} holds an image; only those from {', '.join(sorted(taken))} may."
    return None


_BY_ENDING = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif", "bmp": "image/bmp"}
_BY_ENDING |= {"svg": "image/svg+xml", "tif": "image/tiff", "tiff": "image/tiff", "heic": "image/heic", "avif": "image/avif"}


def mime_type(image: ImagePart) -> str | None:
    """The type that the part or its address says; None where neither does."""
    if image.mime_type is not None:
        return image.mime_type.lower()
    if image.url[:5].lower() == "data:":
        return image.url[5:200].partition(",")[0].partition(";")[0].lower() or None
    try:
        path = urlsplit(image.url[:4096]).path
    except ValueError:
        return None
    return _BY_ENDING.get(path.rpartition(".")[2].lower()) if "." in path else None


def _scheme(url: str) -> str:
    head, colon, _ = url[:32].partition(":")
    return head.lower() if colon and head.isalnum() else ""


def _held_bytes(url: str) -> int:
    """The size of an image that the address itself holds; 0 for one that lies elsewhere."""
    if url[:5].lower() != "data:":
        return 0
    comma = url.find(",", 0, 200)
    if ";base64" not in url[:comma].lower():
        return len(url) - comma - 1
    return (len(url) - comma - 1) * 3 // 4 - url[-2:].count("=")


RULES = (
    Rule(
        "image-taken",
        "error",
        "Images occur only where the model takes them.",
        "Remove them, or choose another model.",
        images_taken,
        sees="media",
    ),
    Rule(
        "media-taken",
        "error",
        "Audio, video and documents occur only where the provider takes them.",
        "Remove them.",
        media_taken,
        sees="media",
    ),
    Rule("image-count", "error", "A row has no more images than the provider takes.", "Remove some.", images_not_too_many, sees="media"),
    Rule(
        "image-size",
        "error",
        "An image in the row is no larger than the provider takes.",
        "Make it smaller.",
        images_not_too_big,
        sees="media",
    ),
    Rule("image-type", "error", "Images are of a type that the provider takes.", "Convert them.", image_types_taken, sees="media"),
    Rule(
        "image-scheme",
        "error",
        "Images lie where the provider fetches them.",
        "Move them, or put them into the row.",
        image_schemes_taken,
        sees="media",
    ),
    Rule("image-place", "error", "Images stand only where they may.", "Move or remove them.", images_placed, sees="media"),
)
