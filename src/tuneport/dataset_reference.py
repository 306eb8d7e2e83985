"""References: how a recipe file names a dataset. A path, or a table {path | of | merge, format, columns, dedupe, split, sample, take}."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneport.errors import DatasetError
from tuneport.nearest import refuse_unknown_keys
from tuneport.remote_files import address_in
from tuneport.selections import MergedSource, sample, unique
from tuneport.sources import Division, FileSource, FirstSource, Source
from tuneport.splitting import SplitSettings

_WHOLE = ("path", "of", "merge")
_KEYS = (*_WHOLE, "format", "columns", "dedupe", "split", "sample", "take")
_SPLIT_KEYS = ("test", "seed", "side", "stratify", "near")


def open_reference(value: Any, *, folder: Path | None = None) -> Source:
    """The source that a reference names; `folder` is where relative paths start. Parts apply in the order
    dedupe, split, sample, take.

    Raises DatasetError for unknown keys, wrong types, missing files, and for a dataset that existed in memory only.
    """
    if isinstance(value, str | Path):
        return FileSource(_placed(value, folder), format=None, columns=None)
    if not isinstance(value, Mapping):
        raise DatasetError(f"a dataset is named by a path or a table, not by a {type(value).__name__}.")
    if "memory" in value:
        raise DatasetError(
            f"the dataset {value['memory']!r} existed in memory only and cannot be opened again.",
            remedy="Write it to a file first, with dataset.write(path), and name that file.",
        )
    _refuse_unknown(value, _KEYS, "dataset")
    source = _whole(value, folder)
    if value.get("dedupe") is not None:
        source = unique(source, alike=value["dedupe"])
    if value.get("split") is not None:
        source = _side(source, value["split"])
    if value.get("sample") is not None:
        source = _sample(source, value["sample"])
    return source if value.get("take") is None else FirstSource(source, value["take"])


def _whole(value: Mapping[str, Any], folder: Path | None) -> Source:
    named = [key for key in _WHOLE if key in value]
    if len(named) != 1:
        raise DatasetError(f"a dataset needs one of {', '.join(named)}." if named else 'a dataset needs the key "path".')
    if "merge" in value:
        if not isinstance(value["merge"], list):
            raise DatasetError(f"merge must be a list of datasets, not {value['merge']!r}.")
        return MergedSource([open_reference(each, folder=folder) for each in value["merge"]])
    if "of" in value:
        return open_reference(value["of"], folder=folder)
    path, format, columns = value["path"], value.get("format"), value.get("columns")
    if not isinstance(path, str | Path) or not str(path):
        raise DatasetError(f"path must be a path, not {path!r}.")
    if format is not None and not isinstance(format, str):
        raise DatasetError(f"format must be the name of a format, not {format!r}.")
    if columns is not None and not isinstance(columns, Mapping):
        raise DatasetError(f"columns must be a table of names, not {columns!r}.")
    return FileSource(_placed(path, folder), format=format, columns=columns)


def _placed(path: str | Path, folder: Path | None) -> str | Path:
    if address_in(path) is not None:
        return path
    expanded = Path(path).expanduser()
    return path if folder is None or expanded.is_absolute() else folder / expanded


def _side(source: Source, split: Any) -> Source:
    if not isinstance(split, Mapping):
        raise DatasetError(f"split must be a table {{test, seed, side, stratify}}, not {split!r}.")
    _refuse_unknown(split, _SPLIT_KEYS, "split")
    if "test" not in split:
        raise DatasetError('split needs the key "test": a share such as 0.2, or a number of rows.')
    side = split.get("side", "train")
    if side not in ("train", "test"):
        raise DatasetError(f"split: side must be 'train' or 'test', not {side!r}.")
    settings = SplitSettings(
        test=split["test"], seed=split.get("seed", 0), stratify=split.get("stratify", "auto"), near=split.get("near", False)
    )
    return Division(source, settings).side(side)


def _sample(source: Source, wanted: Any) -> Source:
    if not isinstance(wanted, Mapping):
        raise DatasetError(f"sample must be a table {{rows, seed}}, not {wanted!r}.")
    _refuse_unknown(wanted, ("rows", "seed"), "sample")
    if "rows" not in wanted:
        raise DatasetError('sample needs the key "rows".')
    return sample(source, wanted["rows"], seed=wanted.get("seed", 0))


def _refuse_unknown(value: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    try:
        refuse_unknown_keys(value, known)
    except ValueError as unknown:
        raise DatasetError(f"{what}: {unknown}") from None
