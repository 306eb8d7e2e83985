"""What each method is locally, in one place: its rows, its defaults, its own settings, and what makes its trainer. Imports no torch.

Everything else is the same for all of them: device, adapters, order of rows, checkpoints, pausing, the log, what is left at the end. A new
method is an entry here, a kind of row in `rows` and a module beside `sft` and `dpo`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuneport_local.rows import CONVERSATIONS, PAIRS, Kind, Row

if TYPE_CHECKING:
    from tuneport_local.assembly import Parts
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
    `judged_by` is what of a validation decides which weights are the best and when to stop early.
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
    judged_by: str = "loss"
    higher_is_better: bool = False


def _supervised(parts: Parts[Any]) -> Watched:
    from tuneport_local.sft import assemble

    return assemble(parts)


def _preferences(parts: Parts[Any]) -> Watched:
    from tuneport_local.dpo import assemble

    return assemble(parts)


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
}
METHODS = tuple(OBJECTIVES)
