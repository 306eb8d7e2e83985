"""A wheel of a distribution of ours, from the package as it is imported here: the same bytes each time, installed or editable."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_WHEEL = b"Wheel-Version: 1.0\nGenerator: tuneport\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_NOT_COPIED = frozenset({"RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json"})
"""What says how the distribution was installed here."""


def wheel(name: str, package: Path) -> tuple[str, bytes]:
    """The file name and the content of the wheel of the distribution `name`, whose one package lies in `package`."""
    about = distribution(name)
    stem = f"{name.replace('-', '_')}-{about.version}"
    files = {**dict(_package(package)), **dict(_metadata(about, f"{stem}.dist-info")), f"{stem}.dist-info/WHEEL": _WHEEL}
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in sorted(files.items())]
    files[record] = "".join(f"{line}\n" for line in [*lines, f"{record},,"]).encode()
    made = BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as archive:
        for path, data in sorted(files.items(), key=lambda file: (".dist-info/" in file[0], file[0])):
            archive.writestr(_entry(path), data)
    return f"{stem}-py3-none-any.whl", made.getvalue()


def _package(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield f"{folder.name}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _metadata(about: Distribution, folder: str) -> Iterator[tuple[str, bytes]]:
    for path in about.files or ():
        place, _, inside = path.as_posix().partition("/")
        if place.endswith(".dist-info") and inside not in _NOT_COPIED:
            yield f"{folder}/{inside}", path.read_binary()


def _entry(path: str) -> ZipInfo:
    entry = ZipInfo(path, _LONG_AGO)
    entry.compress_type = ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    return entry


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
