"""Training one job, from its folder to its adapter. Resumes by itself from the newest complete checkpoint.

validating (the rows) -> starting (the model) -> running (the steps) -> finalizing (the adapter, its card, run.json)
"""

from __future__ import annotations

import shutil
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuneport.errors import UnknownModel, Unsupported
from tuneport.job import JobState
from tuneport_local.adapters.tuned_kinds import why_not_packed
from tuneport_local.bases import weights
from tuneport_local.jobs.devices import device_of
from tuneport_local.jobs.failures import OutOfMemory
from tuneport_local.jobs.trained import trained
from tuneport_local.machine import hardware
from tuneport_local.machine.disk_need import refuse_what_the_disk_does_not_take
from tuneport_local.machine.hardware import Hardware
from tuneport_local.machine.threads import share_cores
from tuneport_local.machine.what_fits import refuse_what_cannot_fit
from tuneport_local.methods.objectives import OBJECTIVES
from tuneport_local.quiet import quiet
from tuneport_local.rows.prepared import PreparedRows, Row
from tuneport_local.training import artefacts
from tuneport_local.training.checkpoints import Checkpoint, Progress, newest_checkpoint
from tuneport_local.training.dividing import asked, kept_here, settled, team_of
from tuneport_local.training.ending import Ending, ending
from tuneport_local.training.fitting import fit_of, give_memory_back, take_less
from tuneport_local.training.forgetting import Probe
from tuneport_local.training.group import ALONE, Group, Listening
from tuneport_local.training.joblog import JobLog
from tuneport_local.training.material import PICTURES, material
from tuneport_local.training.schedule import Schedule
from tuneport_local.training.spec import LoRASpec, TrainingSpec
from tuneport_local.training.stopping import Rules
from tuneport_local.training.where_time_goes import PhaseClock

if TYPE_CHECKING:
    from tuneport_local.heads.head import Head
    from tuneport_local.rows.eyes import Eyes
    from tuneport_local.training.run import Run
    from tuneport_local.training.watched import Watched

__all__ = ["JobLog", "LoRASpec", "Outcome", "TrainingSpec", "train"]

