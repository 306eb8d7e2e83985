"""A parity report: who was compared on what, what was found, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Literal

from tuneport.parity.compare import compare
from tuneport.parity.compared import Compared, Latency, Who
from tuneport.parity.rows import ParityRow
from tuneport.parity.verdict import MARGIN_POINTS, Verdict, decide
from tuneport.parity.wording import NAMES, one_line

_NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class RequestCost:
    """What 1,000 requests cost. `as_of` (ISO day) and `source` are those of the price; `note` says what is left out, or for what load."""

    per_1000: Decimal | None
    currency: str = "USD"
    as_of: str | None = None
    source: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the models. `source` is where its answers are from; `lineage` are named facts of how it was made, in order to be read.

    `latency` is for answers that came without times of their own.
    """

    name: str
    uri: str
    provider: str
    base: str | None = None
    source: Literal["model", "archive"] = "model"
    answered_on: date | None = None
    lineage: tuple[tuple[str, str], ...] = ()
    cost: RequestCost | None = None
    latency: Latency | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What a report is about. `data` names the held-out rows, `data_fingerprint` is theirs; `seed` chose them. `cautions` are what whoever
    made the comparison knows of it, to be told before those that follow from the answers."""

    old: Side
    new: Side
    data: str
    data_fingerprint: str
    made_on: date
    prompted: Side | None = None
    seed: int | None = None
    cautions: tuple[str, ...] = ()

    @property
    def sides(self) -> Mapping[Who, Side]:
        """Old, new and, where there is one, the prompted base."""
        return {"old": self.old, "new": self.new, **({"prompted": self.prompted} if self.prompted else {})}

    @property
    def names(self) -> Mapping[Who, str]:
        """What sentences call them, on one line: by name, where those are the same with the provider, where that is too, with the place."""
        ways = [
            {who: side.name for who, side in self.sides.items()},
            {who: f"{side.provider} {side.name}" for who, side in self.sides.items()},
            {who: f"{side.name} ({who})" for who, side in self.sides.items()},
        ]
        found = next((names for names in ways if len(set(names.values())) == len(names)), ways[-1])
        return {**NAMES, **{who: one_line(name, most=_NAME_CHARS) for who, name in found.items()}}


@dataclass(frozen=True, slots=True)
class Report:
    """The whole of it, for `parity.text`, `parity.page` and `to_dict`."""

    about: About
    compared: Compared
    verdict: Verdict

    def latency(self, who: Who) -> Latency | None:
        """As measured on the rows, else as given."""
        asked = self.compared.asked.get(who)
        side = self.about.sides.get(who)
        return (asked.latency if asked else None) or (side.latency if side else None)


def prove(
    rows: Iterable[ParityRow],
    about: About,
    *,
    margin_points: float = MARGIN_POINTS,
    metrics: Sequence[str] | None = None,
    labels: Iterable[str] = (),
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Report:
    """Compares and decides; see `compare` and `decide` for what the settings mean and what is raised. `seed` is of the resampling only."""
    compared = compare(rows, metrics=metrics, labels=labels, level=level, resamples=resamples, seed=seed)
    verdict = decide(compared, margin_points=margin_points, names=about.names)
    return Report(about, compared, replace(verdict, cautions=(*about.cautions, *verdict.cautions)))
