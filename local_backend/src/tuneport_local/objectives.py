"""What each method is locally, in one place: its rows, its defaults, its own settings, and what makes its trainer. Imports no torch.

Everything else is the same for all of them: device, adapters, order of rows, checkpoints, pausing, the log, what is left at the end. A new
method is an entry here, a kind of row in `rows` and a module beside `sft` and `dpo`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuneport_local.labelled_rows import LABELLED
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
    `headed`: whether the model gets a head of its own, and answers with labels or scores instead of text.
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
    headed: bool = False


def _supervised(parts: Parts[Any]) -> Watched:
    from tuneport_local.sft import assemble

    return assemble(parts)


def _preferences(parts: Parts[Any]) -> Watched:
    from tuneport_local.dpo import assemble

    return assemble(parts)


def _labelled(parts: Parts[Any]) -> Watched:
    from tuneport_local.head_training import assemble

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
    "classify": Objective(
        method="classify",
        format="canonical",
        kind=LABELLED,
        noun="rows",
        learned="to give texts or images a label, by a softmax head",
        defaults=Defaults(epochs=4, batch_size=32, learning_rate=1e-3),
        assemble=_labelled,
        own={"label_weights": "equal"},
        packs=False,
        headed=True,
    ),
    "regress": Objective(
        method="regress",
        format="canonical",
        kind=LABELLED,
        noun="rows",
        learned="to give texts or images a score, by a linear head",
        defaults=Defaults(epochs=4, batch_size=32, learning_rate=1e-3),
        assemble=_labelled,
        packs=False,
        headed=True,
    ),
}
METHODS = tuple(OBJECTIVES)
