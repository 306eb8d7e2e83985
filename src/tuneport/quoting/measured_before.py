"""Measures that were taken before, by the bytes of the files they were taken of: `<home>/cache/measures/`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from tuneport import __version__
from tuneport.dataset import Dataset
from tuneport.files import write_bytes
from tuneport.quoting.measure import Measure, measure

_READ_BYTES = 1 << 20


def measure_once(dataset: Dataset, *, home: Path | None) -> Measure:
    """The measure of the dataset, as kept in `home` or else taken and kept there; a cache that cannot be written is none.

    Raises DatasetError.
    """
    if home is None or dataset.in_memory or dataset.is_recast:
        return measure(dataset)
    place = home / "cache" / "measures" / f"{key_of(dataset.reference())}.json"
    try:
        return msgspec.json.decode(place.read_bytes(), type=Measure)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        taken = measure(dataset)
    with suppress(OSError):
        write_bytes(place, msgspec.json.encode(taken))
    return taken


def key_of(reference: dict[str, Any]) -> str:
    """Equal for the same bytes of the same files, wherever they lie, read in the same way by the same version of Tuneport, and counted by
    the same means."""
    digest = xxhash.xxh3_128()
    for path in _paths(reference):
        for part in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if part.is_file():
                known = part.stat()
                digest.update(_digest(part, known.st_size, known.st_mtime_ns))
    counts = find_spec("bpe_openai") is not None
    how = json.dumps([__version__, counts, _placeless(reference)], sort_keys=True)
    return f"{hashlib.sha256(how.encode()).hexdigest()[:16]}-{digest.hexdigest()}"


@lru_cache(maxsize=64)
def _digest(path: Path, size_bytes: int, changed_ns: int) -> bytes:
    """Of the bytes of a file as it was when it had that size and was last changed then: one quote asks for it several times."""
    digest = xxhash.xxh3_128()
    with path.open("rb", buffering=0) as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
    return digest.digest()


def _paths(reference: Any) -> Iterator[Path]:
    if isinstance(reference, dict):
        for key, value in reference.items():
            if key == "path":
                yield Path(value)
            else:
                yield from _paths(value)
    elif isinstance(reference, list):
        for value in reference:
            yield from _paths(value)


def _placeless(reference: Any) -> Any:
    """The reference without the folders of its files: the endings stay, as a file may be read by them."""
    if isinstance(reference, dict):
        return {key: "".join(Path(value).suffixes) if key == "path" else _placeless(value) for key, value in reference.items()}
    return [_placeless(value) for value in reference] if isinstance(reference, list) else reference
