"""The blob container that a datastore stands for, and the blobs in it: whole, block by block, by name and by list.

Everything here may be done twice: a blob is there whole or not at all, and a second writing of it leaves what the first did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tuneport.replies import text_in
from tuneport_azureml.adapter.connection import Connection
from tuneport_azureml.errors import TokenRefused
from tuneport_azureml.wire.clouds import STORAGE_SCOPE
from tuneport_azureml.wire.datastores import Store, store_of

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient

T = TypeVar("T")
Signed = dict[str, dict[str, str]]
BLOCK_BYTES = 8 << 20
"""A file of one block goes in one request, a larger one block by block: what arrived of one that broke off is not sent again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One blob, by its path in the container."""

    path: str
    size_bytes: int
    changed_at: datetime | None


class Container:
    """That of the workspace's datastore. Its secret is asked for once, and again when it has ended."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._store: Store | None = None
        self._secret: str | None = None

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        store = self._connection.patiently(self._there)
        return f"{store.account_url}/{store.container}"

    def about(self, path: str) -> Entry | None:
        """None where there is no such blob."""

        def ask(secret: str | None) -> Entry | None:
            with _absent():
                found = self._blob(secret, path).get_blob_properties(**self._signature(secret))
                return Entry(path, int(found.size), found.last_modified)
            return None

        return self._asked(ask, doing="looking at a file")

    def read(self, path: str, *, start: int | None = None, end: int | None = None) -> bytes | None:
        """The bytes from `start` to before `end`; None where there is no such blob."""
        length = None if end is None else end - (start or 0)

        def ask(secret: str | None) -> bytes | None:
            with _absent():
                stream = self._blob(secret, path).download_blob(start or None, length, max_concurrency=1, **self._signature(secret))
                return bytes(stream.readall())
            return None

        return self._asked(ask, doing="reading a file")

    def take(self, path: str, to: Path) -> bool:
        """Copies a blob to a file, block by block. Whether there is one."""

        def ask(secret: str | None) -> bool:
            with _absent():
                stream = self._blob(secret, path).download_blob(max_concurrency=1, **self._signature(secret))
                with to.open("wb") as file:
                    for block in stream.chunks():
                        file.write(block)
                return True
            return False

        return self._asked(ask, doing="fetching a file")

    def write(self, path: str, data: bytes) -> None:
        """Puts a whole blob there, in place of the one before."""
        self._asked(lambda secret: self._send(secret, path, [data], len(data)), doing="writing a file")

    def put(self, local: Path, path: str, *, once: bool = False) -> None:
        """A file as a blob; of one that broke off what is missing is sent. `once`: a blob that is there already is the same, and stays."""

        def ask(secret: str | None) -> None:
            with local.open("rb") as file:
                self._send(secret, path, iter(lambda: file.read(BLOCK_BYTES), b""), local.stat().st_size, once=once)

        self._asked(ask, doing="sending a file")

    def remove(self, path: str) -> None:
        """Gone afterwards, whether it was there or not."""

        def ask(secret: str | None) -> None:
            with _absent():
                self._blob(secret, path).delete_blob(**self._signature(secret))

        self._asked(ask, doing="removing a file")

    def below(self, folder: str) -> list[Entry]:
        """All blobs below a folder."""

        def ask(secret: str | None) -> list[Entry]:
            found = self._container(secret).list_blobs(name_starts_with=f"{folder.rstrip('/')}/", **self._signature(secret))
            return [Entry(str(blob.name), int(blob.size), blob.last_modified) for blob in found]

        return self._asked(ask, doing="listing files")

    # --- inside ------------------------------------------------------------------------------------------------------------------------

    def _asked(self, call: Callable[[str | None], T], *, doing: str) -> T:
        """What the call brings; with a new secret where the old one has ended, and again where no answer came."""

        def once() -> T:
            secret = self._key()
            return self._connection.trying(lambda: call(secret), doing=doing)

        def renewing() -> T:
            try:
                return once()
            except TokenRefused:
                if self._secret is None:
                    raise
                self._secret = None
            return once()

        return self._connection.patiently(renewing)

    def _there(self) -> Store:
        if self._store is None:
            place = self._connection.place
            answer = self._connection.arm("GET", f"/datastores/{place.datastore}", doing="looking at the datastore")
            self._store = store_of(place, answer)
        return self._store

    def _key(self) -> str | None:
        """The signature or key of the datastore; None where the identity itself may write."""
        store = self._there()
        if store.signed and self._secret is None:
            self._secret = secret_of(self._connection, store)
        return self._secret

    def _options(self) -> dict[str, Any]:
        local = {"use_env_settings": False} if self._connection.place.local else {}
        return {"transport": self._connection.transport, "retry_total": 0, "max_single_put_size": BLOCK_BYTES, **local}

    def _blob(self, secret: str | None, path: str) -> BlobClient:
        from azure.storage.blob import BlobClient

        store = self._there()
        return BlobClient(store.account_url, container_name=store.container, blob_name=path, credential=secret, **self._options())

    def _container(self, secret: str | None) -> ContainerClient:
        from azure.storage.blob import ContainerClient

        store = self._there()
        return ContainerClient(store.account_url, container_name=store.container, credential=secret, **self._options())

    def _signature(self, secret: str | None) -> Signed:
        """What a call says where nothing is in the address: whoever is signed in. The SDK's own way to do so refuses this machine."""
        return {} if secret else {"headers": {"Authorization": f"Bearer {self._connection.sign_in.token(STORAGE_SCOPE)}"}}

    def _send(self, secret: str | None, path: str, blocks: Iterable[bytes], size_bytes: int, *, once: bool = False) -> None:
        blob, signed = self._blob(secret, path), self._signature(secret)
        if size_bytes <= BLOCK_BYTES:
            with _there_already() if once else nullcontext():
                blob.upload_blob(b"".join(blocks), overwrite=not once, **signed)
            return
        whole, there = _blocks(blob, signed)
        if whole and once:
            return
        ids = []
        for number, block in enumerate(_of_one_size(blocks)):
            block_id = f"{number:06d}-{hashlib.sha256(block).hexdigest()[:32]}"
            if block_id not in there:
                blob.stage_block(block_id, block, **signed)
            ids.append(block_id)
        blob.commit_block_list(ids, **signed)


def secret_of(connection: Connection, store: Store) -> str | None:
    """What the datastore gives out to whoever may ask it."""
    body = {"expirableSecret": True, "expireAfterHours": 1}
    answer = connection.arm("POST", f"/datastores/{store.name}/listSecrets", doing="asking for the key of the datastore", body=body)
    return text_in(answer, "sasToken") or text_in(answer, "key")


def _blocks(blob: BlobClient, signed: Signed) -> tuple[bool, frozenset[str]]:
    """Whether there is such a blob, and the blocks that arrived and belong to none yet."""
    with _absent():
        whole, staged = blob.get_block_list("all", **signed)
        return bool(whole), frozenset(str(block.id) for block in staged)
    return False, frozenset()


def _of_one_size(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes in blocks of one size, the last one shorter."""
    for chunk in chunks:
        for start in range(0, len(chunk), BLOCK_BYTES):
            yield chunk[start : start + BLOCK_BYTES]


def _absent() -> suppress:
    """What is not there is no error."""
    from azure.core.exceptions import ResourceNotFoundError

    return suppress(ResourceNotFoundError)


def _there_already() -> suppress:
    """What somebody has put there before is no error."""
    from azure.core.exceptions import ResourceExistsError

    return suppress(ResourceExistsError)
