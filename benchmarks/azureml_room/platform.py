"""Azure ML's emulator in a process of its own. Its clock stands still; jobs stay in their first state."""

from __future__ import annotations

import sys

from benchmarks.provider_room.process import serve


def main() -> int:
    """Serves until the standard input ends."""
    from tuneport_azureml.emulator import AzureMLEmulator

    with AzureMLEmulator() as emulator:
        return serve(emulator.exports, requests=emulator.log.count)


if __name__ == "__main__":
    sys.exit(main())
