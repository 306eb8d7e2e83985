"""Files in the user's bucket: named by the digest of their bytes, found again and looked at before use, never overwritten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import finalize

from tuneport.errors import CredentialsRefused, NotFound, Refused, Unreachable
from tuneport.finding import Finding
from tuneport.plan import PlannedFile
from tuneport.provider import FileState
from tuneport_vertex.adapter.connection import Connection, Reply
from tuneport_vertex.adapter.uploading import PIECE_BYTES, SHA256, TIMEOUT_S, in_base64, media_type_of, send
from tuneport_vertex.profile import no_bucket
from tuneport_vertex.refusals import NoBucket, OtherRegion
from tuneport_vertex.wire.buckets import SCHEME, BucketPlace, ObjectAddress

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud.storage import Blob, Client

GOOGLE = "https://storage.googleapis.com"
_BLOCK_BYTES = 1 << 18


class Storage:
    """Cloud Storage as one place's jobs use it, signed in as they are. File ids are addresses: gs://BUCKET/FOLDER/tuneport-….jsonl."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._place = connection.place
        self._regions: dict[str, BucketPlace | None] = {}

    # --- files of a plan -----------------------------------------------------------------------------------------------------------------

    def find_file(self, file: PlannedFile) -> str | None:
        """The address of the file where an object with its bytes is there. Raises ConfigError where no bucket is named."""
        address = self.address_of(file)
        found = self._described(address)
        return address.uri if found is not None and _is_same(found, file) else None

    def file_state(self, file_id: str) -> FileState:
        """An object can be read as soon as it is there. What is no address, or in no bucket, is gone."""
        try:
            found = self._described(ObjectAddress.of(file_id))
        except NotFound as error:
            return FileState("gone", error.message)
        return FileState("ready") if found is not None else FileState("gone", f"{file_id} is not there")

    def upload(self, file: PlannedFile) -> str:
        """Sends the file, or takes the object that has its name and its bytes.

        Raises OtherRegion for a bucket in another region than the tuning, Refused where an object of that name holds other bytes,
        DatasetError when the rows have changed, Ambiguous when it may have arrived, Unreachable when it has not.
        """
        address = self.address_of(file)
        self._refuse_other_region(address.bucket)
        made = send(file, self._blob(address), session=self._session, connection=self._connection)
        if made is None:
            self._refuse_other_content(address, file)
        return address.uri

    def address_of(self, file: PlannedFile) -> ObjectAddress:
        """Where the file goes. Raises ConfigError where no bucket is named."""
        return ObjectAddress.of(self._place.folder(file.name))

    def _refuse_other_content(self, address: ObjectAddress, file: PlannedFile) -> None:
        found = self._described(address)
        if found is None:
            raise Unreachable(f"{address.uri} was there and is not any more.", remedy="Try again.")
        if not _is_same(found, file):
            raise Refused(
                f"{address.uri} is there already and holds other bytes than its name says; it was left alone.",
                remedy='Delete it, or name another folder: bucket = "gs://NAME/FOLDER" in the profile.',
            )

    # --- objects -------------------------------------------------------------------------------------------------------------------------

    def delete_file(self, file_id: str) -> None:
        """Deletes an object that was uploaded from here. Raises NotFound when it is gone, Refused for one that is somebody's own."""
        address = ObjectAddress.of(file_id)
        if not address.is_ours:
            raise Refused(f"{file_id} was not uploaded from here; it is left alone.", remedy=f"To delete it: gcloud storage rm {file_id}")
        blob = self._blob(address)
        self._connection.sent("deleting a file", lambda: blob.delete(retry=None, timeout=TIMEOUT_S))

    def file_content(self, file_id: str) -> Iterator[bytes]:
        """The bytes of an object as they come, compared with its crc32c at their end. Raises NotFound, CredentialsRefused, Unreachable."""
        return self.content(ObjectAddress.of(file_id))

    def content(self, address: ObjectAddress, *, generation: int | None = None) -> Iterator[bytes]:
        """As `file_content`, of that very version of the object where one is named. What is compressed at rest comes unpacked."""
        import google_crc32c

        answer = self._connection.sent("reading a file", lambda: self._opened(address, generation))
        crc32c = google_crc32c.Checksum()
        with self._connection.translating("reading a file"), answer:
            for block in answer.iter_content(_BLOCK_BYTES):
                crc32c.update(block)
                yield block
        said = _crc32c_in(answer.headers.get("x-goog-hash", ""))
        if said not in (None, in_base64(crc32c)) and "content-encoding" not in answer.headers:
            raise Unreachable(f"{address.uri} arrived other than it is kept.", remedy="Try again.")

    def objects_under(self, uri: str) -> Iterator[tuple[ObjectAddress, int]]:
        """The objects whose names begin with that address, with their bytes, by name and page by page. Raises NotFound without such a
        bucket."""
        bucket, _, prefix = uri.removeprefix(SCHEME).partition("/")
        pages = self._client.list_blobs(bucket, prefix=prefix, retry=None, timeout=TIMEOUT_S, fields="items(name,size),nextPageToken").pages
        while (page := self._connection.sent("listing files", lambda: next(pages, None))) is not None:
            yield from ((ObjectAddress(bucket, blob.name), int(blob.size or 0)) for blob in page)

    def write(self, address: ObjectAddress, data: bytes) -> None:
        """Puts an object there in place of the one before, in one request. Doing so once more makes the same."""
        blob = self._blob(address)

        def upload() -> None:
            blob.upload_from_string(data, media_type_of(address.name), checksum="crc32c", retry=None, timeout=TIMEOUT_S)

        self._connection.sent("writing a file", upload)

    def write_file(self, address: ObjectAddress, file: PlannedFile) -> None:
        """As `write`, of any size: a large one in pieces, which go on where they were cut, and only where other bytes lie there."""
        if file.size_bytes <= PIECE_BYTES:
            self.write(address, b"".join(file.chunks()))
        elif send(file, self._blob(address), session=self._session, connection=self._connection) is None:
            found = self._described(address)
            if found is not None and _is_same(found, file):
                return
            self.remove(address)
            if send(file, self._blob(address), session=self._session, connection=self._connection) is None:
                raise Unreachable(f"{address.uri} is written from elsewhere as well.", remedy="Try again.")

    def remove(self, address: ObjectAddress) -> None:
        """Deletes an object, if it is there, whoever put it there: for folders that are Tuneport's own."""
        blob = self._blob(address)
        with suppress(NotFound):
            self._connection.sent("deleting a file", lambda: blob.delete(retry=None, timeout=TIMEOUT_S))

    def described(self, address: ObjectAddress) -> Reply:
        """An object as storage describes it (size, crc32c, generation, metadata). Raises NotFound."""
        found = self._described(address)
        if found is None:
            raise NotFound(f"{address.uri}: there is no such object.", remedy=f"See: gcloud storage ls gs://{address.bucket}")
        return found

    def _described(self, address: ObjectAddress) -> Reply | None:
        blob = self._blob(address)

        def read() -> Reply:
            blob.reload(retry=None, timeout=TIMEOUT_S)
            return dict(blob._properties)

        try:
            return self._connection.sent("looking at a file", read)
        except NoBucket:
            raise
        except NotFound:
            return None

    def _opened(self, address: ObjectAddress, generation: int | None) -> Any:
        from urllib.parse import quote

        from google.api_core.exceptions import from_http_response

        which = f"&generation={generation}" if generation is not None else ""
        url = f"{self._address}/storage/v1/b/{address.bucket}/o/{quote(address.name, safe='')}?alt=media{which}"
        answer = self._session.get(url, stream=True, timeout=TIMEOUT_S, allow_redirects=False)
        if answer.status_code != 200:
            with answer:
                raise from_http_response(answer)
        return answer

    # --- buckets -------------------------------------------------------------------------------------------------------------------------

    def check(self) -> list[Finding]:
        """What uploads would run into: no bucket, none of that name, one that may not be read, one in another region."""
        name = self._place.bucket
        if name is None:
            missing = no_bucket(self._place.name)
            return [Finding("bucket", "warning", missing.message, remedy=missing.remedy)]
        try:
            region = self.region(name)
        except NotFound as error:
            return [Finding("bucket", "error", f"gs://{name}: there is no such bucket.", remedy=error.remedy)]
        if region is None:
            sentence = f"gs://{name}: its region cannot be seen; uploads may work none the less."
            return [Finding("bucket", "warning", sentence, remedy="To see it takes the role Storage Bucket Viewer on the bucket.")]
        if not region.holds(self._place.location):
            problem = self._in_another_region(name, region)
            return [Finding("bucket", "error", problem.message, remedy=problem.remedy)]
        return [Finding("bucket", "info", f"gs://{name} lies in {region}, where the tuning in {self._place.location} reads it.")]

    def region(self, bucket: str) -> BucketPlace | None:
        """Where a bucket lies; None where this identity may not see it. Asked once. Raises NotFound where there is none."""
        if bucket not in self._regions:
            found = None
            with suppress(CredentialsRefused):
                found = BucketPlace.of(self._connection.sent("looking at the bucket", lambda: self._bucket_described(bucket)))
            self._regions[bucket] = found  # only what is known: several threads may look
        return self._regions[bucket]

    def lacks(self, bucket: str, permissions: Sequence[str]) -> list[str]:
        """Which of these this identity has not on the bucket. Raises NotFound where there is none."""
        asked = self._client.bucket(bucket)
        has = self._connection.sent(
            "asking what may be done with the bucket", lambda: asked.test_iam_permissions(list(permissions), retry=None, timeout=TIMEOUT_S)
        )
        return [each for each in permissions if each not in has]

    def _bucket_described(self, name: str) -> Reply:
        bucket = self._client.bucket(name)
        bucket.reload(retry=None, timeout=TIMEOUT_S)
        return dict(bucket._properties)

    def _refuse_other_region(self, bucket: str) -> None:
        region = self.region(bucket)
        if region is not None and not region.holds(self._place.location):
            raise self._in_another_region(bucket, region)

    def _in_another_region(self, bucket: str, region: BucketPlace) -> OtherRegion:
        return OtherRegion(
            f"gs://{bucket} lies in {region}, and the tuning runs in {self._place.location}: it reads from buckets of its own region.",
            remedy=f"Name a bucket there (gcloud storage buckets create gs://NAME -l {self._place.location}), or tune where the bucket is.",
        )

    # --- clients -------------------------------------------------------------------------------------------------------------------------

    @property
    def _address(self) -> str:
        return self._place.storage_endpoint or GOOGLE

    @cached_property
    def _session(self) -> AuthorizedSession:
        from google.auth.transport.requests import AuthorizedSession

        session = AuthorizedSession(self._connection.sign_in.credentials(self._address))
        finalize(self, session.close)
        return session

    @cached_property
    def _client(self) -> Client:
        """The SDK's client, without what it would ask by itself in the background to tell of buckets in traces."""
        from google.cloud.storage import Client

        with self._connection.translating("connecting to Cloud Storage"):
            credentials = self._connection.sign_in.credentials(self._address)
            options = {"api_endpoint": self._address}
            client = Client(project=self._place.project, credentials=credentials, client_options=options, _http=self._session)
        client._bucket_metadata_cache = None
        return client

    def _blob(self, address: ObjectAddress) -> Blob:
        return self._client.bucket(address.bucket).blob(address.name)


def _is_same(found: Reply, file: PlannedFile) -> bool:
    """Whether an object holds the file's bytes: by size and by the digest written on it, or without one by crc32c, in a pass over them."""
    if str(found.get("size")) != str(file.size_bytes):
        return False
    written = (found.get("metadata") or {}).get(SHA256)
    return bool(written == file.sha256) if written else found.get("crc32c") == _crc32c_of(file)


def _crc32c_of(file: PlannedFile) -> str:
    import google_crc32c

    checksum = google_crc32c.Checksum()
    for chunk in file.chunks():
        checksum.update(chunk)
    return in_base64(checksum)


def _crc32c_in(header: str) -> str | None:
    """x-goog-hash: crc32c=n03x6A==,md5=…"""
    found = (part.strip() for part in header.split(","))
    return next((part.removeprefix("crc32c=") for part in found if part.startswith("crc32c=")), None)
