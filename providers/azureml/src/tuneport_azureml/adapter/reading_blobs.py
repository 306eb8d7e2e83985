"""Reading blobs in parts, each asked for by itself: what breaks off goes on where it was, in the very same blob."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tuneport.errors import NotFound, Refused
from tuneport_azureml.adapter.stores import BLOCK_BYTES, Opened


@dataclass(frozen=True, slots=True)
class Found:
    """A blob in a list. `etag` is another one whenever its bytes are others; `md5` where the service tells it."""

    path: str
    size_bytes: int
    etag: str
    md5: bytes | None


def blobs_under(there: Opened, folder: str) -> list[Found]:
    """The blobs of a folder, by their paths."""
    return _listed(there, f"{folder.rstrip('/')}/", doing="listing the files of a model")


def blob_content(there: Opened, path: str, *, doing: str) -> Iterator[bytes]:
    """A blob from its beginning. Raises NotFound."""
    found = next((each for each in _listed(there, path, doing=doing) if each.path == path), None)
    if found is None:
        raise NotFound(f"there is no {path} in {there.store.name}.")
    return parts_of(there, found, begin=0, doing=doing)


def _listed(there: Opened, prefix: str, *, doing: str) -> list[Found]:
    def read() -> list[Found]:
        rows = there.container().list_blobs(name_starts_with=prefix, **there.signed())
        return [found for row in rows if (found := _found(row)).path.startswith(prefix)]

    return there.connection.patiently(lambda: there.connection.trying(read, doing=doing))


def parts_of(there: Opened, found: Found, *, begin: int, doing: str) -> Iterator[bytes]:
    """The bytes of a blob from `begin` on, a block at a time. Raises Refused where it has become another one meanwhile."""
    for at in range(begin, found.size_bytes, BLOCK_BYTES):
        length = min(BLOCK_BYTES, found.size_bytes - at)
        part = there.connection.patiently(lambda at=at, length=length: _part(there, found, at, length, doing=doing))  # type: ignore[misc]
        if len(part) != length:
            raise Refused(f"{found.path} in {there.store.name} gave {len(part)} bytes where {length} were to come.")
        yield part


def _part(there: Opened, found: Found, at: int, length: int, *, doing: str) -> bytes:
    from azure.core import MatchConditions

    same = MatchConditions.IfNotModified

    def read() -> bytes:
        blob = there.blob(found.path)
        return bytes(blob.download_blob(at, length, etag=found.etag, match_condition=same, **there.signed()).readall())

    try:
        return there.connection.trying(read, doing=doing)
    except NotFound as error:
        raise NotFound(f"{found.path} in {there.store.name} is gone: {error.message}") from None


def checked(parts: Iterable[bytes], sha256: str | None, *, name: str) -> Iterator[bytes]:
    """The same bytes. Raises Refused at their end where their digest is another one."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
        yield part
    if sha256 is not None and digest.hexdigest() != sha256:
        raise Refused(f"{name} holds other bytes than it was registered with.", remedy="Somebody has written to its datastore.")


def _found(row: object) -> Found:
    """From the SDK's BlobProperties."""
    md5 = getattr(getattr(row, "content_settings", None), "content_md5", None)
    etag = str(getattr(row, "etag", "")).strip('"')  # a list tells it bare, and a condition wants it quoted
    return Found(str(getattr(row, "name", "")), int(getattr(row, "size", 0) or 0), f'"{etag}"', bytes(md5) if md5 else None)
