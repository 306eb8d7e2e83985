"""The most memory that uploading a large file takes above what the process held before, each way in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.data_room.rows import write_megabytes, write_rows
from benchmarks.data_room.verdict import Outcome
from benchmarks.provider_room.memory import measured, measured_elsewhere, planned, verdict
from benchmarks.provider_room.process import platform
from benchmarks.provider_room.setting import Setting

WAYS = {"in parts": (), "in one request": ("no_uploads",)}
"""Each way with the quirks of the endpoint that lead to it."""

WHOLE = "the whole submit"
FEW_ROWS = 1000


def upload(setting: Setting) -> Outcome:
    """Both ways, then the whole submit: planning reads and checks the file, and uploading reads it again."""
    source = write_megabytes(setting.folder / "rows.jsonl", setting.megabytes)
    figures = {}
    for way in (*WAYS, WHOLE):
        with platform("benchmarks.openai_room.platform") as there:
            figures[way] = measured_elsewhere(__name__, way, source, setting.folder / "home", environ=there.environ)
    source.unlink()
    verdicts = (verdict(way, found, megabytes=setting.megabytes) for way, found in figures.items())
    return Outcome({"megabytes": setting.megabytes, **figures}, tuple(verdicts))


# --- in the process of its own ------------------------------------------------------------------------------------------------------------


def main() -> int:
    """Uploads and prints what that took. The start is when everything is imported and the platform has answered once; for a submit, when
    a small one was made."""
    way, source, home = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    client, trainer, server = _opened(home, quirks=WAYS.get(way, ()))
    server.models()
    if way != WHOLE:
        return measured(lambda: trainer.upload(planned(source)))
    _submit(client, write_rows(source.with_name("few.jsonl"), FEW_ROWS))
    return measured(lambda: _submit(client, source))


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


if __name__ == "__main__":
    sys.exit(main())
