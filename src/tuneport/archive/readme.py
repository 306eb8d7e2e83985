"""README.txt of a bundle: what is what, for someone who has never heard of Tuneport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_WHAT = {
    "job": "the job as it was last heard of: states, dates, cost, fingerprints",
    "recipe": "what was asked for: base model, method, settings, and where the data lay at the time",
    "plan": "the exact requests that the provider was sent, and the checksums of the files",
    "hyperparameters": "the settings of the training",
    "record": "the job as the provider described it when this was archived",
    "model": "the tuned model: its id, where it comes from, and the names of its checkpoints",
    "events": "what happened to the job, a line each, in order",
    "metrics": "what was measured, a line for every step",
    "train": "the training rows, one a line",
    "validation": "the validation rows, one a line",
    "download": "what the provider gives of the result: weights, tables, logs",
    "answers": "answers of the tuned model to held-out rows, one a line",
}

_HEAD = """\
This folder is the archive of one fine-tuned model. It needs no program to be read: .json files are JSON,
.jsonl files hold one JSON value a line, all of it is UTF-8 text. Times are ISO 8601.

  {about}

Files
-----
"""

_FOOT = """
manifest.json says of every file its size, sha256, origin and date, and what is missing and why. To check that nothing has changed:

  sha256sum -c SHA256SUMS          or, with Tuneport,          tuneport archive --verify FOLDER
"""


def what_is(piece: str) -> str:
    """A piece in words."""
    return _WHAT.get(piece.partition(" ")[0], piece)


def readme(about: Mapping[str, Any], files: Sequence[Mapping[str, Any]], missing: Mapping[str, str]) -> str:
    """The text for these files."""
    said = "\n  ".join(f"{name.replace('_', ' '):<11} {value}" for name, value in about.items() if value)
    listed = "".join(_line(entry) for entry in files)
    lost = "\nMissing\n-------\n" + "".join(f"  {piece}: {why}\n" for piece, why in missing.items()) if missing else ""
    return _HEAD.format(about=said) + listed + lost + _FOOT


def _line(entry: Mapping[str, Any]) -> str:
    note = f"\n      {entry['note']}" if entry.get("note") else ""
    return f"  {entry['name']}\n      {what_is(str(entry['piece']))}; from {entry['origin']}{note}\n"
