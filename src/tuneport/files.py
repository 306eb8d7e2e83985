"""Files and folders are written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def write_chunks(path: Path, chunks: Iterable[bytes]) -> Path:
    """Writes `chunks` to a temporary file beside `path`, syncs it and renames it into place; on any error nothing is left behind.

    A link stays, and the file it names is written. Devices, and the process's own open files such as /dev/stdout, get the bytes as they
    come. Raises OSError with a sentence for what is no place for a file: a folder, a named pipe, a socket, a disk.
    """
    if is_stream(path):
        with _own_stream(path) or path.open("wb") as stream:
            stream.writelines(chunks)
        return path
    with whole_file(path) as part, part.open("wb") as file:
        file.writelines(chunks)
    return path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A new, empty file beside `path` that takes its name when the block ends well, and vanishes when it does not.

    It is synced first. A link stays, and the file it names is replaced. Raises OSError with a sentence for what is no place for a file.
    """
    _refuse_no_place(path)
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    part = target.with_name(f".{target.name[:80]}.{secrets.token_hex(4)}.part")
    with _folder(target.parent):
        try:
            os.close(_new_file(part))
            if target.exists():
                shutil.copymode(target, part)
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)


def is_stream(path: Path) -> bool:
    """Whether bytes written to `path` go out as they come: it is a device, or one of the process's own open files."""
    return _OWN_STREAM.fullmatch(str(path)) is not None or path.is_char_device()


_OWN_STREAM = re.compile(r"/dev/std(?P<name>out|err)|/(?:dev|proc/self)/fd/(?P<number>\d+)")


def _own_stream(path: Path) -> BinaryIO | None:
    """A second handle of the process's open file that `path` names. Opening the path anew would write from its start, or be refused."""
    found = _OWN_STREAM.fullmatch(str(path))
    if found is None:
        return None
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    number = int(found["number"] or {"out": 1, "err": 2}[found["name"]])
    return os.fdopen(os.dup(number), "wb")


_NO_PLACE = (
    (stat.S_ISDIR, errno.EISDIR, "it is a folder"),
    (stat.S_ISFIFO, errno.EINVAL, "it is a named pipe, which cannot be replaced by a whole file; write to - and redirect that"),
    (stat.S_ISSOCK, errno.EINVAL, "it is a socket"),
    (stat.S_ISBLK, errno.EINVAL, "it is a disk"),
)


def _refuse_no_place(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    for is_one, number, sentence in _NO_PLACE:
        if is_one(mode):
            raise OSError(number, sentence)


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """`folder` is there in the block. What had to be made for it goes again when the block fails, as far as it is empty."""
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in made:
            with suppress(OSError):
                each.rmdir()
        raise


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
    target = Path(os.path.realpath(target)) if target.is_symlink() else target
    part = target.with_name(f".{target.name}.part")
    with _folder(target.parent):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            yield part
            mode = _usual_mode(part)
            for path in filter(Path.is_file, part.iterdir()):
                path.chmod(mode)
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            _sync_folder(part)
            shutil.rmtree(target, ignore_errors=True)
            part.replace(target)
            _sync_folder(target.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _new_file(path: Path) -> int:
    """A descriptor of a file that was not there, with the usual permissions: the system applies the umask, which nobody has to change."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)


def _usual_mode(folder: Path) -> int:
    """The permissions that a new file in `folder` gets. Asking the process for its umask would mean setting it, for all threads."""
    probe = folder / f".{secrets.token_hex(4)}.mode"
    os.close(_new_file(probe))
    try:
        return probe.stat().st_mode & 0o777
    finally:
        probe.unlink()


def _sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` survive a power cut. Windows cannot open folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
