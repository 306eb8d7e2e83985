"""What a finished job leaves: a PEFT adapter with its model card, and run.json. The adapter gets its name last, whole."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuneport.files import whole_folder, write_text
from tuneport.tuned_weights import Full
from tuneport_local.adapters import files as adapter_files
from tuneport_local.bases import divided
from tuneport_local.heads.head import Head
from tuneport_local.jobs.failures import written
from tuneport_local.jobs.trained import ADAPTER, MODEL
from tuneport_local.machine.hardware import Hardware
from tuneport_local.machine.throughput import hardware_of
from tuneport_local.methods.objectives import OBJECTIVES
from tuneport_local.training.ending import Ending
from tuneport_local.training.spec import TrainingSpec

_LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate", "tokenizers")
_VALIDATED = {
    "eval_loss": "validation loss",
    "eval_rewards/accuracies": "validation pairs whose better answer is preferred, as compared with the base",
    "eval_rewards/margins": "margin of their rewards",
    "eval_rewards/mean": "mean reward over the validation prompts",
    "eval_pair_accuracy": "validation pairs whose better answer has the higher score",
    "eval_margin": "how much higher it is on average",
    "eval_accuracy": "validation rows with the right label",
    "eval_macro_precision": "precision, mean over the labels",
    "eval_macro_recall": "recall, mean over the labels",
    "eval_macro_f1": "F1, mean over the labels",
    "eval_mae": "validation error, mean absolute",
    "eval_rmse": "validation error, root of the mean square",
    "eval_r2": "share of the scores' variance explained (R2)",
}
_LICENCES = {"smollm2-135m-instruct": "apache-2.0"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a run when it ends. Seconds and tokens count all attempts; `begun` is when this one began (epoch seconds); `texts`
    of the rows are plain text."""

    spec: TrainingSpec
    base_note: str
    base_name: str
    rows: int
    tokens_per_epoch: int
    learned_tokens_per_epoch: int
    validation_rows: int
    hardware: Hardware
    last: dict[str, float]
    eval_losses: tuple[tuple[int, float], ...]
    tokens: int
    training_s: float
    begun: float
    last_eval: dict[str, float] = field(default_factory=dict)
    ending: Ending | None = None
    texts: int = 0
    head: Head | None = None


def versions() -> dict[str, str]:
    """The versions that results depend on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        found[name] = importlib.metadata.version(name)
    return found


def publish(folder: Path, model: Any, *, tokenizer: Any, facts: Facts, found: divided.Gathered | None = None) -> Path:
    """Writes run.json and `adapter/` into the job's folder; a model without adapters goes into `model/`, with its tokenizer. `found` are
    the weights of one that is divided among processes.

    Raises MachineGaveOut when the disk does not take them.
    """
    name = ADAPTER if hasattr(model, "peft_config") else MODEL
    target, document = folder / name, json.dumps(_run(facts), indent=1, default=str) + "\n"
    with written(f"the {name} in {folder}"), whole_folder(target) as part:
        if name == ADAPTER:
            adapter_files.write(model, part)
        else:
            divided.write(model, part, found)
            tokenizer.save_pretrained(part)
        if facts.head is not None:
            facts.head.write(part)
        (part / "README.md").write_text(_card(facts), encoding="utf-8")
        (part / "run.json").write_text(document, encoding="utf-8")
        write_text(folder / "run.json", document)
    return target


def _run(facts: Facts) -> dict[str, Any]:
    ended = datetime.now(UTC)
    return {
        "recipe": asdict(facts.spec),
        "base": {"id": facts.spec.base, "name": facts.base_name, "weights": facts.base_note},
        **({"continues": facts.spec.continues} if facts.spec.continues else {}),
        "recipe_fingerprint": facts.spec.recipe_fingerprint,
        "dataset_fingerprint": facts.spec.dataset_fingerprint,
        "data": {
            "rows": facts.rows,
            "tokens_per_epoch": facts.tokens_per_epoch,
            "learned_tokens_per_epoch": facts.learned_tokens_per_epoch,
            "validation_rows": facts.validation_rows,
        },
        **({"head": asdict(facts.head)} if facts.head else {}),
        "metrics": _metrics(facts),
        **({"ending": asdict(facts.ending)} if facts.ending else {}),
        "hardware": {
            "name": hardware_of(facts.hardware.device),
            "device": facts.hardware.device,
            "precision": facts.hardware.precision,
            "adapter_precision": facts.hardware.adapter_precision,
            "choices": list(facts.hardware.reasons),
            "peak_memory_bytes": _peak_memory_bytes(facts.hardware.device),
        },
        "versions": versions(),
        "started_at": datetime.fromtimestamp(facts.begun, UTC).isoformat(),
        "finished_at": ended.isoformat(),
        "training_s": round(facts.training_s, 1),
    }


def _metrics(facts: Facts) -> dict[str, Any]:
    rate = facts.tokens / facts.training_s if facts.training_s else 0.0
    found: dict[str, Any] = {"loss": facts.last.get("loss"), "tokens": facts.tokens, "tokens_per_second": round(rate, 1)}
    found |= {name: value for name, value in facts.last.items() if name.startswith("rewards/")}
    if facts.eval_losses:
        found |= {**facts.last_eval, "eval_loss": facts.eval_losses[-1][1]}
        found["eval_losses"] = [{"step": step, "loss": loss} for step, loss in facts.eval_losses]
    return found


def _peak_memory_bytes(device: str) -> int:
    """The most this process had in use: of the GPU's memory where it trained on one, else of the machine's."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _card(facts: Facts) -> str:
    spec, metrics = facts.spec, _metrics(facts)
    licence = _LICENCES.get(spec.base)
    front = [
        "---",
        f"base_model: {facts.base_name}",
        f"library_name: {'transformers' if spec.kind.whole else 'peft'}",
        *([f"license: {licence}"] if licence else []),
        f"tags: [{spec.kind.name}, {spec.method}]",
        "---",
    ]
    own = "".join(f"\n| {name.replace('_', ' ')} | {_value(value)} |" for name, value in spec.own.items())
    validated = "".join(f"\n| {words} | {metrics[name]:.4f} |" for name, words in _VALIDATED.items() if name in metrics)
    note = licence_note(licence, noun=spec.kind.noun)
    return (
        "\n".join(front)
        + f"""

# {spec.kind.title} {facts.base_name}

Trained with Tuneport on {datetime.now(UTC).date().isoformat()}: {_learned(facts)}.
Base weights: {facts.base_note}.

| | |
|---|---|
| data | {_data(facts)} |
| data fingerprint | `{spec.dataset_fingerprint or "not recorded"}` |
| epochs, batch size | {spec.epochs}, {spec.batch_size} |
| learning rate | {spec.learning_rate:g}, {spec.schedule}, warm-up {spec.warmup_ratio:g} |{own}{_answers(facts)}
{_settings(spec)}
| seed | {spec.seed} |
| precision | {_precisions(facts)} |
| training loss of the last step | {_shown(metrics["loss"])} |{validated}{_left(facts)}

{_remarks(facts)}{note} Everything that decides the result is in `run.json`.
"""
    )


