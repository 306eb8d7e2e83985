"""Arrow: a stream (what `datasets` writes) or a file, and Parquet. Rows have numbers, from 1. Read and written with pyarrow."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tuneport.containers.container import Batch, Container, Records, Stream
from tuneport.errors import DatasetError
from tuneport.formats.format import BadFile, Notices

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 512
"""How many rows become Python values at a time."""

GROUP_BYTES = 1 << 23
"""Parquet compresses groups of rows; one is held in memory while it is written, and part of one while it is read."""

BATCH_BYTES = 1 << 19
"""A batch of an Arrow stream, which is read as a whole."""

_FILE_MAGIC = b"ARROW1"


def _pyarrow() -> ModuleType:
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        sentence = "Arrow and Parquet files are read and written with pyarrow, which is not installed."
        raise DatasetError(sentence, remedy='Run: pip install "tuneport[arrow]"') from None
    return pa  # type: ignore[no-any-return]


@contextmanager
def _damage_told(what: str) -> Iterator[None]:
    pa = _pyarrow()
    try:
        yield
    except BadFile:
        raise
    except NotImplementedError:
        raise BadFile(f"holds something in {what} that the installed pyarrow does not read.", remedy="Update pyarrow.") from None
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError, KeyError, IndexError, TypeError) as error:
        sentence = f"cannot be read as {what}: it is damaged or cut off ({error.__class__.__name__})."
        raise BadFile(sentence, remedy="Copy or write the file again.") from None


def read_arrow(stream: Stream, notices: Notices, *, first: int = 1) -> Iterator[Records]:
    """One batch of the file is held at a time. `first` is the number of the first row."""
    pa = _pyarrow()
    with _damage_told("Arrow"):
        start = stream.read(len(_FILE_MAGIC))
        if start == _FILE_MAGIC:
            if not hasattr(stream, "seek"):
                raise BadFile("is an Arrow file inside another compression, and such a file is read from its end.", remedy="Unpack it.")
            reader = pa.ipc.open_file(stream)
            batches: Iterator[Any] = map(reader.get_batch, range(reader.num_record_batches))
        else:
            reader = batches = pa.ipc.open_stream(_Joined(start, stream))
        labels = _labels(reader.schema)
    yield from _records(batches, labels=labels, first=first, what="Arrow")


def read_parquet(stream: Stream, notices: Notices) -> Iterator[Records]:
    """Column by column within a group of rows, without holding the whole group."""
    _pyarrow()
    import pyarrow.parquet as pq

    with _damage_told("Parquet"):
        file = pq.ParquetFile(stream, buffer_size=1 << 16, pre_buffer=False)
        batches, labels = file.iter_batches(batch_size=ROWS, use_threads=False), _labels(file.schema_arrow)
    yield from _records(batches, labels=labels, first=1, what="Parquet")


def _records(batches: Iterator[pa.RecordBatch], *, labels: dict[str, list[str]], first: int, what: str) -> Iterator[Records]:
    from tuneport.containers.arrow_values import rows

    while True:
        with _damage_told(what):
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)
        for start in range(0, batch.num_rows, ROWS):
            with _damage_told(what):
                found = rows(batch.slice(start, ROWS), labels=labels)
            yield Records(range(first, first + len(found)), found)
            first += len(found)


def _labels(schema: pa.Schema) -> dict[str, list[str]]:
    """The names of numbered labels, which `datasets` keeps beside the columns."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        named = {name: feature["names"] for name, feature in features.items() if feature.get("_type") == "ClassLabel"}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
    return {name: list(map(str, names)) for name, names in named.items() if isinstance(names, list)}


class _Joined(io.RawIOBase):
    """A stream from which some bytes were taken already, with them in front again."""

    def __init__(self, start: bytes, stream: Stream) -> None:
        self._start = start
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        size = -1 if size is None else size
        start, self._start = (self._start, b"") if size < 0 else (self._start[:size], self._start[size:])
        return start + self._stream.read(size if size < 0 else size - len(start)) if len(start) != size else start


class _Sink(io.RawIOBase):
    """Takes what pyarrow writes and hands it on in pieces."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._size

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def write(batches: Iterable[Batch], bom: bool, *, parquet: bool) -> Iterator[bytes]:
    """Goes through the rows twice: what types the columns have is known when all were seen."""
    _pyarrow()
    from tuneport.containers.arrow_shapes import Columns

    columns = Columns()
    for batch in batches:
        columns.see(batch)
    schema, sink = columns.schema(), _Sink()
    writer = _parquet_writer(sink, schema) if parquet else _pyarrow().ipc.new_stream(sink, schema)
    waiting: list[Any] = []
    size, most = 0, GROUP_BYTES if parquet else BATCH_BYTES
    for batch in batches:
        if len(batch):
            waiting.append(columns.table(batch, schema))
            size += waiting[-1].nbytes
        if size > most:
            _flush(writer, waiting)
            size = 0
        yield sink.taken()
    _flush(writer, waiting)
    writer.close()
    yield sink.taken()


def _flush(writer: Any, tables: list[Any]) -> None:
    """One group of rows, or one batch."""
    if tables:
        writer.write_table(_pyarrow().concat_tables(tables).combine_chunks())
        tables.clear()


def _parquet_writer(sink: Any, schema: pa.Schema) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetWriter(sink, schema, compression="zstd")


ARROW = Container(
    name="arrow",
    summary="Arrow: a stream or a file (Feather)",
    suffixes=(".arrow", ".feather", ".ipc"),
    read=read_arrow,
    write=partial(write, parquet=False),
    magic=(_FILE_MAGIC, b"\xff\xff\xff\xff"),
    binary=True,
)
PARQUET = Container(
    name="parquet",
    summary="Parquet",
    suffixes=(".parquet", ".pq"),
    read=read_parquet,
    write=partial(write, parquet=True),
    magic=(b"PAR1",),
    binary=True,
    packs=True,
)
