"""How long a quote takes: of data that nobody counted yet, against counting their tokens once, and of data that were quoted before.

    python -m benchmarks.quotes [--rows 100000] [--rounds 6] [--starts 20] [--home FOLDER] [--no-record]

A new quote and a count take turns in one process, each on an empty home but for what the local backend has measured of this machine
before; the median of the rounds' ratios counts. Then the same file is quoted again, in process and by the whole command, which gets a
cache of bytecode of its own, as an installed program has one.
Limits: 1.3 times counting, 0.3 s.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.record import paired_rounds, record
from benchmarks.tokens import write_rows

LIMIT_RATIO = 1.3
LIMIT_S = 0.3
COUNTED_FOR = "gpt-4o"
CALIBRATED = "smollm2-135m-instruct"
"""The one base of the local backend that can be measured without a download."""

COMMANDS = {"each provider's usual bases": [], "one base": ["--base", "gpt-4.1-mini"]}


def measure(path: Path, *, home: Path, rounds: int) -> dict[str, Any]:
    """Seconds of a count, of a new quote and of one that was asked before, in this process; `home` is calibrated. The first round is not
    counted."""
    from tuneport.dataset import Dataset
    from tuneport.tokens import counter_for

    counter = counter_for(COUNTED_FOR)

    def count() -> int:
        return sum(sum(counter.count_block(block.examples)) for block in Dataset.read(path).blocks())

    taken: dict[str, list[float]] = {"count": [], "quote": [], "again": []}
    tokens = quotes = 0
    for number in range(rounds + 1):
        path.touch()
        with tempfile.TemporaryDirectory() as folder:
            fresh = _fresh(home, Path(folder))
            if not number:
                tokens, quotes = count(), len(_quote(path, fresh))
                continue
            sides: dict[str, Callable[[], object]] = {"count": count, "quote": partial(_quote, path, fresh)}
            for name in list(sides)[:: 1 if number % 2 else -1]:
                taken[name].append(_seconds(sides[name]))
            taken["again"].append(_seconds(sides["quote"]))
    ratio = statistics.median(quote / count for quote, count in zip(taken["quote"], taken["count"], strict=True))
    return {
        "tokens": tokens,
        "quotes": quotes,
        "ratio": ratio,
        **{f"{name}_s": statistics.median(seconds) for name, seconds in taken.items()},
    }


def _quote(path: Path, home: Path) -> list[Any]:
    from tuneport.client import Client
    from tuneport.settings import load_settings

    with Client(settings=load_settings(home=home, environ={}, folder=home)) as client:
        return client.quote(path)


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _fresh(calibrated: Path, folder: Path) -> Path:
    """A home where nothing was quoted yet, of a machine that the local backend knows, or else does not stop to measure."""
    folder.mkdir(exist_ok=True)
    (folder / "tuneport.toml").write_text("[providers.local]\ncalibrate = false\n", encoding="utf-8")
    measured = calibrated / "local" / "throughput.json"
    if measured.is_file():
        (folder / "local").mkdir()
        shutil.copy(measured, folder / "local")
        (folder / "models").symlink_to(calibrated / "models")
    return folder


def calibrate(home: Path, *, rows: Path) -> bool:
    """Has the local backend measure this machine, as a first quote does by itself. False where the base's package is not installed."""
    from tuneport.client import Client

    with Client(home=home) as client:
        (quote,) = client.quote(rows, base=CALIBRATED, epochs=1, providers=["local"])
    return bool(quote.lines) and quote.lines[0].amount is not None


def command(path: Path, *, words: list[str], home: Path, bytecode: Path, starts: int) -> float:
    """The median seconds of `tuneport quote FILE --json`, from start to end. The first start is not counted. Raises RuntimeError."""
    tuneport = str(Path(sys.executable).with_name("tuneport"))
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("TUNEPORT_")}
    environ |= {"TUNEPORT_HOME": str(home), "TUNEPORT_CONFIG": str(home / "tuneport.toml"), "PYTHONPYCACHEPREFIX": str(bytecode)}

    arguments = [tuneport, "quote", str(path), *words, "--json"]

    def start() -> None:
        done = subprocess.run(arguments, cwd=home, env=environ, capture_output=True, text=True, check=False)
        if done.returncode != 0 or len(json.loads(done.stdout)["quotes"]) < len(COMMANDS):
            raise RuntimeError(f"tuneport quote ended with {done.returncode}: {done.stderr[-500:]}")

    start()
    return statistics.median(_seconds(start) for _ in range(starts))


def main() -> int:
    """Measures, prints, records; 1 when a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=paired_rounds, default=6)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--home", type=Path, help="a home that was calibrated before; default: a new one, which takes a minute")
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, few, home = folder / "rows.jsonl", folder / "few.jsonl", given.home or folder / "home"
        write_rows(rows, given.rows)
        write_rows(few, 10)
        figures: dict[str, Any] = {"rows": given.rows, "rounds": given.rounds, "calibrated": calibrate(home, rows=few)}
        figures |= measure(rows, home=home, rounds=given.rounds)
        known = _fresh(home, folder / "known")
        figures["commands_s"] = {
            asked: command(rows, words=words, home=known, bytecode=folder / "bytecode", starts=given.starts)
            for asked, words in COMMANDS.items()
        }
    slowest = max(figures["again_s"], *figures["commands_s"].values())
    print(f"{figures['quotes']} quotes of {given.rows:,} rows{'' if figures['calibrated'] else ', the local backend not calibrated'}")
    print(f"count {figures['count_s']:.2f} s, quote {figures['quote_s']:.2f} s: {figures['ratio']:.2f} times")
    print(f"again, in process: {figures['again_s'] * 1e3:.0f} ms")
    for asked, seconds in figures["commands_s"].items():
        print(f"again, the whole command, {asked}: {seconds * 1e3:.0f} ms")
    if not given.no_record:
        headline = (
            f"{figures['quotes']} quotes of {given.rows:,} rows: {figures['ratio']:.2f} times counting once; again: "
            f"{figures['again_s'] * 1e3:.0f} ms in process, {max(figures['commands_s'].values()) * 1e3:.0f} ms the whole command"
        )
        record("quotes", figures, headline=headline)
    broken = [*["quoting"] * (figures["ratio"] > LIMIT_RATIO), *["quoting again"] * (slowest > LIMIT_S)]
    for what in broken:
        print(f"{what} is over the limit of {LIMIT_RATIO} times counting or {LIMIT_S} s", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