def _left(facts: Facts) -> str:
    return f"\n| weights of | {facts.ending.left} |" if facts.ending else ""


def _remarks(facts: Facts) -> str:
    said = facts.ending.remarks if facts.ending else ()
    return "".join(f"- {sentence[0].upper()}{sentence[1:]}\n" for sentence in said) + ("\n" if said else "")


def _data(facts: Facts) -> str:
    counted = f"{facts.rows} {OBJECTIVES[facts.spec.method].noun}"
    if facts.head is None:
        return f"{counted}, {facts.tokens_per_epoch} tokens, {facts.learned_tokens_per_epoch} of them learned"
    return f"{counted}" + (f", {facts.tokens_per_epoch} tokens" if facts.tokens_per_epoch else " of images")


def _answers(facts: Facts) -> str:
    """The card's row about what the model answers with."""
    return f"\n| answers with | {facts.head.said}: see `head.json` |" if facts.head is not None else ""


def licence_note(licence: str | None, *, noun: str = "adapter") -> str:
    """What the card says of the licence of what was trained."""
    if licence:
        return f"The base is under {licence}; check that your data allow the use you have in mind."
    return f"The licence of the base applies to this {noun}; check it and that your data allow the use you have in mind."


def _settings(spec: TrainingSpec) -> str:
    """The card's row about the weights that were trained."""
    if spec.kind.whole:
        changed = {name: value for name, value in Full(**(spec.weights or {})) if value != Full.model_fields[name].default}
        return f"| weights | all of them{', ' + _listed(changed) if changed else ''} |"
    if spec.weights is not None:
        return f"| {spec.kind.name} | {_listed(spec.weights)} |"
    odd: list[str] = [] if spec.lora.variant == "plain" else [spec.lora.variant]
    odd += [f"base in {spec.lora.quantize} bits"] if spec.lora.quantize else []
    said = (f"rank {spec.lora.rank}, alpha {spec.lora.alpha:g}, dropout {spec.lora.dropout:g}, {_targets(spec)}", *odd)
    return f"| LoRA | {', '.join(said)} |"


def _listed(table: Mapping[str, Any]) -> str:
    given = {name: value for name, value in table.items() if name != "kind" and value is not None}
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in given.items()) or "as it is usual"


def _precisions(facts: Facts) -> str:
    machine = facts.hardware
    if facts.spec.kind.whole:
        return f"weights {machine.adapter_precision}, computed in {machine.precision}"
    return f"base {machine.precision}, adapters {machine.adapter_precision}"


def _learned(facts: Facts) -> str:
    if facts.texts:
        rest = "" if facts.texts == facts.rows else f" and of the assistant's turns in the other {facts.rows - facts.texts} rows"
        return f"continued pre-training, with loss on every token of plain text{rest}"
    return OBJECTIVES[facts.spec.method].learned


def _targets(spec: TrainingSpec) -> str:
    return spec.lora.targets if isinstance(spec.lora.targets, str) else ", ".join(spec.lora.targets)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return str(value.get("name") or value.get("kind"))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shown(loss: float | None) -> str:
    return "not recorded" if loss is None else f"{loss:.4f}"
