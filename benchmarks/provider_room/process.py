"""The emulated platform in a process of its own: what it takes is not counted as the client's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True, slots=True)
class Platform:
    """Where it is, as the environment that points the clients there."""

    environ: Mapping[str, str]
    _ask: Callable[[], int]

    def requests(self) -> int:
        """How many requests it has had."""
        return self._ask()


@contextmanager
def platform(module: str) -> Iterator[Platform]:
    """`python -m module`, which calls `serve`, until the block ends. Raises RuntimeError when it does not start."""
    with subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said:
            raise RuntimeError("the emulated platform did not start")
        try:
            yield Platform(json.loads(said), lambda: _asked(process.stdin, process.stdout))
        finally:
            process.stdin.close()


def _asked(to: IO[str] | None, back: IO[str] | None) -> int:
    assert to is not None
    assert back is not None
    to.write("\n")
    to.flush()
    return int(back.readline())


def serve(environ: Mapping[str, str], *, requests: Callable[[], int]) -> int:
    """In that process: says where it is, then how many requests it had, as often as a line comes, until the input ends."""
    print(json.dumps(dict(environ)), flush=True)
    for _ in sys.stdin:
        print(requests(), flush=True)
    return 0
