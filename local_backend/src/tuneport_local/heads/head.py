"""What a model answers with by a head of its own: labels or a score. Told without torch, by `head.json` beside its weights.

{"method": "classify", "medium": "text", "labels": ["late", "lost"]}
{"method": "regress", "medium": "image", "centre": 3.1, "spread": 1.2}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tuneport.errors import DatasetError, UnknownModel
from tuneport.files import write_text

FILE = "head.json"
Medium = Literal["text", "image"]
REWARD = "reward"
METHODS = ("classify", "regress", REWARD)


@dataclass(frozen=True, slots=True)
class Head:
    """`labels` are those of the training rows, sorted: the outputs of a softmax head in their order. The one output of a linear head is a
    score in units of `spread` around `centre`; that of a reward model is of a conversation, and has no unit."""

    method: str
    medium: Medium
    labels: tuple[str, ...] = ()
    centre: float = 0.0
    spread: float = 1.0

    @classmethod
    def of(cls, said: Sequence[str | float], *, method: str, medium: Medium, name: str) -> Head:
        """The head for training rows that have these labels or scores. `name` is that of the data, for messages.

        Raises DatasetError when there is nothing to tell apart.
        """
        if method == "classify":
            return cls(method, medium, labels=_labels([str(label) for label in said], name=name))
        centre, spread = _centre_and_spread([float(score) for score in said], name=name)
        return cls(method, medium, centre=centre, spread=spread)

    @property
    def outputs(self) -> int:
        """How many numbers the head gives."""
        return len(self.labels) or 1

    @property
    def said(self) -> str:
        """What it answers with, for an event or a card."""
        if self.method == REWARD:
            return "a score: the better an answer, the higher"
        return f"{len(self.labels)} labels" if self.labels else f"a score (mean {self.centre:.4g}, spread {self.spread:.4g} in the rows)"

    def write(self, folder: Path) -> Path:
        """Puts `head.json` into the folder."""
        return write_text(folder / FILE, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")


def head_in(folder: Path) -> Head | None:
    """The head of what lies in the folder; None for a model that answers with text. Raises UnknownModel for one that cannot be read."""
    try:
        said = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return Head(**{**said, "labels": tuple(said["labels"])})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UnknownModel(f"{folder / FILE} cannot be read: {type(error).__name__}.") from None


def _labels(said: Sequence[str], *, name: str) -> tuple[str, ...]:
    labels = tuple(sorted(set(said)))
    if len(labels) < 2:
        raise DatasetError(
            f"{name}: all {len(said)} rows have the same label, so there is nothing to tell apart.", remedy="Add rows of others."
        )
    return labels


def _centre_and_spread(scores: Sequence[float], *, name: str) -> tuple[float, float]:
    from statistics import fmean, pstdev

    centre, spread = fmean(scores), pstdev(scores)
    if spread == 0:
        raise DatasetError(f"{name}: all {len(scores)} rows have the same score, so there is nothing to learn.", remedy="Add other rows.")
    return centre, spread
