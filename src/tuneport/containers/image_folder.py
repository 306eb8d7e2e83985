"""A folder of images: one folder inside it for each label, or a file `metadata` that says a label or a score for each image.

    digits/train/0/0001.png                           the label is the name of the folder
    cars/metadata.csv, cars/0001.jpg                  file_name,label or file_name,score; metadata.jsonl likewise

Rows are labelled ones of our own format that hold the bytes of their image, so that fingerprints are of what is seen and not of where it
lies. (The layout is that of `imagefolder` of the library `datasets`, its documentation read 2026-11-21.)
"""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneport.containers.container import Batch, Container, Raw, Stream
from tuneport.formats.format import BadFile, BadRow, Notices

TYPES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".gif": "gif", ".bmp": "bmp", ".tif": "tiff", ".tiff": "tiff"}
_METADATA = ("metadata.csv", "metadata.jsonl")
_SHOULD = "Put images into one folder for each label, or name them in metadata.csv: file_name,label."


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image file and what is said of it: a label or a score."""

    path: Path
    told: Mapping[str, Any]

    def row(self, data: bytes) -> dict[str, Any]:
        """The row, of our own format, that it is with these bytes."""
        image = f"data:image/{TYPES[self.path.suffix.lower()]};base64,{base64.b64encode(data).decode()}"
        return {"kind": "labelled", "image": image, **self.told}


def is_folder(folder: Path) -> bool:
    """Whether it holds images, in folders or with metadata, or such folders."""
    return _described(folder) is not None or any(_is_image(path) for pattern in ("*/*", "*/*/*") for path in folder.glob(pattern))


def images(folder: Path) -> tuple[LabelledImage, ...]:
    """All images in the order of their names, or as the metadata list them.

    Raises BadFile for a folder of several parts (train, test …), for files that are no images, and for what the metadata do not tell.
    """
    if (metadata := _described(folder)) is not None:
        return _listed(folder, metadata)
    labels = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not any(_is_image(path) for label in labels for path in label.iterdir()):
        parts = ", ".join(label.name for label in labels)
        raise BadFile(f"holds several folders of images: {parts}.", remedy=f"Name one of them, such as {folder.name}/{labels[0].name}.")
    found = [LabelledImage(path, {"label": label.name}) for label in labels for path in _images_in(label)]
    loose = sum(map(_is_image, folder.iterdir()))
    if loose:
        raise BadFile(f"{loose} of its images are in no folder of a label.", remedy=_SHOULD)
    return tuple(found)


def _images_in(label: Path) -> Iterator[Path]:
    for path in sorted(label.iterdir()):
        if path.name.startswith("."):
            continue
        if not _is_image(path):
            raise BadFile(f"its {label.name}/{path.name} is no image in {', '.join(sorted({*TYPES.values()}))}.", remedy="Take it out.")
        yield path


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in TYPES and not path.name.startswith(".") and path.is_file()


def _described(folder: Path) -> Path | None:
    return next((folder / name for name in _METADATA if (folder / name).is_file()), None)


def _listed(folder: Path, metadata: Path) -> tuple[LabelledImage, ...]:
    found = [_told(folder, row, number, metadata.name) for number, row in enumerate(_rows(metadata), start=1)]
    if not found:
        raise BadFile(f"its {metadata.name} names no images.", remedy=_SHOULD)
    return tuple(found)


def _rows(metadata: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with metadata.open(encoding="utf-8-sig", newline="") as file:
            rows: Iterable[Any] = csv.DictReader(file) if metadata.suffix == ".csv" else (json.loads(line) for line in file if line.strip())
            for row in rows:
                yield row if isinstance(row, dict) else {}
    except (OSError, ValueError, csv.Error) as error:
        raise BadFile(f"its {metadata.name} cannot be read: {type(error).__name__}.") from None


def _told(folder: Path, row: Mapping[str, Any], number: int, name: str) -> LabelledImage:
    file, label, score = row.get("file_name"), row.get("label"), row.get("score")
    where = f"row {number} of its {name}"
    if not isinstance(file, str) or not file or (label in (None, "")) == (score in (None, "")):
        raise BadFile(f"{where} has no file_name, or not exactly one of label and score.", remedy=_SHOULD)
    path = folder / file
    if Path(file).is_absolute() or ".." in Path(file).parts or not _is_image(path):
        raise BadFile(f"{where} names a file that is no image in the folder.", remedy=_SHOULD)
    if score in (None, ""):
        return LabelledImage(path, {"label": str(label)})
    try:
        return LabelledImage(path, {"score": float(score)})
    except (TypeError, ValueError):
        raise BadFile(f"the score in {where} is no number.") from None


def _refuse_read(stream: Stream, notices: Notices) -> Iterator[Raw]:
    raise BadFile("is one file of a folder of images.", remedy="Name the folder.")


def _refuse_write(batches: Iterable[Batch], bom: bool) -> Iterator[bytes]:
    raise BadRow("folders of images are read, not written.")


IMAGES = Container("images", "a folder of images, one folder inside it for each label", (), _refuse_read, _refuse_write, binary=True)
"""Read by `RowFile`, since its rows lie in as many files."""
