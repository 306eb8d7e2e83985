"""Our code in the bucket: once for each version of it, whole or not at all, never written over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tuneport.errors import ConfigError, NotFound
from tuneport.plan import PlannedFile
from tuneport_vertex.adapter.storage import Storage
from tuneport_vertex.profile import Place
from tuneport_vertex.refusals import OtherRegion
from tuneport_vertex.wire.buckets import ObjectAddress

START, WHOLE = "start.py", "complete"
"""The program that a machine runs, and the object that comes after all others."""
_BLOCK_BYTES = 1 << 20


def brought(bundle: Path, sha256: str, *, storage: Storage, place: Place, patiently: Callable[[Callable[[], None]], None]) -> str:
    """The address of the bundle's program in the bucket; what is not there is sent. One request where all of it is. `patiently` asks again
    where no answer comes.

    Raises OtherRegion for a bucket in another region than the job, ConfigError for a folder that is no bundle.
    """
    folder = place.folder("tuneport", "bundles", sha256)
    marker = ObjectAddress.of(f"{folder}/{WHOLE}")
    if not _is_there(marker, storage):
        if problem := other_region(storage, place):
            raise problem
        files = sorted(path for path in bundle.rglob("*") if path.is_file())
        if not any(path.relative_to(bundle).as_posix() == START for path in files):
            raise ConfigError(f"{bundle} is no bundle: it has no {START}.", remedy="Install tuneport-local anew.")
        for path in files:
            _sent(path, ObjectAddress.of(f"{folder}/{path.relative_to(bundle).as_posix()}"), storage=storage, patiently=patiently)
        patiently(lambda: storage.write(marker, sha256.encode()))
    return f"{folder}/{START}"


def _sent(path: Path, to: ObjectAddress, *, storage: Storage, patiently: Callable[[Callable[[], None]], None]) -> None:
    file = PlannedFile.from_chunks(lambda: _chunks(path), purpose=path.name, rows=0, suffix=path.suffix)
    patiently(lambda: storage.write_file(to, file))


def other_region(storage: Storage, place: Place) -> OtherRegion | None:
    """What to say of a bucket in another region than the job's; None where it lies right, or that cannot be seen."""
    bucket = place.bucket or ""
    region = storage.region(bucket)
    if region is None or region.holds(place.location):
        return None
    return OtherRegion(
        f"gs://{bucket} lies in {region}, and the job runs in {place.location}: its folder would be read and written across regions.",
        remedy=f"Name a bucket there (gcloud storage buckets create gs://NAME -l {place.location}), or set location to where it is.",
    )


def _is_there(address: ObjectAddress, storage: Storage) -> bool:
    try:
        storage.described(address)
    except NotFound as error:
        if type(error) is not NotFound:
            raise
        return False
    return True


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block
