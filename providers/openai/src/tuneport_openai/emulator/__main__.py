"""python -m tuneport_openai.emulator: rehearse without an account."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence

from tuneport.testing.emulator import FaultPlan, RunningClock
from tuneport_openai.emulator.platform import OpenAIEmulator


def main(words: Sequence[str] | None = None) -> int:
    """Serves until interrupted."""
    asked = _parser().parse_args(words)
    clock = RunningClock(speed=asked.speed)
    faults = FaultPlan(seed=asked.seed, share=asked.faults)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with OpenAIEmulator(seed=asked.seed, clock=clock, faults=faults, port=asked.port) as emulator:
        print(f"OPENAI_BASE_URL={emulator.base_url}")
        print(f"OPENAI_API_KEY={emulator.open_key}   # an organisation that may create fine-tuning jobs")
        print(f"OPENAI_API_KEY={emulator.closed_key}   # one for which the platform is closed", flush=True)
        ended.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tuneport_openai.emulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="where to listen on 127.0.0.1 (default: any free port)")
    parser.add_argument("--seed", type=int, default=0, help="decides ids, metrics and faults (default: 0)")
    parser.add_argument("--speed", type=float, default=60.0, help="how much faster than real time jobs run (default: 60)")
    parser.add_argument("--faults", type=float, default=0.0, help="the share of requests that go wrong, 0 to 1 (default: 0)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
