"""How many rows go through the model at once: what the hardware has room for, and less where that turned out not to fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneport_local.adapters.tuned_kinds import bytes_per_weight, whole_bytes_per_weight
from tuneport_local.jobs.failures import MachineGaveOut
from tuneport_local.machine import hardware
from tuneport_local.machine.hardware import Fit, Hardware
from tuneport_local.machine.room import Room, Tried, note_that_it_ran_out, room_of, said, tried
from tuneport_local.machine.what_fits import after_running_out
from tuneport_local.methods.objectives import OBJECTIVES
from tuneport_local.training.joblog import JobLog
from tuneport_local.training.material import room_kept
from tuneport_local.training.spec import TrainingSpec

if TYPE_CHECKING:
    from tuneport_local.jobs.failures import OutOfMemory
    from tuneport_local.rows.prepared import PreparedRows, Row


def fit_of(
    job: JobLog, spec: TrainingSpec, machine: Hardware, rows: PreparedRows[Row], model: Any, *, pictures: bool, workers: int = 1
) -> Fit:
    """The parts that batches of `rows` are divided into. `pictures`: the rows are images, and no tokens. Each of
    `workers` gets its share of a batch."""
    room = room_of(job.path)
    share = spec.batch_size // workers
    if pictures:
        fit = hardware.fit_pictures(batch_size=share, gradient_checkpointing=_recomputed(spec, room) is True, at_most=room.rows)
    else:
        shape = hardware.Shape.of(model)
        fit = hardware.fit(
            machine,
            shape,
            batch_size=share * (spec.own["samples_per_prompt"] if OBJECTIVES[spec.method].writes else 1),
            longest=rows.widest + room_kept(spec),
            gradient_checkpointing=_recomputed(spec, room),
            at_most=room.rows,
            held_bytes=_held_bytes(spec, shape.weights, workers=workers) if spec.kind.whole else 0,
        )
    for reason in fit.reasons:
        job.event("info", reason)
    may = spec.gradient_checkpointing == "auto" and spec.kind.name != _PREFIX
    Tried(fit.micro_batch, fit.gradient_checkpointing, may_recompute=may, limited=room != Room()).keep(job.path)
    return fit


_PREFIX = "prefix"


def _held_bytes(spec: TrainingSpec, weights: int, *, workers: int) -> int:
    """Of each worker, where all weights are trained."""
    each = bytes_per_weight(spec.kind, method=spec.method)
    if spec.sharding != "full":
        return int(weights * each)
    stays = whole_bytes_per_weight(spec.kind)
    return int(weights * (stays + (each - stays) / workers))


def _recomputed(spec: TrainingSpec, room: Room) -> Any:
    """Whether activations are recomputed; learned keys and values are part of a cache, which recomputing does without."""
    if spec.kind.name == _PREFIX:
        return False
    return True if room.recompute else spec.gradient_checkpointing


def take_less(job: JobLog, spec: TrainingSpec, rows: PreparedRows[Row], error: OutOfMemory) -> None:
    """Has the next try take less. Raises MachineGaveOut where there is no less."""
    last, smaller = tried(job.path), note_that_it_ran_out(job.path)
    had = said(last.rows, recompute=last.recompute) if last else "one row"
    if smaller is None:
        raise MachineGaveOut(
            f"the memory did not suffice for {had} ({error.message}).", remedy=after_running_out(spec, longest=rows.longest)
        ) from None
    less = f"{said(smaller.rows, recompute=smaller.recompute)}, in the same batches of {spec.batch_size}"
    job.event("warning", f"the memory did not suffice for {had} ({error.message}); the training goes on with {less}")


def give_memory_back() -> None:
    """What the try before has left in cycles, and what torch keeps of a GPU's memory for itself."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
