"""Taking a tuned model out of Tuneport: a folder that other programs load, checked to answer like the model that it came from.

A provider whose models can leave it has a server that is an `Exports`; it is looked for with isinstance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

from tuneport.errors import UsageError

if TYPE_CHECKING:
    from tuneport.examples import Example
    from tuneport.model import Model

Form = Literal["adapter", "merged", "gguf", "ollama"]
FORMS: tuple[Form, ...] = get_args(Form)
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
QUANTISATIONS = (
    *("f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q5_k_s", "q5_1", "q5_0"),
    *("q4_k_m", "q4_k_s", "q4_1", "q4_0", "q3_k_l", "q3_k_m", "q3_k_s", "q2_k"),
)
"""How a GGUF file keeps its weights, from the most exact to the smallest."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is wanted. `precision` is of merged weights ('auto': that of the base as it is stored), `quantise` of those in a GGUF file.

    `converter` is llama.cpp's convert_hf_to_gguf.py, or a folder with it. `prompts` are what the export is asked in its check; without
    any, held-out rows of the job or ten fixed ones. `install`: a converter may be installed where there is none.
    """

    form: Form
    to: Path
    precision: str = "auto"
    quantise: str = "f16"
    converter: Path | None = None
    prompts: tuple[Example, ...] = ()
    install: bool = False

    def __post_init__(self) -> None:
        _one_of("form", self.form, FORMS)
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("quantisation", self.quantise, QUANTISATIONS)


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"there is no {what} {value!r}.", remedy=f"Known: {', '.join(known)}.")


@dataclass(frozen=True, slots=True)
class Check:
    """What came of asking the export and the model that it came from the same. `asked_with` is the program that read the export.

    `figures` are what was measured, `limits` the bounds on some of them, `faults` a sentence for each that is not kept, `remarks` what is
    worth knowing and no fault.
    """

    asked_with: str
    prompts: int
    figures: Mapping[str, float | int | str | None]
    limits: Mapping[str, float]
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file of an export."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished export. One whose check found faults lies in `folder` too, whose name then ends in `.failed`, and `ok` is False.

    `made_with` names what converted it; `notes` are sentences on what is in it; `command` is what lets it answer.
    """

    model: str
    form: str
    folder: Path
    files: tuple[ExportedFile, ...]
    check: Check
    made_with: str = ""
    notes: tuple[str, ...] = ()
    command: str = ""
    details: Mapping[str, str | int | float | None] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it answers like the model that it came from."""
        return not self.check.faults


@runtime_checkable
class Exports(Protocol):
    """A server whose models can be taken out of it."""

    def export_needs(self, model: Model, wish: Export) -> str | None:
        """What this export would have to install first, in a sentence that says from where, how large and where to; None for nothing."""

    def export(self, model: Model, wish: Export, *, hear: Callable[[str], object]) -> Exported:
        """Writes the folder whole or not at all, and checks it. `hear` is told what is being done.

        Raises Unsupported for a form that these weights do not have, UsageError and ConfigError for what stands in the way, before
        anything is written.
        """
