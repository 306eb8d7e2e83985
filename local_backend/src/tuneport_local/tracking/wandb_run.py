"""A job as a run of Weights & Biases. Its own variables decide: WANDB_MODE (offline), WANDB_PROJECT, WANDB_ENTITY, WANDB_API_KEY, …"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tuneport_local.tracking.reporter import PROJECT, About, End

_EXIT_CODES: Mapping[End, int] = {"succeeded": 0, "failed": 1, "cancelled": 130, "killed": 137, "paused": 1}


class WandbRun:
    """The run has the job's id. Of this process and this machine nothing is told: no code, no git, no statistics, no terminal."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._run: Any = None

    def begin(self, run: str | None) -> str:
        import wandb

        quiet = wandb.Settings(
            silent=True,
            console="off",
            disable_code=True,
            disable_git=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
            x_disable_machine_info=True,
            init_timeout=30,
        )
        self._run = wandb.init(
            id=run or self._about.job_id,
            name=os.environ.get("WANDB_NAME", self._about.name),
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            dir=os.environ.get("WANDB_DIR", str(self._about.folder)),
            config=dict(self._about.settings),
            resume="allow",
            settings=quiet,
        )
        self._run.define_metric("*", step_metric="step")
        return str(self._run.id)

    def send(self, step: int, readings: Mapping[str, float], *, at_ms: int) -> None:
        self._run.log({"step": step, **readings})

    def end(self, how: End) -> None:
        self._run.summary["job/state"] = how
        if how == "paused":
            self._run.mark_preempting()
        self._run.finish(exit_code=_EXIT_CODES[how])

    @property
    def where(self) -> str:
        return str(self._run.url or f"run {self._run.id} in {self._run.dir}")
