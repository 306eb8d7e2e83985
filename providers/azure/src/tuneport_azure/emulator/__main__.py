"""python -m tuneport_azure.emulator: rehearse without a subscription."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence

from tuneport.testing.emulator import FaultPlan, RunningClock
from tuneport_azure.emulator.platform import GROUP, SUBSCRIPTION, AzureEmulator


def main(words: Sequence[str] | None = None) -> int:
    """Serves until interrupted."""
    asked = _parser().parse_args(words)
    clock = RunningClock(speed=asked.speed)
    faults = FaultPlan(seed=asked.seed, share=asked.faults)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with AzureEmulator(seed=asked.seed, clock=clock, faults=faults, port=asked.port) as emulator:
        print("\n".join(said(emulator)), flush=True)
        ended.wait()
    return 0


def said(emulator: AzureEmulator) -> list[str]:
    """What to export, and what to write into tuneport.toml."""
    owner, user = (emulator.token(role=role) for role in ("owner", "user"))
    return [
        f"export AZURE_OPENAI_ENDPOINT={emulator.endpoint()}",
        f"export AZURE_OPENAI_API_KEY={emulator.key()}",
        f"export AZURE_SUBSCRIPTION_ID={SUBSCRIPTION}",
        f"export AZURE_RESOURCE_GROUP={GROUP}",
        f"export AZURE_MANAGEMENT_TOKEN={owner}   # an owner, who may deploy",
        f"#      AZURE_MANAGEMENT_TOKEN={user}   # a user, who may train but not deploy",
        f"#      AZURE_OPENAI_ENDPOINT={emulator.endpoint('nordic')}  AZURE_OPENAI_API_KEY={emulator.key('nordic')}   # all tiers",
        f"#      AZURE_OPENAI_ENDPOINT={emulator.endpoint('remote')}  AZURE_OPENAI_API_KEY={emulator.key('remote')}   # no fine-tuning",
        "",
        "# tuneport.toml",
        "[providers.azure]",
        f'management_url = "{emulator.management_url}"',
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tuneport_azure.emulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="where to listen on 127.0.0.1 (default: any free port)")
    parser.add_argument("--seed", type=int, default=0, help="decides ids, metrics and faults (default: 0)")
    parser.add_argument("--speed", type=float, default=60.0, help="how much faster than real time jobs run (default: 60)")
    parser.add_argument("--faults", type=float, default=0.0, help="the share of requests that go wrong, 0 to 1 (default: 0)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
