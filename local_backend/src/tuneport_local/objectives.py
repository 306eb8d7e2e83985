"""What each method is locally, in one place: its rows, its defaults, its own settings, and what makes its trainer. Imports no torch.

Everything else is the same for all of them: device, adapters, order of rows, checkpoints, pausing, the log, what is left at the end. A new
method is an entry here, a kind of row in `rows` and a module beside `sft` and `dpo`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuneport_local.judged import JUDGED, each_answer
from tuneport_local.rows import CONVERSATIONS, PAIRS, Kind, PreparedRows, Row

if TYPE_CHECKING:
    from tuneport_local.assembly import Parts
    from tuneport_local.watched import Watched


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

    `own` are the settings that this method has and others have not, with what `auto` means for each. `passes` says what else than the rows
    going through the model once, there and back, a step takes; '' for nothing. `packs`: whether its rows may lie end to end in a batch.
    `judged_by` is what of a validation decides which weights are the best and when to stop early.
    `models` and `data` are words for the table of methods; '' for `data` where the checks of core say it.
    `apart` makes several rows of those that hold several, once they are known to fit. `least_batch`: rows that a batch must have.
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
    models: str = "causal language models"
    data: str = ""
    apart: Callable[[PreparedRows[Row]], PreparedRows[Row]] = _as_they_are
    least_batch: int = 1


def _supervised(parts: Parts[Any]) -> Watched:
    from tuneport_local.sft import assemble

    return assemble(parts)


def _preferences(parts: Parts[Any]) -> Watched:
    from tuneport_local.dpo import assemble

    return assemble(parts)


def _odds_ratio(parts: Parts[Any]) -> Watched:
    from tuneport_local.orpo import assemble

    return assemble(parts)


def _judged(parts: Parts[Any]) -> Watched:
    from tuneport_local.kto import assemble

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
        passes="both answers of a pair, and both once more through the base as the reference",
    ),
    "orpo": Objective(
        method="orpo",
        format="canonical",
        kind=PAIRS,
        noun="pairs",
        learned="on pairs of answers, to give the better one and to prefer it, without a reference",
        defaults=Defaults(epochs=1, batch_size=8, learning_rate=1e-4),
        assemble=_odds_ratio,
        own={"beta": 0.1},
        passes="both answers of a pair",
    ),
    "kto": Objective(
        method="kto",
        format="canonical",
        kind=JUDGED,
        noun="answers",
        learned="on single answers, to give those that are wanted and not those that are not, as compared with the base",
        defaults=Defaults(epochs=1, batch_size=8, learning_rate=5e-5),
        assemble=_judged,
        own={"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0},
        passes="each answer and the prompt with another row's answer, and both once more through the base as the reference",
        apart=each_answer,
        least_batch=2,
    ),
}
METHODS = tuple(OBJECTIVES)
