"""The openai provider against its emulator: what submit adds to the bare SDK, a large upload, thousands of followed jobs, starting.

    python -m benchmarks.openai [--only PART …] [--rows 1000] [--rounds 20] [--megabytes 500] [--jobs 5000] [--folder FOLDER] [--no-record]

Parts, each in a process of its own: submit, upload, follow, start. The platform is the emulator on this machine, so there is no network
to wait for. Limits: see the parts in `benchmarks/openai_room`. Without the provider installed nothing is measured (exit code 2).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.data_room.verdict import Outcome
from benchmarks.openai_room.setting import Setting
from benchmarks.parts import concluded, in_turn, outcome_of
from benchmarks.record import paired_rounds

PARTS = {"submit": "submitting", "upload": "uploading", "follow": "following", "start": "starting"}
"""The module of each part; its function has the part's name."""

_SKIPPED = 2


def in_its_own_process(name: str, setting: Setting) -> Outcome:
    """What the part measured there, in a folder of its own."""
    with tempfile.TemporaryDirectory(dir=setting.folder) as folder:
        given = json.dumps({**asdict(setting), "folder": folder})
        return outcome_of("benchmarks.openai", name, given)


def run_part(name: str, given: str) -> int:
    """In that process: measures, and prints the outcome as the last line."""
    values: dict[str, Any] = json.loads(given)
    part: Callable[[Setting], Outcome] = getattr(import_module(f"benchmarks.openai_room.{PARTS[name]}"), name)
    print(json.dumps(part(Setting(**{**values, "folder": Path(values["folder"])})).to_dict()))
    return 0


def main() -> int:
    """Measures, prints, records; 1 when a limit is broken."""
    if sys.argv[1:2] == ["--part"]:
        return run_part(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rows", type=int, default=1000, help="rows in a submitted file (default 1000)")
    parser.add_argument("--rounds", type=paired_rounds, default=20, help="an even number: who goes first changes with every round")
    parser.add_argument("--megabytes", type=float, default=500.0, help="size of the uploaded file (default 500)")
    parser.add_argument("--jobs", type=int, default=5000, help="jobs to follow and to list (default 5000)")
    parser.add_argument("--folder", type=Path, help="where files are written; the system's temporary folder when not given")
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    if find_spec("tuneport_openai") is None or find_spec("openai") is None:
        print("the openai provider is not installed: pip install -e providers/openai", file=sys.stderr)
        return _SKIPPED
    setting = Setting(
        folder=given.folder or Path(tempfile.gettempdir()),
        rows=given.rows,
        rounds=given.rounds,
        megabytes=given.megabytes,
        jobs=given.jobs,
    )
    outcomes = in_turn(given.only, lambda name: in_its_own_process(name, setting))
    asked = {key: value for key, value in asdict(setting).items() if key != "folder"}
    return concluded("openai", outcomes, asked=asked, recording=not given.no_record)


if __name__ == "__main__":
    sys.exit(main())
