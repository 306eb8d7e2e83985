"""The Uploads API: a large file in parts, /v1/uploads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tuneport.testing.emulator import Account, Answer, Blob, Form, Request, Routes, json_answer
from tuneport_openai.emulator import refusals
from tuneport_openai.emulator.files import PURPOSES, file_json, read_life, store
from tuneport_openai.emulator.refusals import refuse
from tuneport_openai.emulator.world import StoredFile, World, unix

LARGEST_UPLOAD_BYTES = 8 * 1024**3
MOST_PARTS = 1000
JSONL_TYPES = ("text/jsonl", "application/jsonl", "application/x-ndjson", "application/json", "application/octet-stream", "text/plain")


@dataclass(slots=True)
class Upload:
    """A file that is arriving in parts."""

    id: str
    owner: Account
    filename: str
    purpose: str
    size_bytes: int
    life_s: int | None
    created_at: datetime
    expires_at: datetime
    parts: dict[str, Blob] = field(default_factory=dict)
    cancelled: bool = False
    file: StoredFile | None = None

    def status(self, now: datetime) -> str:
        if self.file is not None:
            return "completed"
        if self.cancelled:
            return "cancelled"
        return "expired" if now >= self.expires_at else "pending"


class Uploads:
    """Serves /v1/uploads."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add("POST /v1/uploads", self.create)
        routes.add("POST /v1/uploads/{upload_id}/parts", self.add_part)
        routes.add("POST /v1/uploads/{upload_id}/complete", self.complete)
        routes.add("POST /v1/uploads/{upload_id}/cancel", self.cancel)

    def create(self, request: Request) -> Answer:
        said = request.fields(refuse=refuse)
        purpose = said.text("purpose", required=True, words=PURPOSES) or ""
        media_type = said.text("mime_type", required=True)
        if purpose == "fine-tune" and media_type not in JSONL_TYPES:
            raise refusals.refusal(400, f"Invalid MIME type '{media_type}' for purpose 'fine-tune'.", param="mime_type")
        now = self._world.now()
        upload = Upload(
            id=self._world.ids.new("upload_"),
            owner=self._world.caller(request),
            filename=said.text("filename", required=True, longest=512) or "",
            purpose=purpose,
            size_bytes=said.whole("bytes", required=True, least=0, most=LARGEST_UPLOAD_BYTES) or 0,
            life_s=read_life(said),
            created_at=now,
            expires_at=now + timedelta(seconds=self._world.habits.upload_expires_s),
        )
        said.done()
        self._world.uploads[upload.id] = upload
        return json_answer(self._json(upload))

    def add_part(self, request: Request) -> Answer:
        upload = self._pending(request)
        if not isinstance(request.body, Form) or set(request.body.files) != {"data"} or request.body.fields:
            raise refusals.refusal(400, "Missing required parameter: 'data'.", param="data", code="missing_required_parameter")
        blob = request.body.files["data"].blob
        self._check_part(upload, blob)
        part_id = self._world.ids.new("part_")
        upload.parts[part_id] = blob
        created_at = unix(self._world.now())
        return json_answer({"id": part_id, "object": "upload.part", "created_at": created_at, "upload_id": upload.id})

    def complete(self, request: Request) -> Answer:
        upload = self._pending(request)
        said = request.fields(refuse=refuse)
        part_ids = said.items("part_ids", required=True) or []
        md5 = said.text("md5")
        said.done()
        blob = self._joined(upload, part_ids)
        if md5 is not None and md5.lower() != blob.md5:
            self._world.blobs.discard(blob)
            raise refusals.refusal(400, "The md5 checksum does not match the contents of the uploaded parts.", param="md5")
        upload.file = store(self._world, upload.owner, blob, filename=upload.filename, purpose=upload.purpose, life_s=upload.life_s)
        self._forget_parts(upload)
        return json_answer(self._json(upload))

    def cancel(self, request: Request) -> Answer:
        upload = self._pending(request)
        upload.cancelled = True
        self._forget_parts(upload)
        return json_answer(self._json(upload))

    def _joined(self, upload: Upload, part_ids: Any) -> Blob:
        unknown = [part_id for part_id in part_ids if part_id not in upload.parts]
        if unknown or len(set(part_ids)) < len(part_ids):
            raise refusals.refusal(400, f"Invalid part_ids: {unknown[0] if unknown else 'a part comes twice'}.", param="part_ids")
        blobs = [upload.parts[part_id] for part_id in part_ids]
        size = sum(blob.size_bytes for blob in blobs)
        if size != upload.size_bytes:
            raise refusals.refusal(
                400, f"The parts hold {size} bytes, but the Upload was created for {upload.size_bytes}.", param="part_ids"
            )
        return self._world.blobs.join(blobs)

    def _check_part(self, upload: Upload, blob: Blob) -> None:
        most = self._world.habits.largest_part_bytes
        held = sum(part.size_bytes for part in upload.parts.values())
        if blob.size_bytes > most:
            self._world.blobs.discard(blob)
            raise refusals.too_large(blob.size_bytes, most)
        if len(upload.parts) >= MOST_PARTS or held + blob.size_bytes > LARGEST_UPLOAD_BYTES:
            self._world.blobs.discard(blob)
            raise refusals.refusal(400, "The Upload cannot accept more parts.", param="data")

    def _forget_parts(self, upload: Upload) -> None:
        for blob in upload.parts.values():
            self._world.blobs.discard(blob)
        upload.parts.clear()

    def _pending(self, request: Request) -> Upload:
        upload_id = request.params["upload_id"]
        upload = self._world.uploads.get(upload_id)
        if upload is None or upload.owner.project != self._world.caller(request).project:
            raise refusals.no_upload(upload_id)
        status = upload.status(self._world.now())
        if status != "pending":
            raise refusals.refusal(400, f"Upload {upload_id} is {status}: it accepts nothing any more.", param="upload_id")
        return upload

    def _json(self, upload: Upload) -> dict[str, Any]:
        return {
            "id": upload.id,
            "object": "upload",
            "bytes": upload.size_bytes,
            "created_at": unix(upload.created_at),
            "filename": upload.filename,
            "purpose": upload.purpose,
            "status": upload.status(self._world.now()),
            "expires_at": unix(upload.expires_at),
            "file": file_json(upload.file, self._world) if upload.file else None,
        }
