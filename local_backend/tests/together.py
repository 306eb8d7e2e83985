"""Two processes that train several small jobs together, one after the other, so that they are started once, and one that does the same.

Run as a program it is one of them: `python together.py <file of jobs>`, which torch's launcher has told who it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    from tests.joblog import MemoryJob
else:
    from .joblog import MemoryJob

HERE = Path(__file__).resolve().parent


BESIDE = ("pause_at", "at_once")
"""What a recipe.json here may say beside what one says: after which step the job is paused once, how many rows fit into memory."""
USUAL = {
    "epochs": 3,
    "batch_size": 4,
    "learning_rate": 0.005,
    "warmup_ratio": 0.0,
    "schedule": "constant",
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "max_length": "auto",
    "too_long": "refuse",
    "seed": 1,
    "device": "cpu",
    "precision": "fp32",
    "eval_every": 3,
    "checkpoint_every": 3,
    "engine": "accelerate",
}


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


@dataclass(frozen=True)
class Compared:
    """What two workers made of each recipe, and `alone` what one makes of it."""

    folder: Path
    told: Mapping[str, Told]
    jobs: Mapping[str, Mapping[str, Any]]
    made: dict[str, MemoryJob] = field(default_factory=dict)

    def alone(self, name: str) -> MemoryJob:
        """Trained now, unless it was before."""
        from tuneport_local.training.train import TrainingSpec, train

        if name in self.made:
            return self.made[name]
        job = self.made[name] = MemoryJob(self.folder / f"{name}-alone")
        job.path.mkdir()
        asked = {key: value for key, value in self.jobs[name].items() if key not in BESIDE}
        usual = {**asked["hyperparameters"], "workers": 1, "sharding": "none"}
        train(job, spec=TrainingSpec.from_dict({**asked, "hyperparameters": usual}), home=self.folder)
        return job

    def same_steps(self, name: str) -> bool:
        """Whether each step of two workers, and each validation, has the loss of one within a thousandth."""
        import pytest

        found, expected = self.told[name], self.alone(name).losses()
        assert not found.error
        assert found.losses.keys() == expected.keys()
        assert max(step for step, _ in expected) >= 6
        return all(found.losses[place] == pytest.approx(loss, rel=0.001) for place, loss in expected.items())


def recipe_of(base: Path, files: Mapping[str, str], *, method: str = "sft", **said: Any) -> dict[str, Any]:
    """recipe.json of two workers; `said` are hyperparameters, and what stands beside them."""
    beside = {name: said.pop(name) for name in ("format", *BESIDE) if name in said}
    lora = {"rank": 4, "alpha": 8.0, "dropout": 0.0, "targets": "all-linear", **said.pop("lora", {})}
    hyperparameters = {**USUAL, "workers": 2, "lora": lora, **said}
    return {"base": str(base), "method": method, "hyperparameters": hyperparameters, "files": dict(files), **beside}


def compared(folder: Path, jobs: Mapping[str, Mapping[str, Any]]) -> Compared:
    """Has two processes train all of them."""
    return Compared(folder, two_train(folder, jobs, home=folder), jobs)


def two_train(folder: Path, jobs: Mapping[str, Mapping[str, Any]], *, home: Path, within_s: float = 600.0) -> dict[str, Told]:
    """What two processes make of each recipe.json, in a folder of its name."""
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
    from tuneport_local.engines.processes import connected
    from tuneport_local.machine.room import Tried
    from tuneport_local.training.train import TrainingSpec, train

    from tuneport.errors import TuneportError

    asked = json.loads(file.read_text())
    group = connected(gpus=False)
    for name, recipe in asked["jobs"].items():
        job = MemoryJob(Path(asked["folder"]) / name)
        job.path.mkdir(exist_ok=True)
        said = {"error": ""}
        spec = TrainingSpec.from_dict({key: value for key, value in recipe.items() if key not in BESIDE})
        if (at_once := recipe.get("at_once")) is not None and group.rank == 0:
            Tried(2 * at_once, False, may_recompute=False, ran_out=True).keep(job.path)
        group.agreed(None)
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
