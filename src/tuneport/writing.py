"""From the rows of a source to the bytes of a file in another format, block by block."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tuneport.containers.compression import endings
from tuneport.containers.container import Container
from tuneport.containers.datasets_folder import is_folder, whole
from tuneport.containers.jsonl import JSONL
from tuneport.containers.known import DATASETS, by_suffix
from tuneport.containers.row_file import within
from tuneport.errors import DatasetError
from tuneport.files import whole_file
from tuneport.formats.format import BadFile, BadRow, Block, Format
from tuneport.losses import Losses
from tuneport.sources import Source


def container_of(path: Path, format: Format) -> Container:
    """The container that the file's ending names, with the compression that a second ending names; JSON Lines for any other ending.

    A folder that `datasets` wrote stays one. Raises DatasetError for a compression around one that compresses by itself.
    """
    suffix, compression = endings(path)
    container = DATASETS if is_folder(path) else by_suffix(suffix) or JSONL
    try:
        return container if compression is None else within(container, compression)
    except BadFile as error:
        raise DatasetError(f"{path}: {error}", remedy=error.remedy) from None


def whole_target(path: Path, container: Container) -> AbstractContextManager[Path]:
    """A new, empty file for the bytes of the container, which is at `path`, or in a folder there, when the block ends well."""
    return whole(path) if container is DATASETS else whole_file(path)


_SENTENCES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the space allowed on this disk is used up",
    errno.EFBIG: "it would be larger than a file may be here",
    errno.EROFS: "the disk cannot be written to",
    errno.EACCES: "that is not permitted",
}


def not_written(path: Path, error: OSError) -> DatasetError:
    """The error with a sentence for people. What was there before is still there."""
    sentence = _SENTENCES.get(error.errno or 0) or error.strerror or str(error)
    return DatasetError(f"{path}: cannot be written: {sentence}.")


def chunks(source: Source, format: Format, *, container: Container, losses: Losses) -> Iterator[bytes]:
    """The bytes of the file. Raises DatasetError, naming the line, for a row that cannot be read or written; `losses` hears the rest."""
    batches = _Batches(source, format, losses)
    try:
        yield from container.write(batches, format.bom)
    except BadRow as error:
        raise batches.refused(error) from None


def written(block: Block, format: Format, losses: Losses) -> list[Any]:
    """The rows of a block in `format`. Raises BadRow with the place of the first that it cannot hold."""
    write, lost = format.write, list[str]()
    lose, rows = lost.append, []
    for example in block.examples:
        try:
            rows.append(write(example, lose))
        except BadRow as error:
            raise BadRow(str(error), place=len(rows)) from None
        if lost:
            for kind in lost:
                losses.lost(block.lines[len(rows) - 1], kind)
            lost.clear()
    losses.rows += len(rows)
    return rows


class _Batches:
    """The rows in the new format, a block at a time, as often as they are asked for; remembers the lines of the latest block."""

    def __init__(self, source: Source, format: Format, losses: Losses) -> None:
        self._source = source
        self._format = format
        self._losses = losses
        self._lines: Sequence[int] = (0,)

    def __iter__(self) -> Iterator[list[Any]]:
        losses, self._losses = self._losses, Losses(self._source.place)  # a second pass must not count all rows again
        for block in self._source.blocks(losses):
            self._lines = block.lines
            yield written(block, self._format, losses)

    def refused(self, error: BadRow) -> DatasetError:
        """The error with the line of the row."""
        line = self._lines[error.place]
        return DatasetError(f"{self._source.place}:{line}: cannot be written as {self._format.name}: {error}", line=line)