Outcome = Literal["succeeded", "paused", "cancelled"]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Everything known before the model is loaded. `tokenizer` is an image processor where the rows are images, `eyes` are those of a base
    that sees."""

    base: weights.BaseWeights
    tokenizer: Any
    rows: PreparedRows[Row]
    validation: PreparedRows[Row] | None
    hardware: Hardware
    head: Head | None = None
    eyes: Eyes | None = None


@dataclass(frozen=True, slots=True)
class _Assembled:
    """The trainer, who watches it, where it starts, and what the base knew."""

    trainer: Watched
    run: Run
    checkpoint: Checkpoint | None
    probe: Probe


def train(job: JobLog, *, spec: TrainingSpec, home: Path, group: Group = ALONE) -> Outcome:
    """Trains until done or until the client wishes otherwise. Raises TuneportError with a sentence on failure.

    A cancel keeps what was trained so far as a checkpoint; a pause can be resumed by calling this again. Of a `group` every process calls
    this; only the first one leaves anything in the folder.
    """
    begun = time.time()
    job = Listening(job) if group.rank else job
    share_cores()
    device = _own_gpu(spec, group) or hardware.see_one_gpu(spec.device)
    if trained(job.path) is not None:
        return "succeeded"
    clock = PhaseClock()
    with clock.phase("libraries"), quiet():
        OBJECTIVES[spec.method].loaded()
    with clock.phase("base and rows"):
        spec = settled(job, spec, home, group=group)
        prepared = _prepare(job, spec, home, device=device, group=group)
    while True:
        try:
            return _train_once(job, spec, prepared, begun=begun, clock=clock, group=group)
        except OutOfMemory as error:
            if group.size > 1:
                raise  # the others are still in the middle of the step: all have to begin again
            take_less(job, spec, prepared.rows, error)
        give_memory_back()


def _own_gpu(spec: TrainingSpec, group: Group) -> str:
    """That of this process among several; '' where it trains alone or on no GPU."""
    return f"cuda:{group.seat}" if group.size > 1 and device_of(spec.device).startswith("cuda") else ""


def _train_once(job: JobLog, spec: TrainingSpec, prepared: _Prepared, *, begun: float, clock: PhaseClock, group: Group) -> Outcome:
    """Raises OutOfMemory where a part of a batch did not fit."""
    job.phase(JobState.STARTING, f"loading {spec.base}")
    with quiet():
        with clock.phase("model and adapters"):
            made = _assemble(job, spec, prepared, group)
        with _profiled(job, spec, made.trainer, clock=clock, group=group):
            if (stopped := _train_on(made.trainer, made.run, made.checkpoint)) is not None:
                return stopped
            if group.rank and made.trainer.company.size == 1:
                return "succeeded"
            with clock.phase("writing what was trained"):
                job.phase(JobState.FINALIZING, "writing what was trained")
                how = ending(job, made.trainer, made.run, rules=Rules.of(spec), probe=made.probe)
                found = made.trainer.gathered(to_go_on=False)
                if group.rank == 0:
                    facts = _facts(spec, prepared, made.run, how, begun=begun)
                    artefacts.publish(job.path, made.trainer.model, tokenizer=_saved_with(prepared), facts=facts, found=found)
                    shutil.rmtree(job.path / PICTURES, ignore_errors=True)
    return "succeeded"


def _profiled(job: JobLog, spec: TrainingSpec, trainer: Watched, *, clock: PhaseClock, group: Group) -> AbstractContextManager[object]:
    """Within: the trainer is timed, where the recipe asks for it, and that of a group's first process. Afterwards the job is told, however
    it went."""
    if not spec.profile or group.rank:
        return nullcontext()
    from tuneport_local.training.profiling import profiled

    return profiled(job, trainer, clock=clock)


def _train_on(trainer: Watched, run: Run, checkpoint: Checkpoint | None) -> Outcome | None:
    """The steps that are left; where none are, the weights as they are in the checkpoint. An outcome where a client stopped it."""
    from tuneport_local.training.watched import Stopped

    try:
        if run.over and checkpoint is not None:
            trainer.take(checkpoint.path)
        else:
            trainer.train(resume_from_checkpoint=str(checkpoint.path) if checkpoint else None)
    except Stopped as stopped:
        if stopped.wish == "cancel":
            run.save_if_new(trainer)
        if stopped.wish != "enough":
            return "cancelled" if stopped.wish == "cancel" else "paused"
    return "paused" if run.paused else None


# --- before the model ------------------------------------------------------------------------------------------------------------------


def _prepare(job: JobLog, spec: TrainingSpec, home: Path, *, device: str, group: Group) -> _Prepared:
    job.phase(JobState.VALIDATING, "reading and rendering the rows")
    OBJECTIVES[spec.method].attempt(spec)
    found = weights.resolve(spec.base, home=home)
    about = {**asked(spec), "team": team_of(spec, group)}
    refuse_what_cannot_fit(spec.base, home=home, **about)
    base = _fetched(job, found, home=home, group=group)
    job.event("info", f"base {spec.base}: {base.note}")
    if (need := refuse_what_cannot_fit(spec.base, home=home, **about)) is not None:
        job.event("info", need.sentence)
    made = material(job, spec, Path(base.location), local=home / "local")
    rows, validation = made.rows, made.validation
    chosen = hardware.choose(
        device=device,
        precision=spec.precision,
        adapter_precision=spec.adapter_precision,
        packs=OBJECTIVES[spec.method].packs,
        why_padded=_why_pictured(rows, validation) or why_not_packed(spec.weights, neftune=spec.neftune_alpha is not None),
        trained=spec.kind.trained,
    )
    for reason in chosen.reasons:
        job.event("info", reason)
    if group.size > 1:
        _refuse_pictures(rows, validation)
        job.event("info", f"{group.size} workers: each learns from {spec.batch_size // group.size} of the {spec.batch_size} rows of a step")
        chosen = replace(chosen, memory_bytes=chosen.memory_bytes // (group.here if chosen.device == "cpu" else 1))
    return _Prepared(base, made.tokenizer, rows, validation, chosen, made.head, made.eyes)


def _fetched(job: JobLog, found: weights.BaseWeights, *, home: Path, group: Group) -> weights.BaseWeights:
    """The base on this disk. One process fetches it before the others look."""

    def fetch() -> weights.BaseWeights:
        return weights.fetch(found, home=home, say=lambda message: job.event("info", message))

    first = fetch() if group.rank == 0 else None
    group.agreed(None)
    return first or fetch()


def _refuse_pictures(*prepared: PreparedRows[Row] | None) -> None:
    if any(rows and rows.pictured for rows in prepared):
        raise Unsupported("rows with images have not been tried with several workers.", remedy="Leave options.local.workers out.")


def _why_pictured(*prepared: PreparedRows[Row] | None) -> str:
    return "batches padded to their longest row: some rows have pictures" if any(rows and rows.pictured for rows in prepared) else ""


# --- the trainer -----------------------------------------------------------------------------------------------------------------------


def _assemble(job: JobLog, spec: TrainingSpec, prepared: _Prepared, group: Group) -> _Assembled:
    from tuneport_local.methods.batches import digest
    from tuneport_local.training.assembly import Parts
    from tuneport_local.training.run import Run

    machine = prepared.hardware
    model, head = _loaded(job, spec, prepared, group)
    _refuse_other_vocabulary(model, prepared, spec.base)
    rows_digest = digest(prepared.rows.rows)
    checkpoint = newest_checkpoint(job.checkpoints, say=lambda message: job.event("warning", message), rows_digest=rows_digest)
    pictures = prepared.head is not None and prepared.head.medium == "image"
    fit = fit_of(job, spec, machine, prepared.rows, model, pictures=pictures, workers=group.size)
    fit = min(group.told(fit), key=lambda each: each.micro_batch)
    schedule = Schedule.of(spec, rows=len(prepared.rows.rows), validates=prepared.validation is not None)
    start = _start(job, spec, machine, checkpoint, rows_digest=rows_digest, total=schedule.total)
    run = Run(job, schedule, rules=Rules.of(spec), start=start, lines=[row.line for row in prepared.rows.rows], group=group)
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
        head=head,
        answer=prepared.head,
        eyes=prepared.eyes,
        group=group,
    )
    probe = (
        Probe.untold()
        if group.rank and spec.sharding != "full"
        else Probe.before(job, model, tokenizer=prepared.tokenizer, spec=spec, tokens_per_epoch=prepared.rows.tokens)
    )
    trainer = OBJECTIVES[spec.method].assemble(parts)
    if group.rank == 0:
        refuse_what_the_disk_does_not_take(job, trainer.model, spec)
    return _Assembled(trainer, run, checkpoint, probe)


def _loaded(job: JobLog, spec: TrainingSpec, prepared: _Prepared, group: Group) -> tuple[Any, tuple[str, ...]]:
    """The base in memory, and the names of what is on top of it where the method puts a head there."""
    from tuneport_local.adapters.trainable import loaded_in
    from tuneport_local.bases.loading import load_model
    from tuneport_local.heads.loading import load_for

    folder, machine = Path(prepared.base.location), prepared.hardware
    dtype = loaded_in(spec, machine)
    if prepared.head is not None:
        headed = load_for(job, spec, folder, prepared.head, dtype=dtype, device=machine.device, reader=prepared.tokenizer)
        return headed.model, headed.modules
    bits, processes = spec.lora.quantize, group.size if spec.sharding == "full" else 1
    model = load_model(folder, dtype=dtype, device=machine.device, trust_remote_code=spec.trust_remote_code, bits=bits, processes=processes)
    if processes > 1:
        job.event("info", kept_here(model))
    return model, ()


def _refuse_other_vocabulary(model: Any, prepared: _Prepared, base: str) -> None:
    if prepared.head is not None and prepared.head.medium == "image":
        return
    highest, known = prepared.rows.highest_token, int(model.get_input_embeddings().num_embeddings)
    if highest >= known:
        raise UnknownModel(
            f"the tokenizer of {base} gives token {highest}, and its model knows {known} tokens only: they do not belong together.",
            remedy="Put the model's own tokenizer beside it.",
        )


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


def _saved_with(prepared: _Prepared) -> Any:
    """What reads for the model: its tokenizer, or the processor around it."""
    return prepared.tokenizer if prepared.eyes is None else prepared.eyes.processor


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
        head=prepared.head,
    )
