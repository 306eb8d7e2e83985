"""What an export would have to install first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuneport.exporting import Export
from tuneport.model import Model
from tuneport_local.exporting import workshop
from tuneport_local.exporting.converter import find
from tuneport_local.exporting.export import refuse_target
from tuneport_local.exporting.source import refuse_form, source_of


def needs(model: Model, wish: Export, *, home: Path, environ: Mapping[str, str]) -> str | None:
    """The sentence about the converter, where the form takes one and none is here. Raises what `export` would for the same wish."""
    refuse_form(source_of(model, home=home), wish.form)
    refuse_target(wish.to)
    if wish.form not in ("gguf", "ollama") or find(wish, home=home, environ=environ) is not None:
        return None
    return workshop.wanted(home, wish.quantise)
