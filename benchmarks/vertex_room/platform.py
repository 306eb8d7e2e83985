"""Vertex AI's and Cloud Storage's emulator in a process of its own. Its clock stands still; jobs stay in their first state."""

from __future__ import annotations

import sys

from benchmarks.provider_room.process import serve


def main() -> int:
    """Serves until the standard input ends."""
    from tuneport_vertex.emulator import Habits, VertexEmulator

    with VertexEmulator(habits=Habits(concurrent_jobs=1_000_000)) as emulator:
        return serve(emulator.exports, requests=emulator.log.count)


if __name__ == "__main__":
    sys.exit(main())
