"""Exports of models with a head of their own: the adapter, or all weights with the head, each asked for labels or scores like the original.

The original is asked as it answers here, and so is what was written, from its folder.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuneport.exporting import Check
from tuneport.model import Prediction
from tuneport_local.bases import weights
from tuneport_local.bases.loading import load_adapter, load_tokenizer, torch_dtype
from tuneport_local.exporting.forms import ADAPTER_FILES, base_notes, merged_notes
from tuneport_local.exporting.merging import SHARD
from tuneport_local.exporting.merging import merged as merge
from tuneport_local.exporting.original import stored_in
from tuneport_local.exporting.task import Made, Task, Writer
from tuneport_local.heads.answers import HeadAnswers
from tuneport_local.heads.head import Head, head_in
from tuneport_local.heads.loading import load_headed, load_processor
from tuneport_local.quiet import quiet

_LIMITS = {"adapter": 1e-5, "fp32": 1e-3, "bf16": 0.05, "fp16": 0.05}
"""The most by which a probability, or a score in units of its spread in the rows, may differ."""


def headed(task: Task) -> Writer:
    """PEFT's folder with the head in it, or all weights with the head in them."""
    source = task.source
    folder = Path(weights.fetch(source.base, home=task.home, say=_quietly(task.hear)).location)
    adapter = task.wish.form == "adapter"
    precision = stored_in(folder) if task.wish.precision == "auto" else task.wish.precision
    task.hear(f"asking {source.model.uri} {len(task.rows)} rows")
    said = tuple(HeadAnswers(task.home).predict(source.model, task.rows))
    head = head_in(source.folder)
    assert head is not None, "headed is for those that have one"
    task.refuse_full_disk(
        sum(path.stat().st_size for path in (source.folder if adapter else folder).glob("*.safetensors")) * (1 if adapter else 2)
    )

    def write(part: Path) -> Made:
        kind = "adapter" if adapter else precision
        if adapter:
            for name in ADAPTER_FILES:
                if (source.folder / name).is_file():
                    shutil.copyfile(source.folder / name, part / name)
        else:
            task.hear(f"writing the weights in {precision}")
            _write_whole(task, folder, head, part, precision=precision)
        task.hear("asking the export")
        heard = tuple(HeadAnswers(task.home).predict(replace(source.model, id=str(part), path=str(part)), task.rows))
        check = check_of(kind, head, said, heard)
        notes = base_notes(task) if adapter else merged_notes(task, precision)
        return Made(check, notes=(*notes, f"It gives {head.said}: head.json says which."), lines=_lines(head) if not adapter else ())

    return write


def _write_whole(task: Task, folder: Path, head: Head, part: Path, *, precision: str) -> None:
    source, text = task.source, head.medium == "text"
    reader: Any = (load_tokenizer if text else load_processor)(folder, trust_remote_code=source.trusted)
    network = load_headed(
        folder,
        head,
        dtype="fp32",
        device="cpu",
        padding=reader.pad_token_id if text else None,
        trained=source.kind == "model",
        trust_remote_code=source.trusted,
    ).model
    if source.kind == "adapter":
        network = merge(load_adapter(network, source.folder, device="cpu", keeps_precision=True))
    network.to(torch_dtype(precision))
    network.config.dtype = torch_dtype(precision)
    with quiet():
        network.save_pretrained(part, max_shard_size=SHARD)
        reader.save_pretrained(part)
    head.write(part)


def check_of(kind: str, head: Head, said: Sequence[Prediction], heard: Sequence[Prediction]) -> Check:
    """What came of asking both the same rows."""
    limit = _LIMITS[kind]
    figures: dict[str, float | int | str | None] = {"answers": len(said)}
    pairs = list(zip(said, heard, strict=True))
    if head.labels:
        apart = max((_apart(one.probability, other.probability) for one, other in pairs if one.label == other.label), default=0.0)
        figures |= {"equal_labels": sum(one.label == other.label for one, other in pairs), "largest_probability_difference": apart}
        moved = [one for one, other in pairs if one.label != other.label and (one.probability or 0.0) > 0.5 + limit]
        faults = [f"{len(moved)} of {len(pairs)} rows get another label that the model was sure of."] if moved else []
        name = "largest_probability_difference"
    else:
        apart = max((_apart(one.score, other.score) / head.spread for one, other in pairs), default=0.0)
        figures |= {"largest_score_difference_in_spreads": apart}
        faults, name = [], "largest_score_difference_in_spreads"
    if not apart <= limit:
        faults.append(f"Its answers differ from the model's by up to {apart:.3g}; at most {limit:g} is what {kind} may cost.")
    return Check("transformers, from its folder", len(said), figures, {name: limit}, tuple(faults))


def _apart(one: float | None, other: float | None) -> float:
    """How far, also where one of them is no number."""
    found = abs((one or 0.0) - (other or 0.0))
    return math.inf if math.isnan(found) else found


def _lines(head: Head) -> tuple[str, ...]:
    auto = "AutoModelForSequenceClassification" if head.medium == "text" else "AutoModelForImageClassification"
    return ("```python", f"from transformers import {auto}", "", f'model = {auto}.from_pretrained("this folder")', "```")


def _quietly(hear: Callable[[str], object]) -> Callable[[str], None]:
    def say(words: str) -> None:
        hear(words)

    return say
