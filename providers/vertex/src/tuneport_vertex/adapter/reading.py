"""Files at gs:// addresses as core reads them: rows that lie in a bucket already, whoever put them there."""

from __future__ import annotations

from collections.abc import Iterator

from tuneport.errors import NotFound
from tuneport.provider import ProviderSettings, RemoteFile
from tuneport_vertex.adapter.connection import Connection
from tuneport_vertex.adapter.signing_in import default_credentials
from tuneport_vertex.adapter.storage import GOOGLE, Storage
from tuneport_vertex.profile import Place, is_loopback, place_of
from tuneport_vertex.wire.buckets import ObjectAddress

NO_PROJECT = "no-project"
"""Stands where nobody names a project: reading an object takes none."""


class BucketFiles:
    """Objects in Cloud Storage, read as the profile is signed in."""

    def __init__(self, settings: ProviderSettings) -> None:
        place = place_of(settings, own_project=_own_project)
        self._storage = Storage(Connection(place, clock=settings.clock))

    def look(self, address: str) -> RemoteFile:
        """The object as it is now. Raises NotFound, CredentialsRefused, Unreachable."""
        where = ObjectAddress.of(address)
        found = self._storage.described(where)
        try:
            return RemoteFile(where.uri, int(found["size"]), str(found["generation"]))
        except (KeyError, ValueError):
            raise NotFound(f"{where.uri}: storage does not say what lies there.", remedy="Try again.") from None

    def content(self, file: RemoteFile) -> Iterator[bytes]:
        """The bytes of that generation, compared with their checksum at the end."""
        return self._storage.content(ObjectAddress.of(file.address), generation=int(file.version))


def _own_project(place: Place) -> str:
    if place.token is not None or is_loopback(place.storage_endpoint or GOOGLE):
        return NO_PROJECT
    return default_credentials()[1] or NO_PROJECT
