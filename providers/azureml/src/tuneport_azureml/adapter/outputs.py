"""What a job leaves behind, fetched: the files of the model that it has registered, and the service's record of it.

A fetch that broke off goes on where it was: parts lie beside their files until all have come, and then take their names.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path, PurePosixPath

from tuneport.errors import ConfigError, NotFound, Refused, TuneportError
from tuneport.files import write_text
from tuneport.replies import object_in, text_in
from tuneport_azureml.adapter.connection import Connection, Reply
from tuneport_azureml.adapter.reading_blobs import Found, blobs_under, parts_of
from tuneport_azureml.adapter.stores import Opened, opened
from tuneport_azureml.wire.datastores import blob_address
from tuneport_azureml.wire.jobs import registered
from tuneport_azureml.wire.names import model_parts

PARTS, MODEL = ".tuneport-parts", "model"


def fetch(connection: Connection, job: Reply, *, to: Path) -> Path:
    """Into the folder `to`: `job.json`, and the model under `model`. Raises NotFound where its files are not where the model says."""
    name, version = _model_of(job)
    doing = f"looking at the model {name}"
    row = connection.patiently(lambda: connection.arm("GET", f"/models/{name}/versions/{version}", doing=doing))
    uri = text_in(object_in(row, "properties"), "modelUri") or ""
    address = blob_address(uri)
    if address is None:
        raise Refused(f"the model {name} does not lie in a datastore of the workspace: {uri[:200] or 'no address'}.")
    there = connection.patiently(lambda: opened(connection, address[0]))
    found = blobs_under(there, address[1])
    if not found:
        raise NotFound(f"there are no files of the model {name} in {address[0]}, at {address[1]}.")
    try:
        _take(there, address[1], found, to=to)
        write_text(to / "job.json", json.dumps(job, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        if isinstance(error, TuneportError):
            raise
        raise ConfigError(f"it cannot be written to {to}: {error.strerror or error}.") from None
    return to


def _model_of(job: Reply) -> tuple[str, str]:
    parts = model_parts(registered(job) or "")
    if parts is None:
        raise NotFound(f"job {job.get('name')} names no model that it has registered.")
    return parts


def _take(there: Opened, root: str, found: list[Found], *, to: Path) -> None:
    places = [_inside(to / MODEL, each.path.removeprefix(f"{root}/")) for each in found]
    parts = to / PARTS
    parts.mkdir(parents=True, exist_ok=True)
    taken = [_part(there, each, parts) for each in found]
    for part, place in zip(taken, places, strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        part.replace(place)
    shutil.rmtree(parts)


def _part(there: Opened, found: Found, parts: Path) -> Path:
    """The bytes of one file, all of them: those that came before are kept as long as it is the same blob."""
    path = parts / hashlib.sha256(f"{found.path}\n{found.etag}\n{found.size_bytes}".encode()).hexdigest()[:32]
    had = path.stat().st_size if path.exists() else 0
    if had > found.size_bytes:
        path.unlink()
        had = 0
    with path.open("ab") as file:
        for block in parts_of(there, found, begin=had, doing="fetching a model"):
            file.write(block)
    if found.md5 is not None and _md5(path) != found.md5:
        path.unlink()
        raise Refused(
            f"{found.path} did not come as the service keeps it (by its MD5); what came was thrown away.", remedy="Fetch it again."
        )
    return path


def _md5(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()


def _inside(folder: Path, name: str) -> Path:
    """Where a file goes. Raises Refused for a name that would lead out of the folder."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name:
        raise Refused(f"the datastore holds a file named {name!r}, which is not written.")
    return folder.joinpath(*parts)
