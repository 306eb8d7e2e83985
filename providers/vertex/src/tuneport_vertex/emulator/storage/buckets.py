"""Buckets: where they lie, what is in them, and who may do what there."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import google_crc32c

from tuneport.testing.emulator import Answer, Blob, Fields, Request, Routes, json_answer
from tuneport_vertex.emulator import refusals as google
from tuneport_vertex.emulator.projects import STORAGE, TITLES, Project
from tuneport_vertex.emulator.storage import refusals
from tuneport_vertex.emulator.storage.refusals import refuse
from tuneport_vertex.emulator.world import World, stamp

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
MULTI = ("US", "EU", "ASIA")
ALWAYS = ("prettyPrint", "fields", "projection", "userProject", "alt", "quotaUser", "provisionedUserProject")
CONTINENTS = {"us": "US", "europe": "EU", "asia": "ASIA"}


@dataclass(slots=True)
class StoredObject:
    """One generation of an object. Digests are base64, as the API has them."""

    name: str
    blob: Blob
    generation: int
    content_type: str
    created_at: datetime
    crc32c: str
    metadata: dict[str, str] = field(default_factory=dict)
    metageneration: int = 1
    updated_at: datetime | None = None
    storage_class: str = "STANDARD"
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields such as `cacheControl` that are kept and given back."""

    @property
    def md5(self) -> str:
        return base64.b64encode(bytes.fromhex(self.blob.md5)).decode()


@dataclass(slots=True)
class Bucket:
    """A bucket. `location` is in capitals, as the API has it."""

    name: str
    project: Project
    location: str
    created_at: datetime
    objects: dict[str, StoredObject] = field(default_factory=dict)

    def lies_in(self, region: str) -> bool:
        """In the region itself, or in the multi-region around it."""
        return self.location == region.upper() or self.location == CONTINENTS.get(region.partition("-")[0]) or region in ("global",)


def crc32c_of(blob: Blob) -> str:
    checksum = google_crc32c.Checksum()
    for block in blob.blocks():
        checksum.update(block)
    return base64.b64encode(checksum.digest()).decode()


def put(world: World, bucket: Bucket, name: str, blob: Blob, *, content_type: str, crc32c: str | None = None) -> StoredObject:
    """A new generation of the object, in place of the one that was there."""
    world.generations += 1
    now = world.now()
    generation = int(now.timestamp() * 1_000_000) + world.generations
    stored = StoredObject(name, blob, generation, content_type, now, crc32c or crc32c_of(blob))
    bucket.objects[name] = stored
    return stored


def bucket_for(request: Request, world: World, permission: str, *, kind: str = "object") -> Bucket:
    """The bucket of the path, if its caller may do that there. Raises Refusal."""
    token = world.token(request)
    bucket = world.buckets.get(request.params["bucket"])
    if bucket is None:
        raise refusals.no_bucket()
    if STORAGE not in bucket.project.services:
        raise google.api_off(bucket.project.id, service=STORAGE, title=TITLES[STORAGE])
    if not token.may(permission, bucket.project):
        raise refusals.forbidden(token.email, permission, kind)
    return bucket


