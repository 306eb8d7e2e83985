"""A folder of the library `datasets`, as `save_to_disk` writes it and `load_from_disk` reads it: Arrow streams, and files about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuneport.files import whole_folder, write_text
from tuneport.formats.format import BadFile

_STATE = "state.json"
_SPLITS = "dataset_dict.json"
_SAVE_AGAIN = "Save the data set again with datasets.save_to_disk."
_ROWS = "data-00000-of-00001.arrow"


def is_folder(path: Path) -> bool:
    """Whether `datasets` wrote the folder, be it one data set or several splits."""
    return (path / _STATE).is_file() or (path / _SPLITS).is_file()


def files(folder: Path) -> tuple[Path, ...]:
    """The files of rows, in order. Raises BadFile for a folder of anything else, of several splits, or of rows in another order."""
    if (folder / _SPLITS).is_file():
        splits = _listed(folder / _SPLITS, "splits")
        remedy = f"Name one of them, such as {folder.name}/{splits[0]}."
        raise BadFile(f"holds several splits: {', '.join(map(str, splits))}.", remedy=remedy)
    if not (folder / _STATE).is_file():
        raise BadFile("is a folder, not a file.", remedy="Name one file of rows, or a folder that datasets.save_to_disk wrote.")
    if _read(folder / _STATE).get("_indices_data_files"):
        remedy = "Load it with datasets.load_from_disk, then save dataset.flatten_indices() again."
        raise BadFile("its rows are in another order than their files, which only `datasets` can undo.", remedy=remedy)
    return tuple(folder / _file_name(each) for each in _listed(folder / _STATE, "_data_files"))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadFile(f"its {path.name} cannot be read.", remedy=_SAVE_AGAIN)
    return found


def _listed(path: Path, key: str) -> list[Any]:
    found = _read(path).get(key)
    if not isinstance(found, list) or not found:
        raise BadFile(f"its {path.name} names no {key.strip('_').replace('_', ' ')}.", remedy=_SAVE_AGAIN)
    return found


def _file_name(entry: Any) -> str:
    """A name without a folder: nothing outside is read."""
    name = entry.get("filename") if isinstance(entry, dict) else None
    if not isinstance(name, str) or Path(name).name != name:
        raise BadFile("its state.json names a file that is not in the folder.", remedy=_SAVE_AGAIN)
    return name


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """The one file of rows, to be filled in the block; the folder is there as `target` when that ends well."""
    if target.exists() and not is_folder(target) and (not target.is_dir() or any(target.iterdir())):
        raise OSError(0, "it is there already and no folder of `datasets`, so it is left alone")
    with whole_folder(target) as part:
        (part / _ROWS).touch()
        yield part / _ROWS
        write_text(part / "dataset_info.json", "{}\n")
        write_text(part / _STATE, json.dumps(_state(part / _ROWS), indent=2) + "\n")


def _state(rows: Path) -> dict[str, Any]:
    import pyarrow as pa

    with rows.open("rb") as file:
        columns = pa.ipc.open_stream(file).schema.names
    return {
        "_data_files": [{"filename": rows.name}],
        "_fingerprint": _digest(rows),
        "_format_columns": columns,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }


def _digest(rows: Path) -> str:
    """Changes with the rows: `datasets` names cached results after it."""
    import hashlib

    with rows.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
