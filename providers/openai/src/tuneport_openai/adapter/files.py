"""Files at the vendor: uploaded in one request or in parts, found again by name and size, looked at before use."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from tuneport.errors import NotFound, TuneportError
from tuneport.plan import PlannedFile
from tuneport.provider import FileState
from tuneport.replies import number_of
from tuneport_openai.adapter.connection import Address, DialectConnection, Reply
from tuneport_openai.adapter.planned_stream import PlannedStream
from tuneport_openai.wire.dialect import FileRules

if TYPE_CHECKING:
    import openai
    from openai.types.file_create_params import ExpiresAfter

ONE_REQUEST_BYTES = 64 * 1024 * 1024
"""From this size on a file goes in parts (Uploads: a part may have 64 MB)."""
PART_BYTES = 8 * 1024 * 1024
MIME_TYPE = "text/jsonl"
"""As the API reference writes it for training files (uploads, read 2026-11-21)."""
PURPOSE: Literal["fine-tune"] = "fine-tune"
PAGE = 1000
"""Files a page; the API gives up to 10,000."""


def upload(connection: DialectConnection, file: PlannedFile) -> str:
    """Sends the file and returns its id. Holds one part of it at a time, or none.

    Raises DatasetError when its rows are no longer what was planned, Ambiguous when it may have arrived, Unreachable when it has not.
    """
    return _in_parts(connection, file) if goes_in_parts(file, connection.address) else _at_once(connection, file)


def goes_in_parts(file: PlannedFile, address: Address) -> bool:
    """Whether it is sent through the Uploads API."""
    return file.size_bytes >= ONE_REQUEST_BYTES and "no_uploads" not in address.quirks


def _at_once(connection: DialectConnection, file: PlannedFile) -> str:
    doing = f"uploading the {file.purpose} file"
    body = (file.name, cast("IO[bytes]", PlannedStream(file)), MIME_TYPE)

    def send(client: openai.OpenAI) -> Any:
        from openai import omit

        return client.files.with_raw_response.create(file=body, purpose=PURPOSE, expires_after=expiry(connection.file_rules) or omit)

    return id_in(connection, connection.ask(doing, send, creating=True), doing, creating=True)


def expiry(rules: FileRules) -> ExpiresAfter | None:
    """How long an uploaded file is to be kept; None where that is not said."""
    return None if rules.life_s is None else {"anchor": "created_at", "seconds": rules.life_s}


def _in_parts(connection: DialectConnection, file: PlannedFile) -> str:
    """Parts that are sent twice do no harm: only those that are named in the end make the file. What fails on the way is cancelled."""
    doing = f"beginning to upload the {file.purpose} file"

    def begin(client: openai.OpenAI) -> Any:
        return client.uploads.with_raw_response.create(bytes=file.size_bytes, filename=file.name, mime_type=MIME_TYPE, purpose=PURPOSE)

    upload_id = id_in(connection, connection.ask(doing, begin), doing)
    try:
        part_ids, md5 = _send_parts(connection, file, upload_id)
    except Exception:
        with suppress(TuneportError):  # what is left of it expires within an hour
            connection.ask("cancelling an upload", lambda client: client.uploads.with_raw_response.cancel(upload_id))
        raise
    return _complete(connection, file, upload_id, part_ids, md5)


def _send_parts(connection: DialectConnection, file: PlannedFile, upload_id: str) -> tuple[list[str], str]:
    """The ids of the parts in order, and the digest by which the vendor can tell that it put them together right."""
    digest = hashlib.md5(usedforsecurity=False)
    part_ids: list[str] = []
    with io.BufferedReader(PlannedStream(file), PART_BYTES) as stream:
        while part := stream.read(PART_BYTES):
            digest.update(part)
            doing = f"uploading part {len(part_ids) + 1} of the {file.purpose} file"
            part_ids.append(_send_part(connection, upload_id, part, doing))
    return part_ids, digest.hexdigest()


def _send_part(connection: DialectConnection, upload_id: str, part: bytes, doing: str) -> str:
    def send(client: openai.OpenAI) -> Any:
        return client.uploads.parts.with_raw_response.create(upload_id, data=("part", part, "application/octet-stream"))

    return connection.patiently(lambda: id_in(connection, connection.ask(doing, send), doing))


def _complete(connection: DialectConnection, file: PlannedFile, upload_id: str, part_ids: list[str], md5: str) -> str:
    doing = f"completing the upload of the {file.purpose} file"
    done = connection.ask(
        doing, lambda client: client.uploads.with_raw_response.complete(upload_id, part_ids=part_ids, md5=md5), creating=True
    )
    made = done.get("file")
    return id_in(connection, made if isinstance(made, dict) else {}, doing, creating=True)


def id_in(connection: DialectConnection, answer: Reply, doing: str, *, creating: bool = False) -> str:
    """The id of the file or upload that an answer tells of."""
    found = answer.get("id")
    if not isinstance(found, str) or not found:
        raise connection.unreadable(doing, "the answer has no id", creating=creating)
    return found


def listed(connection: DialectConnection) -> Iterator[Reply]:
    """All files for fine-tuning, the youngest first, a page at a time."""
    return _whole_list(connection) if connection.file_rules.listed_whole else _by_pages(connection)


def _by_pages(connection: DialectConnection) -> Iterator[Reply]:
    def page(client: openai.OpenAI, after: str | openai.Omit) -> Any:
        return client.files.with_raw_response.list(purpose=PURPOSE, limit=PAGE, order="desc", after=after)

    return chain.from_iterable(connection.pages("listing files", page))


def _whole_list(connection: DialectConnection) -> Iterator[Reply]:
    def page(client: openai.OpenAI, after: str | openai.Omit) -> Any:
        return client.files.with_raw_response.list(purpose=PURPOSE, after=after)

    found = chain.from_iterable(connection.pages("listing files", page, whole=True))
    return iter(sorted(found, key=lambda row: number_of(row.get("created_at")) or 0.0, reverse=True))


def find(connection: DialectConnection, file: PlannedFile) -> str | None:
    """The youngest file of that name and size that the vendor did not reject."""
    rules = connection.file_rules
    return next((str(row["id"]) for row in listed(connection) if is_copy(row, file, rules=rules) and row.get("status") != "error"), None)


def copies(connection: DialectConnection, file: PlannedFile) -> list[str]:
    """The ids of all files of that name and size: after a lost answer there may be several."""
    return [str(row["id"]) for row in listed(connection) if is_copy(row, file, rules=connection.file_rules)]


def is_copy(row: Reply, file: PlannedFile, *, rules: FileRules) -> bool:
    """Whether a listed file has the name, which holds its digest, and the size of `file`, or none yet where sizes come later."""
    size = row.get("bytes")
    return row.get("filename") == file.name and (size == file.size_bytes or (rules.sized_later and size is None))


def state(connection: DialectConnection, file_id: str) -> FileState:
    """Whether the file can be used. `status` is deprecated: where there is none any more, a file that is there can be used."""
    try:
        found = row(connection, file_id)
    except NotFound as error:
        return FileState("gone", error.reason)
    word = found.get("status")
    if word == "error":
        return FileState("error", str(found.get("status_details") or ""))
    if word in ("deleting", "deleted"):
        return FileState("gone", f"it is being {word}")
    ready = word in (None, "processed") or "no_validation_wait" in connection.address.quirks
    return FileState("ready") if ready else FileState("pending", str(word))


def row(connection: DialectConnection, file_id: str) -> Reply:
    """What the vendor says of a file. Raises NotFound."""
    return connection.ask("looking at a file", lambda client: client.files.with_raw_response.retrieve(file_id))


def content(connection: DialectConnection, file_id: str) -> bytes:
    """The bytes of a small file. Raises NotFound when it is gone, Refused where the vendor does not give it out."""
    return connection.ask_bytes("reading a file", lambda client: client.files.with_raw_response.content(file_id))


def stream(connection: DialectConnection, file_id: str) -> Iterator[bytes]:
    """The bytes of a file as they come. Raises NotFound when it is gone, Refused where the vendor does not give it out."""
    return connection.stream_bytes("reading a file", lambda client: client.files.with_streaming_response.content(file_id))


def delete(connection: DialectConnection, file_id: str) -> None:
    """Deletes the file at the vendor. Raises NotFound when it is gone already."""
    connection.ask("deleting a file", lambda client: client.files.with_raw_response.delete(file_id))
