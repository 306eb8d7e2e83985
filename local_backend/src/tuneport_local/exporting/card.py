"""What people read in an export: README.md with what the weights are, and export.json with how they were checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuneport.exporting import Check
from tuneport_local.bases.weights import catalogue, published_name
from tuneport_local.exporting.source import Source
from tuneport_local.exporting.task import Made
from tuneport_local.training.artefacts import licence_note

README, RECORD, RUN = "README.md", "export.json", "run.json"
_TITLES = {
    "adapter": "An adapter for {base}",
    "merged": "{base}, tuned: base and adapter merged",
    "gguf": "{base}, tuned, as a GGUF file",
    "ollama": "{base}, tuned, for Ollama",
}


def write_card(folder: Path, source: Source, *, form: str, made: Made) -> None:
    """README.md, export.json and, where the job left one, run.json."""
    record = {
        "model": source.model.uri,
        "form": form,
        "base": published_name(source.model.base or source.model.id),
        "base_weights": source.base.note,
        "recipe_fingerprint": source.model.recipe_fingerprint,
        "dataset_fingerprint": source.model.dataset_fingerprint,
        "made_with": made.made_with or None,
        "notes": list(made.notes),
        "details": dict(made.details),
        "check": _check(made.check),
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")
    if source.run:
        (folder / RUN).write_text(json.dumps(source.run, indent=1) + "\n", encoding="utf-8")
    (folder / README).write_text(_readme(source, form, made), encoding="utf-8")


def _check(check: Check) -> dict[str, Any]:
    return {
        "asked_with": check.asked_with,
        "prompts": check.prompts,
        "figures": dict(check.figures),
        "limits": dict(check.limits),
        "faults": list(check.faults),
        "remarks": list(check.remarks),
    }


def _readme(source: Source, form: str, made: Made) -> str:
    check, made_with = made.check, made.made_with
    base = published_name(source.model.base or source.model.id)
    licence = licence_of(source)
    front = [
        "---",
        f"base_model: {base}",
        f"library_name: {_LIBRARIES[form]}",
        *([f"license: {licence.lower()}"] if licence else []),
        "---",
    ]
    data = source.model.dataset_fingerprint
    said = [
        f"Exported by Tuneport from `{source.model.uri}`" + (f", with {made_with}" if made_with else "") + ".",
        *([] if source.base.note and any(source.base.note in note for note in made.notes) else [_stands_on(source, base)]),
        *([f"Data fingerprint: `{data}`."] if data else []),
        *made.notes,
    ]
    measured = "\n".join(f"| {name.replace('_', ' ')} | {_shown(value)} |" for name, value in check.figures.items() if value is not None)
    verdict = "It answers like the model that it came from" if not check.faults else "**It does not answer like the model it came from**"
    return "\n".join(
        [
            *front,
            "",
            f"# {_TITLES[form].format(base=base)}",
            "",
            *said,
            "",
            *made.lines,
            "",
            f"{verdict}, asked with {check.asked_with}:",
            "",
            "| | |",
            "|---|---|",
            measured,
            "",
            *[f"- {each}" for each in (*check.faults, *check.remarks)],
            *([""] if check.faults or check.remarks else []),
            licence_note(licence or None),
            "",
        ]
    )


def _stands_on(source: Source, base: str) -> str:
    return f"Base weights: {source.base.note or base}." if source.kind == "adapter" else f"Tuned from {base}."


_LIBRARIES: Mapping[str, str] = {"adapter": "peft", "merged": "transformers", "gguf": "gguf", "ollama": "gguf"}


def licence_of(source: Source) -> str:
    """The licence of the base, where the catalogue knows it, else ''."""
    return next((base.licence for base in catalogue() if base.id == source.model.base), "")


def _shown(value: float | int | str | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
