"""A place that rows are read from, any number of times: a file, compressed or not, in a cloud's storage or here, a folder of `datasets` or
of images, or standard input."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from tuneport.containers import image_folder
from tuneport.containers.arrow import read_arrow
from tuneport.containers.compression import Compression, Unpacked, compression_of, endings
from tuneport.containers.container import Batch, Container, Lines, Raw, Records, Stream
from tuneport.containers.datasets_folder import files
from tuneport.containers.datasets_folder import is_folder as is_of_datasets
from tuneport.containers.image_folder import IMAGES, LabelledImage
from tuneport.containers.known import DATASETS, HEAD_BYTES, recognise
from tuneport.errors import DatasetError
from tuneport.formats.format import BadFile, Notices
from tuneport.remote_files import address_in, local_copy

STANDARD_INPUT = "-"
_OPEN_FILE = re.compile(r"/dev/stdin|/(?:dev|proc/self)/fd/\d+")
_Stamp = tuple[int, int, int]
_IMAGES_AT_ONCE = 32


class RowFile:
    """It must stay as it was when this was made. Raises DatasetError when it is missing, empty, or no place of rows.

    Standard input, other open pipes and files in a cloud's storage (then `address` is where) are copied to a temporary file at once, which
    goes when this does.
    """

    def __init__(self, path: str | Path) -> None:
        self.address = address_in(path)
        self._copy = None if self.address is None else local_copy(self.address)
        self.place = self.address or str(path)
        path = path if self._copy is None else self._copy.path
        self.path = _absolute(Path(path).expanduser())
        self.name = self.path.name
        self.lasting = True
        if self.place == STANDARD_INPUT or (_OPEN_FILE.fullmatch(self.place) and not self.path.is_file()):
            self._spool()
        self._images: tuple[LabelledImage, ...] = ()
        self._parts = self._found_parts()
        self._seen = [_stamp(_stat(part, place=str(part) if self._images else self.place)) for part in self._parts]

    def _spool(self) -> None:
        self.name, self.lasting = "stdin", False
        descriptor, name = tempfile.mkstemp(prefix="tuneport-stdin-")
        weakref.finalize(self, _remove, name)
        with os.fdopen(descriptor, "wb") as copy:
            if self.place == STANDARD_INPUT:
                self.place = self.name
                shutil.copyfileobj(sys.stdin.buffer, copy, 1 << 20)
            else:
                with self.path.open("rb") as pipe:
                    shutil.copyfileobj(pipe, copy, 1 << 20)
        self.path = Path(name)

    def _found_parts(self) -> tuple[Path, ...]:
        if not self.path.is_dir():
            return (self.path,)
        try:
            if not is_of_datasets(self.path) and image_folder.is_folder(self.path):
                self._images = image_folder.images(self.path)
                return tuple(image.path for image in self._images)
            return files(self.path)
        except BadFile as error:
            raise self._unreadable(error) from None

    @cached_property
    def container(self) -> Container:
        """How the file holds its rows, by its first bytes and its ending; compression is part of it."""
        if self.path.is_dir():
            return IMAGES if self._images else DATASETS
        with self._open(0) as stream:
            head = stream.read(HEAD_BYTES)
            compression = compression_of(head)
            try:
                if compression is not None:
                    stream.seek(0)
                    head = Unpacked(stream, compression).read(HEAD_BYTES)
                found = recognise(head, suffix=endings(self.path)[0])
                return found if compression is None else within(found, compression)
            except BadFile as error:
                raise self._unreadable(error) from None

    def raws(self, notices: Notices) -> Iterator[Raw]:
        """All rows as the container holds them. Raises DatasetError for what concerns the whole of the file."""
        if self._images:
            yield from self._rows_of_images()
            return
        container, line = self.container, 0
        for number in range(len(self._parts)):
            with self._open(number) as stream:
                try:
                    for raw in read_arrow(stream, notices, first=line + 1) if container is DATASETS else container.read(stream, notices):
                        yield raw
                        line = raw.first + raw.count - 1 if isinstance(raw, Lines) else raw.lines[-1]
                except BadFile as error:
                    raise self._unreadable(error, after=line) from None
                except OSError as error:
                    raise DatasetError(f"{self.place}: cannot be read: {error.strerror or error}.") from None
                self._refuse_change(number, stream)

    def _rows_of_images(self) -> Iterator[Raw]:
        for start in range(0, len(self._images), _IMAGES_AT_ONCE):
            numbers = range(start, min(start + _IMAGES_AT_ONCE, len(self._images)))
            yield Records([number + 1 for number in numbers], [self._row_of_image(number) for number in numbers])

    def _row_of_image(self, number: int) -> dict[str, object]:
        with self._open(number) as stream:
            row = self._images[number].row(stream.read())
            self._refuse_change(number, stream)
        return row

    def verify(self) -> None:
        """Raises DatasetError when the file is no longer as it was."""
        for number in range(len(self._parts)):
            self._open(number).close()

    def _open(self, number: int) -> BinaryIO:
        try:
            stream = self._parts[number].open("rb", buffering=1 << 18)
        except OSError as error:
            raise DatasetError(f"{self.place}: cannot be opened: {error.strerror or error}.") from None
        try:
            self._refuse_change(number, stream)
        except DatasetError:
            stream.close()
            raise
        return stream

    def _refuse_change(self, number: int, stream: BinaryIO) -> None:
        if _stamp(os.fstat(stream.fileno())) != self._seen[number]:
            raise DatasetError(f"{self.place}: the file changed since it was first read.", remedy="Read it again with Dataset.read.")

    def _unreadable(self, error: BadFile, *, after: int = 0) -> DatasetError:
        where = self.place if error.line is None else f"{self.place}:{error.line}"
        until = f" What comes before, up to line {after}, can be read." if after and error.line is None else ""
        return DatasetError(f"{where}: {error}{until}", line=error.line, remedy=error.remedy)


def within(container: Container, compression: Compression) -> Container:
    """The container with the compression around it. Raises BadFile for one that compresses by itself."""
    if container.packs:
        remedy = f"Unpack it, or leave the ending {compression.suffixes[0]} away."
        raise BadFile(f"is {container.summary} inside {compression.name}, which compresses by itself.", remedy=remedy)

    def read(stream: Stream, notices: Notices) -> Iterator[Raw]:
        return container.read(Unpacked(stream, compression), notices)

    def write(batches: Iterable[Batch], bom: bool) -> Iterator[bytes]:
        return filter(None, compression.pack(container.write(batches, bom)))

    return replace(container, name=f"{container.name}, {compression.name}", read=read, write=write, magic=())


def _absolute(path: Path) -> Path:
    return path.resolve() if ".." in path.parts else path.absolute()


def _remove(name: str) -> None:
    with suppress(OSError):
        os.unlink(name)  # noqa: PTH108 - a finalizer may run when pathlib is gone


def _stamp(stat: os.stat_result) -> _Stamp:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _stat(path: Path, *, place: str) -> os.stat_result:
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise DatasetError(f"{place}: no such file.") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{place}: cannot be opened: {getattr(error, 'strerror', None) or error}.") from None
    if not path.is_file():
        raise DatasetError(
            f"{place}: is not a regular file, and rows are read more than once.", remedy="Save it to a file first, or read it from -."
        )
    if stat.st_size == 0:
        raise DatasetError(f"{place}: the file is empty.")
    return stat
