"""An emulated platform as a command: it serves until interrupted, in time that runs."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tuneport.testing.emulator.clocks import RunningClock
from tuneport.testing.emulator.faultplan import FaultPlan
from tuneport.testing.emulator.platform import EmulatedPlatform

P = TypeVar("P", bound=EmulatedPlatform)


def rehearse(
    opening: Callable[..., P],
    words: Sequence[str] | None,
    *,
    package: str,
    about: str | None,
    said: Callable[[P], Iterable[str]],
    more: Sequence[argparse.ArgumentParser] = (),
) -> int:
    """Serves what `opening` makes of a seed, clock, faults and port, and prints the lines `said` of it once it listens. `more` are parsers
    of a vendor's own words, which it has read before."""
    asked = _parser(package, about, more).parse_args(words)
    clock, faults = RunningClock(speed=asked.speed), FaultPlan(seed=asked.seed, share=asked.faults)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with opening(seed=asked.seed, clock=clock, faults=faults, port=asked.port) as platform:
        print("\n".join(said(platform)), flush=True)
        ended.wait()
    return 0


def _parser(package: str, about: str | None, more: Sequence[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=about, parents=list(more))
    parser.add_argument("--port", type=int, default=0, help="where to listen on 127.0.0.1 (default: any free port)")
    parser.add_argument("--seed", type=int, default=0, help="decides ids, metrics and faults (default: 0)")
    parser.add_argument("--speed", type=float, default=60.0, help="how much faster than real time jobs run (default: 60)")
    parser.add_argument("--faults", type=float, default=0.0, help="the share of requests that go wrong, 0 to 1 (default: 0)")
    return parser
