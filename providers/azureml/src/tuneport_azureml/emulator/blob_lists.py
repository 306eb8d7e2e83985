"""What a blob container holds, in pages of XML (REST version 2024-11-04, List Blobs)."""

from __future__ import annotations

from email.utils import format_datetime
from xml.sax.saxutils import escape

from tuneport.testing.emulator import Answer, Request, Routes
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.world import World

MOST_A_PAGE = 5000
ASKED = ("restype", "comp", "prefix", "marker", "maxresults", "include", "sv", "sr", "sp", "sig")


class BlobLists:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add("GET /{account}/{container}", self.list)

    def list(self, request: Request) -> Answer:
        world, container = self._world, request.params["container"]
        if request.params["account"] != world.account or not world.has_container(container):
            raise refusals.blob_error(404, "ContainerNotFound", "The specified container does not exist.")
        asked = dict(request.query)
        if unknown := next((name for name in asked if name not in ASKED), None):
            raise refusals.blob_error(400, "InvalidQueryParameterValue", f"{unknown} is not known here.")
        if (asked.get("restype"), asked.get("comp")) != ("container", "list"):
            raise refusals.blob_error(400, "InvalidQueryParameterValue", "restype=container&comp=list is needed.")
        head = "" if container == world.container else f"{container}:"
        names = sorted(path.removeprefix(head) for path in world.blobs if path.startswith(head + asked.get("prefix", "")))
        names = [name for name in names if head or ":" not in name]
        later = [name for name in names if name >= asked.get("marker", "")]
        most = min(int(asked.get("maxresults", MOST_A_PAGE)), MOST_A_PAGE)
        page, following = later[:most], later[most : most + 1]
        inner = "".join(self._blob(name, head) for name in page)
        text = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{escape(container)}">'
            f"<Blobs>{inner}</Blobs><NextMarker>{escape(following[0]) if following else ''}</NextMarker></EnumerationResults>"
        )
        return Answer(200, data=text.encode(), media_type="application/xml")

    def _blob(self, name: str, head: str) -> str:
        blob, at = self._world.blobs[head + name], format_datetime(self._world.now(), usegmt=True)
        said = (
            f"<Last-Modified>{at}</Last-Modified><Etag>0x8D{blob.sha256[:12].upper()}</Etag>"
            f"<Content-Length>{blob.size_bytes}</Content-Length><BlobType>BlockBlob</BlobType>"
        )
        return f"<Blob><Name>{escape(name)}</Name><Properties>{said}</Properties></Blob>"
