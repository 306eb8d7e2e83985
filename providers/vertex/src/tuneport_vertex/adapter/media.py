"""The data of a recipe where they lie: rows in a bucket are used there, and media that lie here are uploaded and named by their address.

Gemini's rows name media by gs:// addresses, and by an older page (tune_gemini/text_tune, of 2025) by public https:// ones: the checks
decide about those. A data: address or a path on this machine says nothing to the service.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import mimetypes
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, overload
from urllib.parse import unquote, urlsplit
from weakref import finalize

import msgspec

from tuneport.examples import (
    ChatExample,
    Example,
    ImagePart,
    LabelledExample,
    MediaPart,
    Message,
    PreferenceExample,
    PromptExample,
    TextPart,
)
from tuneport.formats.format import BadRow
from tuneport.plan import PlannedFile
from tuneport.planned_data import datasets_of
from tuneport_vertex.wire.plans import Asked, Prepared
from tuneport_vertex.wire.rows import format_of

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport_vertex.profile import Place

PURPOSE = "media:"
_ELSEWHERE = re.compile(r"(?:gs|https?)://", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:(?!\\)", re.IGNORECASE)
_SUFFIXES = {
    "image/jpeg": ".jpg",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "audio/mp3": ".mp3",
    "image/webp": ".webp",
    "text/plain": ".txt",
}
_MEDIA = re.compile(r"(?:image|audio|video)/|application/pdf$|text/plain$")
"""Types that rows may name: a row that is somebody else's must not send away whatever lies on this machine."""
_BLOCK_BYTES = 1 << 20


def prepare(found: Asked) -> Prepared:
    """Where the recipe's data lie or will lie. Sends nothing, beside reading rows that lie in a bucket.

    The media are known once the rows were passed over: `media` of what is returned is to be read after them.
    """
    datasets = datasets_of(found.recipe)
    wanted = None if found.base.kind.distilled else format_of(found.method.kind, gemini=found.base.kind.gemini)
    uris = {purpose: uri for purpose, dataset in datasets.items() if (uri := uri_of(dataset, format=wanted)) is not None}
    if not found.base.kind.gemini:
        return Prepared(uris=uris)
    media = LocalMedia(found.place)
    return Prepared(
        uris=uris,
        datasets={purpose: dataset if purpose in uris else media.uploaded_from(dataset) for purpose, dataset in datasets.items()},
        media=media,
    )


def uri_of(dataset: Dataset, *, format: str | None) -> str | None:
    """The address of a file that the service can read as it is: the whole of one, JSON lines in its own format, without media that lie
    here. None where the rows have to be written anew."""
    address = dataset.address
    if format is None or address is None or not address.startswith("gs://") or not address.endswith(".jsonl"):
        return None
    reference = dataset.reference()
    as_written = reference.keys() <= {"path", "format"} and dataset.container == "jsonl" and dataset.format == format
    if not as_written or any(theirs != ours for ours, theirs in dataset.taken.items()):
        return None
    return None if any(_lies_here(part) for example in dataset for part in _media_of(example)) else address


