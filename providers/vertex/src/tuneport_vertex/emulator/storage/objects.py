"""Objects: looked at, listed, read whole or in part, changed and deleted."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tuneport.testing.emulator import Answer, Fields, Request, Routes, json_answer
from tuneport_vertex.emulator.storage import refusals
from tuneport_vertex.emulator.storage.buckets import ALWAYS, Bucket, StoredObject, bucket_for, chosen, put
from tuneport_vertex.emulator.storage.refusals import refuse
from tuneport_vertex.emulator.world import World, stamp

OBJECT = "/storage/v1/b/{bucket}/o/{object}"
CONDITIONS = ("generation", "ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch")
LISTING = (
    "prefix",
    "delimiter",
    "maxResults",
    "pageToken",
    "versions",
    "startOffset",
    "endOffset",
    "includeTrailingDelimiter",
    "matchGlob",
)
KEPT = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "customTime",
    "temporaryHold",
    "eventBasedHold",
    "acl",
    "retention",
    "contexts",
)
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
LONGEST_NAME_BYTES = 1024


class Objects:
    """Serves /storage/v1/b/{bucket}/o and the downloads."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add("GET /storage/v1/b/{bucket}/o", self.page)
        routes.add(f"GET {OBJECT}", self.retrieve)
        routes.add(f"PATCH {OBJECT}", self.change)
        routes.add(f"DELETE {OBJECT}", self.delete)
        routes.add(f"GET /download{OBJECT}", self.content)
        routes.add(f"POST {OBJECT}/copyTo/b/{{to_bucket}}/o/{{to_object}}", self.copy)

    def page(self, request: Request) -> Answer:
        request.only_asks(*ALWAYS, *LISTING, "includeFoldersAsPrefixes", "softDeleted", "filter", refuse=refuse)
        bucket = bucket_for(request, self._world, "storage.objects.list", kind="bucket")
        most = request.asked_whole("maxResults", refuse=refuse, otherwise=1000, least=1, most=5000)
        names, prefixes = _listed(bucket, request)
        token = request.asked("pageToken", refuse=refuse)
        after = "" if token is None else _name_in(token)
        entries = sorted([*names, *prefixes])
        entries = [entry for entry in entries if entry > after]
        shown = entries[:most]
        answer: dict[str, Any] = {"kind": "storage#objects"}
        if len(entries) > most:
            answer["nextPageToken"] = base64.urlsafe_b64encode(shown[-1].encode()).decode()
        if found := [name for name in shown if name in prefixes]:
            answer["prefixes"] = found
        if items := [object_json(bucket, bucket.objects[name], self._world) for name in shown if name in names and name not in prefixes]:
            answer["items"] = items
        return json_answer(chosen(answer, request))

    def retrieve(self, request: Request) -> Answer:
        if request.asked("alt", refuse=refuse) == "media":
            return self.content(request)
        request.only_asks(*ALWAYS, *CONDITIONS, "softDeleted", refuse=refuse)
        bucket, stored = self._object(request, "storage.objects.get")
        return json_answer(chosen(object_json(bucket, stored, self._world), request))

    def content(self, request: Request) -> Answer:
        request.only_asks(*ALWAYS, *CONDITIONS, refuse=refuse)
        bucket, stored = self._object(request, "storage.objects.get")
        if request.asked("alt", refuse=refuse) != "media":
            return json_answer(object_json(bucket, stored, self._world))
        headers = {
            "x-goog-generation": str(stored.generation),
            "x-goog-metageneration": str(stored.metageneration),
            "x-goog-hash": f"crc32c={stored.crc32c},md5={stored.md5}",
            "x-goog-stored-content-length": str(stored.blob.size_bytes),
            "x-goog-stored-content-encoding": "identity",
            "x-goog-storage-class": stored.storage_class,
            "etag": _etag(stored),
            "accept-ranges": "bytes",
        }
        asked = RANGE.fullmatch(request.headers.get("range", ""))
        if asked is None:
            return Answer(200, data=stored.blob, media_type=stored.content_type, headers=headers)
        return _part(stored, asked, headers)

    def change(self, request: Request) -> Answer:
        request.only_asks(*ALWAYS, *CONDITIONS, "predefinedAcl", "overrideUnlockedRetention", refuse=refuse)
        bucket, stored = self._object(request, "storage.objects.update")
        read_metadata(request.fields(refuse=refuse), stored)
        stored.metageneration += 1
        stored.updated_at = self._world.now()
        return json_answer(object_json(bucket, stored, self._world))

    def delete(self, request: Request) -> Answer:
        request.only_asks(*ALWAYS, *CONDITIONS, refuse=refuse)
        bucket, stored = self._object(request, "storage.objects.delete")
        del bucket.objects[stored.name]
        return Answer(204, data=b"")

    def copy(self, request: Request) -> Answer:
        _, stored = self._object(request, "storage.objects.get")
        target = self._world.buckets.get(request.params["to_bucket"])
        if target is None:
            raise refusals.no_bucket()
        blob = self._world.blobs.join([stored.blob])
        made = put(self._world, target, request.params["to_object"], blob, content_type=stored.content_type, crc32c=stored.crc32c)
        made.metadata = dict(stored.metadata)
        return json_answer(object_json(target, made, self._world))

    def _object(self, request: Request, permission: str) -> tuple[Bucket, StoredObject]:
        bucket = bucket_for(request, self._world, permission)
        stored = bucket.objects.get(request.params["object"])
        check_conditions(request, stored)
        generation = request.asked("generation", refuse=refuse)
        if stored is None or generation not in (None, str(stored.generation)):
            raise refusals.no_object(bucket.name, request.params["object"])
        return bucket, stored


