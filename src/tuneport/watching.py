"""Until when each tuned model answers, and what to do before that. Importing this reads nothing: `jobs list` does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from tuneport.errors import TuneportError
from tuneport.last_days import base_name, catalogue_files, last_days, vendor_of
from tuneport.owned_models import Inventory, Owned, from_jobs

if TYPE_CHECKING:
    from tuneport.catalogue import Base
    from tuneport.job import Job

NEAR_DAYS = 60
"""An end that is no farther away is mentioned under `jobs list` and `models list`."""

MOVE_DAYS = 180
"""An end that is no farther away is time to archive and move: a tune is trained, measured and put to use elsewhere in weeks."""

Profiles = Mapping[str, Mapping[str, Any]]
"""The configured tables of providers and profiles, by name."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A tuned model or deployment, and its last days by what is known on the day of the watch.

    `serving_ends` is the last day on which it answers, `training_ends` on which its base can be trained; where the flag beside it is set,
    the end is only promised not to come sooner. None is not known. `days_left` counts to `serving_ends`, and is negative after it.
    `source` and `as_of` say where `serving_ends` is from, `own_word` that it is from the provider itself. `move_to` is the URI of the
    nearest base elsewhere that outlives it. `removed` is the day on which the provider removes a deployment if nothing changes: the model
    stays, and can be deployed again. `free` is one's own machine.
    """

    uri: str
    provider: str
    kind: Literal["model", "deployment"]
    base: str | None
    job_uri: str | None
    serving_ends: date | None = None
    serving_earliest: bool = False
    training_ends: date | None = None
    training_earliest: bool = False
    days_left: int | None = None
    source: str = ""
    as_of: date | None = None
    own_word: bool = False
    move_to: str | None = None
    todo: str = ""
    removed: date | None = None
    free: bool = False

    @property
    def stopped(self) -> bool:
        """Whether its last day has passed, so that it answers no more."""
        return self.days_left is not None and self.days_left < 0 and not self.serving_earliest

    @property
    def to_move(self) -> bool:
        """Whether it is time to move it, and known where to."""
        return self.move_to is not None and self.days_left is not None and self.days_left <= MOVE_DAYS

    def ends_within(self, days: int) -> bool:
        """Whether its last day is still to come, or today, and at most so many days away."""
        return self.days_left is not None and 0 <= self.days_left <= days


@dataclass(frozen=True, slots=True)
class Watch:
    """Everything that is watched, the first to end first, as on the day `on`; and why a provider did not answer, by its name."""

    on: date
    watched: tuple[Watched, ...]
    not_asked: Mapping[str, TuneportError] = field(default_factory=dict)


def watch(inventory: Inventory, *, on: date, profiles: Profiles) -> Watch:
    """The last days of all that is owned, by the catalogue and by what the providers say themselves."""
    found = [watched(each, on=on, profiles=profiles) for each in inventory.owned]
    found.sort(key=lambda each: (each.serving_ends or date.max, each.uri))
    return Watch(on, tuple(found), inventory.not_asked)


def watched(owned: Owned, *, on: date, profiles: Profiles) -> Watched:
    """One of them. What its provider says itself wins over the catalogue."""
    base = _base_of(owned, profiles)
    known = Watched(owned.uri, owned.provider, owned.kind, owned.base or _base_in_name(owned), owned.job_uri, free=owned.free)
    known = replace(known, removed=owned.removed)
    if base is not None:
        known = replace(
            known,
            base=base.id,
            serving_ends=base.serving_ends,
            serving_earliest="serving" in base.earliest,
            training_ends=base.training_ends,
            training_earliest="training" in base.earliest,
            source=base.source,
            as_of=base.as_of,
        )
    if owned.shutdown is not None:
        known = replace(known, serving_ends=owned.shutdown, serving_earliest=False, own_word=True)
        known = replace(known, source=_told(base), as_of=on)
    ends = known.serving_ends
    known = replace(known, days_left=None if ends is None else (ends - on).days, move_to=_move(base, ends, on=on))
    return replace(known, todo=todo(known, on=on))


def _told(base: Base | None) -> str:
    told = "the shutdown_date that the provider names"
    return told if base is None or base.training_ends is None else f"{told}; new jobs: {base.source} ({base.as_of})"


def _base_of(owned: Owned, profiles: Profiles) -> Base | None:
    """The base in the catalogue, by its own name or by that in the model's id."""
    from tuneport.catalogue import catalogue

    provider = vendor_of(owned.provider, profiles=profiles, known=catalogue().providers())
    if provider is None:
        return None
    found = (catalogue().find(name, provider=provider) for name in (owned.base, owned.id) if name)
    return next((base for base in found if base is not None), None)


def _base_in_name(owned: Owned) -> str | None:
    named = base_name(owned.id)
    return named if named != owned.id else None


def _move(base: Base | None, ends: date | None, *, on: date) -> str | None:
    """The nearest base of another provider: the same weights before the same tier. It takes newcomers, and new jobs, when this one ends."""
    from tuneport.catalogue import catalogue, nearest

    if base is None or ends is None:
        return None
    others = [near for name in catalogue().providers() if name != base.provider for near in nearest(base, name)]
    open_then = [near for near in others if _takes_newcomers(near.base, on=max(on, ends))]
    best = min(open_then, key=lambda near: not near.same, default=None)
    return None if best is None else best.base.uri


def _takes_newcomers(base: Base, *, on: date) -> bool:
    closed_to_new = base.closed_to_new_since is not None and base.closed_to_new_since <= on
    return not closed_to_new and base.availability(on=on).word != "closed"


def todo(known: Watched, *, on: date) -> str:
    """What to do about it, in one phrase."""
    if known.removed is None or known.stopped:
        return _todo(known, on=on)
    return f"{known.provider} removes it on {known.removed} if nothing changes; {_todo(known, on=on)}"


def _todo(known: Watched, *, on: date) -> str:
    if known.free and known.serving_ends is None:
        return "nothing: it is on your own machine"
    if known.days_left is None:
        return f"no end is known: ask {known.provider}"
    provider, _, name = (known.move_to or "").partition(":")
    move = f"nearest at {provider}: {name}" if name else "no base near it is known elsewhere"
    if known.stopped:
        return f"it has stopped; train it again: {move}"
    if known.days_left <= MOVE_DAYS:
        return f"archive and move: {move}"
    training = known.training_ends
    if training is not None and on <= training and (training - on).days <= MOVE_DAYS:
        return f"nothing yet; train again here by {training}, or move: {move}"
    return "nothing yet"


# --- the line under lists ----------------------------------------------------------------------------------------------------------------


def ending_soon(jobs: Iterable[Job], *, on: date, profiles: Profiles) -> str:
    """One line when tuned models of these jobs stop answering within `NEAR_DAYS`, else ''. Asks nobody, and imports no provider."""
    known = catalogue_files()
    days = {each.uri: _last_day(each, vendor_of(each.provider, profiles=profiles, known=known)) for each in from_jobs(jobs)}
    soon = sorted(day for day in days.values() if day is not None and 0 <= (day - on).days <= NEAR_DAYS)
    if not soon:
        return ""
    one = len(soon) == 1
    what = "1 tuned model stops" if one else f"{len(soon):,} tuned models stop"
    return f"{what} answering within {NEAR_DAYS} days, {'' if one else 'the first '}after {soon[0]}: tuneport watch"


def _last_day(owned: Owned, vendor: str | None) -> date | None:
    known = {} if vendor is None else last_days(vendor)
    found = (known.get(base_name(name).casefold()) for name in (owned.base, owned.id) if name)
    return next((days.serving_ends for days in found if days is not None), None)
