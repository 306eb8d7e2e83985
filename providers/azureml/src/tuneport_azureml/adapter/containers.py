"""The blob container that a datastore stands for, and the blobs in it: whole, block by block, by name and by list.

Everything here may be done twice: a blob is there whole or not at all, and a second writing of it leaves what the first did.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tuneport_azureml.adapter.connection import Connection
from tuneport_azureml.adapter.sending_blobs import send
from tuneport_azureml.adapter.stores import BLOCK_BYTES, Opened, opened
from tuneport_azureml.errors import TokenRefused

if TYPE_CHECKING:
    pass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One blob, by its path in the container."""

    path: str
    size_bytes: int
    changed_at: datetime | None


class Container:
    """That of the workspace's datastore. Its signature is asked for once, and again when it has ended."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open: Opened | None = None

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        store = self._connection.patiently(self._there).store
        return f"{store.account_url}/{store.container}"

    def about(self, path: str) -> Entry | None:
        """None where there is no such blob."""

        def ask(there: Opened) -> Entry | None:
            with _absent():
                found = there.blob(path).get_blob_properties(**there.signed())
                return Entry(path, int(found.size), found.last_modified)
            return None

        return self._asked(ask, doing="looking at a file")

    def read(self, path: str, *, start: int | None = None, end: int | None = None) -> bytes | None:
        """The bytes from `start` to before `end`; None where there is no such blob."""
        length = None if end is None else end - (start or 0)

        def ask(there: Opened) -> bytes | None:
            with _absent():
                stream = there.blob(path).download_blob(start or None, length, max_concurrency=1, **there.signed())
                return bytes(stream.readall())
            return None

        return self._asked(ask, doing="reading a file")

    def take(self, path: str, to: Path) -> bool:
        """Copies a blob to a file, block by block. Whether there is one."""

        def ask(there: Opened) -> bool:
            with _absent():
                stream = there.blob(path).download_blob(max_concurrency=1, **there.signed())
                with to.open("wb") as file:
                    for block in stream.chunks():
                        file.write(block)
                return True
            return False

        return self._asked(ask, doing="fetching a file")

    def write(self, path: str, data: bytes) -> None:
        """Puts a whole blob there, in place of the one before."""
        self._asked(lambda there: send(there, path, [data], size_bytes=len(data)), doing="writing a file")

    def put(self, local: Path, path: str, *, once: bool = False) -> None:
        """A file as a blob; of one that broke off what is missing is sent. `once`: a blob that is there already is the same, and stays."""

        def ask(there: Opened) -> None:
            with local.open("rb") as file:
                send(there, path, iter(lambda: file.read(BLOCK_BYTES), b""), size_bytes=local.stat().st_size, once=once)

        self._asked(ask, doing="sending a file")

    def remove(self, path: str) -> None:
        """Gone afterwards, whether it was there or not."""

        def ask(there: Opened) -> None:
            with _absent():
                there.blob(path).delete_blob(**there.signed())

        self._asked(ask, doing="removing a file")

    def below(self, folder: str) -> list[Entry]:
        """All blobs below a folder."""

        def ask(there: Opened) -> list[Entry]:
            found = there.container().list_blobs(name_starts_with=f"{folder.rstrip('/')}/", **there.signed())
            return [Entry(str(blob.name), int(blob.size), blob.last_modified) for blob in found]

        return self._asked(ask, doing="listing files")

    # --- inside ------------------------------------------------------------------------------------------------------------------------

    def _asked(self, call: Callable[[Opened], T], *, doing: str) -> T:
        """What the call brings; with a new signature where the old one has ended, and again where no answer came."""

        def once() -> T:
            there = self._there()
            return self._connection.trying(lambda: call(there), doing=doing)

        def renewing() -> T:
            fresh = self._open is None
            try:
                return once()
            except TokenRefused:
                if fresh:
                    raise
                self._open = None
            return once()

        return self._connection.patiently(renewing)

    def _there(self) -> Opened:
        if self._open is None:
            self._open = opened(self._connection, self._connection.place.datastore)
        return self._open


def _absent() -> suppress:
    """What is not there is no error."""
    from azure.core.exceptions import ResourceNotFoundError

    return suppress(ResourceNotFoundError)
