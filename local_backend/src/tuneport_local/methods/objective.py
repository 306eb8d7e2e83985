"""What a method is locally: its rows, its defaults, its own settings, and what makes its trainer. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tuneport_local.rows.prepared import Kind, PreparedRows, Row

if TYPE_CHECKING:
    from tuneport.recipe import Recipe
    from tuneport_local.training.assembly import Parts
    from tuneport_local.training.spec import TrainingSpec
    from tuneport_local.training.watched import Watched


@dataclass(frozen=True, slots=True)
class Defaults:
    """What `auto` in a recipe means, wherever the hardware has no say."""

    epochs: int
    batch_size: int
    learning_rate: float


def _as_they_are(rows: PreparedRows[Row]) -> PreparedRows[Row]:
    return rows


@dataclass(frozen=True, slots=True)
class Objective:
    """One method. `format` is that of the data in a job's folder, `noun` what a row of them is called, `learned` what a model card says.

    trainer       the module of this package whose `assemble` puts its trainer together
    own           the settings that this method has and others have not, with what `auto` means for each
    passes        what else than the rows going through the model once, there and back, a step takes; '' for nothing
    packs         whether its rows may lie end to end in a batch
    judged_by     what of a validation decides which weights are the best, and when to stop early
    models, data  words for the table of methods; '' for `data` where the checks of core say it
    headed        the model gets a head of its own, and answers with labels or scores instead of text
    apart         makes several rows of those that hold several, once they are known to fit;  least_batch  rows that a batch must have
    scores        whether its model gets a linear head that scores conversations
    writes        its rows are prompts, and the model itself writes what it learns from (`samples_per_prompt` answers of up to `max_tokens`)
    refuse        raises for what of a recipe it cannot do, before anything is sent;  attempt  for what fails before the model is loaded
    """

    method: str
    format: str
    kind: Kind[Row]
    noun: str
    learned: str
    defaults: Defaults
    trainer: str
    own: Mapping[str, Any] = field(default_factory=dict)
    passes: str = ""
    packs: bool = True
    judged_by: str = "loss"
    higher_is_better: bool = False
    models: str = "causal language models"
    data: str = ""
    apart: Callable[[PreparedRows[Row]], PreparedRows[Row]] = _as_they_are
    least_batch: int = 1
    scores: bool = False
    headed: bool = False
    writes: bool = False
    refuse: Callable[[Recipe], None] = lambda _: None
    attempt: Callable[[TrainingSpec], None] = lambda _: None

    def assemble(self, parts: Parts[Any]) -> Watched:
        """The trainer of a job. Loads torch."""
        made: Watched = self.loaded().assemble(parts)
        return made

    def loaded(self) -> Any:
        """The module that assembles, with all that it imports: torch, transformers, peft, trl."""
        return import_module(f"tuneport_local.{self.trainer}")
