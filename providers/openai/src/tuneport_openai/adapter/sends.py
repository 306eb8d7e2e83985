"""All that a submit sends, in order, for a dry run to show: uploads of files that are not there yet, then the create."""

from __future__ import annotations

from collections.abc import Iterator

from tuneport.plan import Plan, PlannedFile, PlannedRequest
from tuneport_openai.adapter.connection import Address
from tuneport_openai.adapter.files import MIME_TYPE, PART_BYTES, PURPOSE, expiry, goes_in_parts
from tuneport_openai.wire.dialect import FileRules
from tuneport_openai.wire.jobs import create_body


def sends(plan: Plan, address: Address) -> Iterator[PlannedRequest]:
    """What is only known then stands in braces: ids of files, uploads and parts, and the id of the submit."""
    for file in plan.files:
        yield from uploaded(file, address, rules=FileRules())
    yield created(plan)


def uploaded(file: PlannedFile, address: Address, *, rules: FileRules) -> Iterator[PlannedRequest]:
    """The requests that bring one file there."""
    if goes_in_parts(file, address):
        yield from _parts(file)
    else:
        kept = expiry(rules)
        yield PlannedRequest("POST /files", {"file": file.name, "purpose": PURPOSE, **({"expires_after": dict(kept)} if kept else {})})


def created(plan: Plan) -> PlannedRequest:
    """The create with what is written on the job."""
    files = {file.purpose: f"{{file:{file.purpose}}}" for file in plan.files}
    return PlannedRequest(plan.requests[-1].call, create_body(plan, client_id="{client_id}", files=files))


def _parts(file: PlannedFile) -> Iterator[PlannedRequest]:
    begin = {"bytes": file.size_bytes, "filename": file.name, "mime_type": MIME_TYPE, "purpose": PURPOSE}
    yield PlannedRequest("POST /uploads", begin)
    count = -(-file.size_bytes // PART_BYTES)
    yield PlannedRequest(f"POST /uploads/{{upload}}/parts, {count} times", {"data": f"{{{PART_BYTES} bytes, the last part the rest}}"})
    yield PlannedRequest("POST /uploads/{upload}/complete", {"part_ids": "{parts}", "md5": "{md5}"})
