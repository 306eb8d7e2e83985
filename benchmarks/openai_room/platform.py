"""OpenAI's emulator in a process of its own. Its clock stands still; files are processed at once; jobs stay in their first state."""

from __future__ import annotations

import sys

from benchmarks.provider_room.process import serve


def main() -> int:
    """Serves until the standard input ends."""
    from tuneport_openai.emulator import Habits, OpenAIEmulator

    with OpenAIEmulator(habits=Habits(processing_s=0.0)) as emulator:
        return serve({"OPENAI_BASE_URL": emulator.base_url, "OPENAI_API_KEY": emulator.open_key}, requests=emulator.log.count)


if __name__ == "__main__":
    sys.exit(main())
