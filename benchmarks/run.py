"""Runs every benchmark of this folder in turn, each in a process of its own: `make bench`. Exit code 1 when a limit was broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_NOT_BENCHMARKS = {"__init__", "record", "run"}
_SKIPPED = 2


def names() -> list[str]:
    """The benchmarks, by name."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in _NOT_BENCHMARKS)


def main() -> int:
    """Runs all of them, or those named on the command line, and says how each ended."""
    ended = {}
    for name in sys.argv[1:] or names():
        print(f"== {name}", flush=True)
        ended[name] = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
    for name, code in ended.items():
        print(f"{name:20} {'skipped' if code == _SKIPPED else 'ok' if code == 0 else f'failed ({code})'}")
    return int(any(code not in (0, _SKIPPED) for code in ended.values()))


if __name__ == "__main__":
    sys.exit(main())
