"""A base that lies on the sender's disk only: it goes to the place with the job, and is found by its own name there. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path

from tuneport_local.bases import weights
from tuneport_local.bases.brought import NOTE, folder_of
from tuneport_local.storage.place import Place

_FOLDER, _LIST = "base", "base.json"
_BY_REFERENCE = frozenset({"cache", "hub"})


def base_sent(place: Place, base: str, *, home: Path) -> int:
    """Puts the base's files at the place where no hub has them; how many bytes were sent. Those of an earlier launch stay."""
    found = weights.resolve(base, home=home)
    if found.source in _BY_REFERENCE or place.read(_LIST) is not None:
        return 0
    found = weights.fetch(found, home=home)
    if weights.resolve(base, home=home).source in _BY_REFERENCE:
        return 0  # the hub has answered meanwhile
    files = [path for path in sorted(Path(found.location).rglob("*")) if path.is_file() and not path.name.startswith(".")]
    for path in files:
        name = f"{_FOLDER}/{path.relative_to(found.location).as_posix()}"
        if place.size(name) != path.stat().st_size:
            place.put(path, name)
    place.write(_LIST, json.dumps({"id": base, "note": found.note}).encode())
    return sum(path.stat().st_size for path in files)


def base_taken(place: Place, *, home: Path) -> None:
    """Makes the base that was sent with the job known under `home`."""
    if (listed := place.read(_LIST)) is None:
        return
    about = json.loads(listed)
    folder = folder_of(about["id"], home=home)
    place.take(_FOLDER, folder)
    (folder / NOTE).write_text(about["note"], encoding="utf-8")
