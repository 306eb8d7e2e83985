"""Puts a clock on a trainer, and torch's own profiler on a few of its steps. Nothing that is computed changes.

What is timed is what transformers' loop calls: the next rows, the loss, the way back, the optimizer, and what a job adds (validation,
checkpoint, log). The first step is a phase of its own, for it pays for warming up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

import torch
from torch.profiler import ProfilerActivity
from torch.profiler import profile as torch_profile
from transformers import TrainerCallback

from tuneport_local.training.where_time_goes import IN_STEPS, Operator, PhaseClock, WhereTimeGoes

if TYPE_CHECKING:
    from tuneport_local.training.joblog import JobLog
    from tuneport_local.training.watched import Watched

FIRST = "first step"
WATCHED = "steps under torch's profiler"
_AROUND = {
    "get_batch_samples": "waiting for data",
    "compute_loss": "forward",
    "evaluate": "validation",
    "_save_checkpoint": "checkpoint",
    "log": "log",
}
_WATCHED_STEPS = 3
_OPERATORS = 15


@contextmanager
def profiled(job: JobLog, trainer: Watched, *, clock: PhaseClock) -> Iterator[None]:
    """Within: the trainer is timed. Afterwards the job is told, however it went; a disk without room for that ends nothing."""
    made = Profile(clock)
    made.attach(trainer)
    try:
        yield
    finally:
        with suppress(OSError):
            made.told(job)


class Profile(TrainerCallback):  # type: ignore[misc]
    """A profile of one training that is being made. `attach` before it begins, `told` when it is over."""

    def __init__(self, clock: PhaseClock) -> None:
        self._clock = clock
        self._steps = 0
        self._watched = 0
        self._profiler: Any = None
        self._operators: tuple[Operator, ...] = ()

    def attach(self, trainer: Watched) -> None:
        """Puts the clock around what the loop calls."""
        for name, phase in _AROUND.items():
            setattr(trainer, name, self._timed(getattr(trainer, name), phase))
        trainer.accelerator.backward = self._timed(trainer.accelerator.backward, "backward")
        trainer.add_callback(self)

    def told(self, job: JobLog) -> None:
        """Writes the profile into the job's folder, its table into the worker's log, and what took most among the events."""
        self._stop_watching()
        found = WhereTimeGoes(self._clock.seconds(), self._steps, self._watched, self._operators)
        found.write(job.path)
        print(found.table, flush=True)
        job.event("info", f"{found.sentence}.")

    # --- transformers' callbacks -----------------------------------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, *, optimizer: Any = None, **_given: Any) -> None:
        optimizer.step = self._timed(optimizer.step, "optimizer")

    def on_step_begin(self, args: Any, state: Any, control: Any, **_given: Any) -> None:
        if 1 <= self._steps <= _WATCHED_STEPS and self._profiler is None:
            kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
            self._profiler = torch_profile(activities=kinds)
            self._profiler.__enter__()

    def on_step_end(self, args: Any, state: Any, control: Any, **_given: Any) -> None:
        self._steps += 1
        self._watched += self._profiler is not None
        if self._steps > _WATCHED_STEPS:
            self._stop_watching()

    # --- the clock -------------------------------------------------------------------------------------------------------------------

    def _timed(self, call: Callable[..., Any], phase: str) -> Callable[..., Any]:
        @wraps(call)
        def timed(*given: Any, **named: Any) -> Any:
            with self._clock.phase(self._now(phase)):
                return call(*given, **named)

        return timed

    def _now(self, phase: str) -> str:
        if phase not in IN_STEPS:
            return phase
        return FIRST if self._steps == 0 else WATCHED if self._profiler is not None else phase

    def _stop_watching(self) -> None:
        if self._profiler is None:
            return
        profiler, self._profiler = self._profiler, None
        with self._clock.phase("torch's profiler"):
            profiler.__exit__(None, None, None)
            self._operators = _operators(profiler.key_averages())


def _operators(averages: Any) -> tuple[Operator, ...]:
    """The dearest, by the time of the device that computes."""
    attribute = "self_device_time_total" if any(getattr(one, "self_device_time_total", 0) for one in averages) else "self_cpu_time_total"
    spent = {one.key: (int(one.count), float(getattr(one, attribute)) / 1e6) for one in averages}
    total = sum(seconds for _, seconds in spent.values()) or 1.0
    dearest = sorted(spent.items(), key=lambda item: -item[1][1])[:_OPERATORS]
    return tuple(Operator(name, calls, seconds, seconds / total) for name, (calls, seconds) in dearest)
