"""The containers there are, and which of them a file is. A new container is one file beside this one and one entry here."""

from __future__ import annotations

import csv
from dataclasses import replace

import msgspec

from tuneport.containers.arrow import ARROW, PARQUET
from tuneport.containers.container import Container
from tuneport.containers.json_list import JSON, is_wrapped
from tuneport.containers.jsonl import BOM, JSONL
from tuneport.containers.table import CSV, TSV
from tuneport.containers.text import TEXT
from tuneport.formats.format import BadFile

DATASETS = replace(ARROW, name="datasets", summary="a folder of the library `datasets`", suffixes=(".dataset",), magic=())
"""Arrow files in a folder; `datasets_folder.py` says which. The ending is only for writing a new one."""

CONTAINERS: tuple[Container, ...] = (JSONL, JSON, CSV, TSV, PARQUET, ARROW, DATASETS, TEXT)

HEAD_BYTES = 1 << 16
"""How much of a file is looked at to tell what it is."""

_NOT_READ = (
    (b"PK\x03\x04", "is a zip archive or a spreadsheet.", "Export the rows as JSONL or CSV."),
    (b"\xff\xfe", "is encoded as UTF-16.", "Save it as UTF-8."),
    (b"\xfe\xff", "is encoded as UTF-16.", "Save it as UTF-8."),
    (b"\x1f\x8b", "is compressed twice.", "Unpack it once."),
    (b"\x28\xb5\x2f\xfd", "is compressed twice.", "Unpack it once."),
    (b"BZh", "is compressed with bzip2.", "Unpack it, or use gzip or zstd."),
    (b"\xfd7zXZ", "is compressed with xz.", "Unpack it, or use gzip or zstd."),
)


def by_suffix(suffix: str) -> Container | None:
    """The container of files with that ending, lower case."""
    return next((each for each in CONTAINERS if suffix in each.suffixes), None)


def recognise(head: bytes, *, suffix: str) -> Container:
    """By its first bytes, then its ending, then its first line. Raises BadFile for what is known not to be readable.

    Under the endings of JSON the first bytes decide too: many a .json file is JSON Lines, and some .jsonl files are one list.
    """
    for magic, what, remedy in _NOT_READ:
        if head.startswith(magic):
            raise BadFile(what, remedy=remedy)
    for each in CONTAINERS:
        if head.startswith(each.magic or (b"\0" * 99,)):
            return each
    named = by_suffix(suffix)
    if named in (CSV, TSV):
        return named
    text = head.removeprefix(BOM).lstrip()
    if text[:1] in (b"{", b"["):
        return _json(text, named)
    if named is TEXT and b"\t" in text.partition(b"\n")[0]:
        return CSV  # whose reader finds out that tabs part the columns
    return named or _by_first_line(text)


def _json(text: bytes, named: Container | None) -> Container:
    """A list, or an object around one, is one document. So is an object that goes on after its first line."""
    if text.startswith(b"["):
        return TEXT if named is TEXT else JSON
    if named is JSONL:
        return JSONL
    if is_wrapped(text):
        return JSON
    line, newline, _ = text.partition(b"\n")
    return JSON if newline and not _is_json(line) else JSONL


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True


def _by_first_line(text: bytes) -> Container:
    """A line with a delimiter in it is a header."""
    line = text.split(b"\n", 1)[0].decode(errors="replace").strip()
    try:
        wide = max(len(next(csv.reader([line], delimiter=delimiter), [])) for delimiter in ",\t;")
    except csv.Error:
        wide = 0
    return CSV if wide > 1 else JSONL
