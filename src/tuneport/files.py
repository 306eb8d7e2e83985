"""Files and folders are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def write_chunks(path: Path, chunks: Iterable[bytes]) -> Path:
    """Writes `chunks` to a temporary file beside `path`, syncs it and renames it into place; on any error nothing is left behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def write_bytes(path: Path, data: bytes) -> Path:
    """`data` into `path`, atomically."""
    return write_chunks(path, (data,))


def write_text(path: Path, text: str) -> Path:
    """`text` as UTF-8 into `path`, atomically."""
    return write_chunks(path, (text.encode(),))


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target` that takes its name (and its place) when the block ends well, and vanishes when it does not.

    Its files are synced first and get the usual permissions. One writer at a time: what a killed one left half made is removed.
    """
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        for path in filter(Path.is_file, part.iterdir()):
            path.chmod(0o666 & ~_umask())
            with path.open("rb") as file:
                os.fsync(file.fileno())
        shutil.rmtree(target, ignore_errors=True)
        part.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
