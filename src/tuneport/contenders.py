"""Who takes part in an evaluation: the model itself, its base as it is, its base under a prompt, or any other model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from tuneport.dataset import Dataset
from tuneport.errors import UsageError
from tuneport.evaluate import Contender, labels_prompt
from tuneport.examples import Example
from tuneport.model import Model
from tuneport.provider import given_by

if TYPE_CHECKING:
    from tuneport.provider import Server
    from tuneport.registry import JobRegistry

BASE, BASE_WITH_LABELS = "base", "base+labels"


class Models(Protocol):
    """Where models and their servers are found: a `Client`, as far as this module needs it."""

    @property
    def registry(self) -> JobRegistry: ...

    def model(self, model: str | Model) -> Model: ...

    def server(self, provider: str) -> Server: ...


def contender(name: str, model: Model, *, models: Models, system: str | None = None) -> Contender:
    """`model`, asked through its own provider's server."""
    return Contender(name=name, model=model, server=models.server(model.provider), system=system)


def contenders(
    target: Model, against: str | Model | Sequence[str | Model], *, models: Models, labels_from: Iterable[Example] | None
) -> list[Contender]:
    """`target` and, behind it, whomever `against` names. Raises UsageError, UnknownModel."""
    others = [against] if isinstance(against, str | Model) else list(against)
    known = list(labels_from) if labels_from is not None else None
    return [
        contender("tuned" if target.kind == "tuned" else target.id, target, models=models),
        *(opponent(other, target, models=models, labels_from=known) for other in others),
    ]


def opponent(other: str | Model, target: Model, *, models: Models, labels_from: Iterable[Example] | None) -> Contender:
    """The contender that `other` names beside `target`: 'base', 'base+labels', a URI or a model. Raises UsageError, UnknownModel."""
    if other not in (BASE, BASE_WITH_LABELS):
        model = models.model(other)
        return contender(model.id, model, models=models)
    if target.base is None:
        raise UsageError(f"{target.uri} names no base model to compare with.", remedy="Give one: --against <provider>:<model>")
    base = models.server(target.provider).model(target.base)
    if "text" not in given_by(models.server(target.provider), target) and other == BASE:
        raise UsageError(
            f"{target.uri} answers by a head of its own, which its base {target.base} does not have: there is nothing to compare with.",
            remedy=f"Compare with a model by its URI (as {target.provider}:{target.base}), or with the labels in the prompt: "
            "--against base+labels",
        )
    if other == BASE:
        return contender(BASE, base, models=models)
    rows = labels_from if labels_from is not None else _training_rows(target, models)
    return contender(BASE_WITH_LABELS, base, models=models, system=labels_prompt(list(rows)))


def _training_rows(model: Model, models: Models) -> Dataset:
    job = models.registry.job(model.job_uri) if model.job_uri else None
    intent = models.registry.intent(job.client_id) if job and job.client_id else None
    reference = intent.recipe.get("train") if intent else None
    if reference is None:
        raise UsageError(f"the data {model.uri} was tuned on are not known here.", remedy="Name them: --labels-from FILE")
    rows = Dataset.from_reference(reference)
    if job is not None and job.dataset_fingerprint not in (None, rows.fingerprint):
        raise UsageError(
            f"the data {model.uri} was tuned on have changed since ({rows.name}).", remedy="Name them as they were: --labels-from FILE"
        )
    return rows