def check_conditions(request: Request, stored: StoredObject | None) -> None:
    """The preconditions of the query; generation 0 stands for an object that is not there. Raises Refusal."""
    generation = 0 if stored is None else stored.generation
    wanted, unwanted = (request.asked(name, refuse=refuse) for name in ("ifGenerationMatch", "ifGenerationNotMatch"))
    if wanted is not None and int(wanted) != generation:
        raise refusals.precondition()
    if unwanted is not None and int(unwanted) == generation:
        raise refusals.not_modified() if request.method == "GET" else refusals.precondition()
    level = request.asked("ifMetagenerationMatch", refuse=refuse)
    if level is not None and (stored is None or int(level) != stored.metageneration):
        raise refusals.precondition()


def read_metadata(said: Fields, stored: StoredObject) -> None:
    """What an object's own resource may say; a key whose value is null is taken away."""
    metadata = said.raw("metadata")
    if metadata is not None:
        if not isinstance(metadata, dict) or any(value is not None and not isinstance(value, str) for value in metadata.values()):
            raise refusals.bad_chunk("Invalid value for: metadata")
        stored.metadata = {key: value for key, value in {**stored.metadata, **metadata}.items() if value is not None}
    stored.content_type = said.text("contentType") or stored.content_type
    stored.storage_class = said.text("storageClass") or stored.storage_class
    for name in KEPT:
        if (value := said.raw(name)) is not None:
            stored.extra[name] = value
    said.done()


def object_json(bucket: Bucket, stored: StoredObject, world: World) -> dict[str, Any]:
    """What JSON answers about it; there is no `metadata` where there is none. Clients follow the `mediaLink`: it leads back here."""
    path = f"/storage/v1/b/{bucket.name}/o/{quote(stored.name, safe='')}"
    link, download = f"{world.address}{path}", f"{world.address}/download{path}"
    value = {
        "kind": "storage#object",
        "id": f"{bucket.name}/{stored.name}/{stored.generation}",
        "selfLink": link,
        "mediaLink": f"{download}?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": bucket.name,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "contentType": stored.content_type,
        "storageClass": stored.storage_class,
        "size": str(stored.blob.size_bytes),
        "md5Hash": stored.md5,
        "crc32c": stored.crc32c,
        "etag": _etag(stored),
        "timeCreated": stamp(stored.created_at),
        "updated": stamp(stored.updated_at or stored.created_at),
        "timeStorageClassUpdated": stamp(stored.created_at),
        **stored.extra,
    }
    return value | ({"metadata": stored.metadata} if stored.metadata else {})


def _listed(bucket: Bucket, request: Request) -> tuple[set[str], set[str]]:
    """The names, and the beginnings that stand for those with the delimiter behind the prefix."""
    prefix, delimiter = (request.asked(name, refuse=refuse) or "" for name in ("prefix", "delimiter"))
    start, end = (request.asked(name, refuse=refuse) or "" for name in ("startOffset", "endOffset"))
    names = {name for name in bucket.objects if name.startswith(prefix) and name >= start and (not end or name < end)}
    if not delimiter:
        return names, set()
    deeper = {name for name in names if delimiter in name[len(prefix) :]}
    return names - deeper, {prefix + name[len(prefix) :].partition(delimiter)[0] + delimiter for name in deeper}


def _name_in(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise refusals.bad_chunk("Invalid argument.") from None


def _part(stored: StoredObject, asked: re.Match[str], headers: Mapping[str, str]) -> Answer:
    size, (first, last) = stored.blob.size_bytes, asked.groups()
    start = int(first) if first else max(0, size - int(last or 0))
    end = min(size, int(last) + 1) if first and last else size
    if start >= size or start >= end:
        return Answer(416, data=b"", media_type="text/html", headers={"content-range": f"bytes */{size}"})
    with stored.blob.open() as file:
        file.seek(start)
        data = file.read(end - start)
    told = {**headers, "content-range": f"bytes {start}-{end - 1}/{size}"}
    return Answer(206, data=data, media_type=stored.content_type, headers=told)


def _etag(stored: StoredObject) -> str:
    return base64.b64encode(f"{stored.generation}/{stored.metageneration}".encode()).decode()
