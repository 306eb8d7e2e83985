"""The form for llama.cpp and its kin: merged weights through llama.cpp's own converter, rounded as wished, and asked."""

from __future__ import annotations

import shutil
from pathlib import Path

from tuneport.exporting import Check
from tuneport_local.bases.weights import published_name
from tuneport_local.exporting import workshop
from tuneport_local.exporting.converter import Converter, find
from tuneport_local.exporting.forms import asked, check_of, merged_notes, write_weights
from tuneport_local.exporting.gguf_answers import Answered, by_llama, by_transformers
from tuneport_local.exporting.gguf_facts import GgufFacts, read_facts, wrong_facts
from tuneport_local.exporting.modelfile import FILE
from tuneport_local.exporting.original import BYTES, Measure, Original, load
from tuneport_local.exporting.task import Made, Task, Writer
from tuneport_local.exporting.workshop import DIRECT

_WORK = ".work"
_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 1.1}


def gguf(task: Task) -> Writer:
    """One file with everything: weights, tokenizer, chat template."""
    converter = ready_converter(task)
    original = load(task.source, home=task.home, hear=task.hear)
    measure = asked(task, original)
    refuse_full_disk(task, original)

    def write(part: Path) -> Made:
        facts, check = write_file(task, converter, original, measure, part)
        lines = ("```", f"llama-cli -m {FILE} -cnv", "```")
        return Made(
            check,
            made_with=converter.name,
            notes=merged_notes(task, task.wish.quantise),
            lines=lines,
            command=f"llama-cli -m FOLDER/{FILE} -cnv",
            details=told(facts),
        )

    return write


def ready_converter(task: Task) -> Converter:
    """The converter that is here, or, where the user agreed, one installed now. Raises ConfigError with the sentence on it."""
    converter = find(task.wish, home=task.home, environ=task.environ)
    if converter is None and task.wish.install:
        workshop.installed(task.home, environ=task.environ, hear=task.hear)
        converter = find(task.wish, home=task.home, environ=task.environ)
    if converter is None:
        raise workshop.not_agreed(task.home, task.wish.quantise)
    return converter


def refuse_full_disk(task: Task, original: Original) -> None:
    """While it is made there are the merged weights, perhaps an f16 file of them, and the file itself."""
    numbers = sum(parameter.numel() for parameter in original.network.parameters())
    each = BYTES[original.precision] + _BYTES.get(task.wish.quantise, 1.0) + (0 if task.wish.quantise in DIRECT else _BYTES["f16"])
    task.refuse_full_disk(int(numbers * each))


def write_file(task: Task, converter: Converter, original: Original, measure: Measure, folder: Path) -> tuple[GgufFacts, Check]:
    """Converts, rounds and asks. Only the file itself is left in `folder`."""
    work, kind, file = folder / _WORK, task.wish.quantise, folder / FILE
    work.mkdir()
    template, device = original.tokenizer.chat_template, original.device
    write_weights(task, original, work / "merged", precision=original.precision, measure=measure)
    task.hear(f"converting with {converter.name}")
    title = f"{published_name(task.source.model.base or 'model').rpartition('/')[2]} tuned"
    first = file if kind in DIRECT else work / "f16.gguf"
    converter.convert(work / "merged", first, kind=kind if kind in DIRECT else "f16", title=title, environ=task.environ)
    if first != file:
        task.hear(f"rounding to {kind}")
        converter.quantise(first, file, kind=kind, environ=task.environ)
    shutil.rmtree(work)
    answered = _asked(task, converter, file, measure, device=device)
    facts = read_facts(file)
    more = wrong_facts(facts, measure, template=template, tokens=answered.tokens)
    return facts, check_of(kind, measure, answered.heard, asked_with=answered.asked_with, more=more)


def _asked(task: Task, converter: Converter, file: Path, measure: Measure, *, device: str) -> Answered:
    if converter.shop is not None and converter.shop.builds:
        task.hear("asking the file with llama.cpp")
        return by_llama(file, measure, shop=converter.shop, environ=task.environ)
    task.hear("asking the file with transformers: llama.cpp's library is not here")
    return by_transformers(file, measure, device=device)


def told(facts: GgufFacts) -> dict[str, str | int | float | None]:
    """What the result says of the file."""
    return {
        "architecture": facts.architecture,
        "pre_tokenizer": facts.splitting or None,
        "end_token": facts.end,
        "chat_template": "as in the model" if facts.template else None,
    }
