"""The most memory that uploading a large file takes above what the process held before, each way in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.data_room.rows import write_megabytes, write_rows
from benchmarks.data_room.verdict import Outcome, Verdict
from benchmarks.openai_room.platform import Platform, platform
from benchmarks.openai_room.setting import Setting

LIMIT_MB = 80.0
WAYS = {"in parts": (), "in one request": ("no_uploads",)}
"""Each way with the quirks of the endpoint that lead to it."""

FEW_ROWS = 1000
_BLOCK_BYTES = 1 << 18


def upload(setting: Setting) -> Outcome:
    """Both ways, then the whole submit: planning reads and checks the file, and uploading reads it again."""
    source = write_megabytes(setting.folder / "rows.jsonl", setting.megabytes)
    figures = {}
    for way in (*WAYS, "submit"):
        with platform() as there:
            figures[way] = _measured(way, source, there, home=setting.folder / "home")
    source.unlink()
    verdicts = [
        Verdict(f"upload of {setting.megabytes:.0f} MB, {_words(way)}: memory above the start", found["above_mb"], LIMIT_MB, True, "MB")
        for way, found in figures.items()
    ]
    return Outcome({"megabytes": setting.megabytes, **figures}, tuple(verdicts))


def _words(way: str) -> str:
    return "the whole submit" if way == "submit" else way


def _measured(way: str, source: Path, there: Platform, *, home: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.openai_room.uploading", way, str(source), str(home)]
    done = subprocess.run(command, env={**os.environ, **there.environ}, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# --- in the process of its own ------------------------------------------------------------------------------------------------------------


def main() -> int:
    """Uploads and prints what that took. The start is when everything is imported and the platform has answered once; for a submit, when
    a small one was made."""
    way, source, home = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    client, trainer, server = _opened(home, quirks=WAYS.get(way, ()))
    server.models()
    if way == "submit":
        _submit(client, write_rows(source.with_name("few.jsonl"), FEW_ROWS))
    start_mb, began = _memory_mb("VmRSS"), time.perf_counter()
    if way == "submit":
        _submit(client, source)
    else:
        trainer.upload(_planned(source))
    found = {"seconds": round(time.perf_counter() - began, 2), "start_mb": start_mb, "above_mb": round(_memory_mb("VmHWM") - start_mb, 1)}
    print(json.dumps(found))
    return 0


def _opened(home: Path, *, quirks: tuple[str, ...]) -> tuple[Any, Any, Any]:
    from tuneport_openai.emulator.platform import START

    from tuneport.client import Client
    from tuneport.settings import load_settings
    from tuneport.testing.clock import SimulatedClock

    home.mkdir(exist_ok=True)
    (home / "tuneport.toml").write_text(f"[providers.openai]\nquirks = {json.dumps(quirks)}\n", encoding="utf-8")
    client = Client(settings=load_settings(home=home, environ=dict(os.environ), folder=home), clock=SimulatedClock(START))
    return client, client.trainer("openai"), client.server("openai")


def _submit(client: Any, source: Path) -> None:
    from tuneport.dataset import Dataset
    from tuneport.recipe import SFT, Recipe

    client.submit(Recipe(base="gpt-4.1-mini", train=Dataset.read(source), method=SFT(epochs=2)), provider="openai")


def _planned(source: Path) -> Any:
    from tuneport.plan import PlannedFile

    def chunks() -> Iterator[bytes]:
        with source.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block

    return PlannedFile.from_chunks(chunks, purpose="train", rows=1)


def _memory_mb(name: str) -> float:
    """What this process holds (VmRSS), or the most it ever did (VmHWM). Raises OSError where there is no /proc."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(round(int(line.split()[1]) / 1e3, 1) for line in lines if line.startswith(name))


if __name__ == "__main__":
    sys.exit(main())
