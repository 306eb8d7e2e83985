"""Training one job, from its folder to its adapter. Resumes by itself from the newest complete checkpoint.

validating (the rows) -> starting (the model) -> running (the steps) -> finalizing (the adapter, its card, run.json)
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuneport.dataset import Dataset
from tuneport.errors import RecipeError, UnknownModel
from tuneport.job import JobState
from tuneport_local import artefacts, hardware, weights
from tuneport_local.checkpoints import Checkpoint, Progress, newest_checkpoint
from tuneport_local.devices import device_of
from tuneport_local.disk_need import refuse_what_the_disk_does_not_take
from tuneport_local.ending import Ending, ending
from tuneport_local.failures import MachineGaveOut, OutOfMemory
from tuneport_local.forgetting import Probe
from tuneport_local.hardware import Fit, Hardware
from tuneport_local.joblog import JobLog
from tuneport_local.objectives import OBJECTIVES
from tuneport_local.room import Room, Tried, note_that_it_ran_out, room_of, said, tried
from tuneport_local.rows import PreparedRows, Row, notices, prepare
from tuneport_local.schedule import Schedule
from tuneport_local.spec import LoRASpec, TrainingSpec
from tuneport_local.stopping import Rules
from tuneport_local.threads import share_cores
from tuneport_local.trained import trained
from tuneport_local.tuned_kinds import bytes_per_weight
from tuneport_local.what_fits import after_running_out, refuse_what_cannot_fit

if TYPE_CHECKING:
    from tuneport_local.run import Run
    from tuneport_local.watched import Watched

__all__ = ["JobLog", "LoRASpec", "Outcome", "TrainingSpec", "train"]

Outcome = Literal["succeeded", "paused", "cancelled"]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Everything known before the model is loaded."""

    base: weights.BaseWeights
    tokenizer: Any
    rows: PreparedRows[Row]
    validation: PreparedRows[Row] | None
    hardware: Hardware


@dataclass(frozen=True, slots=True)
class _Assembled:
    """The trainer, who watches it, where it starts, and what the base knew."""

    trainer: Watched
    run: Run
    checkpoint: Checkpoint | None
    probe: Probe


def train(job: JobLog, *, spec: TrainingSpec, home: Path) -> Outcome:
    """Trains until done or until the client wishes otherwise. Raises TuneportError with a sentence on failure.

    A cancel keeps what was trained so far as a checkpoint; a pause can be resumed by calling this again.
    """
    begun = time.time()
    share_cores()
    device = hardware.see_one_gpu(spec.device)
    if trained(job.path) is not None:
        return "succeeded"
    prepared = _prepare(job, spec, home, device=device)
    while True:
        try:
            return _train_once(job, spec, prepared, begun=begun)
        except OutOfMemory as error:
            _take_less(job, spec, prepared, error)
        _give_memory_back()


def _train_once(job: JobLog, spec: TrainingSpec, prepared: _Prepared, *, begun: float) -> Outcome:
    """Raises OutOfMemory where a part of a batch did not fit."""
    from tuneport_local.quiet import quiet
    from tuneport_local.watched import Stopped

    job.phase(JobState.STARTING, f"loading {spec.base}")
    with quiet():
        made = _assemble(job, spec, prepared)
        trainer, run = made.trainer, made.run
        try:
            _train_on(trainer, run, made.checkpoint)
        except Stopped as stopped:
            if stopped.wish == "cancel":
                run.save_if_new(trainer)
            if stopped.wish != "enough":
                return "cancelled" if stopped.wish == "cancel" else "paused"
        if run.paused:
            return "paused"
        job.phase(JobState.FINALIZING, "writing what was trained")
        how = ending(job, trainer, run, rules=Rules.of(spec), probe=made.probe)
        facts = _facts(spec, prepared, run, how, begun=begun)
        artefacts.publish(job.path, trainer.model, tokenizer=prepared.tokenizer, facts=facts)
    return "succeeded"


def _take_less(job: JobLog, spec: TrainingSpec, prepared: _Prepared, error: OutOfMemory) -> None:
    """Has the next try take less. Raises MachineGaveOut where there is no less."""
    last, smaller = tried(job.path), note_that_it_ran_out(job.path)
    had = said(last.rows, recompute=last.recompute) if last else "one row"
    if smaller is None:
        raise MachineGaveOut(
            f"the memory did not suffice for {had} ({error.message}).", remedy=after_running_out(spec, longest=prepared.rows.longest)
        ) from None
    less = f"{said(smaller.rows, recompute=smaller.recompute)}, in the same batches of {spec.batch_size}"
    job.event("warning", f"the memory did not suffice for {had} ({error.message}); the training goes on with {less}")


