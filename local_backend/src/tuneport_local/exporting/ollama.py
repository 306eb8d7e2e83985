"""The form for Ollama: the GGUF file with a Modelfile, whose template writes conversations exactly as the model's own does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuneport.examples import Example
from tuneport_local.exporting import card
from tuneport_local.exporting.chat_pieces import OllamaTemplate, for_ollama
from tuneport_local.exporting.forms import asked, merged_notes
from tuneport_local.exporting.gguf import ready_converter, refuse_full_disk, told, write_file
from tuneport_local.exporting.modelfile import modelfile
from tuneport_local.exporting.original import Measure, load
from tuneport_local.exporting.prompts import question
from tuneport_local.exporting.task import Made, Task, Writer

MODELFILE = "Modelfile"
_ROLES = frozenset({"system", "user", "assistant"})


def ollama(task: Task) -> Writer:
    """Raises Unsupported for a chat template that Ollama cannot be given."""
    converter = ready_converter(task)
    original = load(task.source, home=task.home, hear=task.hear)
    tokenizer = original.tokenizer
    for_ollama(tokenizer, begins=False)
    measure = asked(task, original)
    refuse_full_disk(task, original)

    def write(part: Path) -> Made:
        facts, check = write_file(task, converter, original, measure, part)
        template = for_ollama(tokenizer, begins=facts.begins)
        stops = sorted(str(tokenizer.convert_ids_to_tokens(token)) for token in measure.ends)
        (part / MODELFILE).write_text(modelfile(template, stops=stops, licence=card.licence_of(task.source)), encoding="utf-8")
        wrong, compared = compared_prompts(template, task.rows, measure, begins=str(tokenizer.bos_token or "") if facts.begins else "")
        more = (f"{wrong} of {compared} prompts come out of the Modelfile's template otherwise than out of the model's.",) if wrong else ()
        check = replace(check, faults=(*more, *check.faults), figures={**check.figures, "prompts_equal_in_ollama": compared - wrong})
        name = f"tuned-{task.source.model.id[:8]}" if task.source.model.job_uri else "tuned"
        create = f"ollama create {name} -f FOLDER/{MODELFILE} && ollama run {name}"
        return Made(
            check,
            made_with=converter.name,
            notes=(*merged_notes(task, task.wish.quantise), *_notes(template)),
            lines=("```", create.replace("FOLDER/", ""), "```", "", _TEMPERATURE),
            command=create,
            details=told(facts),
        )

    return write


_TEMPERATURE = "Ollama draws its answers; what was compared here is the likeliest one, which `PARAMETER temperature 0` asks for."


def _notes(template: OllamaTemplate) -> tuple[str, ...]:
    without = () if template.takes_system else ("The model has no place for a system message; Ollama leaves one out.",)
    return (*without, "The Modelfile's template writes messages of the system, the user and the assistant; tools are not part of it.")


def compared_prompts(template: OllamaTemplate, rows: Iterable[Example], measure: Measure, *, begins: str) -> tuple[int, int]:
    """How many of the prompts that were asked Ollama would write otherwise, and how many could be compared: those of words alone."""
    pairs = [(_turns(row), text) for row, text in zip(rows, measure.texts, strict=True) if text is not None]
    comparable = [(turns, text) for turns, text in pairs if turns is not None]
    return sum(begins + template.write(turns) != text for turns, text in comparable), len(comparable)


def _turns(row: Example) -> list[dict[str, Any]] | None:
    asked = question(row)
    messages = asked.messages
    if asked.tools or not all(each.role in _ROLES and isinstance(each.content, str) for each in messages):
        return None
    return [{"role": each.role, "content": each.content} for each in messages]
