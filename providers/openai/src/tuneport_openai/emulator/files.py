"""The Files API: /v1/files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tuneport.testing.emulator import Account, Answer, Blob, Fields, Form, Refusal, Request, Routes, UnknownCursor, cursor_page, json_answer
from tuneport.testing.emulator.paging import newest_first
from tuneport_openai.emulator import refusals
from tuneport_openai.emulator.refusals import refuse
from tuneport_openai.emulator.world import StoredFile, World, unix

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
LEAST_LIFE_S, LONGEST_LIFE_S = 3600, 2_592_000
LONGEST_LINE = 32 * 1024 * 1024


class Files:
    """Serves /v1/files."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add("POST /v1/files", self.create)
        routes.add("GET /v1/files", self.page)
        routes.add("GET /v1/files/{file_id}", self.retrieve)
        routes.add("GET /v1/files/{file_id}/content", self.content)
        routes.add("DELETE /v1/files/{file_id}", self.delete)

    def create(self, request: Request) -> Answer:
        if not isinstance(request.body, Form):
            raise refusals.refusal(400, "Expected a multipart/form-data body.")
        form = request.body
        said = Fields(unbracketed(form.fields), refuse=refuse)
        purpose = said.text("purpose", required=True, words=PURPOSES) or ""
        life_s = read_life(said)
        said.done()
        if set(form.files) != {"file"}:
            raise refusals.refusal(400, "Missing required parameter: 'file'.", param="file", code="missing_required_parameter")
        file = form.files["file"]
        if file.blob.size_bytes > self._world.habits.largest_file_bytes:
            self._world.blobs.discard(file.blob)
            raise refusals.too_large(file.blob.size_bytes, self._world.habits.largest_file_bytes)
        stored = store(self._world, self._world.caller(request), file.blob, filename=file.filename, purpose=purpose, life_s=life_s)
        return json_answer(self._json(stored))

    def retrieve(self, request: Request) -> Answer:
        return json_answer(self._json(self._file(request)))

    def content(self, request: Request) -> Answer:
        stored = self._file(request)
        headers = {"content-disposition": f"attachment; filename={json.dumps(stored.filename)}"}
        return Answer(200, data=stored.blob, media_type="application/octet-stream", headers=headers)

    def delete(self, request: Request) -> Answer:
        stored = self._file(request)
        del self._world.files[stored.id]
        return json_answer({"id": stored.id, "object": "file", "deleted": True})

    def page(self, request: Request) -> Answer:
        request.only_asks("after", "limit", "order", "purpose", refuse=refuse)
        limit = request.asked_whole("limit", refuse=refuse, otherwise=10_000, least=1, most=10_000)
        files = newest_first(self._visible(request), made_at=lambda file: file.created_at)
        if self._order(request) == "asc":
            files.reverse()
        return listing(files, request, limit=limit, show=self._json)

    def _visible(self, request: Request) -> list[StoredFile]:
        account, purpose = self._world.caller(request), request.asked("purpose", refuse=refuse)
        files = [file for file_id in list(self._world.files) if (file := self._world.file(account, file_id))]
        return [file for file in files if purpose in (None, file.purpose) or request.weather.ignores_filters]

    def _order(self, request: Request) -> str:
        order = request.asked("order", refuse=refuse)
        return Fields({"order": order}, refuse=refuse).text("order", words=("asc", "desc")) or "" if order else "desc"

    def _file(self, request: Request) -> StoredFile:
        file_id = request.params["file_id"]
        stored = self._world.file(self._world.caller(request), file_id)
        if stored is None:
            raise self._unknown(file_id)
        return stored

    def _json(self, file: StoredFile) -> dict[str, Any]:
        return file_json(file, self._world)

    def _unknown(self, file_id: str) -> Refusal:
        return refusals.no_file(file_id)


def listing(items: Any, request: Request, *, limit: int, show: Any) -> Answer:
    """A page as OpenAI gives it. Every item has an `id`."""
    try:
        page = cursor_page(items, after=request.asked("after", refuse=refuse), limit=limit, id_of=lambda item: str(item.id))
    except UnknownCursor as error:
        raise refusals.no_cursor(str(error)) from None
    data = [show(item) for item in page.items]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return json_answer({"object": "list", "data": data, "has_more": page.has_more, **ends})


def read_life(said: Fields) -> int | None:
    """`expires_after`: how long a file lives, in seconds; None: until it is deleted."""
    policy = said.nested("expires_after")
    if policy is None:
        return None
    policy.text("anchor", required=True, words=("created_at",))
    raw = policy.raw("seconds", required=True)
    seconds = int(raw) if isinstance(raw, str) and raw.isdecimal() else raw
    life_s = Fields({"seconds": seconds}, refuse=refuse, path=policy.path).whole("seconds", least=LEAST_LIFE_S, most=LONGEST_LIFE_S)
    policy.done()
    return life_s


def store(world: World, owner: Account, blob: Blob, *, filename: str, purpose: str, life_s: int | None = None) -> StoredFile:
    """Makes a file of the blob; it is processed from now on."""
    if purpose == "fine-tune" and not filename.endswith(".jsonl"):
        world.blobs.discard(blob)
        raise refusals.not_jsonl()
    now = world.now()
    stored = StoredFile(
        id=world.ids.new("file-", 22),
        owner=owner,
        blob=blob,
        filename=filename,
        purpose=purpose,
        created_at=now,
        ready_at=now + timedelta(seconds=world.habits.processing_s),
        expires_at=None if life_s is None else now + timedelta(seconds=life_s),
    )
    world.files[stored.id] = stored
    return stored


def status_of(file: StoredFile, world: World) -> str:
    """uploaded, processed or error. Looks into the file when it is asked for after its processing."""
    if world.now() < file.ready_at:
        return "uploaded"
    if not file.looked_at:
        file.looked_at = True
        file.problem = _problem(file.blob) if file.purpose == "fine-tune" else None
    return "error" if file.problem else "processed"


def file_json(file: StoredFile, world: World) -> dict[str, Any]:
    return {
        "object": "file",
        "id": file.id,
        "purpose": file.purpose,
        "filename": file.filename,
        "bytes": file.blob.size_bytes,
        "created_at": unix(file.created_at),
        "expires_at": unix(file.expires_at),
        "status": status_of(file, world),
        "status_details": file.problem,
    }


def _problem(blob: Blob) -> str | None:
    """What processing finds: only whether this can be JSON lines at all; the rows are read when a job is made from them."""
    with blob.open() as file:
        first = file.readline(LONGEST_LINE)
    if not first.strip():
        return "Invalid file format. The file is empty."
    try:
        json.loads(first.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        return f"Invalid file format. Example 1 cannot be parsed. Error: line contains invalid json: {error} (line 1)"
    return None


def unbracketed(fields: Mapping[str, str]) -> dict[str, object]:
    """Form fields such as `expires_after[anchor]` as the objects that they stand for."""
    result: dict[str, object] = {}
    for name, value in fields.items():
        outer, bracket, inner = name.partition("[")
        if not bracket:
            result[name] = value
            continue
        nested = result.setdefault(outer, {})
        if isinstance(nested, dict):
            nested[inner.removesuffix("]")] = value
    return result
