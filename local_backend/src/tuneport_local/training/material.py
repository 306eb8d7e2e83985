"""From the data files of a job to what it is trained on: the rows, what reads for the model, the head that they ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, RecipeError
from tuneport_local.adapters.tuned_kinds import LORA
from tuneport_local.methods.objectives import OBJECTIVES
from tuneport_local.rows.prepared import CONVERSATIONS, Conversations, PreparedRows, Row, notices, prepare
from tuneport_local.rows.rendered_before import Shelf
from tuneport_local.training.joblog import JobLog
from tuneport_local.training.spec import TrainingSpec

if TYPE_CHECKING:
    from tuneport_local.heads.head import Head
    from tuneport_local.rows.eyes import Eyes

PICTURES = "pictures"
"""The folder of a job where the pictures of its rows lie while it trains."""


@dataclass(frozen=True, slots=True)
class Material:
    """What is made of the data files."""

    tokenizer: Any
    rows: PreparedRows[Row]
    validation: PreparedRows[Row] | None
    head: Head | None = None
    eyes: Eyes | None = None


def _eyes(job: JobLog, folder: Path, spec: TrainingSpec) -> Eyes | None:
    """Those of a base that sees, over the pictures in the job's folder; None for any other."""
    from tuneport_local.rows.eyes import Album, Eyes, processor_of

    processor = processor_of(folder)
    if processor is not None and spec.kind.name != LORA:
        raise RecipeError(
            f"weights {spec.kind.name!r} have not been tried on models that see, as {spec.base} does.", remedy="Leave weights out: LoRA."
        )
    return None if processor is None else Eyes(processor, Album(job.path / PICTURES))


def material(job: JobLog, spec: TrainingSpec, folder: Path, *, local: Path) -> Material:
    """The tokenizer, the rows to train and to validate on, and the head they ask for where the method puts one on the base. Under `local`
    lie rows that were rendered before."""
    from tuneport_local.bases.loading import load_tokenizer

    if OBJECTIVES[spec.method].headed:
        from tuneport_local.heads.rows import read_for

        found = read_for(job, spec, folder, limit=lambda tokenizer: _max_length(spec, folder, tokenizer))
        return Material(found.reader, found.rows, found.validation, head=found.head)
    tokenizer = load_tokenizer(folder, trust_remote_code=spec.trust_remote_code)
    eyes = _eyes(job, folder, spec)
    limit = _max_length(spec, folder, tokenizer)
    reader = _Reader(job, spec, tokenizer, limit, eyes, folder, Shelf(local))
    rows = reader.read(spec.train_file, purpose="train")
    if spec.validation_file is None:
        return Material(tokenizer, rows, None, head=_scoring_head(job, spec, folder), eyes=eyes)
    validation = reader.read(spec.validation_file, purpose="validation")
    return Material(tokenizer, rows, validation, head=_scoring_head(job, spec, folder), eyes=eyes)


def _scoring_head(job: JobLog, spec: TrainingSpec, folder: Path) -> Head | None:
    """What scores conversations, where that is what the method makes. Raises UnknownModel for a base that has no place for it."""
    if not OBJECTIVES[spec.method].scores:
        return None
    from tuneport_local.heads.head import Head
    from tuneport_local.heads.loading import refuse_headless

    refuse_headless(folder, "text", trust_remote_code=spec.trust_remote_code)
    head = Head(spec.method, "text")
    job.event("info", f"the head answers with {head.said}")
    return head


def _with_room(error: DatasetError, spec: TrainingSpec) -> DatasetError:
    """The same, saying what is kept of the length for answers."""
    if not room_kept(spec):
        return error
    kept = f"Of what fits, {room_kept(spec)} tokens are kept for the answer (max_tokens)."
    remedy = "Shorten them, lower max_tokens, or set too_long to 'drop'." if error.remedy else ""
    return DatasetError(f"{error.message} {kept}", line=error.line, remedy=remedy)


def _max_length(spec: TrainingSpec, folder: Path, tokenizer: Any) -> int:
    """Tokens per row: what the recipe says, else as many as the model can see."""
    from tuneport_local.bases.loading import load_config

    config = load_config(folder, trust_remote_code=spec.trust_remote_code)
    context = int(min(getattr(config, "max_position_embeddings", None) or math.inf, tokenizer.model_max_length, 1 << 20))
    context -= spec.virtual_tokens
    if spec.max_length != "auto" and spec.max_length > context:
        raise RecipeError(f"max_length {spec.max_length} is more than the {context} tokens that {spec.base} can see.")
    limit = (context if spec.max_length == "auto" else spec.max_length) - room_kept(spec)
    if limit < 1:
        raise RecipeError(
            f"an answer of {room_kept(spec)} tokens leaves no room for a prompt in {limit + room_kept(spec)}.", remedy="Lower max_tokens."
        )
    return limit


def room_kept(spec: TrainingSpec) -> int:
    """Tokens that are kept for an answer beside each row."""
    return int(spec.own["max_tokens"]) if OBJECTIVES[spec.method].writes else 0


@dataclass(frozen=True, slots=True)
class _Reader:
    """Data files into rows. `folder` is the base's, `limit` tokens of the longest row."""

    job: JobLog
    spec: TrainingSpec
    tokenizer: Any
    limit: int
    eyes: Eyes | None
    folder: Path
    shelf: Shelf

    def read(self, path: Path, *, purpose: str) -> PreparedRows[Row]:
        """The job is told what is left out, and how much there is."""
        objective, name = OBJECTIVES[self.spec.method], f"{purpose} data"
        try:
            rows, before = self._rows(path, name=name)
        except DatasetError as error:
            raise _with_room(error, self.spec) from None
        for notice in notices(rows, name=name, max_length=self.limit, needed=objective.kind.needed):
            self.job.event("warning", notice)
        rows = objective.apart(rows)
        learned = "" if objective.scores else f"{rows.trained_tokens} of them learned, "
        counted = f"{len(rows.rows)} {objective.noun}, {rows.tokens} tokens, {learned}longest {rows.longest}"
        self.job.event("info", f"{name}: {counted}{'; rendered by an earlier job' if before else ''}")
        return rows

    def _rows(self, path: Path, *, name: str) -> tuple[PreparedRows[Row], bool]:
        """And whether they were rendered before. Kept are conversations without pictures, rendered by no code of the model's own."""
        plain = OBJECTIVES[self.spec.method].kind is CONVERSATIONS and self.eyes is None and not self.spec.trust_remote_code
        if not plain:
            return self._rendered(path, name=name), False
        settings = {"max_length": self.limit, "too_long": self.spec.too_long, "format": self._format()}
        return self.shelf.rows(path, base=self.folder, settings=settings, render=lambda: self._rendered(path, name=name))

    def _rendered(self, path: Path, *, name: str) -> PreparedRows[Any]:
        kind = OBJECTIVES[self.spec.method].kind
        kind = Conversations(self.eyes) if kind is CONVERSATIONS else kind
        numbered = Dataset.read(path, format=self._format()).numbered()
        return prepare(numbered, self.tokenizer, kind=kind, max_length=self.limit, too_long=self.spec.too_long, name=name)

    def _format(self) -> str:
        return self.spec.data_format or OBJECTIVES[self.spec.method].format
