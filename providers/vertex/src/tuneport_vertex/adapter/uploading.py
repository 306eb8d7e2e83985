"""Sending a file into a bucket, a piece at a time: what was cut goes on where the service says that it stands.

Nothing comes to exist before all of it has arrived, as it was planned: the digest of the rows is compared before the last piece is sent,
and crc32c goes along with that piece, for the service to compare.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from tuneport.errors import Ambiguous, DatasetError, Refused, Unreachable
from tuneport.plan import PlannedFile
from tuneport.retry import wait_s
from tuneport_vertex.adapter.connection import Connection, Reply

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud.storage import Blob
    from requests import Response

PIECE_BYTES = 8 << 20
"""A multiple of 256 KiB, as the service wants it. A file of one piece goes in one request, as the SDK does."""
TIMEOUT_S = 120.0
ATTEMPTS = 5
"""Tries without any progress before an upload is given up."""
LONGEST_WAIT_S = 120.0
"""What is waited between two of them; where the service asks for more, whoever submits decides."""
SHA256 = "tuneport-sha256"
"""The key of an object's metadata that holds the digest of its bytes."""
_MEDIA_TYPES = {".jsonl": "application/jsonl"}
_RANGE = re.compile(r"bytes=0-(\d+)")
_ENDED = (404, 410)


class _Checksum(Protocol):
    def update(self, chunk: bytes) -> None: ...

    def digest(self) -> bytes: ...


def media_type_of(name: str) -> str:
    """What an object's name says that it holds."""
    suffix = f".{name.rpartition('.')[2]}"
    return _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def send(file: PlannedFile, blob: Blob, *, session: AuthorizedSession, connection: Connection) -> Reply | None:
    """Uploads the file as that object and returns the object's description; None where one of that name is there already.

    Raises DatasetError when its bytes are no longer what was planned, Ambiguous when it may have arrived, Unreachable when it has not.
    """
    blob.metadata = {SHA256: file.sha256}
    if file.size_bytes <= PIECE_BYTES:
        return _at_once(file, blob, connection=connection)
    address = _begun(file, blob, connection=connection)
    return None if address is None else _Upload(file, address, session=session, connection=connection).sent()


def _at_once(file: PlannedFile, blob: Blob, *, connection: Connection) -> Reply | None:
    data = b"".join(piece for _, piece, _ in pieces(file))

    def upload() -> Reply | None:
        from google.api_core.exceptions import PreconditionFailed

        try:
            blob.upload_from_string(data, media_type_of(file.name), if_generation_match=0, checksum="crc32c", retry=None, timeout=TIMEOUT_S)
        except PreconditionFailed:
            return None
        return dict(blob._properties)

    return connection.sent(f"uploading the {file.purpose} file", upload, creating=True)


def _begun(file: PlannedFile, blob: Blob, *, connection: Connection) -> str | None:
    """The address that the pieces go to; nothing exists before the last of them."""

    def begin() -> str | None:
        from google.api_core.exceptions import PreconditionFailed

        try:
            address: str = blob.create_resumable_upload_session(
                media_type_of(file.name), size=file.size_bytes, if_generation_match=0, checksum=None, retry=None, timeout=TIMEOUT_S
            )
        except PreconditionFailed:
            return None
        return address

    return connection.sent(f"beginning to upload the {file.purpose} file", begin)


def pieces(file: PlannedFile, *, size: int = PIECE_BYTES) -> Iterator[tuple[int, bytes, str | None]]:
    """The bytes in pieces, each with where it begins; the last one with the crc32c of all. Holds one at a time.

    Raises DatasetError before the last one when the rows are no longer what was planned.
    """
    import google_crc32c

    sha256, crc32c, start = hashlib.sha256(), google_crc32c.Checksum(), 0
    held: list[bytes] = []
    waiting = 0
    for chunk in file.chunks():
        sha256.update(chunk)
        crc32c.update(chunk)
        held.append(chunk)
        waiting += len(chunk)
        while waiting > size:  # never the last piece: what comes after it may turn out to be wrong
            whole = b"".join(held)
            yield start, whole[:size], None
            start, held, waiting = start + size, [whole[size:]], waiting - size
    if sha256.hexdigest() != file.sha256 or start + waiting != file.size_bytes:
        raise DatasetError(
            f"the rows of the {file.purpose} file changed since they were planned; nothing was uploaded.",
            remedy="Submit again: the plan is made anew.",
        )
    yield start, b"".join(held), in_base64(crc32c)


