"""The rows of a job whose model gets a head: read, told apart from what a head cannot learn, and the head they ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError
from tuneport.examples import Example, LabelledExample
from tuneport.formats.format import BadRow
from tuneport_local.bases.loading import load_tokenizer
from tuneport_local.heads.head import Head, Medium
from tuneport_local.heads.labelled_rows import LABELLED, LabelledRow, refuse_unknown_labels
from tuneport_local.heads.loading import load_processor, refuse_headless
from tuneport_local.methods.objectives import OBJECTIVES
from tuneport_local.rows.prepared import PreparedRows, notices, prepare
from tuneport_local.training.joblog import JobLog
from tuneport_local.training.spec import TrainingSpec

Numbered = Sequence[tuple[int, Example]]


@dataclass(frozen=True, slots=True)
class HeadedRows:
    """What a head is trained on. `reader` makes the model's input: a tokenizer, or an image processor."""

    reader: Any
    rows: PreparedRows[LabelledRow]
    validation: PreparedRows[LabelledRow] | None
    head: Head


def read_headed(spec: TrainingSpec, folder: Path, *, limit: Callable[[Any], int]) -> HeadedRows:
    """The rows for the base in `folder`; `limit` says of its tokenizer how many tokens a text may have.

    Raises DatasetError for rows of another kind, with nothing to tell apart or with labels that only validation has; UnknownModel for a
    base that takes no such rows.
    """
    listed = {purpose: _listed(path) for purpose, path in (("train", spec.train_file), ("validation", spec.validation_file)) if path}
    medium = _medium([row for rows in listed.values() for row in rows])
    refuse_headless(folder, medium, trust_remote_code=spec.trust_remote_code)
    if medium == "image":
        reader = load_processor(folder, trust_remote_code=spec.trust_remote_code)
        found = {purpose: _pictures(rows, name=f"{purpose} data") for purpose, rows in listed.items()}
    else:
        reader = load_tokenizer(folder, trust_remote_code=spec.trust_remote_code)
        most = limit(reader)
        found = {
            purpose: prepare(rows, reader, kind=LABELLED, max_length=most, too_long=spec.too_long, name=f"{purpose} data")
            for purpose, rows in listed.items()
        }
    head = Head.of([row.said for row in found["train"].rows], method=spec.method, medium=medium, name="train data")
    if (validation := found.get("validation")) is not None:
        refuse_unknown_labels(validation.rows, head, name="validation data")
    return HeadedRows(reader, found["train"], validation, head)


def read_for(job: JobLog, spec: TrainingSpec, folder: Path, *, limit: Callable[[Any], int]) -> HeadedRows:
    """The same, and the job hears what there is."""
    found = read_headed(spec, folder, limit=limit)
    for rows, name in ((found.rows, "train data"), (found.validation, "validation data")):
        if rows is not None:
            for notice in notices(rows, name=name, max_length=rows.longest, needed=LABELLED.needed):
                job.event("warning", notice)
            lengths = f", {rows.tokens} tokens, longest {rows.longest}" if rows.tokens else ""
            job.event("info", f"{name}: {len(rows.rows)} {found.head.medium}s{lengths}")
    job.event("info", f"the head answers with {found.head.said}")
    return found


def _listed(path: Path) -> Numbered:
    return tuple(Dataset.read(path, format=OBJECTIVES["classify"].format).numbered())


def _medium(numbered: Numbered) -> Medium:
    """What the rows are. Raises DatasetError when they are of both kinds."""
    seen: dict[Medium, int] = {}
    for line, example in numbered:
        if isinstance(example, LabelledExample):
            seen.setdefault("text" if example.image is None else "image", line)
    if len(seen) > 1:
        raise DatasetError(
            f"line {seen['text']} is a text and line {seen['image']} an image; a model has a head for one of them.",
            remedy="Train one model for each.",
        )
    return next(iter(seen), "text")


def _pictures(numbered: Numbered, *, name: str) -> PreparedRows[LabelledRow]:
    """Rows with a picture, each of which can be opened."""
    from tuneport_local.rows.pictures import opened

    rows = []
    for line, example in numbered:
        try:
            row = LABELLED.render(example, None, template=None, line=line)
            opened(row.picture)
        except (DatasetError, BadRow) as error:
            said = error.message if isinstance(error, DatasetError) else f"line {line}: {error}"
            raise DatasetError(f"{name}: {said}", line=line) from None
        rows.append(row)
    if not rows:
        raise DatasetError(f"{name}: nothing would be trained: the file has no rows.", remedy="See: tuneport data check")
    return PreparedRows(tuple(rows))
