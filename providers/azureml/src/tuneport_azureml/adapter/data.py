"""Data of jobs: bytes into the workspace's blob store, block by block, and a data asset over them that says what they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from tuneport.errors import NotFound
from tuneport.plan import PlannedFile
from tuneport.provider import FileState
from tuneport.replies import object_in, text_in
from tuneport_azureml.adapter.connection import Connection, Reply, found_or_none
from tuneport_azureml.adapter.reading_blobs import blob_content, checked
from tuneport_azureml.adapter.sending_blobs import send
from tuneport_azureml.adapter.stores import Opened, opened
from tuneport_azureml.wire.datastores import blob_address, blob_path, data_uri
from tuneport_azureml.wire.names import data_id, data_name, data_name_of, data_path
from tuneport_azureml.wire.sends import asset_body
from tuneport_azureml.wire.tags import is_of_file, sha256_of

if TYPE_CHECKING:
    pass


class DataAssets:
    """The data assets of a workspace that are ours."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._place = connection.place

    def find_file(self, file: PlannedFile) -> str | None:
        """The id of the asset over those very bytes; None where there is none, or it says other bytes."""
        asset = found_or_none(lambda: self._asset(data_name(file)))
        return data_id(self._place, data_name(file)) if asset is not None and is_of_file(asset, file) else None

    def file_state(self, file_id: str) -> FileState:
        name = data_name_of(self._place, file_id)
        asset = None if name is None else found_or_none(lambda: self._asset(name))
        if asset is None or object_in(asset, "properties").get("isArchived") is True:
            return FileState("gone")
        return FileState("ready")

    def upload(self, file: PlannedFile) -> str:
        """The bytes first, then the asset over them. Both are named by what is in them: sent again, they are the same. Of a file in blocks
        those that arrived before it broke off are not sent again."""
        name, connection = data_name(file), self._connection
        there = opened(connection, self._place.datastore)
        connection.trying(
            lambda: send(there, blob_path(name), file.chunks(), size_bytes=file.size_bytes), doing="sending data", creating=True
        )
        body = asset_body(file, uri=data_uri(self._place, there.store.name, blob_path(name)))
        connection.arm("PUT", data_path(name), doing="registering data", body=body, creating=True)
        return data_id(self._place, name)

    def delete_file(self, file_id: str) -> None:
        """Deletes the bytes, and then the asset that names them. Raises NotFound when it is gone already."""
        name = data_name_of(self._place, file_id)
        if name is None or self.file_state(file_id).state == "gone":
            raise NotFound(f"{self._place.name} has no data asset {file_id!r}.")
        there = opened(self._connection, self._place.datastore)
        self._connection.trying(lambda: _remove(there, blob_path(name)), doing="deleting data", creating=True)
        self._connection.arm("DELETE", data_path(name), doing="deleting a data asset", creating=True)

    def content(self, file_id: str) -> Iterator[bytes]:
        """The bytes of an asset of ours, compared with the digest that it was registered with when all have come."""
        name = data_name_of(self._place, file_id)
        asset = None if name is None else found_or_none(lambda: self._asset(name))
        address = None if asset is None else blob_address(text_in(object_in(asset, "properties"), "dataUri") or "")
        if asset is None or address is None:
            raise NotFound(f"{self._place.name} has no data asset {file_id!r}.")
        return checked(blob_content(opened(self._connection, address[0]), address[1], doing="reading data"), sha256_of(asset), name=file_id)

    # --- inside --------------------------------------------------------------------------------------------------------------------

    def _asset(self, name: str) -> Reply:
        return self._connection.arm("GET", data_path(name), doing="looking for data")


def _remove(there: Opened, path: str) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    with suppress(ResourceNotFoundError):
        there.blob(path).delete_blob(**there.signed())
