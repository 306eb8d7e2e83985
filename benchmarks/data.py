"""The data room: conversion, checks and token counts against the JSON parser, the tokenizer and two rivals; memory; real sets.

    python -m benchmarks.data [--only PART …] [--rows 100000] [--rounds 8] [--rival-rows 50000] [--token-rows 20000]
                              [--small-mb 50] [--large-mb 2000] [--data FOLDER] [--folder FOLDER] [--no-record]

Parts, each in a process of its own: convert, rivals, workers, check, tokens, memory, real. Where two are compared they take turns in one
process, each going first equally often, and the median of the ratios counts. The rows are made up from a seed. `--folder` is where files
are written (and deleted): the disk that is measured. Limits: see the parts in `benchmarks/data_room`; what could not be measured says why.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.data_room.rows import ROWS, write_rows
from benchmarks.data_room.verdict import Outcome, Part, Setting
from benchmarks.parts import concluded, in_turn, outcome_of
from benchmarks.record import paired_rounds

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PARTS = {
    "convert": "speed",
    "rivals": "rivals",
    "workers": "speed",
    "check": "speed",
    "tokens": "speed",
    "memory": "memory",
    "real": "real",
}
"""The module of each part; its function has the part's name."""

_PATHS = ("chat", "folder", "data")


def part(name: str) -> Part:
    """The function that measures it."""
    found: Part = getattr(import_module(f"benchmarks.data_room.{PARTS[name]}"), name)
    return found


def in_its_own_process(name: str, setting: Setting) -> Outcome:
    """What the part measured there."""
    given = json.dumps({key: str(value) if key in _PATHS else value for key, value in asdict(setting).items()})
    return outcome_of("benchmarks.data", name, given)


def run_part(name: str, given: str) -> int:
    """In that process: measures, and prints the outcome as the last line."""
    values: dict[str, Any] = json.loads(given)
    values |= {key: Path(values[key]) for key in _PATHS}
    setting = Setting(**values)
    print(json.dumps(part(name)(setting).to_dict()))
    return 0


def main() -> int:
    """Measures, prints, records; 1 when a limit is broken."""
    if sys.argv[1:2] == ["--part"]:
        return run_part(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows to convert and check (default {ROWS})")
    parser.add_argument("--rounds", type=paired_rounds, default=8, help="an even number: who goes first changes with every round")
    parser.add_argument("--rival-rows", type=int, default=50_000, help="rows for the slow rivals (default 50000)")
    parser.add_argument("--token-rows", type=int, default=20_000, help="rows whose tokens are counted (default 20000)")
    parser.add_argument("--small-mb", type=float, default=50.0, help="size of the small file (default 50)")
    parser.add_argument("--large-mb", type=float, default=2000.0, help="size of the large file (default 2000)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with banking77, gsm8k and hh-rlhf")
    parser.add_argument("--folder", type=Path, help="where files are written; the system's temporary folder when not given")
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary)
        setting = Setting(
            chat=write_rows(folder / "chat.jsonl", given.rows),
            folder=folder,
            data=given.data.resolve(),
            rounds=given.rounds,
            rival_rows=given.rival_rows,
            token_rows=given.token_rows,
            small_mb=given.small_mb,
            large_mb=given.large_mb,
            rows=given.rows,
        )
        outcomes = in_turn(given.only, lambda name: in_its_own_process(name, setting))
    asked = {key: value for key, value in asdict(setting).items() if key not in _PATHS}
    return concluded("data", outcomes, asked=asked, recording=not given.no_record)


if __name__ == "__main__":
    sys.exit(main())
