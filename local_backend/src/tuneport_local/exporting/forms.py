"""The two forms that transformers and PEFT read: an adapter, and the weights of base and adapter merged."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Sequence
from pathlib import Path

from tuneport.exporting import Check
from tuneport_local.bases.weights import published_name
from tuneport_local.exporting import figures, loaded
from tuneport_local.exporting.figures import Heard
from tuneport_local.exporting.merging import merged as merge
from tuneport_local.exporting.merging import write_merged
from tuneport_local.exporting.original import BYTES, Measure, Original, load, stored_in
from tuneport_local.exporting.task import Made, Task, Writer

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "head.json")


def check_of(kind: str, measure: Measure, heard: Sequence[Heard], *, asked_with: str, more: Sequence[str] = ()) -> Check:
    """The figures of an export of that kind, with the faults they show and those in `more`."""
    found = figures.figures(measure.said, heard, measure.base)
    faults = (*more, *figures.faults(kind, measure.said, heard, found))
    limits = {"mean_kl_nats": figures.limit_of(kind)}
    return Check(asked_with, len(measure.said), found, limits, faults, figures.remarks(kind, found))


def adapter(task: Task) -> Writer:
    """PEFT's folder as the training left it; it belongs to its base and names it as others do."""
    source = task.source
    original = load(source, home=task.home, hear=task.hear)
    measure = asked(task, original)
    files = [source.folder / name for name in ADAPTER_FILES if (source.folder / name).is_file()]
    task.refuse_full_disk(sum(path.stat().st_size for path in files))
    folder, precision, device = original.folder, original.precision, original.device
    del original
    gc.collect()

    def write(part: Path) -> Made:
        for path in files:
            shutil.copyfile(path, part / path.name)
        task.hear("asking the adapter on its base, loaded by PEFT")
        heard = loaded.of_adapter(part, base=folder, precision=precision, device=device, measure=measure, trusted=source.trusted)
        check = check_of("adapter", measure, heard, asked_with=f"transformers and PEFT in {precision}")
        return Made(check, notes=base_notes(task), lines=_adapter_lines(task))

    return write


def few_bits(task: Task) -> tuple[str, ...]:
    """That the base was held in few bits while the adapter was trained, where it was."""
    bits = ((task.source.run.get("recipe") or {}).get("lora") or {}).get("quantize")
    return (f"It was trained on the base in {bits} bits; it answers here, and was compared, on the base as it is stored.",) if bits else ()


def base_notes(task: Task) -> tuple[str, ...]:
    """On which weights the adapter was trained, where others of that name are not the same."""
    base = published_name(task.source.model.base or "")
    if "dequantised" not in task.source.base.note:
        return few_bits(task)
    return (
        *few_bits(task),
        f"It was trained on weights {task.source.base.note}; on the published weights of {base} it answers nearly, not exactly, so.",
    )


def _adapter_lines(task: Task) -> tuple[str, ...]:
    base = published_name(task.source.model.base or "")
    return (
        "```python",
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM",
        "",
        f'base = AutoModelForCausalLM.from_pretrained("{base}")',
        'model = PeftModel.from_pretrained(base, "this folder")',
        "```",
        "",
        f"vLLM: `vllm serve {base} --enable-lora --lora-modules tuned=FOLDER`, for LoRA without DoRA.",
    )


def merged(task: Task) -> Writer:
    """Safetensors that plain transformers load."""
    source = task.source
    original = load(source, home=task.home, hear=task.hear)
    measure = asked(task, original)
    precision = stored_in(original.folder) if task.wish.precision == "auto" else task.wish.precision
    task.refuse_full_disk(sum(parameter.numel() for parameter in original.network.parameters()) * BYTES[precision])

    def write(part: Path) -> Made:
        write_weights(task, original, part, precision=precision, measure=measure)
        task.hear("asking the merged weights, loaded by transformers")
        heard = loaded.of_merged(part, precision=original.precision, device=original.device, measure=measure, trusted=source.trusted)
        alike = loaded.tokenised_alike(part, original.tokenizer, measure.texts)
        more = [] if alike else ["Its tokenizer or chat template is not the model's."]
        check = check_of(precision, measure, heard, asked_with=f"transformers in {original.precision}", more=more)
        return Made(check, notes=merged_notes(task, precision), lines=_MERGED_LINES, command="tuneport models serve local:FOLDER")

    return write


def asked(task: Task, original: Original) -> Measure:
    """What the original says to the prompts."""
    task.hear(f"asking {task.source.model.uri} {len(task.rows)} prompts")
    return original.measure(task.rows)


def write_weights(task: Task, original: Original, folder: Path, *, precision: str, measure: Measure) -> None:
    """Merges where there is an adapter, and writes the whole model. The original is not to be asked any more; it leaves the memory."""
    task.hear(f"merging the adapter into its base, in {original.precision}" if task.source.kind == "adapter" else "reading the weights")
    whole = merge(original.network) if task.source.kind == "adapter" else original.network
    task.hear(f"writing the weights in {precision}")
    name = published_name(task.source.model.base or task.source.model.id)
    write_merged(whole, folder, tokenizer=original.tokenizer, precision=precision, ends=measure.ends, name=name)
    original.network = None
    del whole
    gc.collect()


def merged_notes(task: Task, precision: str) -> tuple[str, ...]:
    """What the weights are."""
    return (
        f"Weights in {precision}.",
        *few_bits(task),
        *([f"The base's weights were {task.source.base.note}."] if "dequantised" in task.source.base.note else []),
    )


_MERGED_LINES = (
    "```python",
    "from transformers import AutoModelForCausalLM, AutoTokenizer",
    "",
    'tokenizer = AutoTokenizer.from_pretrained("this folder")',
    'model = AutoModelForCausalLM.from_pretrained("this folder")',
    "```",
)
