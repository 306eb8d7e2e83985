"""`transformers serve` as a process of its own, asked by as many clients at once as it pleases to answer."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

_PROGRAM = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
_STARTS_WITHIN_S = 300.0


def why_absent() -> str:
    """Why it cannot run in this environment, or ''."""
    missing = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
    return (
        f"transformers serve is not measured: {', '.join(missing)} not installed (pip install 'transformers[serving]')" if missing else ""
    )


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers with one model, `clients` requests at a time."""

    client: Any
    model: str
    process: psutil.Process
    clients: int

    def answers(self, questions: Sequence[str], *, tokens: int) -> list[str]:
        """Greedy answers, in the order of the questions. Raises what the client raises."""

        def ask(question: str) -> str:
            asked = [{"role": "user", "content": question}]
            found = self.client.chat.completions.create(model=self.model, messages=asked, max_tokens=tokens, temperature=0)
            return str(found.choices[0].message.content)

        with ThreadPoolExecutor(self.clients) as pool:
            return list(pool.map(ask, questions))

    def processor_s(self) -> float:
        """Seconds of the processor that the server has used so far, all threads together."""
        used = self.process.cpu_times()
        return float(used.user + used.system)


@contextmanager
def served(model: str, *, clients: int, batching: bool) -> Iterator[Served]:
    """The server of one model folder, loaded. With `batching` it answers requests together (its continuous batching), else in turn."""
    import openai

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", model, "--host", "127.0.0.1", "--port", str(port), "--dtype", "bfloat16", "--device", "cpu"]
    words += ["--continuous-batching"] if batching else []
    environ = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *words], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, timeout=600) as client:
                _awaited(f"http://127.0.0.1:{port}/health", process)
                yield Served(client, str(Path(model)), psutil.Process(process.pid), clients)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _awaited(address: str, process: subprocess.Popen[bytes]) -> None:
    """Waits until it answers. Raises RuntimeError where it does not."""
    end = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(address, timeout=10).is_success:
                return
        time.sleep(0.5)
    raise RuntimeError(f"transformers serve did not begin to answer (exit code {process.poll()})")
