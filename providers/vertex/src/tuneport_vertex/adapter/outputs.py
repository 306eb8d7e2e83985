"""What a job leaves behind: its record, in the bucket the weights of an open model, and the file of what it measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tuneport.errors import NotFound, Refused
from tuneport.files import write_chunks, write_text
from tuneport.job import Metric
from tuneport.replies import text_in
from tuneport_vertex.adapter.connection import Reply
from tuneport_vertex.wire.bases import is_gemini
from tuneport_vertex.wire.metrics import metrics_of_text
from tuneport_vertex.wire.tunes import base_of, weights_of

if TYPE_CHECKING:
    from tuneport_vertex.adapter.storage import Storage
    from tuneport_vertex.wire.buckets import ObjectAddress

MOST_METRICS_BYTES = 64 << 20


def measured(job: Reply, storage: Storage) -> list[Metric]:
    """What the file that the job names holds, or those below it; nothing where it names none or it is not there."""
    uri = text_in(job, "gcsMetricsUri")
    if uri is None:
        return []
    try:
        return metrics_of_text("\n".join(_text(address, storage) for address in _objects(uri, storage)))
    except NotFound:
        return []


def fetch(job: Reply, storage: Storage, *, to: Path) -> Path:
    """What the service lets one have, into the folder `to`, each file whole or not at all: its record of the job (`job.json`), and of an
    open model the weights. Raises NotFound where these are not where the job says."""
    folder = "" if is_gemini(base_of(job)) else weights_of(job)
    found = list(storage.objects_under(f"{folder}/")) if folder else []
    if folder and not found:
        raise NotFound(f"there are no weights at {folder}.", remedy=f"See: gcloud storage ls {text_in(job, 'outputUri') or ''}")
    for address, _ in found:
        write_chunks(_inside(to, address.uri.removeprefix(f"{folder}/")), storage.content(address))
    write_text(to / "job.json", json.dumps(job, indent=2, ensure_ascii=False) + "\n")
    return to


def _inside(folder: Path, name: str) -> Path:
    """Where a file goes. Raises Refused for a name that would lead out of the folder."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name:
        raise Refused(f"the bucket holds a file named {name!r}, which is not written.")
    return folder.joinpath(*parts)


def _objects(uri: str, storage: Storage) -> Sequence[ObjectAddress]:
    """The object of that name, or those in the folder of that name."""
    return [address for address, size in storage.objects_under(uri) if size <= MOST_METRICS_BYTES]


def _text(address: ObjectAddress, storage: Storage) -> str:
    return b"".join(storage.content(address)).decode("utf-8-sig", errors="replace")
