"""The emulated platform in a process of its own: what it takes is not counted as the client's. Its clock stands still."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Platform:
    """Where it listens, and the key of an account that may create jobs."""

    base_url: str
    key: str

    @property
    def environ(self) -> dict[str, str]:
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": self.key}


@contextmanager
def platform() -> Iterator[Platform]:
    """Runs until the block ends. Raises RuntimeError when it does not start."""
    command = [sys.executable, "-m", "benchmarks.openai_room.platform"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = process.stdout.readline().split()
        if len(said) != 2:
            raise RuntimeError("the emulated platform did not start")
        try:
            yield Platform(*said)
        finally:
            process.stdin.close()


def main() -> int:
    """Serves until the standard input ends. Files are processed at once; jobs stay in their first state."""
    from tuneport_openai.emulator import Habits, OpenAIEmulator

    with OpenAIEmulator(habits=Habits(processing_s=0.0)) as emulator:
        print(emulator.base_url, emulator.open_key, flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
