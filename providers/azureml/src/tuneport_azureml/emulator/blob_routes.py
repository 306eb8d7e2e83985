"""Blob storage, as far as the blobs of a workspace's containers go: whole, in parts, or block by block (REST version 2024-11-04)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from email.utils import format_datetime
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tuneport.testing.emulator import Answer, Blob, Request, Routes
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.refusals import refuse
from tuneport_azureml.emulator.world import World, blob_key

MOST_AT_ONCE = 5000 << 20
DEEPEST = 8
"""Folders that a blob may lie in."""
ARTIFACTS = "azureml"
"""The container of workspaceartifactstore."""
_ID = re.compile(r"[A-Za-z0-9+/=]+")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Blobs:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add("GET /{account}/{container}", self.list)
        shallow = ("/{account}/{container}/{folder}/{name}", "/{account}/{container}/{folder}/{inner}/{name}")
        deep = (f"/{world.account}/{{container}}/{'/'.join(f'{{part{n}}}' for n in range(depth))}" for depth in (1, *range(4, DEEPEST + 2)))
        for path in (*shallow, *deep):
            routes.add(f"PUT {path}", self.put, stores=True)
            routes.add(f"GET {path}", self.get)
            routes.add(f"HEAD {path}", self.head)
            routes.add(f"DELETE {path}", self.delete)

    def put(self, request: Request) -> Answer:
        path, comp = self._path(request), self._asked(request, "comp")
        assert isinstance(request.body, Blob)
        if comp == "block":
            return self._block(path, request, request.body)
        if comp == "blocklist":
            return self._commit(path, request.body)
        if comp == "metadata":
            self._world.store.discard(request.body)
            self._blob(path)
            return self._answer(200)
        if comp is not None:
            raise refusals.blob_error(400, "InvalidQueryParameterValue", f"comp={comp} is not known here.")
        if request.headers.get("x-ms-blob-type") != "BlockBlob":
            raise refusals.blob_error(400, "MissingRequiredHeader", "x-ms-blob-type: BlockBlob is needed.")
        if request.headers.get("if-none-match") == "*" and path in self._world.blobs:
            raise refusals.blob_error(409, "BlobAlreadyExists", "The specified blob already exists.")
        self._keep(path, request.body)
        return self._answer(201)

    def get(self, request: Request) -> Answer:
        """The whole blob, or the part that was asked for, as long as it is the blob that is meant."""
        path = self._path(request)
        if self._asked(request, "comp") == "blocklist":
            return self._block_list(path, self._asked(request, "blocklisttype") or "committed")
        if path.startswith("logs/"):
            raise refusals.blob_error(404, "BlobNotFound", "The specified blob does not exist.")
        blob = self._blob(path)
        if request.headers.get("if-match", "*") not in ("*", _etag(blob)):
            raise refusals.blob_error(412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")
        asked = _RANGE.fullmatch(request.headers.get("x-ms-range") or request.headers.get("range") or "")
        if asked is None:
            return Answer(200, data=blob, media_type="application/octet-stream", headers=self._about(blob))
        start, end = int(asked[1]), min(int(asked[2] or blob.size_bytes - 1), blob.size_bytes - 1)
        if start >= blob.size_bytes:
            raise refusals.blob_error(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")
        with blob.open() as file:
            file.seek(start)
            part = file.read(end - start + 1)
        told = {**self._about(blob), "Content-Range": f"bytes {start}-{end}/{blob.size_bytes}"}
        return Answer(206, data=part, media_type="application/octet-stream", headers=told)

    def head(self, request: Request) -> Answer:
        blob = self._blob(self._path(request))
        return Answer(200, data=b"", headers={**self._about(blob), "content-length": str(blob.size_bytes)})

    def delete(self, request: Request) -> Answer:
        path = self._path(request)
        self._world.store.discard(self._blob(path))
        del self._world.blobs[path]
        return self._answer(202)

    def list(self, request: Request) -> Answer:
        """The blobs whose names begin as asked, a page of them."""
        world = self._world
        request.only_asks(*_LISTS, refuse=refuse)
        if (self._asked(request, "restype"), self._asked(request, "comp")) != ("container", "list"):
            raise refusals.blob_error(400, "InvalidQueryParameterValue", "restype=container and comp=list are needed.")
        root = self._root(request)
        prefix, marker = self._asked(request, "prefix") or "", self._asked(request, "marker") or ""
        ours = {key.removeprefix(root): blob for key, blob in world.blobs.items() if key.startswith(root) and (root or ":" not in key)}
        names = sorted(name for name in ours if name.startswith(prefix) and name >= marker)
        size = world.habits.blob_page
        inner = "".join(_told(name, ours[name], self._modified()) for name in names[:size])
        following = f"<NextMarker>{escape(names[size])}</NextMarker>" if len(names) > size else "<NextMarker />"
        said = f"<Prefix>{escape(prefix)}</Prefix><Marker>{escape(marker)}</Marker><MaxResults>{size}</MaxResults>"
        text = f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults>{said}<Blobs>{inner}</Blobs>{following}</EnumerationResults>'
        return Answer(200, data=text.encode(), media_type="application/xml")

    # --- blocks --------------------------------------------------------------------------------------------------------------------

    def _block(self, path: str, request: Request, body: Blob) -> Answer:
        block_id = self._asked(request, "blockid") or ""
        if not _ID.fullmatch(block_id) or not body.size_bytes:
            raise refusals.blob_error(400, "InvalidBlobOrBlock", "The specified blob or block content is invalid.")
        staged = self._world.staged.setdefault(path, {})
        if any(len(base64.b64decode(each)) != len(base64.b64decode(block_id)) for each in staged):
            raise refusals.blob_error(400, "InvalidBlobOrBlock", "The ids of a blob's blocks have one length.")
        staged[block_id] = body
        return self._answer(201)

    def _commit(self, path: str, body: Blob) -> Answer:
        staged = self._world.staged.get(path, {})
        ids = [element.text or "" for element in ElementTree.fromstring(body.read())]
        self._world.store.discard(body)
        if not ids or any(each not in staged for each in ids):
            raise refusals.blob_error(400, "InvalidBlockList", "The specified block list is invalid.")
        self._keep(path, self._world.store.join([staged[each] for each in ids]))
        self._world.staged.pop(path, None)
        return self._answer(201)

    def _block_list(self, path: str, kinds: str) -> Answer:
        """The blocks that wait to become a blob (`uncommitted`), and what it is made of: one block for all, here."""
        staged, blob = self._world.staged.get(path), self._world.blobs.get(path)
        if staged is None and blob is None:
            raise refusals.blob_error(404, "BlobNotFound", "The specified blob does not exist.")
        one = f"<Block><Name>MDAwMDAw</Name><Size>{blob.size_bytes}</Size></Block>" if blob is not None and blob.size_bytes else ""
        waiting = "".join(f"<Block><Name>{name}</Name><Size>{each.size_bytes}</Size></Block>" for name, each in (staged or {}).items())
        inner = f"<CommittedBlocks>{one}</CommittedBlocks>" if kinds in ("all", "committed") else ""
        inner += f"<UncommittedBlocks>{waiting}</UncommittedBlocks>" if kinds in ("all", "uncommitted") else ""
        text = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{inner}</BlockList>'
        return Answer(200, data=text.encode(), media_type="application/xml", headers=self._about())

    # --- inside --------------------------------------------------------------------------------------------------------------------

    def _keep(self, path: str, blob: Blob) -> None:
        old = self._world.blobs.get(path)
        if old is not None:
            self._world.store.discard(old)
        self._world.blobs[path] = blob

    def _path(self, request: Request) -> str:
        names = [value for name, value in request.params.items() if name not in ("account", "container")]
        return self._root(request) + "/".join(names)

    def _root(self, request: Request) -> str:
        account, container = request.params.get("account", self._world.account), request.params["container"]
        if account != self._world.account or container not in (self._world.container, ARTIFACTS, *self._world.uploads):
            raise refusals.blob_error(404, "ContainerNotFound", "The specified container does not exist.")
        return blob_key(self._world, container, "")

    def _blob(self, path: str) -> Blob:
        blob = self._world.blobs.get(path)
        if blob is None:
            raise refusals.blob_error(404, "BlobNotFound", "The specified blob does not exist.")
        return blob

    def _asked(self, request: Request, name: str) -> str | None:
        return next((value for key, value in request.query if key == name), None)

    def _modified(self) -> str:
        return format_datetime(self._world.now(), usegmt=True)

    def _about(self, blob: Blob | None = None) -> dict[str, str]:
        told = {"Last-Modified": self._modified(), "ETag": _etag(blob), "x-ms-blob-type": "BlockBlob"}
        return told | ({"x-ms-creation-time": self._modified()} if blob else {})

    def _answer(self, status: int) -> Answer:
        return Answer(status, data=b"", headers={**self._about(), "x-ms-request-server-encrypted": "true"})


_LISTS = ("restype", "comp", "prefix", "marker", "maxresults", "include", "timeout", "sv", "sr", "sp", "sig", "se", "st", "spr")


def contents(world: World) -> Iterator[tuple[str, Any]]:
    """The blobs by their paths."""
    yield from world.blobs.items()


def _etag(blob: Blob | None) -> str:
    return '"0x8DEMULATED"' if blob is None else f'"0x{blob.sha256[:16].upper()}"'


def _told(name: str, blob: Blob, modified: str) -> str:
    """A blob in a list. What was sent block by block has no Content-MD5; here no blob has."""
    inner = (
        f"<Creation-Time>{modified}</Creation-Time><Last-Modified>{modified}</Last-Modified><Etag>{_etag(blob)[1:-1]}</Etag>"
        f"<Content-Length>{blob.size_bytes}</Content-Length><Content-Type>application/octet-stream</Content-Type>"
        "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
    )
    return f"<Blob><Name>{escape(name)}</Name><Properties>{inner}</Properties></Blob>"
