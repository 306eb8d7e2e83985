"""What the rows of a recipe hold that decides how they are carried into a job: plain text, pictures. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneport.errors import RecipeError
from tuneport.examples import LabelledExample
from tuneport_local.rows.pictures import pictured

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.methods import Training

RICH = "canonical"
"""The format of data files that say more than OpenAI's chat rows can: that a row is plain text, whatever a row holds."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Whether any row is plain text, whether any has a picture."""

    texts: bool = False
    pictures: bool = False


def contents(datasets: Iterable[Dataset]) -> Contents:
    """One pass over each. Rows that cannot be read are the checks' to tell."""
    texts = pictures = False
    for dataset in datasets:
        for block in dataset.blocks(notices=_Deaf()):
            for row in block.examples:
                texts = texts or (not isinstance(row, LabelledExample) and row.style == "text")
                pictures = pictures or next(pictured(row), None) is not None
            if texts and pictures:
                return Contents(texts, pictures)
    return Contents(texts, pictures)


def refuse_split(method: Training, found: Contents, *, name: str) -> None:
    """Raises RecipeError where rows that are too long are to be split and none can be."""
    if method.too_long == "split" and not found.texts:
        raise RecipeError(
            f"too_long is 'split', and {name} has no row of plain text: a conversation or an answer cannot be split.",
            remedy="Set too_long to 'drop' or 'truncate', or leave it out.",
        )


class _Deaf:
    """Hears of nothing."""

    def bad(self, line: int, sentence: str) -> None: ...

    def lost(self, line: int, kind: str) -> None: ...
