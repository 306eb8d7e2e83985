"""A job quoted at many providers: from the price book where a provider's billing is known, else by its plug-in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tuneport.catalogue import catalogue
from tuneport.connections import Connections
from tuneport.dataset import Dataset
from tuneport.errors import (
    ConfigError,
    PluginError,
    RecipeError,
    Refused,
    UnknownModel,
    UnknownProvider,
    Unreachable,
    Unsupported,
)
from tuneport.examples import Kind
from tuneport.last_days import vendor_of
from tuneport.own_settings import own_settings
from tuneport.prices import PriceBook
from tuneport.quote import Quote, Usage
from tuneport.quoting.bases import NoBase, bases
from tuneport.quoting.job import JobToQuote
from tuneport.quoting.measured_before import measure_once
from tuneport.quoting.quotes import named, quotes
from tuneport.quoting.rules import quoted_providers
from tuneport.tuned_weights import Full

if TYPE_CHECKING:
    from tuneport.methods import Training
    from tuneport.recipe import Recipe

Weights = Literal["lora", "full"]

_METHODS: dict[Kind, str] = {"chat": "sft", "labelled": "sft", "preference": "dpo", "prompt": "grpo"}
"""What a dataset is taken to be for where nobody says."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said beside the recipe or the dataset, and wins over it; None is not said. `training_hours` are of reinforcement; `tier` is
    the only one that is asked about."""

    base: str | None = None
    method: str | None = None
    weights: Weights | None = None
    epochs: int | None = None
    validation: Dataset | None = None
    usage: Usage | None = None
    training_hours: Decimal | None = None
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the contents of a recipe, or a dataset, with what was said beside it."""

    train: Dataset
    validation: Dataset | None
    base: str | Mapping[str, str] | None
    method: str
    epochs: int | None
    said: Said
    recipe: Recipe | None = None

    @property
    def weights(self) -> Weights:
        """Those that are trained, as somebody says beside the recipe or as the recipe has it."""
        if self.said.weights is not None:
            return self.said.weights
        return "full" if self._trained is not None and isinstance(self._trained.weights, Full) else "lora"

    @property
    def only_ours(self) -> str:
        """The setting of the recipe that no vendor has a place for, or ''. Training all weights has one at some."""
        named = (name for name, value in own_settings(self._trained) if value != Full()) if self._trained is not None else iter(())
        return next(named, "")

    @property
    def _trained(self) -> Training | None:
        """The recipe's method, unless another is asked about."""
        return self.recipe.method if self.recipe is not None and self.recipe.method.kind == self.method else None

    @classmethod
    def of(cls, source: Recipe | Dataset | str | Path, said: Said) -> Question:
        """Of a recipe, a dataset, or the path of either. Raises RecipeError, DatasetError."""
        opened = _opened(source)
        if isinstance(opened, Dataset):
            return cls(opened, said.validation, said.base, said.method or _METHODS[opened.kind], said.epochs, said)
        written, method = opened.method.epochs, said.method or opened.method.kind
        epochs = said.epochs if said.epochs is not None else None if written == "auto" else written
        return cls(opened.train, said.validation or opened.validation, said.base or opened.base, method, epochs, said, opened)


def _opened(source: Recipe | Dataset | str | Path) -> Recipe | Dataset:
    if not isinstance(source, str | Path):
        return source
    from tuneport.recipe import ENDINGS, Recipe

    return Recipe.load(source) if Path(source).suffix.lower() in ENDINGS else Dataset.read(source)


def everywhere(question: Question, *, providers: Sequence[str] | None, connections: Connections, prices: Iterable[Path]) -> list[Quote]:
    """The quotes of each provider: those given, or every one of which anything is known and every one installed.

    Raises UnknownProvider, ConfigError for price files, DatasetError.
    """
    names = tuple(providers) if providers else tuple(sorted({*quoted_providers(), *connections.names()}))
    home = connections.settings.home
    book = PriceBook.load((*connections.settings.prices, *prices))
    job: JobToQuote | None = None
    found: list[Quote] = []
    for name in names:
        plugin = str(connections.profile(name).get("provider", name))
        vendor = vendor_of(name, profiles=connections.settings.providers, known=quoted_providers())
        if vendor is not None:
            job = job or _job(question, home=home, connections=connections)
            if question.only_ours:
                found.append(_refused(question, name))
                continue
            found += [named(quote, name) for quote in quotes(job, vendor, book=book, tier=question.said.tier)]
        else:
            connections.refuse_unknown(name, beside=quoted_providers())
            found += _by_plugin(question, name, plugin, connections)
    return found


def _refused(question: Question, name: str) -> Quote:
    base = question.base.get(name) if isinstance(question.base, Mapping) else question.base
    why = f"{name} has no place for {question.only_ours}"
    return Quote(name, base or "-", (), availability="unavailable", why=why, usage=question.said.usage)


def _job(question: Question, *, home: Path, connections: Connections) -> JobToQuote:
    return JobToQuote(
        train=measure_once(question.train, home=home),
        validation=None if question.validation is None else measure_once(question.validation, home=home),
        base=question.base,
        method=question.method,
        weights=question.weights,
        epochs=question.epochs,
        training_hours=question.said.training_hours,
        usage=question.said.usage,
        on=connections.clock.now().date(),
    )


def _by_plugin(question: Question, name: str, plugin: str, connections: Connections) -> list[Quote]:
    try:
        found = _bases(question, name, plugin)
    except UnknownModel as error:
        return [Quote(name, "-", (), availability="unavailable", why=error.message.rstrip("."), usage=question.said.usage)]
    return [_estimate(question, name, base, note, connections) for base, note in found]


def _bases(question: Question, name: str, plugin: str) -> list[tuple[str | None, str]]:
    """The bases to ask a plug-in for, each with what it stands for; None leaves the recipe as it is."""
    base = question.base
    if isinstance(base, Mapping) and name in base:
        return [(base[name], "")]
    found = bases(plugin, base, method=question.method, weights=question.weights) if catalogue().of(plugin) else None
    if isinstance(found, NoBase) and base is None:
        raise UnknownModel(f"{found.why}.")
    if found is None or isinstance(found, NoBase):
        return [(base if isinstance(base, str) else None, "")]
    return [(each.base.id, each.instead) for each in found]


def _estimate(question: Question, name: str, base: str | None, note: str, connections: Connections) -> Quote:
    try:
        quote = connections.trainer(name).estimate(_recipe(question, name, base), usage=question.said.usage)
    except UnknownProvider:
        raise
    except (RecipeError, UnknownModel, ConfigError, PluginError, Unsupported, Refused, Unreachable) as error:
        return Quote(name, base or "-", (), availability="unavailable", why=error.message, usage=question.said.usage)
    return replace(quote, notes=(note, *quote.notes)) if note else quote


def _recipe(question: Question, name: str, base: str | None) -> Recipe:
    """The recipe as that provider would get it. Raises RecipeError for a method that cannot be trained by a plug-in yet."""
    from tuneport.recipe import Recipe

    written = question.recipe
    if base is None and written is None:
        raise RecipeError(f"no base model is named, and none of {name} is known.", remedy="Add --base MODEL.")
    same = {} if written is None or written.method.kind != question.method else dict(written.method)
    method = {name: value for name, value in same.items() if name in written.method.model_fields_set} if written else {}
    method |= {"kind": question.method} | ({} if question.epochs is None else {"epochs": question.epochs})
    values = {} if written is None else written.model_dump(exclude={"train", "validation", "method", "base"})
    values |= {"base": written.base if base is None and written else {name: base}, "method": method}
    return Recipe.parse({**values, "train": question.train, "validation": question.validation})
