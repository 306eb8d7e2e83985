"""Training and validation rows for an archive: from the provider, as they were sent, else from the dataset they were made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuneport.archive.bundle import Bundle
from tuneport.errors import DatasetError, NotFound, TuneportError, Unsupported
from tuneport.examples import canonical_bytes
from tuneport.intent import Intent
from tuneport.job import Job

if TYPE_CHECKING:
    from tuneport.dataset import Dataset

GetContent = Callable[[str], Iterable[bytes]]
"""The bytes of an uploaded file, by its id."""


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file of a job. `file_id` is the provider's and `sha256` that of the bytes that were sent; None where not known."""

    purpose: str
    file_id: str | None = None
    sha256: str | None = None


def sent_files(intent: Intent | None, at_provider: Mapping[str, str]) -> list[SentFile]:
    """The files of a job: those that were planned here, and those that the provider names (ids by purpose)."""
    planned = {each["purpose"]: str(each["sha256"]) for each in (intent.plan.get("files", ()) if intent else ())}
    ids = {**at_provider, **(intent.files if intent else {})}
    purposes = dict.fromkeys(("train", *planned, *ids))
    return [SentFile(purpose, ids.get(purpose), planned.get(purpose)) for purpose in purposes if purpose.isidentifier()]


@dataclass(frozen=True, slots=True)
class RowsOfJob:
    """Where the rows of one job may be found. `content` is None where the provider gives no files back; `why_not` then says why.
    `patiently` repeats what a provider gave no answer to."""

    job: Job
    intent: Intent | None
    content: GetContent | None
    why_not: str
    patiently: Callable[[Callable[[], str]], str]

    def take(self, file: SentFile, *, into: Bundle) -> None:
        """Puts the rows into the bundle. Raises the provider's error, with what is wrong with the dataset, where neither has them."""
        name, given_back = f"files/{file.purpose}.jsonl", f"{self.job.provider}, as they were sent"
        try:
            found = self.patiently(lambda: into.put(file.purpose, name, self._content(file), origin=given_back))
            if file.sha256 in (None, found):
                return
            into.withdraw(file.purpose)
            raise NotFound(f"what {self.job.provider} gives back is not what was sent.")
        except TuneportError as error:
            refused = error
        try:
            dataset = self._dataset(file.purpose)
            rows = (canonical_bytes(example) + b"\n" for example in dataset)  # so that the file's sha256 is the dataset's fingerprint
            into.put(file.purpose, name, rows, origin="the dataset of the recipe, which is still as it was")
        except TuneportError as error:
            raise refused.__class__(f"{refused.message.rstrip('.')}; and {error.message}") from None

    def _content(self, file: SentFile) -> Iterable[bytes]:
        if self.content is None:
            raise Unsupported(self.why_not)
        if file.file_id is None:
            raise NotFound(f"the id of the {file.purpose} file at {self.job.provider} is not known.")
        return self.content(file.file_id)

    def _dataset(self, purpose: str) -> Dataset:
        """The recipe's dataset, if its rows are still those of the job. Raises UsageError where they are not, or cannot be found."""
        from tuneport.dataset import Dataset

        recipe: Mapping[str, Any] = self.intent.recipe if self.intent else {}
        if recipe.get(purpose) is None:
            raise DatasetError("the job was not submitted from here, so its dataset is not known.")
        dataset = Dataset.from_reference(recipe[purpose])
        if self._unchanged(purpose, dataset, recipe):
            return dataset
        raise DatasetError(f"the dataset {dataset.name} has changed since.")

    def _unchanged(self, purpose: str, dataset: Dataset, recipe: Mapping[str, Any]) -> bool:
        if purpose == "train" and self.job.dataset_fingerprint:
            return dataset.fingerprint == self.job.dataset_fingerprint
        from tuneport.recipe import Recipe

        return Recipe.parse(recipe).fingerprint == self.job.recipe_fingerprint  # says of all datasets at once that they are the same
