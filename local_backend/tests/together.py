"""Two processes that train several small jobs together, one after the other, so that they are started once: `two_train`.

Run as a program it is one of them: `python together.py <file of jobs>`, which torch's launcher has told who it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Told:
    """What became of one job: its readings and events, the bytes of the base that each process kept, and what it raised."""

    path: Path
    losses: dict[tuple[int, str], float]
    events: list[str]
    error: str = ""

    def said(self, words: str) -> bool:
        """Whether an event has these words."""
        return any(words in message for message in self.events)


def two_train(folder: Path, jobs: Mapping[str, Mapping[str, Any]], *, home: Path, within_s: float = 600.0) -> dict[str, Told]:
    """What two processes make of each recipe.json, in a folder of its name; `pause_at` beside it is the step after which it is paused."""
    asked = folder / "jobs.json"
    asked.write_text(json.dumps({"home": str(home), "folder": str(folder), "jobs": jobs}))
    paths = os.pathsep.join([str(HERE.parent), *sys.path])
    environ = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, str(HERE / "together.py"), str(asked)]
    done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=within_s)
    assert done.returncode == 0, done.stderr
    return {name: _told(folder / name) for name in jobs}


def _told(path: Path) -> Told:
    said = json.loads((path / "told.json").read_text())
    losses = {(step, name): values[name] for step, values in said["metrics"] for name in ("loss", "eval_loss") if name in values}
    return Told(path, losses, [message for _, message in said["events"]], said["error"])


def main(file: Path) -> None:
    """One of the two."""
    from tests.joblog import MemoryJob
    from tuneport_local.engines.processes import connected
    from tuneport_local.training.train import TrainingSpec, train

    from tuneport.errors import TuneportError

    asked = json.loads(file.read_text())
    group = connected(gpus=False)
    for name, recipe in asked["jobs"].items():
        job = MemoryJob(Path(asked["folder"]) / name)
        job.path.mkdir(exist_ok=True)
        said = {"error": ""}
        spec = TrainingSpec.from_dict({key: value for key, value in recipe.items() if key != "pause_at"})
        paused = [False]
        if (pause_at := recipe.get("pause_at")) is not None:
            job.wished = lambda at=pause_at, of=job, done=paused: "pause" if not done[0] and len(of.losses()) >= at else "run"
        try:
            if train(job, spec=spec, home=Path(asked["home"]), group=group) == "paused":
                paused[0] = True
                train(job, spec=spec, home=Path(asked["home"]), group=group)
        except TuneportError as error:
            said["error"] = str(error)
        if group.rank == 0:
            (job.path / "told.json").write_text(json.dumps({**said, "metrics": job.metrics, "events": job.events}))
        group.agreed(None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)
