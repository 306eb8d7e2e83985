"""Which base a tune goes to: the one that is named, else the nearest that can still be trained that way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneport.catalogue import Base, catalogue, nearest
from tuneport.errors import Unsupported, UsageError
from tuneport.porting.source import Source
from tuneport.porting.work import Work

if TYPE_CHECKING:
    from tuneport.catalogue import Nearest

WEIGHTS = "lora"


@dataclass(frozen=True, slots=True)
class ChosenBase:
    """The base at the destination and why; `same` weights as before. `others` would do as well, nearest first."""

    id: str
    why: str
    same: bool = False
    others: tuple[str, ...] = ()


def choose_base(source: Source, *, method: str, work: Work) -> ChosenBase:
    """Raises UsageError where no base can be told to be near, Unsupported where the near ones cannot be trained that way any more."""
    wanted, there = _known(source, work), work.vendor(work.wishes.to, catalogue().providers())
    near = nearest(wanted, there) if wanted is not None and there is not None else ()
    if work.wishes.base is not None:
        return _named(work.wishes.base, source, near)
    if wanted is None or there is None:
        return _of_the_same_name(source, work)
    open_ones = [each for each in near if _why_not(each, method, work) is None]
    if not open_ones:
        raise _none_fits(near, wanted, method, work)
    first, *others = open_ones
    why = f"{first.reason} ({first.source}, {first.as_of})"
    return ChosenBase(first.base.id, why, first.same, tuple(each.base.id for each in others))


def _known(source: Source, work: Work) -> Base | None:
    if source.base is None:
        return None
    before = work.vendor(source.provider, catalogue().providers())
    return (catalogue().find(source.base, provider=before) if before else None) or catalogue().find(source.base)


def _named(name: str, source: Source, near: tuple[Nearest, ...]) -> ChosenBase:
    alike = next((each for each in near if each.base.goes_by(name)), None)
    same = alike.same if alike is not None else name == source.base
    return ChosenBase(name, "as named" + (f": {alike.reason}" if alike is not None else ""), same)


def _of_the_same_name(source: Source, work: Work) -> ChosenBase:
    """Where nothing is known of either side, only the same name says the same model."""
    there = [each.id for each in work.client.catalogue(work.wishes.to)]
    if source.base in there:
        return ChosenBase(str(source.base), "the base of that name", same=True)
    what = f"what stands for {source.base} at {work.wishes.to} is not known" if source.base else f"the base of {source.uri} is not known"
    some = ", ".join(there[:6]) or "none that it names"
    raise UsageError(f"{what}.", remedy=f"Name a base there: --base MODEL. It tunes: {some}.")


def _why_not(each: Nearest, method: str, work: Work) -> str | None:
    base, on = each.base, work.client.clock.now().date()
    if not base.takes_method(method, weights=WEIGHTS):
        return f"{base.id} is trained by {', '.join(base.methods)}, not by {method}"
    availability = base.availability(on=on)
    return f"{base.id}: {availability.sentence}" if availability.word == "closed" else None


def _none_fits(near: tuple[Nearest, ...], wanted: Base, method: str, work: Work) -> Unsupported:
    reasons = [reason for each in near if (reason := _why_not(each, method, work))]
    why = "; ".join(reasons) or f"none of its bases is known to be near to {wanted.uri}"
    return Unsupported(
        f"nothing at {work.wishes.to} stands for {wanted.uri}: {why}.",
        remedy="Name a base there: --base MODEL, or go elsewhere. See: tuneport models bases",
    )
