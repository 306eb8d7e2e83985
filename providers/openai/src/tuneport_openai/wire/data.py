"""What the vendor takes as rows, by method and base, and the bytes of the files that it gets."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING

from tuneport.limits import Target, target
from tuneport.planned_data import CheckedData, Chunks, Rows, checked_data
from tuneport.recipe import Recipe
from tuneport_openai.wire.dialect import OPENAI, Dialect

if TYPE_CHECKING:
    from tuneport.dataset import Dataset

FORMATS = {"sft": "chat", "dpo": "preference", "grpo": "reinforcement"}
"""The format of the files of each method."""

_BOM = b"\xef\xbb\xbf"


def files_of(recipe: Recipe, *, base: str, dialect: Dialect = OPENAI) -> CheckedData:
    """Raises CheckFailed with the first lines that the vendor would refuse, DatasetError for rows that cannot be read at all."""
    method = recipe.method.kind
    goal = target_of(base, method=method, dialect=dialect)
    return checked_data(recipe, Rows(dialect.name, goal, base, lambda rows: chunks_of(rows, format=FORMATS[method], bom=dialect.bom)))


def target_of(base: str, *, method: str, dialect: Dialect = OPENAI) -> Target:
    """What the data are checked for. A tuned model takes what its base takes."""
    if dialect.limits is None:
        return Target(method=method)
    from tuneport_openai.wire.bases import known_base

    known = known_base(base, dialect=dialect)
    return target(f"{dialect.limits}:{known.id if known else base}", method=method)


def chunks_of(dataset: Dataset, *, format: str, bom: bool = False) -> Chunks:
    """The bytes of a file, afresh at every call."""
    return lambda: chain((_BOM,) if bom else (), dataset.chunks(format=format))


def files_in(job: Mapping[str, str]) -> dict[str, str]:
    """The keys of a job that name its files, of which the ids are given by purpose."""
    return {f"{'training' if purpose == 'train' else purpose}_file": file_id for purpose, file_id in job.items()}
