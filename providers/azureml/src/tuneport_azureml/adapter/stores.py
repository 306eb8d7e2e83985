"""Blob storage of a workspace's datastores: signed by what a datastore gives out, else by the identity itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneport.replies import text_in
from tuneport_azureml.adapter.connection import Connection
from tuneport_azureml.wire.clouds import STORAGE_SCOPE
from tuneport_azureml.wire.datastores import Store, store_of

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient

Headers = dict[str, dict[str, str]]
"""What a call of the SDK is told beside its own arguments."""
BLOCK_BYTES = 8 << 20
"""A file of one block goes in one request, a larger one block by block."""
GIVEN_OUT = {"expirableSecret": True, "expireAfterHours": 1}
"""Which signature a datastore is asked for."""


class Opened:
    """A container that blobs are read from and written to. A signature of a datastore's holds for an hour."""

    def __init__(self, connection: Connection, store: Store, secret: str | None) -> None:
        self.store = store
        self.connection = connection
        self._secret = secret

    def blob(self, path: str) -> BlobClient:
        from azure.storage.blob import BlobClient

        return BlobClient(
            self.store.account_url,
            container_name=self.store.container,
            blob_name=path,
            credential=self._secret,
            transport=self.connection.transport,
            retry_total=0,
            max_single_put_size=BLOCK_BYTES,
            max_single_get_size=BLOCK_BYTES,
            use_env_settings=not self.connection.place.local,
        )

    def container(self) -> ContainerClient:
        from azure.storage.blob import ContainerClient

        return ContainerClient(
            self.store.account_url,
            container_name=self.store.container,
            credential=self._secret,
            transport=self.connection.transport,
            retry_total=0,
            use_env_settings=not self.connection.place.local,
        )

    def signed(self) -> Headers:
        """What a call says where nothing is in the address: whoever is signed in. The SDK's own way to do so refuses this machine."""
        return {} if self._secret else {"headers": {"Authorization": f"Bearer {self.connection.sign_in.token(STORAGE_SCOPE)}"}}


def opened(connection: Connection, name: str) -> Opened:
    """The container of that datastore. Raises Refused for one that is no blob storage of the cloud's."""
    answer = connection.arm("GET", f"/datastores/{name}", doing="looking at the datastore")
    store = store_of(connection.place, answer, name=name)
    return Opened(connection, store, _secret(connection, store))


def _secret(connection: Connection, store: Store) -> str | None:
    """The signature or key of the datastore; None where the identity itself may write."""
    if not store.signed:
        return None
    path = f"/datastores/{store.name}/listSecrets"
    answer = connection.arm("POST", path, doing="asking for the key of the datastore", body=GIVEN_OUT)
    return text_in(answer, "sasToken") or text_in(answer, "key")
