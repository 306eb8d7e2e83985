"""Which rows the old and the new model are compared on: rows that the new one has not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneport.errors import DatasetError
from tuneport.exchange import digest, normalised, question

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.examples import Example
    from tuneport.porting.wishes import Wishes

FEW = 20
"""With fewer rows than this hardly any difference can be told from chance."""
_MOST_SHARE = 0.2
_SEED = 7


@dataclass(frozen=True, slots=True)
class HeldOut:
    """`rows` to compare on, None for no comparison; `train` what is left to learn from. `sentence` says where the rows are from."""

    train: Dataset
    rows: Dataset | None
    sentence: str


def hold_out(train: Dataset, validation: Dataset | None, *, wishes: Wishes) -> HeldOut:
    """The rows of one's own, else the validation rows, else some of the training rows, which are then not trained on."""
    if wishes.ask == 0:
        return HeldOut(train, None, "no rows are compared, as asked for")
    if wishes.test is not None:
        return HeldOut(train, wishes.test, of_ones_own(wishes.test, train))
    if validation is not None:
        seen = _seen(validation, train)
        return HeldOut(train, validation, f"compared on the {_rows(validation)} that the old job was validated on{seen}")
    return _a_share(train, wishes)


def of_ones_own(rows: Dataset, train: Dataset) -> str:
    """The sentence on rows that the user gives."""
    return f"compared on {_rows(rows)} of {rows.name}{_seen(rows, train)}"


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
    return HeldOut(left, taken, f"{sentence}; to train on all: --test FILE")


def _seen(rows: Dataset, train: Dataset) -> str:
    """How many of the rows are trained on: what is learned by heart proves nothing."""
    learned = {_asked(row) for row in train}
    count = sum(_asked(row) in learned for row in rows)
    return f"; {count:,} of them ask what the training rows ask, which flatters both models" if count else ""


def _asked(row: Example) -> int:
    return digest(normalised(question(row)))


def _rows(rows: Dataset) -> str:
    count = rows.count()
    few = f" (fewer than {FEW}: that will hardly tell a difference from chance)" if count < FEW else ""
    return f"{count:,} {'row' if count == 1 else 'rows'}{few}"
