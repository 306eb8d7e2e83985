"""Training one job, from its folder to its adapter. Resumes by itself from the newest complete checkpoint.

validating (the rows) -> starting (the model) -> running (the steps) -> finalizing (the adapter, its card, run.json)
"""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, RecipeError, UnknownModel
from tuneport.job import JobState
from tuneport_local import artefacts, hardware, weights
from tuneport_local.checkpoints import Checkpoint, Progress, newest_checkpoint
from tuneport_local.ending import Ending, ending
from tuneport_local.forgetting import Probe
from tuneport_local.hardware import Fit, Hardware
from tuneport_local.joblog import JobLog
from tuneport_local.objectives import OBJECTIVES
from tuneport_local.rows import CONVERSATIONS, Conversations, PreparedRows, Row, notices, prepare
from tuneport_local.schedule import Schedule
from tuneport_local.spec import LoRASpec, TrainingSpec
from tuneport_local.stopping import Rules
from tuneport_local.threads import share_cores
from tuneport_local.trained import trained
from tuneport_local.tuned_kinds import LORA, bytes_per_weight, why_not_packed

if TYPE_CHECKING:
    from tuneport_local.eyes import Eyes
    from tuneport_local.run import Run
    from tuneport_local.watched import Watched

if TYPE_CHECKING:
    from tuneport_local.head import Head

__all__ = ["JobLog", "LoRASpec", "Outcome", "TrainingSpec", "train"]

PICTURES = "pictures"
"""The folder of a job where the pictures of its rows lie while it trains."""

Outcome = Literal["succeeded", "paused", "cancelled"]


@dataclass(frozen=True, slots=True)
class _Material:
    """What is made of the data files."""

    tokenizer: Any
    rows: PreparedRows[Row]
    validation: PreparedRows[Row] | None
    head: Head | None = None
    eyes: Eyes | None = None


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
        artefacts.publish(job.path, trainer.model, tokenizer=_saved_with(prepared), facts=facts)
        shutil.rmtree(job.path / PICTURES, ignore_errors=True)
    return "succeeded"


def _train_on(trainer: Watched, run: Run, checkpoint: Checkpoint | None) -> None:
    """The steps that are left; where none are, the weights as they are in the checkpoint."""
    if run.over and checkpoint is not None:
        trainer.take(checkpoint.path)
    else:
        trainer.train(resume_from_checkpoint=str(checkpoint.path) if checkpoint else None)


# --- before the model ------------------------------------------------------------------------------------------------------------------


def _prepare(job: JobLog, spec: TrainingSpec, home: Path, *, device: str) -> _Prepared:
    job.phase(JobState.VALIDATING, "reading and rendering the rows")
    OBJECTIVES[spec.method].attempt(spec)
    found = weights.resolve(spec.base, home=home)
    base = weights.fetch(found, home=home, say=lambda message: job.event("info", message))
    job.event("info", f"base {spec.base}: {base.note}")
    material = _material(job, spec, Path(base.location))
    rows, validation = material.rows, material.validation
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
    return _Prepared(base, material.tokenizer, rows, validation, chosen, material.head, material.eyes)


def _why_pictured(*prepared: PreparedRows[Row] | None) -> str:
    return "batches padded to their longest row: some rows have pictures" if any(rows and rows.pictured for rows in prepared) else ""


def _eyes(job: JobLog, folder: Path, spec: TrainingSpec) -> Eyes | None:
    """Those of a base that sees, over the pictures in the job's folder; None for any other."""
    from tuneport_local.eyes import Album, Eyes, processor_of

    processor = processor_of(folder)
    if processor is not None and spec.kind.name != LORA:
        raise RecipeError(
            f"weights {spec.kind.name!r} have not been tried on models that see, as {spec.base} does.", remedy="Leave weights out: LoRA."
        )
    return None if processor is None else Eyes(processor, Album(job.path / PICTURES))


def _material(job: JobLog, spec: TrainingSpec, folder: Path) -> _Material:
    """The tokenizer, the rows to train and to validate on, and the head they ask for where the method puts one on the base."""
    from tuneport_local.loading import load_tokenizer

    if OBJECTIVES[spec.method].headed:
        from tuneport_local.head_rows import read_for

        found = read_for(job, spec, folder, limit=lambda tokenizer: _max_length(spec, folder, tokenizer))
        return _Material(found.reader, found.rows, found.validation, head=found.head)
    tokenizer = load_tokenizer(folder, trust_remote_code=spec.trust_remote_code)
    eyes = _eyes(job, folder, spec)
    limit = _max_length(spec, folder, tokenizer)
    rows = _read(job, spec.train_file, tokenizer, spec, limit, purpose="train", eyes=eyes)
    if spec.validation_file is None:
        return _Material(tokenizer, rows, None, head=_scoring_head(job, spec, folder), eyes=eyes)
    validation = _read(job, spec.validation_file, tokenizer, spec, limit, purpose="validation", eyes=eyes)
    return _Material(tokenizer, rows, validation, head=_scoring_head(job, spec, folder), eyes=eyes)


def _scoring_head(job: JobLog, spec: TrainingSpec, folder: Path) -> Head | None:
    """What scores conversations, where that is what the method makes. Raises UnknownModel for a base that has no place for it."""
    if not OBJECTIVES[spec.method].scores:
        return None
    from tuneport_local.head import Head
    from tuneport_local.head_loading import refuse_headless

    refuse_headless(folder, "text", trust_remote_code=spec.trust_remote_code)
    head = Head(spec.method, "text")
    job.event("info", f"the head answers with {head.said}")
    return head


