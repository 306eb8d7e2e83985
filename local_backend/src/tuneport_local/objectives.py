"""What each method is locally, in one place: its rows, its defaults, its own settings, and what makes its trainer. Imports no torch.

Everything else is the same for all of them: device, adapters, order of rows, checkpoints, pausing, the log, what is left at the end. A new
method is an entry here, a kind of row in `rows` and a module beside `sft` and `dpo`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuneport_local.rows import CONVERSATIONS, PAIRS, PROMPTS, Kind, Row

if TYPE_CHECKING:
    from tuneport.recipe import Recipe
    from tuneport_local.assembly import Parts
    from tuneport_local.spec import TrainingSpec
    from tuneport_local.watched import Watched


@dataclass(frozen=True, slots=True)
class Defaults:
    """What `auto` in a recipe means, wherever the hardware has no say."""

    epochs: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Objective:
    """One method. `format` is that of the data in a job's folder, `noun` what a row of them is called, `learned` what a model card says.

    `own` are the settings that this method has and others have not, with what `auto` means for each. `passes` says what else than the rows
    going through the model once, there and back, a step takes; '' for nothing. `packs`: whether its rows may lie end to end in a batch.

    `writes`: its rows are prompts, and the model itself writes what is learned from (`samples_per_prompt` answers of up to `max_tokens`).
    `refuse` raises for what of a recipe it cannot do, before anything is sent; `attempt` for what fails before the model is loaded.
    """

    method: str
    format: str
    kind: Kind[Row]
    noun: str
    learned: str
    defaults: Defaults
    assemble: Callable[[Parts[Any]], Watched]
    own: Mapping[str, Any] = field(default_factory=dict)
    passes: str = ""
    packs: bool = True
    writes: bool = False
    refuse: Callable[[Recipe], None] = lambda _: None
    attempt: Callable[[TrainingSpec], None] = lambda _: None


def _supervised(parts: Parts[Any]) -> Watched:
    from tuneport_local.sft import assemble

    return assemble(parts)


def _preferences(parts: Parts[Any]) -> Watched:
    from tuneport_local.dpo import assemble

    return assemble(parts)


def _reinforcement(parts: Parts[Any]) -> Watched:
    from tuneport_local.grpo import assemble

    return assemble(parts)


def _refuse_reinforcement(recipe: Recipe) -> None:
    from tuneport_local.reinforcement import refuse_unusable

    refuse_unusable(recipe)


def _try_grader(spec: TrainingSpec) -> None:
    from tuneport_local.reinforcement import try_grader

    try_grader(spec)


OBJECTIVES: Mapping[str, Objective] = {
    "sft": Objective(
        method="sft",
        format="chat",
        kind=CONVERSATIONS,
        noun="rows",
        learned="supervised, with loss on the assistant's turns only",
        defaults=Defaults(epochs=3, batch_size=8, learning_rate=5e-4),
        assemble=_supervised,
    ),
    "dpo": Objective(
        method="dpo",
        format="canonical",
        kind=PAIRS,
        noun="pairs",
        learned="on pairs of answers, to prefer the better one as compared with the base",
        defaults=Defaults(epochs=1, batch_size=8, learning_rate=5e-5),
        assemble=_preferences,
        own={"beta": 0.1, "loss": "sigmoid", "label_smoothing": 0.0},
        packs=False,
        passes="both answers of a pair, and both once more through the base as the reference",
    ),
    "grpo": Objective(
        method="grpo",
        format="canonical",
        kind=PROMPTS,
        noun="prompts",
        learned="by reinforcement, towards answers that its grader scores above the others to the same prompt",
        defaults=Defaults(epochs=1, batch_size=8, learning_rate=5e-5),
        assemble=_reinforcement,
        own={"grader": None, "samples_per_prompt": 8, "max_tokens": 256, "temperature": 1.0, "beta": 0.0, "eval_samples": 0},
        packs=False,
        passes="the answers are written token by token before they are learned from",
        writes=True,
        refuse=_refuse_reinforcement,
        attempt=_try_grader,
    ),
}
METHODS = tuple(OBJECTIVES)