def _give_memory_back() -> None:
    """What the try before has left in cycles, and what torch keeps of a GPU's memory for itself."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _train_on(trainer: Watched, run: Run, checkpoint: Checkpoint | None) -> None:
    """The steps that are left; where none are, the weights as they are in the checkpoint."""
    if run.over and checkpoint is not None:
        trainer.take(checkpoint.path)
    else:
        trainer.train(resume_from_checkpoint=str(checkpoint.path) if checkpoint else None)


# --- before the model ------------------------------------------------------------------------------------------------------------------


def _prepare(job: JobLog, spec: TrainingSpec, home: Path, *, device: str) -> _Prepared:
    from tuneport_local.loading import load_tokenizer

    job.phase(JobState.VALIDATING, "reading and rendering the rows")
    found = weights.resolve(spec.base, home=home)
    about = {"device": device_of(spec.device), "method": spec.method, "kind": spec.kind.name}
    refuse_what_cannot_fit(spec.base, home=home, **about)
    base = weights.fetch(found, home=home, say=lambda message: job.event("info", message))
    job.event("info", f"base {spec.base}: {base.note}")
    if (need := refuse_what_cannot_fit(spec.base, home=home, **about)) is not None:
        job.event("info", need.sentence)
    tokenizer = load_tokenizer(Path(base.location), trust_remote_code=spec.trust_remote_code)
    limit = _max_length(spec, Path(base.location), tokenizer)
    rows = _read(job, spec.train_file, tokenizer, spec, limit, purpose="train")
    validation = _read(job, spec.validation_file, tokenizer, spec, limit, purpose="validation") if spec.validation_file else None
    chosen = hardware.choose(
        device=device,
        precision=spec.precision,
        adapter_precision=spec.adapter_precision,
        packs=OBJECTIVES[spec.method].packs,
        trained=spec.kind.trained,
    )
    for reason in chosen.reasons:
        job.event("info", reason)
    return _Prepared(base, tokenizer, rows, validation, chosen)


def _max_length(spec: TrainingSpec, folder: Path, tokenizer: Any) -> int:
    """Tokens per row: what the recipe says, else as many as the model can see."""
    from tuneport_local.loading import load_config

    config = load_config(folder, trust_remote_code=spec.trust_remote_code)
    context = int(min(getattr(config, "max_position_embeddings", None) or math.inf, tokenizer.model_max_length, 1 << 20))
    if spec.max_length != "auto" and spec.max_length > context:
        raise RecipeError(f"max_length {spec.max_length} is more than the {context} tokens that {spec.base} can see.")
    return context if spec.max_length == "auto" else spec.max_length


def _read(job: JobLog, path: Path, tokenizer: Any, spec: TrainingSpec, limit: int, *, purpose: str) -> PreparedRows[Row]:
    objective, name = OBJECTIVES[spec.method], f"{purpose} data"
    numbered = Dataset.read(path, format=spec.data_format or objective.format).numbered()
    rows = prepare(numbered, tokenizer, kind=objective.kind, max_length=limit, too_long=spec.too_long, name=name)
    for notice in notices(rows, name=name, max_length=limit, needed=objective.kind.needed):
        job.event("warning", notice)
    rows = objective.apart(rows)
    counted = f"{len(rows.rows)} {objective.noun}, {rows.tokens} tokens, {rows.trained_tokens} of them learned, longest {rows.longest}"
    job.event("info", f"{name}: {counted}")
    return rows


# --- the trainer -----------------------------------------------------------------------------------------------------------------------


def _assemble(job: JobLog, spec: TrainingSpec, prepared: _Prepared) -> _Assembled:
    from tuneport_local.assembly import Parts
    from tuneport_local.batches import digest
    from tuneport_local.loading import load_model
    from tuneport_local.run import Run
    from tuneport_local.trainable import loaded_in

    machine = prepared.hardware
    model = load_model(
        Path(prepared.base.location), dtype=loaded_in(spec, machine), device=machine.device, trust_remote_code=spec.trust_remote_code
    )
    _refuse_other_vocabulary(model, prepared, spec.base)
    rows_digest = digest(prepared.rows.rows)
    checkpoint = newest_checkpoint(job.checkpoints, say=lambda message: job.event("warning", message), rows_digest=rows_digest)
    fit = _fit(job, spec, prepared, model)
    schedule = Schedule.of(spec, rows=len(prepared.rows.rows), validates=prepared.validation is not None)
    start = _start(job, spec, machine, checkpoint, rows_digest=rows_digest, total=schedule.total)
    run = Run(job, schedule, rules=Rules.of(spec), start=start, lines=[row.line for row in prepared.rows.rows])
    parts = Parts(
        job=job,
        spec=spec,
        machine=machine,
        fit=fit,
        model=model,
        tokenizer=prepared.tokenizer,
        rows=prepared.rows,
        validation=prepared.validation,
        run=run,
        steps=schedule.total,
        evaluate_first=start.evaluation_due,
    )
    probe = Probe.before(job, model, tokenizer=prepared.tokenizer, spec=spec, tokens_per_epoch=prepared.rows.tokens)
    trainer = OBJECTIVES[spec.method].assemble(parts)
    refuse_what_the_disk_does_not_take(job, trainer.model, spec)
    return _Assembled(trainer, run, checkpoint, probe)


def _refuse_other_vocabulary(model: Any, prepared: _Prepared, base: str) -> None:
    highest, known = prepared.rows.highest_token, int(model.get_input_embeddings().num_embeddings)
    if highest >= known:
        raise UnknownModel(
            f"the tokenizer of {base} gives token {highest}, and its model knows {known} tokens only: they do not belong together.",
            remedy="Put the model's own tokenizer beside it.",
        )


def _fit(job: JobLog, spec: TrainingSpec, prepared: _Prepared, model: Any) -> Fit:
    shape, room = hardware.Shape.of(model), room_of(job.path)
    fit = hardware.fit(
        prepared.hardware,
        shape,
        batch_size=spec.batch_size,
        longest=prepared.rows.widest,
        gradient_checkpointing=True if room.recompute else spec.gradient_checkpointing,
        at_most=room.rows,
        held_bytes=int(shape.weights * bytes_per_weight(spec.kind, method=spec.method)) if spec.kind.whole else 0,
    )
    for reason in fit.reasons:
        job.event("info", reason)
    may = spec.gradient_checkpointing == "auto"
    Tried(fit.micro_batch, fit.gradient_checkpointing, may_recompute=may, limited=room != Room()).keep(job.path)
    return fit


def _start(job: JobLog, spec: TrainingSpec, machine: Hardware, checkpoint: Checkpoint | None, *, rows_digest: str, total: int) -> Progress:
    """Where the run begins: at nothing, or at the checkpoint, with a warning where its results may differ from an unbroken run."""
    versions = artefacts.versions()
    if checkpoint is None:
        return Progress(0, 0.0, seed=spec.seed, rows_digest=rows_digest, adapter_precision=machine.adapter_precision, versions=versions)
    progress = checkpoint.progress
    job.event("info", f"resuming at step {progress.step} of {total}", {"step": progress.step})
    changed = [
        f"{name} {progress.versions.get(name)} -> {version}" for name, version in versions.items() if progress.versions.get(name) != version
    ]
    if changed:
        job.event(
            "warning", f"resumed under other versions ({', '.join(changed)}): losses may differ a little from those of an unbroken run"
        )
    return progress


def _facts(spec: TrainingSpec, prepared: _Prepared, run: Run, how: Ending, *, begun: float) -> artefacts.Facts:
    return artefacts.Facts(
        spec=spec,
        base_note=prepared.base.note,
        base_name=weights.published_name(spec.base),
        rows=len(prepared.rows.rows),
        tokens_per_epoch=prepared.rows.tokens,
        learned_tokens_per_epoch=prepared.rows.trained_tokens,
        validation_rows=len(prepared.validation.rows) if prepared.validation else 0,
        texts=prepared.rows.texts,
        hardware=prepared.hardware,
        last=dict(run.last),
        last_eval=dict(run.last_eval),
        eval_losses=tuple((int(step), loss) for step, loss in run.eval_losses),
        tokens=run.progress_tokens,
        training_s=run.seconds,
        begun=begun,
        ending=how,
    )