def in_base64(checksum: _Checksum) -> str:
    """As the service writes a checksum."""
    return base64.b64encode(checksum.digest()).decode()


class _Upload:
    """A resumable upload under way. `_arrived` is how many bytes the service says that it has."""

    def __init__(self, file: PlannedFile, address: str, *, session: AuthorizedSession, connection: Connection) -> None:
        self._file = file
        self._address = address
        self._session = session
        self._connection = connection
        self._arrived = 0

    def sent(self) -> Reply | None:
        """Sends what has not arrived, from the beginning again where the service lost what it had acknowledged."""
        for _ in range(ATTEMPTS):
            for start, piece, crc32c in pieces(self._file):
                if self._arrived < start:
                    break
                done = self._piece(start, piece, crc32c)
                if done is not None:
                    return self._checked(done, crc32c)
        raise Unreachable(f"parts of the {self._file.purpose} file were lost on the way.", remedy="Try again later.")

    def _piece(self, start: int, piece: bytes, crc32c: str | None) -> Response | None:
        """Sends what of the piece has not arrived, again where it was cut; the answer that ends the whole upload. None where it is not the
        last, and where less has arrived than before it."""
        failed = 0
        while self._arrived < start + len(piece):
            before = self._arrived
            try:
                done = self._put(piece[self._arrived - start :], crc32c)
            except Unreachable as error:
                failed += 1
                pause_s = wait_s(error, otherwise_s=2.0**failed)
                if failed == ATTEMPTS or pause_s > LONGEST_WAIT_S:
                    raise
                self._connection.clock.sleep(pause_s)
                done = self._looked(failed, last=crc32c is not None)
            if done is not None:
                return done
            if self._arrived < start:
                return None
            failed = 0 if self._arrived > before else failed + 1
            if failed > ATTEMPTS:
                raise Unreachable(f"the upload of the {self._file.purpose} file makes no progress.", remedy="Try again later.")
        return None

    def _looked(self, failed: int, *, last: bool) -> Response | None:
        """How much has arrived; the answer that ends the upload, where it is whole. No answer is one more failed try."""
        try:
            return self._asked({"Content-Range": f"bytes */{self._file.size_bytes}"}, b"", last=last)
        except Unreachable:
            if failed == ATTEMPTS - 1:
                raise
            return None

    def _put(self, rest: bytes, crc32c: str | None) -> Response | None:
        ends = self._arrived + len(rest) - 1
        headers = {"Content-Range": f"bytes {self._arrived}-{ends}/{self._file.size_bytes}", "Content-Type": media_type_of(self._file.name)}
        if crc32c is not None:
            headers["x-goog-hash"] = f"crc32c={crc32c}"
        return self._asked(headers, rest, last=crc32c is not None)

    def _asked(self, headers: Mapping[str, str], data: bytes, *, last: bool) -> Response | None:
        def put() -> Response:
            from google.api_core.exceptions import from_http_response

            answer: Response = self._session.request(
                "PUT", self._address, data=data, headers=dict(headers), timeout=TIMEOUT_S, allow_redirects=False
            )
            if answer.status_code in _ENDED:
                raise Unreachable(f"the upload of the {self._file.purpose} file was given up by the service.", remedy="Try again.")
            if answer.status_code not in (200, 201, 308, 412):
                raise from_http_response(answer)
            return answer

        answer = self._connection.sent(f"uploading the {self._file.purpose} file", put, creating=last)
        if answer.status_code != 308:
            return answer
        found = _RANGE.fullmatch(answer.headers.get("range", ""))
        self._arrived = int(found[1]) + 1 if found else 0
        return None

    def _checked(self, answer: Response, crc32c: str | None) -> Reply | None:
        """What the service says that it keeps; None where somebody else was first."""
        if answer.status_code == 412:
            return None
        try:
            made = answer.json()
        except ValueError:
            made = None
        if crc32c is None or not isinstance(made, dict) or "crc32c" not in made:
            raise Ambiguous(f"the {self._file.purpose} file was uploaded, and the answer cannot be read.", remedy="It is looked for.")
        if made["crc32c"] != crc32c or str(made.get("size")) != str(self._file.size_bytes):
            raise Refused(
                f"the {self._file.purpose} file arrived other than it was sent (crc32c {made['crc32c']} instead of {crc32c}).",
                remedy=f"Delete gs://{made.get('bucket')}/{made.get('name')} and submit again.",
            )
        return made
