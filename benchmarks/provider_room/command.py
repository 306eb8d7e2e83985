"""The command of a provider's benchmark: its parts in turn, each in a process of its own, against the emulator on this machine."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.data_room.verdict import Outcome
from benchmarks.parts import concluded, in_turn, outcome_of
from benchmarks.provider_room.setting import Setting
from benchmarks.record import paired_rounds

_SKIPPED = 2


@dataclass(frozen=True, slots=True)
class Room:
    """A provider's benchmark. `parts` are the modules in `benchmarks/<provider>_room`; the function of each has the part's name.

    `needs` are the modules without which nothing is measured.
    """

    provider: str
    about: str
    parts: Mapping[str, str]
    needs: tuple[str, ...]

    def in_its_own_process(self, name: str, setting: Setting) -> Outcome:
        """What the part measured there, in a folder of its own."""
        with tempfile.TemporaryDirectory(dir=setting.folder) as folder:
            given = json.dumps({**asdict(setting), "folder": folder})
            return outcome_of(f"benchmarks.{self.provider}", name, given)

    def main(self) -> int:
        """Measures, prints, records; 1 when a limit is broken, 2 where the provider is not installed."""
        if sys.argv[1:2] == ["--part"]:
            return self._run_part(*sys.argv[2:])
        given = self._parsed()
        if any(_missing(module) for module in self.needs):
            print(f"the provider {self.provider} is not installed: pip install -e providers/{self.provider}", file=sys.stderr)
            return _SKIPPED
        setting = Setting(
            folder=given.folder or Path(tempfile.gettempdir()),
            rows=given.rows,
            rounds=given.rounds,
            megabytes=given.megabytes,
            jobs=given.jobs,
        )
        outcomes = in_turn(given.only, lambda name: self.in_its_own_process(name, setting))
        asked = {key: value for key, value in asdict(setting).items() if key != "folder"}
        return concluded(self.provider, outcomes, asked=asked, recording=not given.no_record)

    def _run_part(self, name: str, given: str) -> int:
        """In that process: measures, and prints the outcome as the last line."""
        values: dict[str, Any] = json.loads(given)
        part: Callable[[Setting], Outcome] = getattr(import_module(f"benchmarks.{self.provider}_room.{self.parts[name]}"), name)
        print(json.dumps(part(Setting(**{**values, "folder": Path(values["folder"])})).to_dict()))
        return 0

    def _parsed(self) -> argparse.Namespace:
        parser = argparse.ArgumentParser(description=self.about.splitlines()[0])
        parser.add_argument("--only", nargs="+", choices=self.parts, default=list(self.parts), metavar="PART", help=", ".join(self.parts))
        parser.add_argument("--rows", type=int, default=1000, help="rows in a submitted file (default 1000)")
        parser.add_argument("--rounds", type=paired_rounds, default=20, help="an even number: who goes first changes with every round")
        parser.add_argument("--megabytes", type=float, default=500.0, help="size of the uploaded file (default 500)")
        parser.add_argument("--jobs", type=int, default=5000, help="jobs to follow and to list (default 5000)")
        parser.add_argument("--folder", type=Path, help="where files are written; the system's temporary folder when not given")
        parser.add_argument("--no-record", action="store_true")
        return parser.parse_args()


def _missing(module: str) -> bool:
    try:
        return find_spec(module) is None
    except ModuleNotFoundError:  # of a package in which it would be
        return True
