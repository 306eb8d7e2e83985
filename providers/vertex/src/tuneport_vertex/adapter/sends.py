"""All that a submit sends, in order, for a dry run to show: uploads of files that are not there yet, then the create."""

from __future__ import annotations

from collections.abc import Iterator

from tuneport.plan import Plan, PlannedRequest
from tuneport_vertex.profile import Place
from tuneport_vertex.wire.plans import create_body

MANY = 4
"""Files of media that are shown one by one."""


def sends(plan: Plan, place: Place) -> Iterator[PlannedRequest]:
    """What is only known then stands in braces: the id of the submit."""
    media = [file for file in plan.files if file.purpose.startswith("media")]
    for file in plan.files:
        if len(media) <= MANY or file not in media:
            body = {"name": place.folder(file.name), "bytes": file.size_bytes, "ifGenerationMatch": 0, "crc32c": "{crc32c}"}
            yield PlannedRequest(f"POST gs://{place.bucket}", body)
    if len(media) > MANY:
        yield PlannedRequest(f"POST gs://{place.bucket}, {len(media)} files of media", {"bytes": sum(file.size_bytes for file in media)})
    files = {file.purpose: place.folder(file.name) for file in plan.files}
    yield PlannedRequest(plan.requests[-1].call, create_body(plan, client_id="{client_id}", files=files))
