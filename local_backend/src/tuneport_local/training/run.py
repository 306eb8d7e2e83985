"""One training run as the job sees it: what is told after a step, when to validate, to save, to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from tuneport.errors import JobFailed
from tuneport.job import JobState
from tuneport_local.training import checkpoints
from tuneport_local.training.checkpoints import Checkpoint, Progress
from tuneport_local.training.course import Course
from tuneport_local.training.divergence import diverged
from tuneport_local.training.group import ALONE, Group
from tuneport_local.training.overfitting import overfitting
from tuneport_local.training.schedule import Schedule
from tuneport_local.training.stopping import Rules
from tuneport_local.training.watched import Stopped

if TYPE_CHECKING:
    from tuneport_local.bases.divided import Gathered
    from tuneport_local.training.joblog import JobLog
    from tuneport_local.training.watched import Watched

_PACE = 0.2
"""Weight of the newest step in the running mean of a step's seconds, from which the remaining time is told."""


class Run(TrainerCallback):  # type: ignore[misc]
    """Watches a trainer for a job. Counts, times and writes; the trainer asks it and tells it."""

    def __init__(
        self, job: JobLog, schedule: Schedule, *, rules: Rules, start: Progress, lines: Sequence[int] = (), group: Group = ALONE
    ) -> None:
        self._job = job
        self._group = group
        self._schedule = schedule
        self._rules = rules
        self._lines = lines
        self._start = start
        self._step = start.step
        self._step_loss = 0.0
        self.course = Course.of(start.course, eval_losses=start.eval_losses)
        self._tokens = start.tokens
        self._seconds = start.seconds
        self._step_tokens = 0
        self._logged_tokens = 0
        self._logged_seconds = 0.0
        self._step_begun = 0.0
        self._pace_s = 0.0
        self._validation_s = 0.0
        self._saved_at = time.monotonic()
        self._saved_step = start.step
        self.eval_losses = [[step, loss] for step, loss in start.eval_losses]
        self.last: Mapping[str, float] = dict(start.last)
        self.last_eval: Mapping[str, float] = dict(start.last_eval)
        self.paused = False

    @property
    def progress_tokens(self) -> int:
        """Tokens trained on so far, in all attempts."""
        return self._tokens

    @property
    def seconds(self) -> float:
        """Seconds spent in training steps so far, in all attempts."""
        return self._seconds

    @property
    def over(self) -> bool:
        """Whether it had stopped early when it was left."""
        return not self._start.evaluation_due and bool(self._rules.enough(self.course))

    @property
    def last_step(self) -> int:
        """The step that was reached."""
        return self._step

    # --- what the trainer asks and tells -------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Raises Stopped for a cancel at once. A pause waits for the end of the step, where the state is whole."""
        if self._group.agreed(self._job.wish()) == "cancel":
            raise Stopped("cancel")

    def look_in_validation(self) -> None:
        """Between steps the state is whole: both wishes stop."""
        wish = self._group.agreed(self._job.wish())
        if wish != "run":
            raise Stopped(wish)

    def counted(self, tokens: int) -> None:
        self._step_tokens += tokens

    def lost(self, loss: float) -> None:
        self._step_loss += loss

    def logged(self, step: int, values: dict[str, float]) -> None:
        rate = self._logged_tokens / self._logged_seconds if self._logged_seconds else 0.0
        told = {name: float(value) for name, value in values.items() if math.isfinite(float(value))}
        self.last = {**told, "tokens_per_second": round(rate, 2), "tokens": float(self._tokens), "eta_s": round(self._eta_s(step), 1)}
        self._job.metric(step, dict(self.last))
        self._logged_tokens, self._logged_seconds = 0, 0.0

    def evaluated(self, step: int, values: Mapping[str, float], seconds: float) -> None:
        self._validation_s = seconds
        self.eval_losses.append([step, values["loss"]])
        self.last_eval = {f"eval_{name}": value for name, value in values.items()}
        self._job.metric(step, dict(self.last_eval))
        known = overfitting(self.course)
        self.course = self.course.validated(step, loss=values["loss"], score=self._rules.score(values))
        if known is None and (found := overfitting(self.course)) is not None:
            self._job.event("warning", f"{found.sentence}.", {"step": step, "best_step": found.best.step})

    def decide(self, trainer: Watched) -> None:
        best, enough = self.course.best, self._rules.enough(self.course)
        if enough:
            self._job.event("info", f"{enough}.", {"step": self._step})
            if self._step == self._start.step:
                raise Stopped("enough")  # the checkpoint that it began at is of this very step
            trainer.control.should_training_stop = True
        at_its_best = self._rules.keep_best and best is not None and best.step == self._step
        trainer.control.should_save = trainer.control.should_save or bool(enough) or at_its_best

    def not_finite(self, trainer: Watched, what: str, value: float) -> JobFailed:
        if self._group.rank and trainer.company.size == 1:
            return JobFailed(f"the {what} became {value}.")  # the first process looks for the cause, and tells
        from tuneport_local.training.not_finite import cause

        found = cause(trainer, what=what, course=self.course, lines=self._lines)
        step = self._step + (what != "validation loss")
        return JobFailed(f"the {what} became {value} at step {step}; the training was stopped there. {found.sentence}", remedy=found.remedy)

    def save(self, trainer: Watched, *, evaluation_due: bool = False) -> None:
        step = int(trainer.state.global_step)
        progress = replace(
            self._start,
            step=step,
            epoch=float(trainer.state.epoch or 0.0),
            tokens=self._tokens,
            seconds=round(self._seconds, 3),
            last=dict(self.last),
            last_eval=dict(self.last_eval),
            eval_losses=list(self.eval_losses),
            evaluation_due=evaluation_due or (self.paused and self._schedule.validates_at(step)),
            course=self.course.to_dict(),
        )
        states, found = trainer.random_states(), trainer.gathered()
        if self._group.rank == 0:
            self._write(trainer, progress, states, found)
        self._saved_at, self._saved_step = time.monotonic(), step

    def _write(self, trainer: Watched, progress: Progress, states: Mapping[str, bytes], found: Gathered | None) -> None:
        def save(folder: Path) -> None:
            trainer.save_parts(folder, found)
            for name, data in states.items():
                (folder / name).write_bytes(data)

        best = self.course.best
        written: Checkpoint = checkpoints.write_checkpoint(
            self._job.checkpoints,
            progress=progress,
            save=save,
            kept=self._rules.checkpoints_kept,
            beside=best.step if best is not None and self._rules.keep_best else None,
        )
        self._job.event("info", f"checkpoint {written.path.name}", {"step": progress.step})

    def save_if_new(self, trainer: Watched) -> None:
        """A checkpoint of what has been trained since the last one, if anything."""
        if trainer.state.global_step > self._saved_step:
            self.save(trainer)

    def save_before_less(self, trainer: Watched, *, evaluation_due: bool) -> None:
        if evaluation_due or trainer.state.global_step > self._saved_step:
            self.save(trainer, evaluation_due=evaluation_due)

    # --- transformers' callbacks -----------------------------------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, **_given: Any) -> None:
        self._job.phase(JobState.RUNNING, f"step {state.global_step} of {self._schedule.total}")

    def on_step_begin(self, args: Any, state: Any, control: Any, **_given: Any) -> None:
        self._step_begun = time.monotonic()
        self._step_tokens = 0
        self._step_loss = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_given: Any) -> Any:
        took = time.monotonic() - self._step_begun
        self._pace_s = took if self._pace_s == 0.0 else _PACE * took + (1 - _PACE) * self._pace_s
        tokens = int(self._group.added(self._step_tokens)[0])
        self._tokens += tokens
        self._seconds += took
        self._logged_tokens += tokens
        self._logged_seconds += took
        step = self._step = int(state.global_step)
        self._look_for_divergence(args)
        self.paused, due = self._group.agreed(self._due(step))
        control.should_log = self.paused or step % self._schedule.log_every == 0 or step == self._schedule.total
        control.should_evaluate = self._schedule.validates_at(step) and not self.paused
        control.should_save = self.paused or due
        control.should_training_stop = self.paused or control.should_training_stop
        return control

    def _due(self, step: int) -> tuple[bool, bool]:
        """Whether the client wants a pause here, and whether it is time for a checkpoint."""
        paused = step < self._schedule.total and self._job.wish() == "pause"
        return paused, self._schedule.saves_at(step, since_s=time.monotonic() - self._saved_at)

    def _eta_s(self, step: int) -> float:
        return (self._schedule.total - step) * self._pace_s + self._schedule.validations_after(step) * self._validation_s

    def _look_for_divergence(self, args: Any) -> None:
        """Raises JobFailed."""
        self.course = self.course.stepped(self._step_loss)
        if what := diverged(self.course, beginning=self._rules.beginning):
            raise JobFailed(
                f"the training diverged: {what}; it was stopped at step {self._step}.",
                remedy=f"The likely cause is the learning rate: lower it (it was {args.learning_rate:g}), or warm up longer.",
            )
