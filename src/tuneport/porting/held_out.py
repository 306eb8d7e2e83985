"""Which rows the old and the new model are compared on: rows that the new one has not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneport.errors import DatasetError
from tuneport.exchange import digest, normalised, question
from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.examples import Example
    from tuneport.porting.wishes import Wishes

FEW = 20
"""With fewer rows than this hardly any difference can be told from chance."""
_MOST_SHARE = 0.2
_SEED = 7
LEARNED_BEFORE = "The old model has learned from these rows and the new one has not, which favours the old one."
OF_ITSELF = "What counts as right is what the old model itself has said: what is told is how often both say the same."


@dataclass(frozen=True, slots=True)
class HeldOut:
    """`rows` to compare on, None for no comparison; `train` what is left to learn from. `sentence` says where the rows are from, `cautions`
    what whoever believes the comparison has to know of them."""

    train: Dataset
    rows: Dataset | None
    sentence: str
    cautions: tuple[str, ...] = ()


def hold_out(train: Dataset, validation: Dataset | None, *, wishes: Wishes) -> HeldOut:
    """The rows of one's own, else the validation rows, else some of the training rows, which are then not trained on."""
    if wishes.ask == 0:
        return HeldOut(train, None, "no rows are compared, as asked for")
    if wishes.test is not None:
        return of_ones_own(wishes.test, train)
    if validation is not None:
        return _known(f"compared on the {_rows(validation)} that the old job was validated on", validation, train)
    return _a_share(train, wishes)


def of_ones_own(rows: Dataset, train: Dataset) -> HeldOut:
    """Rows that the user gives."""
    return _known(f"compared on {_rows(rows)} of {rows.name}", rows, train)


def _a_share(train: Dataset, wishes: Wishes) -> HeldOut:
    rows = train.count()
    count = max(round(rows * wishes.hold_out), min(FEW, int(rows * max(wishes.hold_out, _MOST_SHARE))))
    if wishes.hold_out == 0 or count == 0:
        return HeldOut(train, None, "no rows are compared: none are left over from training (give some: --test FILE)")
    try:
        left, taken = train.split(test=count, seed=_SEED)
        held = _rows(taken)
    except DatasetError:
        return HeldOut(train, None, f"no rows are compared: of {rows} training rows none can be left out (give some: --test FILE)")
    sentence = f"compared on {held} of the {rows:,} training rows, which are left out of the training for it"
    favours, caution = ("", OF_ITSELF) if wishes.prompts is not None else ("; the old model has learned from them", LEARNED_BEFORE)
    return HeldOut(left, taken, f"{sentence}{favours}; to train on all: --test FILE", (caution,))


def _known(sentence: str, rows: Dataset, train: Dataset) -> HeldOut:
    """With how many of the rows are trained on: what is learned by heart proves nothing."""
    learned = {_asked(row) for row in train}
    asked = [_asked(row) in learned for row in rows]
    if not any(asked):
        return HeldOut(train, rows, sentence)
    seen = f"{sum(asked):,} of {len(asked):,} rows ask what the training rows ask"
    caution = f"{seen}: what is learned by heart is right in both models and proves nothing."
    flatters = f"; {sum(asked):,} of them ask what the training rows ask, which flatters both models"
    return HeldOut(train, rows, f"{sentence}{flatters}", (caution,))


def _asked(row: Example) -> int:
    return digest(normalised(question(row)))


def _rows(rows: Dataset) -> str:
    count = rows.count()
    few = f" (fewer than {FEW}: that will hardly tell a difference from chance)" if count < FEW else ""
    return f"{counted(count, 'row')}{few}"