def _with_room(error: DatasetError, spec: TrainingSpec) -> DatasetError:
    """The same, saying what is kept of the length for answers."""
    if not _room(spec):
        return error
    kept = f"Of what fits, {_room(spec)} tokens are kept for the answer (max_tokens)."
    remedy = "Shorten them, lower max_tokens, or set too_long to 'drop'." if error.remedy else ""
    return DatasetError(f"{error.message} {kept}", line=error.line, remedy=remedy)


def _max_length(spec: TrainingSpec, folder: Path, tokenizer: Any) -> int:
    """Tokens per row: what the recipe says, else as many as the model can see."""
    from tuneport_local.loading import load_config

    config = load_config(folder, trust_remote_code=spec.trust_remote_code)
    context = int(min(getattr(config, "max_position_embeddings", None) or math.inf, tokenizer.model_max_length, 1 << 20))
    context -= spec.virtual_tokens
    if spec.max_length != "auto" and spec.max_length > context:
        raise RecipeError(f"max_length {spec.max_length} is more than the {context} tokens that {spec.base} can see.")
    limit = (context if spec.max_length == "auto" else spec.max_length) - _room(spec)
    if limit < 1:
        raise RecipeError(
            f"an answer of {_room(spec)} tokens leaves no room for a prompt in {limit + _room(spec)}.", remedy="Lower max_tokens."
        )
    return limit


def _room(spec: TrainingSpec) -> int:
    """Tokens that are kept for an answer beside each row."""
    return int(spec.own["max_tokens"]) if OBJECTIVES[spec.method].writes else 0


def _read(job: JobLog, path: Path, tokenizer: Any, spec: TrainingSpec, limit: int, *, purpose: str, eyes: Eyes | None) -> PreparedRows[Row]:
    objective, name = OBJECTIVES[spec.method], f"{purpose} data"
    numbered = Dataset.read(path, format=spec.data_format or objective.format).numbered()
    kind = Conversations(eyes) if objective.kind is CONVERSATIONS else objective.kind
    try:
        rows = prepare(numbered, tokenizer, kind=kind, max_length=limit, too_long=spec.too_long, name=name)
    except DatasetError as error:
        raise _with_room(error, spec) from None
    for notice in notices(rows, name=name, max_length=limit, needed=objective.kind.needed):
        job.event("warning", notice)
    rows = objective.apart(rows)
    learned = "" if objective.scores else f"{rows.trained_tokens} of them learned, "
    counted = f"{len(rows.rows)} {objective.noun}, {rows.tokens} tokens, {learned}longest {rows.longest}"
    job.event("info", f"{name}: {counted}")
    return rows


# --- the trainer -----------------------------------------------------------------------------------------------------------------------


def _assemble(job: JobLog, spec: TrainingSpec, prepared: _Prepared) -> _Assembled:
    from tuneport_local.assembly import Parts
    from tuneport_local.batches import digest
    from tuneport_local.run import Run

    machine = prepared.hardware
    model, head = _loaded(job, spec, prepared)
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
        head=head,
        answer=prepared.head,
        eyes=prepared.eyes,
    )
    probe = Probe.before(job, model, tokenizer=prepared.tokenizer, spec=spec, tokens_per_epoch=prepared.rows.tokens)
    return _Assembled(OBJECTIVES[spec.method].assemble(parts), run, checkpoint, probe)


def _loaded(job: JobLog, spec: TrainingSpec, prepared: _Prepared) -> tuple[Any, tuple[str, ...]]:
    """The base in memory, and the names of what is on top of it where the method puts a head there."""
    from tuneport_local.head_loading import load_for
    from tuneport_local.loading import load_model
    from tuneport_local.trainable import loaded_in

    folder, machine = Path(prepared.base.location), prepared.hardware
    dtype = loaded_in(spec, machine)
    if prepared.head is not None:
        headed = load_for(job, spec, folder, prepared.head, dtype=dtype, device=machine.device, reader=prepared.tokenizer)
        return headed.model, headed.modules
    bits = spec.lora.quantize
    return load_model(folder, dtype=dtype, device=machine.device, trust_remote_code=spec.trust_remote_code, bits=bits), ()


def _refuse_other_vocabulary(model: Any, prepared: _Prepared, base: str) -> None:
    if prepared.head is not None and prepared.head.medium == "image":
        return
    highest, known = prepared.rows.highest_token, int(model.get_input_embeddings().num_embeddings)
    if highest >= known:
        raise UnknownModel(
            f"the tokenizer of {base} gives token {highest}, and its model knows {known} tokens only: they do not belong together.",
            remedy="Put the model's own tokenizer beside it.",
        )


def _fit(job: JobLog, spec: TrainingSpec, prepared: _Prepared, model: Any) -> Fit:
    if prepared.head is not None and prepared.head.medium == "image":
        fit = hardware.fit_pictures(batch_size=spec.batch_size, gradient_checkpointing=spec.gradient_checkpointing is True)
    else:
        shape = hardware.Shape.of(model)
        fit = hardware.fit(
            prepared.hardware,
            shape,
            batch_size=spec.batch_size * (spec.own["samples_per_prompt"] if OBJECTIVES[spec.method].writes else 1),
            longest=prepared.rows.widest + _room(spec),
            gradient_checkpointing=False if spec.kind.name == "prefix" else spec.gradient_checkpointing,
            held_bytes=int(shape.weights * bytes_per_weight(spec.kind, method=spec.method)) if spec.kind.whole else 0,
        )
    for reason in fit.reasons:
        job.event("info", reason)
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
