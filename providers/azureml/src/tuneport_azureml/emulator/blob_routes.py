"""Blob storage, as far as the blobs of a workspace's containers go: whole, by parts, or block by block (REST version 2024-11-04)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from email.utils import format_datetime
from xml.etree import ElementTree

from tuneport.testing.emulator import Answer, Blob, Request, Routes
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.world import World

MOST_AT_ONCE = 5000 << 20
DEEPEST = 12
"""How many folders may stand in a blob's path."""
_ID = re.compile(r"[A-Za-z0-9+/=]+")
_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")


class Blobs:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        for path in ("/{account}/{container}/{folder}/{name}", "/{account}/{container}/{folder}/{inner}/{name}", *self._deeper()):
            routes.add(f"PUT {path}", self.put, stores=True)
            routes.add(f"GET {path}", self.get)
            routes.add(f"HEAD {path}", self.head)
            routes.add(f"DELETE {path}", self.delete)

    def _deeper(self) -> Iterator[str]:
        """Templates of paths with no folder, and with more than two: below the workspace's own account, for others have such paths too."""
        account = f"/{self._world.account}/{{container}}"
        yield f"{account}/{{name}}"
        for deep in range(1, DEEPEST - 1):
            folders = "/".join(f"{{deep{number:02d}}}" for number in range(deep))
            yield f"{account}/{{folder}}/{{inner}}/{folders}/{{name}}"

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
        path = self._path(request)
        if self._asked(request, "comp") == "blocklist":
            return self._block_list(path, self._asked(request, "blocklisttype") or "committed")
        if path.startswith("logs/"):
            raise refusals.blob_error(404, "BlobNotFound", "The specified blob does not exist.")
        blob = self._blob(path)
        asked = request.headers.get("x-ms-range") or request.headers.get("range")
        if asked is None:
            return Answer(200, data=blob, media_type="application/octet-stream", headers=self._about(blob))
        return self._part(blob, asked)

    def head(self, request: Request) -> Answer:
        blob = self._blob(self._path(request))
        return Answer(200, data=b"", headers={**self._about(blob), "x-ms-blob-type": "BlockBlob", "x-ms-size": str(blob.size_bytes)})

    def delete(self, request: Request) -> Answer:
        path = self._path(request)
        self._world.store.discard(self._blob(path))
        del self._world.blobs[path]
        return self._answer(202)

    def _part(self, blob: Blob, asked: str) -> Answer:
        """Some of its bytes, in one answer."""
        found = _RANGE.fullmatch(asked)
        start = int(found[1]) if found else 0
        if found is None or start >= blob.size_bytes:
            raise refusals.blob_error(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")
        end = min(int(found[2] or blob.size_bytes), blob.size_bytes - 1)
        with blob.open() as file:
            file.seek(start)
            data = file.read(end - start + 1)
        headers = {**self._about(blob), "Content-Range": f"bytes {start}-{end}/{blob.size_bytes}", "x-ms-blob-type": "BlockBlob"}
        return Answer(206, data=data, media_type="application/octet-stream", headers=headers)

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
        """In the one container of a workspace; of the others, which are made for a single upload, with their name in front."""
        container = request.params["container"]
        if request.params.get("account", self._world.account) != self._world.account or not self._world.has_container(container):
            raise refusals.blob_error(404, "ContainerNotFound", "The specified container does not exist.")
        names = ("folder", "inner", *sorted(name for name in request.params if name.startswith("deep")), "name")
        path = "/".join(request.params[name] for name in names if name in request.params)
        return path if container == self._world.container else f"{container}:{path}"

    def _blob(self, path: str) -> Blob:
        blob = self._world.blobs.get(path)
        if blob is None:
            raise refusals.blob_error(404, "BlobNotFound", "The specified blob does not exist.")
        return blob

    def _asked(self, request: Request, name: str) -> str | None:
        return next((value for key, value in request.query if key == name), None)

    def _about(self, blob: Blob | None = None) -> dict[str, str]:
        tag = "0x8DEMULATED" if blob is None else f"0x8D{blob.sha256[:12].upper()}"
        return {"Last-Modified": format_datetime(self._world.now(), usegmt=True), "ETag": f'"{tag}"'}

    def _answer(self, status: int) -> Answer:
        return Answer(status, data=b"", headers={**self._about(), "x-ms-request-server-encrypted": "true"})
