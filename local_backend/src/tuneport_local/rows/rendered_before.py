"""Rows that were rendered before: `<home>/local/rows/`, so that the same data are not turned into tokens again by every job.

A file there is named by everything that decides the tokens: the bytes of the data file, the files of the tokenizer, the limits, the
versions of the libraries, our own code. It holds tokens only, as safetensors, with a digest of its own; one that does not read back whole
counts as none. It lies in a folder named by the digest of the data, and goes when a job of those data is deleted. The folder of all of
them is kept within `MOST_BYTES`; what was not used for longest goes first.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate
from pathlib import Path
from typing import Any

from tuneport.files import whole_file
from tuneport_local.rows.prepared import PreparedRows
from tuneport_local.rows.rendering import RenderedRow

Rows = PreparedRows[RenderedRow]

FOLDER = "rows"
LEAST_BYTES = 1 << 16
"""Smaller files are rendered in some tenths of a second: 0.4 ms a row of banking77, 0.85 of gsm8k."""
MOST_BYTES = 512 << 20
_VERSIONS = ("tokenizers", "transformers", "jinja2", "tuneport", "tuneport-local")
_TOKENIZER = ("*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken")
_LINES = ("dropped", "truncated", "masked", "quoted", "split")
_FLAGS = ("quoted", "text")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where rows lie under one home's `local/`."""

    local: Path

    def rows(self, data: Path, *, base: Path, settings: dict[str, Any], render: Callable[[], Rows]) -> tuple[Rows, bool]:
        """The rows of a data file, and whether they were rendered before. `settings` are all that `render` goes by beside file and base.

        What cannot be kept is rendered each time; no error of the disk's is anybody's business here.
        """
        if data.stat().st_size < LEAST_BYTES:
            return render(), False
        digest = sha256_of([data])
        path = self.local / FOLDER / digest / f"{_key(base, settings)}.safetensors"
        with suppress(OSError, ValueError, KeyError):
            return _read(path), True
        found = render()
        with suppress(OSError):
            self._keep(path, found)
        return found, False

    def forget(self, data: Iterable[Path]) -> None:
        """Removes what was rendered of these data files."""
        if (self.local / FOLDER).is_dir():
            for path in data:
                with suppress(OSError):
                    shutil.rmtree(self.local / FOLDER / sha256_of([path]), ignore_errors=True)

    def _keep(self, path: Path, found: Rows) -> None:
        from safetensors.torch import save_file

        tensors = _tensors(found)
        if sum(tensor.nbytes for tensor in tensors.values()) > MOST_BYTES // 4:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            save_file(tensors, part, metadata={"digest": _digest(tensors)})
        self._make_room(kept=path)

    def _make_room(self, *, kept: Path) -> None:
        others = [path for path in (self.local / FOLDER).glob("*/*.safetensors") if path != kept]
        used = kept.stat().st_size
        for path in sorted(others, key=lambda path: -path.stat().st_mtime):
            used += path.stat().st_size
            if used > MOST_BYTES:
                path.unlink(missing_ok=True)


def sha256_of(paths: Sequence[Path]) -> str:
    """Of the bytes of files, one after another."""
    found = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                found.update(chunk)
    return found.hexdigest()


def _key(base: Path, settings: dict[str, Any]) -> str:
    """Of everything but the data."""
    tokenizer = sorted({path for pattern in _TOKENIZER for path in base.rglob(pattern)})
    named = [(str(path.relative_to(base)), sha256_of([path])) for path in tokenizer]
    versions = [importlib.metadata.version(name) for name in _VERSIONS]
    said = json.dumps([named, versions, _code(), settings], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


@cache
def _code() -> str:
    """Of the modules that read rows and render them: a checkout changes them without changing its version."""
    found = [path for package in ("tuneport", "tuneport_local.rows") for path in Path(str(files(package))).rglob("*.py")]
    return sha256_of(sorted(found))


def _tensors(found: Rows) -> dict[str, Any]:
    import torch

    tensors = {
        "tokens": torch.tensor([token for row in found.rows for token in row.input_ids], dtype=torch.int32),
        "learned": torch.tensor([taken for row in found.rows for taken in row.loss_mask], dtype=torch.bool),
        "lengths": torch.tensor([len(row.input_ids) for row in found.rows], dtype=torch.int64),
        "lines": torch.tensor([row.line for row in found.rows], dtype=torch.int64),
    }
    flags = {f"row.{name}": torch.tensor([getattr(row, name) for row in found.rows], dtype=torch.bool) for name in _FLAGS}
    lines = {f"all.{name}": torch.tensor(getattr(found, name), dtype=torch.int64) for name in _LINES}
    return {**tensors, **flags, **lines}


def _read(path: Path) -> Rows:
    """Raises OSError or ValueError for what is not there or not whole."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
            digest = (file.metadata() or {}).get("digest")
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    if digest != _digest(tensors):
        raise ValueError(f"{path} is damaged")
    os.utime(path)
    return _rows(tensors)


def _rows(tensors: dict[str, Any]) -> Rows:
    tokens, learned = tuple(tensors["tokens"].tolist()), tuple(tensors["learned"].tolist())
    lengths = tensors["lengths"].tolist()
    starts = list(accumulate(lengths, initial=0))
    quoted, text = (tensors[f"row.{name}"].tolist() for name in _FLAGS)
    return PreparedRows(
        rows=tuple(
            RenderedRow(tokens[start : start + length], learned[start : start + length], line, quoted=said, text=plain)
            for start, length, line, said, plain in zip(starts, lengths, tensors["lines"].tolist(), quoted, text, strict=False)
        ),
        **{name: tuple(tensors[f"all.{name}"].tolist()) for name in _LINES},
    )


def _digest(tensors: dict[str, Any]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype}".encode())
        found.update(tensors[name].contiguous().numpy().tobytes())
    return found.hexdigest()
