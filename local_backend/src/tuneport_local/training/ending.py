"""How a training ended: which weights are left, and what there is to say about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuneport_local.training.checkpoints import checkpoint_at
from tuneport_local.training.divergence import ended_higher
from tuneport_local.training.forgetting import Probe
from tuneport_local.training.overfitting import overfitting
from tuneport_local.training.stopping import Rules

if TYPE_CHECKING:
    from tuneport_local.training.joblog import JobLog
    from tuneport_local.training.run import Run
    from tuneport_local.training.watched import Watched


@dataclass(frozen=True, slots=True)
class Ending:
    """`step` is the one whose weights are left, `last_step` the last that was trained; `why` says why that one. `remarks` are sentences for
    whoever reads the card; `general_text` is what `forgetting` measured, None where it did not."""

    step: int
    last_step: int
    why: str = "the last step"
    remarks: tuple[str, ...] = ()
    general_text: Mapping[str, Any] | None = None

    @property
    def left(self) -> str:
        """`step 40 of 120: the best validation (loss 1.2345)`"""
        return f"step {self.step} of {self.last_step}: {self.why}"


def ending(job: JobLog, trainer: Watched, run: Run, *, rules: Rules, probe: Probe) -> Ending:
    """Leaves in the trainer's model the weights that the recipe keeps, and says which."""
    step, why = _kept(job, trainer, run, rules)
    by_heart = overfitting(run.course)
    nothing_gained = ended_higher(run.course, beginning=rules.beginning) if rules.judged_by == "loss" else ""
    if nothing_gained:
        job.event("warning", f"{nothing_gained}.")
    forgotten = probe.after(job, trainer.model)
    remarks = [rules.enough(run.course), nothing_gained, by_heart.sentence if by_heart else ""]
    if by_heart and step == run.last_step:
        remarks.append("with keep = 'best', or early_stopping, the training could have been left at its best validation")
    if forgotten:
        remarks.append(forgotten.sentence)
    told = tuple(f"{each}." for each in remarks if each)
    return Ending(step, run.last_step, why, told, forgotten.to_dict() if forgotten else None)


def _kept(job: JobLog, trainer: Watched, run: Run, rules: Rules) -> tuple[int, str]:
    best = run.course.best
    if best is None or not rules.keep_best:
        return run.last_step, "the last step"
    why = f"the best validation ({rules.said(best)})"
    if best.step == run.last_step:
        return best.step, why
    found = checkpoint_at(job.checkpoints, best.step, say=lambda message: job.event("warning", message))
    found = trainer.company.agreed(found)
    if found is None:
        job.event("warning", f"the weights of {why} at step {best.step} are lost; those of the last step are left")
        return run.last_step, f"the last step, since the checkpoint of {why} at step {best.step} is lost"
    trainer.take(found.path)
    job.event("info", f"left are the weights of step {best.step}: {why}", {"step": best.step})
    return best.step, why