class Buckets:
    """Serves buckets themselves."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add("GET /storage/v1/b", self.page)
        routes.add("POST /storage/v1/b", self.create)
        routes.add("GET /storage/v1/b/{bucket}/iam/testPermissions", self.permissions)
        routes.add("GET /storage/v1/b/{bucket}", self.retrieve)
        routes.add("DELETE /storage/v1/b/{bucket}", self.delete)

    def page(self, request: Request) -> Answer:
        request.only_asks(*ALWAYS, "project", "maxResults", "pageToken", "prefix", "softDeleted", refuse=refuse)
        project = self._project(request, "storage.buckets.list")
        prefix = request.asked("prefix", refuse=refuse) or ""
        names = sorted(name for name, one in self._world.buckets.items() if one.project is project and name.startswith(prefix))
        return json_answer({"kind": "storage#buckets", "items": [bucket_json(self._world.buckets[name]) for name in names]})

    def create(self, request: Request) -> Answer:
        request.only_asks(*ALWAYS, "project", "predefinedAcl", "predefinedDefaultObjectAcl", "enableObjectRetention", refuse=refuse)
        project = self._project(request, "storage.buckets.create")
        said = request.fields(refuse=refuse)
        name = said.text("name", required=True) or ""
        location = (said.text("location") or "US").upper()
        for known in ("storageClass", "iamConfiguration", "labels", "versioning", "lifecycle", "softDeletePolicy", "locationType"):
            said.raw(known)
        said.done()
        if NAME.fullmatch(name) is None:
            raise refusals.bad_chunk(f"Invalid bucket name: '{name}'")
        if name in self._world.buckets:
            raise refusals.bucket_taken()
        bucket = Bucket(name, project, location, self._world.now())
        self._world.buckets[name] = bucket
        return json_answer(bucket_json(bucket))

    def retrieve(self, request: Request) -> Answer:
        request.only_asks(*ALWAYS, "ifMetagenerationMatch", "ifMetagenerationNotMatch", "softDeleted", "generation", refuse=refuse)
        return json_answer(chosen(bucket_json(bucket_for(request, self._world, "storage.buckets.get", kind="bucket")), request))

    def delete(self, request: Request) -> Answer:
        bucket = bucket_for(request, self._world, "storage.buckets.delete", kind="bucket")
        if bucket.objects:
            raise refusals.bucket_full()
        del self._world.buckets[bucket.name]
        return Answer(204, data=b"")

    def permissions(self, request: Request) -> Answer:
        request.only_asks(*ALWAYS, "permissions", refuse=refuse)
        bucket = bucket_for(request, self._world, "storage.buckets.getIamPolicy", kind="bucket")
        token = self._world.token(request)
        asked = [value for name, value in request.query if name == "permissions"]
        held = [permission for permission in asked if token.may(permission, bucket.project)]
        return json_answer({"kind": "storage#testIamPermissionsResponse", **({"permissions": held} if held else {})})

    def _project(self, request: Request, permission: str) -> Project:
        name = request.asked("project", refuse=refuse) or ""
        project, token = self._world.project(name), self._world.token(request)
        if project is None or not token.may(permission, project):
            raise refusals.forbidden(token.email, permission, "project")
        return project


def bucket_json(bucket: Bucket) -> dict[str, Any]:
    kind = "multi-region" if bucket.location in MULTI else "region"
    return {
        "kind": "storage#bucket",
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{bucket.name}",
        "id": bucket.name,
        "name": bucket.name,
        "projectNumber": bucket.project.number,
        "metageneration": "1",
        "location": bucket.location,
        "storageClass": "STANDARD",
        "etag": "CAE=",
        "timeCreated": stamp(bucket.created_at),
        "updated": stamp(bucket.created_at),
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
        "locationType": kind,
    }


def chosen(value: dict[str, Any], request: Request) -> dict[str, Any]:
    """Only the `fields` that were asked for: `name,size`, or `items(name,size),nextPageToken`."""
    fields = request.asked("fields", refuse=refuse)
    return value if not fields or "*" in fields else _chosen(value, _tree(fields))


Tree = Mapping[str, "Tree | None"]


def _tree(fields: str) -> Tree:
    parts = re.findall(r"([\w/]+)(?:\(([^)]*)\))?", fields)
    return {name.partition("/")[0]: (_tree(inner or name.partition("/")[2]) if inner or "/" in name else None) for name, inner in parts}


def _chosen(value: Any, tree: Tree) -> Any:
    if isinstance(value, list):
        return [_chosen(one, tree) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {name: inner for name, inner in value.items() if name in tree}
    return {name: inner if (below := tree[name]) is None else _chosen(inner, below) for name, inner in kept.items()}


def whole(value: Fields, name: str) -> int | None:
    """A 64-bit number, which JSON may carry as a string."""
    raw = value.raw(name)
    return None if raw is None else int(raw)
