"""The formats there are, and which of them a file is. A new format is one file beside this one and one entry here."""

from __future__ import annotations

from tuneport.errors import DatasetError
from tuneport.formats.chat import CHAT
from tuneport.formats.completion import COMPLETION
from tuneport.formats.format import BadFile, Format
from tuneport.formats.sniff import first_objects, is_json_list, is_json_name
from tuneport.formats.table import TABLE
from tuneport.nearest import did_you_mean

FORMATS: tuple[Format, ...] = (CHAT, COMPLETION, TABLE)

_NOT_YET = (
    (b"\x1f\x8b", "is compressed with gzip, which Tuneport does not read yet.", "Unpack it first: gunzip"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd, which Tuneport does not read yet.", "Unpack it first: unzstd"),
    (b"PAR1", "is a Parquet file, which Tuneport does not read yet.", "Export it as JSONL or CSV."),
    (b"PK\x03\x04", "is a zip archive or a spreadsheet.", "Export the rows as JSONL or CSV."),
    (b"\xff\xfe", "is encoded as UTF-16.", "Save it as UTF-8."),
    (b"\xfe\xff", "is encoded as UTF-16.", "Save it as UTF-8."),
)


def named(name: str) -> Format:
    """The format of that name. Raises DatasetError."""
    for each in FORMATS:
        if each.name == name:
            return each
    raise DatasetError(f"unknown format {name!r}; {did_you_mean(name, [each.name for each in FORMATS])}")


def recognise(head: bytes, *, suffix: str, columns: bool = False) -> tuple[Format, float]:
    """The likeliest format of a file and the confidence in it, from its head and its ending.

    `columns` says that column names were given, which settles any JSONL file. Raises BadFile when nothing fits.
    """
    for magic, what, remedy in _NOT_YET:
        if head.startswith(magic):
            raise BadFile(what, remedy=remedy)
    if is_json_list(head):
        raise BadFile("is one JSON list, or begins like one; what is read are JSON Lines.", remedy="Write one object a line.")
    if columns and (is_json_name(suffix) or first_objects(head)):
        return COMPLETION, 1.0
    confidence, best = max(((each.sniff(head, suffix), each) for each in FORMATS), key=lambda pair: pair[0])
    if confidence == 0.0:
        raise BadFile(_unrecognised(head), remedy=f"Give a format ({', '.join(each.name for each in FORMATS)}) or columns.")
    return best, confidence


def _unrecognised(head: bytes) -> str:
    rows = first_objects(head)
    if rows:
        return f"is not of a format that is recognised; the keys of its first row are {', '.join(map(repr, list(rows[0])[:20]))}."
    return "is not of a format that is recognised."
