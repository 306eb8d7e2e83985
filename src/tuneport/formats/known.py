"""The formats there are, and which of them rows are of. A new format is one file beside this one and one entry here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tuneport.errors import DatasetError
from tuneport.examples import Kind
from tuneport.formats.alpaca import ALPACA
from tuneport.formats.azureml import AZUREML
from tuneport.formats.canonical import CANONICAL
from tuneport.formats.chat import AZURE, CHAT
from tuneport.formats.classification import CLASSIFICATION
from tuneport.formats.completion import COMPLETION
from tuneport.formats.format import BadFile, Format, Row
from tuneport.formats.gemini import GEMINI
from tuneport.formats.gemini_preference import GEMINI_PREFERENCE
from tuneport.formats.hh import HH
from tuneport.formats.json_values import unpacked
from tuneport.formats.palm import PALM
from tuneport.formats.preference import PREFERENCE
from tuneport.formats.raw_text import TEXT
from tuneport.formats.regression import REGRESSION
from tuneport.formats.reinforcement import REINFORCEMENT
from tuneport.formats.sharegpt import SHAREGPT
from tuneport.formats.texts import spelling_of, usual
from tuneport.formats.trl import TRL
from tuneport.formats.trl_kto import TRL_KTO
from tuneport.formats.trl_preference import TRL_IMPLICIT_PREFERENCE, TRL_PREFERENCE
from tuneport.formats.trl_prompt import TRL_PROMPT
from tuneport.formats.trl_prompt_completion import TRL_PROMPT_COMPLETION
from tuneport.nearest import did_you_mean

FORMATS: tuple[Format, ...] = (
    *(CHAT, AZURE, AZUREML, PREFERENCE, REINFORCEMENT, COMPLETION),
    *(GEMINI, GEMINI_PREFERENCE, PALM),
    *(TRL, TRL_PROMPT_COMPLETION, TRL_PREFERENCE, TRL_IMPLICIT_PREFERENCE, TRL_KTO, TRL_PROMPT),
    *(ALPACA, SHAREGPT, TEXT, CLASSIFICATION, REGRESSION, HH, CANONICAL),
)

COLUMNS = (
    *("prompt", "completion", "text", "label", "system", "score", "messages", "chosen", "rejected", "instruction", "input", "output"),
    *("history", "conversations", "tools", "images", "reference", "contents", "input_text", "output_text"),
)
"""The keys that a file may have other names for."""

_NATURAL: dict[Kind, str] = {"chat": "chat", "preference": "preference", "prompt": "reinforcement", "labelled": "classification"}
_BY_NAME = {each.name: each for each in FORMATS}


def named(name: str) -> Format:
    """The format of that name. Raises DatasetError."""
    if name not in _BY_NAME:
        raise DatasetError(f"unknown format {name!r}; {did_you_mean(name, list(_BY_NAME))}")
    return _BY_NAME[name]


def natural(kind: Kind) -> Format:
    """The format to write rows of `kind` in when nobody says which."""
    return named(_NATURAL[kind])


class Recognised(NamedTuple):
    """What rows are taken for. `taken` names the keys that are read under other names, from ours to theirs."""

    format: Format
    confidence: float
    taken: Mapping[str, str]


def recognise(rows: Sequence[Row]) -> Recognised:
    """The likeliest format of rows and the confidence in it, from the first of them. Raises BadFile when nothing fits."""
    rows = [_unpacked(row) for row in rows]
    best = max((_recognised(each, rows) for each in FORMATS), key=lambda found: found.confidence)
    if best.confidence == 0.0:
        raise BadFile(_unrecognised(rows), remedy="Name the format, or say with columns which keys hold what, such as prompt=question.")
    return best


def _recognised(format: Format, rows: Sequence[Row]) -> Recognised:
    """Other spellings count a little less than a format's own."""
    taken = next(filter(None, (spelling_of(row, format.spellings) for row in rows)), {}) if format.spellings else {}
    confidence = format.sniff([usual(row, format.spellings) for row in rows] if taken else rows)
    return Recognised(format, round(confidence * 0.95, 3) if taken else confidence, taken)


def _unpacked(row: Row) -> Row:
    """A flat row, as tables have them, with the lists and objects that stand in it as JSON text."""
    if any(isinstance(value, list | dict) for value in row.values()):
        return row
    flat: dict[str, Any] = {key: unpacked(value) if isinstance(value, str) else value for key, value in row.items()}
    return flat


def _unrecognised(rows: Sequence[Row]) -> str:
    if rows:
        return f"is not of a format that is recognised; the keys of its first row are {', '.join(map(repr, list(rows[0])[:20]))}."
    return "is not of a format that is recognised."
