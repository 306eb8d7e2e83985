"""A server in a process of its own, as `tuneport models serve` starts it, and the official client of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .workers import until

KEY = "key-of-the-tests-1234"
PROGRAM = "import sys; from tuneport.cli import main; sys.exit(main())"


@dataclass
class Serving:
    """One that answers. `opened` is what it said when it was ready; `printed` all that it wrote, in both streams."""

    process: subprocess.Popen[str]
    opened: dict[str, Any]
    printed: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return str(self.opened["url"])

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].partition("/")[0])

    def client(self, *, key: str = KEY) -> Any:
        """The official client, which asks once and no second time."""
        import openai

        return openai.OpenAI(base_url=self.url, api_key=key, max_retries=0, timeout=60)

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/health", timeout=20) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def stop(self, *, by: signal.Signals = signal.SIGTERM, within_s: float = 30) -> int:
        """Tells it to stop; its exit code."""
        self.process.send_signal(by)
        return self.process.wait(within_s)


@contextmanager
def serving(home: Path, models: Sequence[str], *options: str, environ: dict[str, str] | None = None) -> Iterator[Serving]:
    """A server of these models on a free port. Killed at the end, if it still runs."""
    command = [sys.executable, "-c", PROGRAM, "--json", "--home", str(home), "models", "serve", *models, "--port", "0", *options]
    given = {**os.environ, "OMP_NUM_THREADS": "1", "TUNEPORT_SERVE_KEY": KEY} if environ is None else environ
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=given)
    assert process.stdout is not None
    assert process.stderr is not None
    printed: list[str] = []
    readers = [threading.Thread(target=_keep, args=(stream, printed), daemon=True) for stream in (process.stdout, process.stderr)]
    for reader in readers:
        reader.start()
    try:
        until(lambda: process.poll() is not None or any(line.startswith("{") for line in printed), within_s=240)
        first = next((line for line in printed if line.startswith("{")), None)
        assert first is not None, "".join(printed)
        yield Serving(process, json.loads(first), printed)
    finally:
        process.kill()
        process.wait()
        for reader in readers:
            reader.join()
        process.stdout.close()
        process.stderr.close()


def _keep(stream: Any, lines: list[str]) -> None:
    for line in stream:
        lines.append(line)
