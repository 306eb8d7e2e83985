"""The Files API of a resource: uploads, imports from a URL, and states that a client has to wait through."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tuneport_openai.emulator import files as sister
from tuneport_openai.emulator.files import Files, read_life, store, unbracketed
from tuneport_openai.emulator.refusals import refuse
from tuneport_openai.emulator.world import StoredFile

from tuneport.testing.emulator import Account, Answer, Fields, Form, Refusal, Request, json_answer
from tuneport.testing.emulator.paging import newest_first, visible
from tuneport_azure.emulator import refusals
from tuneport_azure.emulator.versions import DataRoutes, is_v1
from tuneport_azure.emulator.world import AzureWorld

PURPOSES = ("fine-tune", "assistants", "batch")
PENDING_SHARE = 0.4
"""Of the time that processing takes."""


class AzureFiles(Files):
    """Serves /files."""

    def __init__(self, world: AzureWorld, routes: DataRoutes) -> None:
        self._world: AzureWorld = world
        routes.add("POST /files", self.create)
        routes.add("POST /files/import", self.load)
        routes.add("GET /files", self.page)
        routes.add("GET /files/{file_id}", self.retrieve)
        routes.add("GET /files/{file_id}/content", self.content)
        routes.add("DELETE /files/{file_id}", self.delete)

    def create(self, request: Request) -> Answer:
        if not isinstance(request.body, Form):
            raise refusals.invalid("A file is uploaded as multipart/form-data.")
        form = request.body
        said = Fields(unbracketed(form.fields), refuse=refuse)
        purpose, life_s = said.text("purpose", required=True) or "", read_life(said) if is_v1(request) else None
        said.done()
        if set(form.files) != {"file"}:
            raise refusals.invalid("A file is uploaded as the field 'file'.")
        file = form.files["file"]
        account = self._world.caller(request)
        self._check(account, purpose=purpose, filename=file.filename)
        if file.blob.size_bytes > self._world.habits.largest_file_bytes:
            self._world.blobs.discard(file.blob)
            raise refusals.too_large()
        return self._made(store(self._world, account, file.blob, filename=file.filename, purpose=purpose, life_s=life_s), request)

    def load(self, request: Request) -> Answer:
        """The URL is fetched while the file is processed: what it answers shows in the file's state."""
        said, account = request.fields(refuse=refuse), self._world.caller(request)
        purpose, filename = said.text("purpose", required=True) or "", said.text("filename", required=True) or ""
        url = said.text("content_url", required=True) or ""
        said.done()
        self._check(account, purpose=purpose, filename=filename)
        blob = self._world.web.get(url)
        stored = store(self._world, account, blob or self._world.blobs.write([]), filename=filename, purpose=purpose)
        if blob is None:
            stored.problem, stored.looked_at = "fileImportFailed: the content of the URL could not be read.", True
        return self._made(stored, request)

    def page(self, request: Request) -> Answer:
        """All on one page; of what is asked for, only the purpose counts."""
        world, account = self._world, self._world.caller(request)
        purpose = None if request.weather.ignores_filters else request.asked("purpose", refuse=refuse)
        files = [file for file in self._of(account) if purpose in (None, file.purpose)]
        files = visible(files, made_at=lambda file: file.created_at, now=world.now(), lag_s=request.weather.lag_s)
        return json_answer(
            {"object": "list", "data": [self._json(file) for file in newest_first(files, made_at=lambda file: file.created_at)]}
        )

    def _of(self, account: Account) -> list[StoredFile]:
        return [file for file_id in list(self._world.files) if (file := self._world.file(account, file_id))]

    def _check(self, account: Account, *, purpose: str, filename: str) -> None:
        most = self._world.quotas.files
        if purpose not in PURPOSES:
            raise refusals.invalid(f"The purpose '{purpose}' is not one of: {', '.join(PURPOSES)}.")
        if purpose == "fine-tune" and not filename.endswith(".jsonl"):
            raise refusals.invalid("A file for fine-tuning must be named .jsonl.")
        if most is not None and sum(file.purpose != "fine-tune-results" for file in self._of(account)) >= most:
            raise refusals.quota(self._world.habits.quota_status, f"The resource has reached its quota of {most} files.")

    def _made(self, stored: StoredFile, request: Request) -> Answer:
        path = request.path.removesuffix("/import")
        headers = {"location": f"http://{request.headers.get('host', '127.0.0.1')}{path}/{stored.id}"}
        return json_answer(self._json(stored), status=201, headers=headers)

    def _json(self, file: StoredFile) -> dict[str, Any]:
        return file_json(file, self._world)

    def _unknown(self, file_id: str) -> Refusal:
        return refusals.not_found("file", file_id)


def status_of(file: StoredFile, world: AzureWorld) -> str:
    """pending, running, then processed or error."""
    left = file.ready_at - world.now()
    if left <= timedelta(0):
        return sister.status_of(file, world)
    return "pending" if left > (1 - PENDING_SHARE) * (file.ready_at - file.created_at) else "running"


def file_json(file: StoredFile, world: AzureWorld) -> dict[str, Any]:
    """Without a size until something has been read of it."""
    value = sister.file_json(file, world)
    status = status_of(file, world)
    if file.expires_at is None:
        del value["expires_at"]
    return {**value, "status": status, "bytes": None if status == "pending" else value["bytes"], "status_details": _details(file, status)}


def _details(file: StoredFile, status: str) -> str | None:
    return file.problem if status == "error" else None
