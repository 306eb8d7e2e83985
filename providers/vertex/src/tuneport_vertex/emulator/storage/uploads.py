"""Uploads: in one request, or resumable in chunks. Every digest that is given is checked against the bytes that arrived."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from tuneport.testing.emulator import Answer, Blob, Request, Routes, json_answer, strict_json
from tuneport.testing.emulator.strictness import Fields
from tuneport_vertex.emulator.storage import refusals
from tuneport_vertex.emulator.storage.buckets import ALWAYS, Bucket, StoredObject, bucket_for, crc32c_of, put
from tuneport_vertex.emulator.storage.objects import LONGEST_NAME_BYTES, check_conditions, object_json, read_metadata
from tuneport_vertex.emulator.storage.refusals import refuse
from tuneport_vertex.emulator.world import World

UPLOAD = "/upload/storage/v1/b/{bucket}/o"
CHUNK_BYTES = 256 * 1024
CONDITIONS = ("ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch")
ASKED = (*CONDITIONS, "uploadType", "upload_id", "name", "predefinedAcl", "kmsKeyName", "contentEncoding")
SPAN = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
SESSION_LIFE_S = 7 * 24 * 3600.0
OCTETS = "application/octet-stream"


@dataclass(slots=True)
class Session:
    """A resumable upload. `made` is the object, once all has arrived."""

    id: str
    bucket: Bucket
    resource: dict[str, Any]
    content_type: str
    opening: Request
    opened_at: float
    total: int | None
    parts: list[Blob] = field(default_factory=list)
    made: StoredObject | None = None

    @property
    def received(self) -> int:
        return sum(part.size_bytes for part in self.parts)


@dataclass(frozen=True, slots=True)
class Sent:
    """All of an object: its resource, its bytes, and the digests that came in headers."""

    resource: dict[str, Any]
    blob: Blob
    content_type: str
    hashes: dict[str, str]


class Uploads:
    """Serves /upload/storage/v1/b/{bucket}/o."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        self._sessions: dict[str, Session] = {}
        routes.add(f"POST {UPLOAD}", self.begin, stores=True)
        routes.add(f"PUT {UPLOAD}", self.go_on, stores=True)
        routes.add(f"DELETE {UPLOAD}", self.cancel)

    def begin(self, request: Request) -> Answer:
        request.only_asks(*ALWAYS, *ASKED, refuse=refuse)
        bucket = bucket_for(request, self._world, "storage.objects.create")
        kind = request.asked("uploadType", refuse=refuse)
        if kind == "resumable":
            return self._open(bucket, request)
        if kind == "multipart":
            resource, content_type, data = _related(request)
            return self._store(bucket, Sent(resource, self._world.blobs.write([data]), content_type, {}), opening=request)
        if kind == "media":
            sent = Sent({}, _blob(request), request.headers.get("content-type", OCTETS), _hashes(request))
            return self._store(bucket, sent, opening=request)
        raise refusals.bad_chunk(f"Unknown upload type: {kind!r}")

    def go_on(self, request: Request) -> Answer:
        session = self._session(request)
        if session.made is not None:
            return self._finished(session)
        said = request.headers.get("content-range", "")
        span = SPAN.fullmatch(said)
        if span is None and said.startswith("bytes */"):
            return self._asked(session, said.removeprefix("bytes */"), request)
        first, total = (int(span[1]), None if span[3] == "*" else int(span[3])) if span else (0, _blob(request).size_bytes)
        if span and int(span[2]) - first + 1 != _blob(request).size_bytes:
            raise refusals.bad_chunk(f"The body has {_blob(request).size_bytes} bytes, which is not what the Content-Range {said!r} says.")
        return self._take(session, request, first=first, total=total)

    def cancel(self, request: Request) -> Answer:
        session = self._session(request)
        del self._sessions[session.id]
        return Answer(204, data=b"")

    # opening and taking

    def _open(self, bucket: Bucket, request: Request) -> Answer:
        raw = _blob(request).read()
        resource = strict_json(raw, refuse=refuse) if raw.strip() else {}
        resource.setdefault("name", request.asked("name", refuse=refuse))
        _checked_name(resource)
        check_conditions(request, bucket.objects.get(resource["name"]))
        session = Session(
            id=self._world.ids.word("ABPtcP", 72),
            bucket=bucket,
            resource=resource,
            content_type=request.headers.get("x-upload-content-type", OCTETS),
            opening=request,
            opened_at=self._world.now().timestamp(),
            total=int(length) if (length := request.headers.get("x-upload-content-length")) else None,
        )
        self._sessions[session.id] = session
        where = f"{self._world.address}/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&upload_id={session.id}"
        return Answer(200, data=b"", headers={"location": where, "x-guploader-uploadid": session.id})

    def _asked(self, session: Session, total: str, request: Request) -> Answer:
        """How far it is. With the right total of an upload that is complete, this ends it."""
        if total != "*" and int(total) == session.received and (session.total in (None, int(total))):
            return self._end(session, request)
        return _so_far(session)

    def _take(self, session: Session, request: Request, *, first: int, total: int | None) -> Answer:
        blob, received = _blob(request), session.received
        if first > received:
            raise refusals.bad_chunk(
                f"Invalid request.  According to the Content-Range header, the upload offset is {first} byte(s), which exceeds already "
                f"uploaded size of {received} byte(s)."
            )
        if total is None and blob.size_bytes % CHUNK_BYTES:
            raise refusals.bad_chunk(
                "Invalid request.  The number of bytes uploaded is required to be equal or greater than 262144, except for the final "
                "request (it's recommended to be the exact multiple of 262144).  The received request contained "
                f"{blob.size_bytes} bytes, which does not meet this requirement."
            )
        kept = self._kept(blob, skip=received - first, share=request.weather.kept_share)
        session.parts.append(kept)
        short = request.weather.kept_share < 1.0
        if short and not self._world.habits.admits_short_uploads:
            return Answer(503, data=b"Service Unavailable", media_type="text/plain")
        return self._end(session, request) if total is not None and session.received >= total else _so_far(session)

    def _kept(self, blob: Blob, *, skip: int, share: float) -> Blob:
        """What is new of the chunk; of a chunk that breaks off, whole blocks of 256 KiB."""
        until = blob.size_bytes if share >= 1.0 else int(blob.size_bytes * share) // CHUNK_BYTES * CHUNK_BYTES
        if skip == 0 and until == blob.size_bytes:
            return blob
        with blob.open() as file:
            file.seek(skip)
            left = max(0, until - skip)
            kept = self._world.blobs.write(iter(lambda: file.read(min(CHUNK_BYTES, left - (file.tell() - skip))), b""))
        self._world.blobs.discard(blob)
        return kept

    def _end(self, session: Session, request: Request) -> Answer:
        whole = session.parts[0] if len(session.parts) == 1 else self._world.blobs.join(session.parts)
        try:
            sent = Sent(session.resource, whole, session.content_type, _hashes(request))
            answer = self._store(session.bucket, sent, opening=session.opening)
        except Exception:
            del self._sessions[session.id]
            raise
        session.made = session.bucket.objects[session.resource["name"]]
        for part in session.parts:
            if part is not whole:
                self._world.blobs.discard(part)
        return answer

    # storing

    def _store(self, bucket: Bucket, sent: Sent, *, opening: Request) -> Answer:
        resource, blob, hashes = dict(sent.resource), sent.blob, sent.hashes
        resource.setdefault("name", opening.asked("name", refuse=refuse))
        _checked_name(resource)
        check_conditions(opening, bucket.objects.get(resource["name"]))
        computed = crc32c_of(blob)
        said = Fields(resource, refuse=refuse)
        name = said.text("name", required=True) or ""
        if said.text("bucket") not in (None, bucket.name):
            raise refusals.bad_chunk("The bucket of the object's resource is not the one of the path.")
        given = {"crc32c": said.text("crc32c") or hashes.get("crc32c"), "md5": said.text("md5Hash") or hashes.get("md5")}
        before = bucket.objects.get(name)
        stored = put(self._world, bucket, name, blob, content_type=sent.content_type, crc32c=computed)
        try:
            read_metadata(said, stored)
            _check(given, stored)
        except Exception:
            del bucket.objects[name]
            if before is not None:
                bucket.objects[name] = before
            self._world.blobs.discard(blob)
            raise
        return json_answer(object_json(bucket, stored, self._world), headers={"x-goog-hash": f"crc32c={stored.crc32c},md5={stored.md5}"})

    def _session(self, request: Request) -> Session:
        session = self._sessions.get(request.asked("upload_id", refuse=refuse) or "")
        if session is None or self._world.now().timestamp() - session.opened_at > SESSION_LIFE_S:
            raise refusals.no_upload()
        return session

    def _finished(self, session: Session) -> Answer:
        assert session.made is not None
        return json_answer(object_json(session.bucket, session.made, self._world))


