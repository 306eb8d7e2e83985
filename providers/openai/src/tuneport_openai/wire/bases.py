"""Which base a job names, whether it can still be trained, and what to say when the platform is closed. Dates are the catalogue's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from tuneport.errors import Unsupported
from tuneport_openai.failure import OPEN, Closing
from tuneport_openai.wire.dialect import OPENAI, Dialect

if TYPE_CHECKING:
    from tuneport.catalogue import Base, Nearest

METHODS = {"sft": "supervised", "dpo": "dpo", "grpo": "reinforcement"}
"""Methods of a recipe, with the API's word for each."""

PLACES = 4
"""How many other places are named where a job cannot be had."""


def base_of(name: str, *, provider: str, method: str, on: date, dialect: Dialect = OPENAI) -> str:
    """What a job has to name for the base `name`: its dated id, or the id of a tuned model or checkpoint as it is.

    `name` may be an alias or a URI of `provider`. Raises UnknownModel, and Unsupported for a method that the base does not take or a base
    that is not trained any more on that day.
    """
    if method not in METHODS:
        raise Unsupported(f"{dialect.name} knows no method {method!r}.", remedy=f"It trains by: {', '.join(METHODS)}.")
    name = name.removeprefix(f"{provider}:")
    base = known_base(name, dialect=dialect)
    if base is None:
        return name
    if method not in base.methods:
        raise Unsupported(f"{base.id} is not trained by {method} at {dialect.name}.", remedy=_trained_by(method, dialect=dialect, on=on))
    availability = base.availability(on=on)
    if availability.word == "closed":
        remedy = _elsewhere(base, method=method, dialect=dialect, on=on)
        raise Unsupported(f"{base.id} cannot be trained at {dialect.name} any more: {availability.sentence}.", remedy=remedy)
    return base.id if base.goes_by(name) else name


def known_base(name: str, *, dialect: Dialect = OPENAI) -> Base | None:
    """The catalogue's entry for a base, or for that of a tuned model; None where the dialect's bases are not known.

    Raises UnknownModel where they are, and this is none of them.
    """
    from tuneport.catalogue import catalogue

    return None if dialect.limits is None else catalogue().demand(name, provider=dialect.limits)


def closing(*, on: date, base: str | None = None, method: str = "sft", dialect: Dialect = OPENAI) -> Closing:
    """What a refusal to create a job means where the platform is closing, with its dates, and where the same data can go; empty where the
    catalogue knows of no end."""
    about = _about(base, method=method, on=on, dialect=dialect)
    if about is None:
        return OPEN
    said = about.availability(on=on)
    if said.word == "available":
        return OPEN
    sentence = f"{dialect.name} takes no fine-tuning job from this organization ({about.id}: {said.sentence})"
    return Closing(sentence, _elsewhere(about, method=method, dialect=dialect, on=on))


def _about(name: str | None, *, method: str, on: date, dialect: Dialect) -> Base | None:
    """The base that is meant; without one, the first that the method is still trained on."""
    from tuneport.catalogue import catalogue

    if dialect.limits is None:
        return None
    if name is not None:
        return catalogue().find(name, provider=dialect.limits)
    bases = [base for base in catalogue().of(dialect.limits) if method in base.methods]
    return next((base for base in bases if base.availability(on=on).word != "closed"), next(iter(bases), None))


def _trained_by(method: str, *, dialect: Dialect, on: date) -> str:
    """The bases that take the method today, or that there are none."""
    from tuneport.catalogue import catalogue

    bases = [base for base in catalogue().of(dialect.limits or "") if method in base.methods]
    today = [base.id for base in bases if base.availability(on=on).word != "closed"]
    return f"Bases for {method}: {', '.join(today)}." if today else f"No base of {dialect.name} is trained by {method} on {on}."


def _elsewhere(base: Base, *, method: str, dialect: Dialect, on: date) -> str:
    places = sorted(_places(base, method=method, dialect=dialect, on=on), key=lambda place: not place.same)
    if not places:
        return "See where else it could be trained: tuneport quote RECIPE"
    named = ", ".join(f"{place.base.uri} (the same model)" if place.same else place.base.uri for place in places[:PLACES])
    return f"The same data can go to {named}. Compare them: tuneport quote RECIPE"


def _places(base: Base, *, method: str, dialect: Dialect, on: date) -> Iterator[Nearest]:
    """The nearest base of each other provider that still trains by the method."""
    from tuneport.catalogue import catalogue, nearest

    for provider in catalogue().providers():
        if provider == dialect.limits:
            continue
        found = (each for each in nearest(base, provider) if method in each.base.methods)
        here = next((each for each in found if each.base.availability(on=on).word != "closed"), None)
        if here is not None:
            yield here
