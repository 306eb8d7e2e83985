"""Local SFT against everybody else on this machine: same model, rows, precision, batch, adapters and steps, in turns.

    python -m benchmarks.train [--data FOLDER] [--only banking77] [--rows N] [--rounds 4] [--settings padded,sdpa] [--llamafactory PYTHON]

On banking77 and gsm8k: every setting of TRL's (and LLaMA-Factory, where a Python that has it is named) trains once on few rows; the
fastest then takes turns with ours, each run in a process of its own. Then both once more with validations between, for the time to a
validation loss, and ours with adapters in bf16, apart. Last, a job is submitted with everything warm, and timed to its first step. The
data sets are not part of this repository; one that is absent is passed over.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.data_room.verdict import Outcome
from benchmarks.parts import concluded, in_turn
from benchmarks.record import paired_rounds
from benchmarks.train_room.comparison import Plan, Room, compared
from benchmarks.train_room.material import FOLDER, SOURCES
from benchmarks.train_room.others import lines
from benchmarks.train_room.start import first_step
from benchmarks.train_room.task import SETTINGS, Setting

BASE = "smollm2-135m-instruct"
PLANS = {
    "banking77": Plan(SOURCES["banking77"], rows=64, short_rows=16, limit=1.5),
    "gsm8k": Plan(SOURCES["gsm8k"], rows=32, short_rows=16, limit=1.25),
}
START = "start"


def chosen(words: str) -> tuple[Setting, ...]:
    """TRL's settings whose names have all of these words, separated by commas. Raises SystemExit for none."""
    found = tuple(setting for setting in SETTINGS if all(word in setting.name.split(", ") for word in words.split(",") if word))
    if not found:
        raise SystemExit(f"no setting has all of {words!r}; there are: {'; '.join(setting.name for setting in SETTINGS)}")
    return found


def base_folder(base: str, home: Path) -> Path:
    """The base as safetensors, the very folder that ours will train. Converted first when only the packaged GGUF is there."""
    from tuneport_local.bases import embedded, weights

    found = weights.resolve(base, home=home)
    return embedded.convert(home) if found.source in ("package", "hub") else Path(found.location)


def main() -> int:
    """Compares, prints, records; 1 when a limit is broken, 2 without any data."""
    given = _given()
    plans = {name: plan for name, plan in PLANS.items() if name in given.only}
    reasons = [plan.source.why_absent(given.data) for plan in plans.values()]
    if plans and all(reasons):
        print(f"train: skipped, {reasons[0]}", file=sys.stderr)
        return 2
    for line in lines(factory=given.llamafactory):
        print(line, flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        home = (given.home or Path(temporary)).resolve()
        model = str(base_folder(given.base, home))
        folder = Path(temporary)
        room = Room(model, str(home), given.data, folder, given.settings, given.rounds, factory=given.llamafactory)

        def part(name: str) -> Outcome:
            if name == START:
                return first_step(given.base, home=home, folder=folder)
            plan = plans[name]
            return compared(Plan(plan.source, given.rows or plan.rows, given.short_rows or plan.short_rows, plan.limit), room)

        outcomes = in_turn(given.only, part)
    asked = {
        "command": [Path(word).name for word in sys.argv[1:]],
        "base": given.base,
        "rounds": given.rounds,
        "not_measured": lines(factory=given.llamafactory),
    }
    return concluded("train", outcomes, asked=asked, recording=not given.no_record)


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=FOLDER, help="the folder with banking77/ and gsm8k/")
    parser.add_argument("--only", nargs="+", choices=(*PLANS, START), default=(*PLANS, START))
    parser.add_argument("--rows", type=int, help="of whole runs")
    parser.add_argument("--short-rows", type=int, help="of the first run of each setting")
    parser.add_argument("--rounds", type=paired_rounds, default=4, help="an even number: each side goes first as often as the other")
    parser.add_argument("--settings", type=chosen, default=SETTINGS, help="TRL's with all of these words, as in padded,sdpa")
    parser.add_argument("--llamafactory", metavar="PYTHON", help="the Python of an environment that has LLaMA-Factory")
    parser.add_argument("--base", default=BASE)
    parser.add_argument("--home", type=Path, help="Tuneport's state folder; a temporary one when not given")
    parser.add_argument("--no-record", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
