"""The most memory that uploading a large file takes above what the process held before, each way in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.data_room.rows import write_megabytes, write_rows
from benchmarks.data_room.verdict import Outcome
from benchmarks.provider_room.memory import measured, measured_elsewhere, planned, verdict
from benchmarks.provider_room.process import platform
from benchmarks.provider_room.setting import Setting

UPLOAD, WHOLE = "in blocks", "the whole submit"
FEW_ROWS = 1000


def upload(setting: Setting) -> Outcome:
    """The upload, then the whole submit: planning reads, checks and converts the file, and uploading converts it again."""
    source = write_megabytes(setting.folder / "rows.jsonl", setting.megabytes)
    figures = {}
    for way in (UPLOAD, WHOLE):
        with platform("benchmarks.azureml_room.platform") as there:
            figures[way] = measured_elsewhere(__name__, way, source, setting.folder / "home", environ=there.environ)
    source.unlink()
    verdicts = (verdict(way, found, megabytes=setting.megabytes) for way, found in figures.items())
    return Outcome({"megabytes": setting.megabytes, **figures}, tuple(verdicts))


# --- in the process of its own ------------------------------------------------------------------------------------------------------------


def main() -> int:
    """Uploads and prints what that took. The start is when everything is imported and the platform has answered once; for a submit, when
    a small one was made."""
    way, source, home = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    client = _client(home)
    few = write_rows(source.with_name("few.jsonl"), FEW_ROWS)
    if way == WHOLE:
        _submit(client, few)
        return measured(lambda: _submit(client, source))
    trainer = client.trainer("azureml")
    trainer.file_state(trainer.upload(planned(few)))
    file = planned(source)
    return measured(lambda: trainer.upload(file))


def _client(home: Path) -> Any:
    from tuneport_azureml.emulator import START

    from tuneport.client import Client
    from tuneport.settings import load_settings
    from tuneport.testing.clock import SimulatedClock

    home.mkdir(exist_ok=True)
    return Client(settings=load_settings(home=home, environ=dict(os.environ), folder=home), clock=SimulatedClock(START))


def _submit(client: Any, source: Path) -> None:
    from tuneport.dataset import Dataset
    from tuneport.recipe import SFT, Recipe

    client.submit(Recipe(base="Phi-3-mini-4k-instruct", train=Dataset.read(source), method=SFT(epochs=2)), provider="azureml")


if __name__ == "__main__":
    sys.exit(main())