def _check(given: dict[str, str | None], stored: StoredObject) -> None:
    if given["crc32c"] not in (None, stored.crc32c):
        raise refusals.bad_hash("CRC32C", given["crc32c"] or "", stored.crc32c)
    if given["md5"] not in (None, stored.md5):
        raise refusals.bad_hash("MD5", given["md5"] or "", stored.md5)


def _checked_name(resource: dict[str, Any]) -> None:
    name = resource.get("name")
    if not isinstance(name, str) or not name:
        raise refusals.storage_required("name")
    if len(name.encode()) > LONGEST_NAME_BYTES or "\n" in name or "\r" in name or name in (".", ".."):
        raise refusals.bad_chunk(f"Invalid object name: {name[:80]!r}")


def _so_far(session: Session) -> Answer:
    headers = {"x-guploader-uploadid": session.id}
    if session.received:
        headers["range"] = f"bytes=0-{session.received - 1}"
    return Answer(308, data=b"", media_type="text/plain; charset=utf-8", headers=headers)


def _hashes(request: Request) -> dict[str, str]:
    """`x-goog-hash: crc32c=…,md5=…`"""
    pairs = (one.strip().partition("=") for one in request.headers.get("x-goog-hash", "").split(",") if "=" in one)
    return {name: value for name, _, value in pairs}


def _blob(request: Request) -> Blob:
    assert isinstance(request.body, Blob), "an upload's route stores its body"
    return request.body


def _related(request: Request) -> tuple[dict[str, Any], str, bytes]:
    """The resource, the content type and the bytes of a multipart/related body (RFC 2387)."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/related" or not boundary:
        raise refusals.bad_chunk("Missing end boundary in multipart body.")
    pieces = _blob(request).read().split(b"--" + boundary.encode("latin-1"))
    if len(pieces) != 4 or not pieces[3].startswith(b"--"):
        raise refusals.bad_chunk("Missing end boundary in multipart body.")
    _, resource = _parted(pieces[1])
    head, data = _parted(pieces[2])
    return strict_json(resource, refuse=refuse), head.get("content-type", OCTETS), data


def _parted(piece: bytes) -> tuple[dict[str, str], bytes]:
    head, _, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n") if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}, data.removesuffix(b"\r\n")