class LocalMedia(Sequence[PlannedFile]):
    """The media of rows that lie here, each once, by the digest of their bytes; more are found with every row that is passed over.

    Those that stand in the rows themselves are kept in a folder of their own until nobody needs them, so that no pass holds them.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._files: dict[str, PlannedFile] = {}
        self._known: dict[tuple[str, int, int], PlannedFile] = {}
        self._folder: Path | None = None

    @overload
    def __getitem__(self, index: int) -> PlannedFile: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[PlannedFile]: ...

    def __getitem__(self, index: int | slice) -> PlannedFile | Sequence[PlannedFile]:
        return tuple(self._files.values())[index]

    def __len__(self) -> int:
        return len(self._files)

    def uploaded_from(self, dataset: Dataset) -> Dataset:
        """The rows with the addresses that their media will have. Paths are taken from the folder that the dataset's file is in."""
        folder = dataset.path.parent if dataset.path is not None and dataset.address is None else Path.cwd()
        return dataset.changed(partial(self._row, folder=folder))

    # --- rows ----------------------------------------------------------------------------------------------------------------------------

    def _row(self, example: Example, *, folder: Path) -> Example:
        if isinstance(example, LabelledExample):
            if example.image is None or _ELSEWHERE.match(example.image):
                return example
            return msgspec.structs.replace(example, image=self._address(example.image, None, folder)[0])
        if not any(map(_lies_here, _media_of(example))):
            return example
        turns = partial(self._turns, folder=folder)
        if isinstance(example, PreferenceExample):
            return msgspec.structs.replace(
                example, prompt=turns(example.prompt), chosen=turns(example.chosen), rejected=turns(example.rejected)
            )
        return msgspec.structs.replace(example, messages=turns(example.messages))

    def _turns(self, messages: tuple[Message, ...], *, folder: Path) -> tuple[Message, ...]:
        return tuple(self._turn(message, folder) for message in messages)

    def _turn(self, message: Message, folder: Path) -> Message:
        if not isinstance(message.content, tuple):
            return message
        parts = tuple(self._part(part, folder) if _lies_here(part) else part for part in message.content)
        return msgspec.structs.replace(message, content=parts)

    def _part(self, part: TextPart | ImagePart | MediaPart, folder: Path) -> TextPart | ImagePart | MediaPart:
        if isinstance(part, TextPart):
            return part
        url, mime_type = self._address(part.url, part.mime_type, folder)
        return msgspec.structs.replace(part, url=url, mime_type=mime_type)

    def _address(self, url: str, mime_type: str | None, folder: Path) -> tuple[str, str]:
        """The address that the bytes will have, and their type."""
        if url.startswith("data:"):
            said, data = _decoded(url)
            file = self._kept(data, _suffix_of(mime_type or said))
            mime_type = mime_type or said
        else:
            path = _path_of(url, folder)
            named = mimetypes.guess_type(path.name)[0]
            if named is None or not _MEDIA.match(named):
                raise BadRow(f"{path.name!r} is named as media and is none by its ending; nothing else is uploaded from this machine.")
            mime_type = mime_type or named
            file = self._file(path, path.suffix.lower())
        return self._place.folder(file.name), mime_type

    # --- files ---------------------------------------------------------------------------------------------------------------------------

    def _kept(self, data: bytes, suffix: str) -> PlannedFile:
        """The file of bytes that stand in a row: put aside when they are first seen."""
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in self._files:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="tuneport-media-"))
                finalize(self, shutil.rmtree, str(self._folder), ignore_errors=True)
            aside = self._folder / sha256
            aside.write_bytes(data)
            self._files[sha256] = self._planned(sha256, len(data), aside, suffix)
        return self._files[sha256]

    def _file(self, path: Path, suffix: str) -> PlannedFile:
        try:
            stat = path.stat()
            known = (str(path), stat.st_size, stat.st_mtime_ns)
            if known not in self._known:
                planned = PlannedFile.from_chunks(partial(_blocks, path), purpose="", rows=0)
                self._files.setdefault(planned.sha256, self._planned(planned.sha256, planned.size_bytes, path, suffix))
                self._known[known] = self._files[planned.sha256]
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it cannot be opened"
            raise BadRow(f"its file {path.name!r} cannot be read: {reason}.") from None
        return self._known[known]

    def _planned(self, sha256: str, size_bytes: int, path: Path, suffix: str) -> PlannedFile:
        """The file holds on to this, and so to the folder of what was put aside."""
        return PlannedFile(f"{PURPOSE}{sha256[:32]}", sha256, size_bytes, 0, chunks=partial(self._chunks, path), suffix=suffix)

    def _chunks(self, path: Path) -> Iterator[bytes]:
        return _blocks(path)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _media_of(example: Example) -> Iterator[ImagePart | MediaPart]:
    """Every part of a row that is no text."""
    if isinstance(example, LabelledExample):
        return
    if isinstance(example, PreferenceExample):
        messages: tuple[Message, ...] = (*example.prompt, *example.chosen, *example.rejected)
    else:
        assert isinstance(example, ChatExample | PromptExample)
        messages = example.messages
    for message in messages:
        if message.content.__class__ is tuple:
            yield from (part for part in message.content or () if isinstance(part, ImagePart | MediaPart))


def _lies_here(part: TextPart | ImagePart | MediaPart) -> bool:
    return not isinstance(part, TextPart) and _ELSEWHERE.match(part.url) is None


def _decoded(url: str) -> tuple[str, bytes]:
    """The type and the bytes of a data: address. Raises BadRow."""
    head, comma, data = url[len("data:") :].partition(",")
    mime_type, *parameters = head.split(";")
    if not comma or "base64" not in parameters or not mime_type:
        raise BadRow("a data: address has no type, or is not base64.")
    try:
        return mime_type, base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise BadRow("a data: address is not base64.") from None


def _path_of(url: str, folder: Path) -> Path:
    """The file on this machine that an address names. Raises BadRow."""
    if url.startswith("file:"):
        return Path(unquote(urlsplit(url).path))
    if _SCHEME.match(url):
        raise BadRow(f"an address begins with {url.partition(':')[0]}:, which Vertex AI does not read; gs: and https: it does.")
    path = Path(url).expanduser()
    return path if path.is_absolute() else folder / path


def _suffix_of(mime_type: str) -> str:
    found = _SUFFIXES.get(mime_type) or mimetypes.guess_extension(mime_type) or ""
    return found if re.fullmatch(r"\.\w{1,10}", found) else ""
