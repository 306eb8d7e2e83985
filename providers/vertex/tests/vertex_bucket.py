"""A bucket on loopback, as Cloud Storage's JSON API documents it, for the storage client unmodified; what goes wrong, a test says."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import unquote

import google_crc32c
from tuneport_vertex.adapter.connection import Connection
from tuneport_vertex.adapter.storage import Storage
from tuneport_vertex.profile import Place

from tuneport.plan import PlannedFile
from tuneport.testing import SimulatedClock

from .vertex_loopback import TOKEN, Asked, Said, answering

QUANTUM = 256 * 1024


def crc32c_of(data: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def refused(status: int, reason: str, message: str) -> Said:
    return Said(
        status, {"error": {"code": status, "message": message, "errors": [{"reason": reason, "domain": "global", "message": message}]}}
    )


@dataclass
class Stored:
    """An object that is there."""

    data: bytes
    content_type: str
    metadata: dict[str, str] = field(default_factory=dict)
    generation: int = 1
    encoding: str = ""


@dataclass
class Session:
    """An upload that has begun."""

    name: str
    size: int
    content_type: str
    metadata: dict[str, str]
    data: bytes = b""


class Bucket:
    """`bucket` in `location`. `before` sees each request first, and may answer in its place or raise `Cut`."""

    def __init__(self, *, location: str = "US-CENTRAL1", kind: str = "region", parts: tuple[str, ...] = ()) -> None:
        self.place = {
            "location": location,
            "locationType": kind,
            **({"customPlacementConfig": {"dataLocations": list(parts)}} if parts else {}),
        }
        self.objects: dict[str, Stored] = {}
        self.sessions: dict[str, Session] = {}
        self.before: Callable[[Asked], Said | None] = lambda _: None
        self.after: Callable[[Asked, Said], Said] = lambda _, said: said
        self.url = ""
        self._numbers = count(1)

    def answer(self, asked: Asked) -> Said:
        assert asked.headers.get("authorization") == f"Bearer {TOKEN}", "who is asking?"
        said = self.before(asked)
        return said if said is not None else self.after(asked, self._answer(asked))

    def _answer(self, asked: Asked) -> Said:
        if asked.path.startswith("/upload/storage/v1/b/bucket/o"):
            return self._uploaded(asked)
        if asked.path == "/storage/v1/b/bucket":
            return Said(200, {"kind": "storage#bucket", "name": "bucket", **self.place})
        if asked.path == "/storage/v1/b/bucket/o":
            return self._listed(asked)
        found = re.fullmatch(r"/storage/v1/b/bucket/o/(.+)", asked.path)
        if found is None:
            return refused(404, "notFound", "The specified bucket does not exist.")
        name = unquote(found[1])
        if name not in self.objects:
            return refused(404, "notFound", f"No such object: bucket/{name}")
        if asked.method == "DELETE":
            del self.objects[name]
            return Said(204, b"")
        return self._content(name) if asked.query.get("alt") == "media" else Said(200, self.described(name))

    def _listed(self, asked: Asked) -> Said:
        """Two to a page."""
        names = sorted(name for name in self.objects if name.startswith(asked.query.get("prefix", "")))
        start = int(asked.query.get("pageToken", 0))
        more = {"nextPageToken": str(start + 2)} if start + 2 < len(names) else {}
        return Said(200, {"kind": "storage#objects", "items": [self.described(name) for name in names[start : start + 2]], **more})

    def _content(self, name: str) -> Said:
        stored = self.objects[name]
        headers = {"x-goog-hash": f"crc32c={crc32c_of(stored.data)}"} | ({"Content-Encoding": stored.encoding} if stored.encoding else {})
        return Said(200, stored.data, headers, media_type=stored.content_type)

    def described(self, name: str) -> dict[str, object]:
        stored = self.objects[name]
        return {
            "kind": "storage#object",
            "name": name,
            "bucket": "bucket",
            "size": str(len(stored.data)),
            "crc32c": crc32c_of(stored.data),
            "generation": str(stored.generation),
            "contentType": stored.content_type,
            **({"metadata": stored.metadata} if stored.metadata else {}),
        }

    def put(self, name: str, data: bytes, **metadata: str) -> None:
        """An object that somebody else put there."""
        self.objects[name] = Stored(data, "application/octet-stream", dict(metadata), next(self._numbers))

    def _uploaded(self, asked: Asked) -> Said:
        if asked.method == "PUT":
            return self._piece(asked)
        if asked.query["uploadType"] == "multipart":
            return self._multipart(asked)
        values = json.loads(asked.body)
        if asked.query.get("ifGenerationMatch") == "0" and values["name"] in self.objects:
            return refused(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        number = str(next(self._numbers))
        size, kind = int(asked.headers["x-upload-content-length"]), asked.headers["x-upload-content-type"]
        self.sessions[number] = Session(values["name"], size, kind, values.get("metadata", {}))
        return Said(200, b"", {"Location": f"{self.url}/upload/storage/v1/b/bucket/o?uploadType=resumable&upload_id={number}"})

    def _multipart(self, asked: Asked) -> Said:
        boundary = re.search(r'boundary="?([^";]+)', asked.headers["content-type"])
        assert boundary is not None
        _, described, content, _ = asked.body.split(f"--{boundary[1]}".encode())
        values = json.loads(described.partition(b"\r\n\r\n")[2])
        kind, _, data = content.removesuffix(b"\r\n").partition(b"\r\n\r\n")
        if values["name"] in self.objects:
            return refused(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        if values["crc32c"] != crc32c_of(data):
            return refused(400, "invalid", "Provided CRC32C does not match calculated CRC32C.")
        return self._made(Session(values["name"], len(data), kind.strip().partition(b": ")[2].decode(), values.get("metadata", {}), data))

    def _piece(self, asked: Asked) -> Said:
        number = asked.query["upload_id"]
        if number not in self.sessions:
            return Said(404, b"", media_type="text/plain")
        session = self.sessions[number]
        sent = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)", asked.headers["Content-Range"])
        assert sent is not None
        assert int(sent[3]) == session.size
        if sent[1] is None:
            return self._made(session) if len(session.data) == session.size else self._so_far(session)
        start, last = int(sent[1]), int(sent[2])
        assert last - start + 1 == len(asked.body)
        if start > len(session.data):
            return refused(503, "backendError", "Invalid request. The range begins after what has arrived.")
        whole = session.data[:start] + asked.body
        if last + 1 < session.size:
            session.data = whole[: len(whole) // QUANTUM * QUANTUM]
            return self._so_far(session)
        if asked.headers.get("x-goog-hash") != f"crc32c={crc32c_of(whole)}":
            return refused(400, "invalid", "Provided CRC32C does not match calculated CRC32C.")
        if session.name in self.objects:
            return refused(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        session.data = whole
        return self._made(session)

    def _so_far(self, session: Session) -> Said:
        return Said(308, b"", {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {})

    def _made(self, session: Session) -> Said:
        if session.name not in self.objects:
            self.objects[session.name] = Stored(session.data, session.content_type, dict(session.metadata), next(self._numbers))
        return Said(200, self.described(session.name))


@contextmanager
def storing(
    bucket: Bucket | None = None, *, bucket_name: str | None = "bucket", **changes: object
) -> Iterator[tuple[Storage, Bucket, list[Asked]]]:
    """The adapter over a bucket, and what the bucket was asked."""
    there = bucket or Bucket()
    with answering(there.answer) as (url, asked):
        there.url = url
        yield Storage(connection(url, bucket=bucket_name, **changes)), there, asked


def connection(url: str, **changes: object) -> Connection:
    """A place whose storage is at that address."""
    given = {
        "name": "vertex",
        "project": "my-project",
        "location": "us-central1",
        "serving_location": "us",
        "bucket": "bucket",
        "prefix": "tunes",
    }
    place = Place(**{**given, "token": TOKEN, "endpoint": url, "storage_endpoint": url, **changes})  # type: ignore[arg-type]
    return Connection(place, clock=SimulatedClock())


def planned(data: bytes, *, purpose: str = "train", suffix: str = ".jsonl", step: int = 1 << 16) -> PlannedFile:
    """A file of those bytes."""
    return PlannedFile.from_chunks(
        lambda: (data[start : start + step] for start in range(0, len(data), step)), purpose=purpose, rows=1, suffix=suffix
    )
