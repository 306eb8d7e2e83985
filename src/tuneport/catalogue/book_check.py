"""Whether the price book and the catalogue can be relied on together: `tuneport prices check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from tuneport.catalogue.catalogue import Catalogue, catalogue
from tuneport.catalogue.entry import Base
from tuneport.finding import Finding
from tuneport.prices.book import shipped
from tuneport.prices.gpus import find_gpu, gpus
from tuneport.prices.other_tables import OtherTable
from tuneport.prices.price import Price
from tuneport.prices.row_checks import OwnFile, contradictions, different, doubtful
from tuneport.prices.terms import title

RULES = {
    "price-readable": "a row of your own file that cannot be used (error)",
    "price-contradiction": "two prices of one thing: in your own file without a note an error, else a warning",
    "price-old": "a price of more than 90 days ago",
    "price-third-party": "a price that no vendor states",
    "price-without-base": "a price of a model that the catalogue does not have under this name, so that no quote will use it",
    "base-without-price": "a base that can be tuned, whose training has no price",
    "price-outlives-base": "a price that is not retired, of a base whose last day has passed",
    "price-differs": "a price of answers of which litellm or genai-prices, where installed, has another",
}
"""What is looked at, as the command's help and docs/prices.md tell it."""

TRAINING = ("1M training tokens", "training hour")


@dataclass(frozen=True, slots=True)
class BookCheck:
    """What was found; `rows` were looked at, those of own files among them."""

    rows: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return all(finding.severity != "error" for finding in self.findings)

    @property
    def counts(self) -> dict[str, int]:
        """Findings by rule."""
        return dict(Counter(finding.rule for finding in self.findings))


def check_book(own: Sequence[Path] = (), *, on: date, others: Sequence[OtherTable] = ()) -> BookCheck:
    """Everything that is wrong with or doubtful in the book, the user's own files included."""
    files = [OwnFile.read(path) for path in own]
    mine = [row for file in files for row in file.rows]
    rows = [*mine, *shipped()]
    known = catalogue()
    findings = [finding for file in files for finding in (*file.findings, *contradictions(file.rows, place=str(file.path)))]
    findings += contradictions(shipped())
    findings += without_base(rows, known)
    findings += outliving(rows, known, on=on)
    findings += without_price(rows, known, on=on)
    findings += different(rows, others)
    findings += doubtful(rows, on=on)
    return BookCheck(len(rows), tuple(findings))


# --- prices without a model, models without a price ------------------------------------------------------------------------------------


def without_base(rows: Sequence[Price], known: Catalogue) -> Iterator[Finding]:
    """Models with prices that hold for no base of the catalogue, and for no GPU where the unit is an hour of one; once each."""
    lost: dict[tuple[str, str], Price] = {}
    for row in rows:
        if row.status != "retired" and not _has_a_base(row, known):
            lost.setdefault((row.provider, row.model), row)
    for row in lost.values():
        right = _right_name(row, known)
        what = "GPU" if row.unit == "GPU hour" else f"base of {row.provider}"
        yield Finding(
            "price-without-base",
            "warning",
            f"{title(row)}: no {what} is called {row.model!r} here{f'; it is called {right!r}' if right else ''}.",
            remedy="See the names: tuneport models bases",
        )


def _has_a_base(row: Price, known: Catalogue) -> bool:
    """By name only: a price for a size that no known base has waits for one."""
    names = [each.name for each in gpus()] if row.unit == "GPU hour" else [base.id for base in known.of(row.provider)]
    return any(fnmatchcase(name.casefold(), row.model.casefold()) for name in names)


def _right_name(row: Price, known: Catalogue) -> str | None:
    """What the catalogue calls the model that the row names otherwise."""
    if row.unit == "GPU hour":
        gpu = find_gpu(row.model)
        return gpu.name if gpu else None
    base = known.find(row.model, provider=row.provider)
    return base.id if base else None


def without_price(rows: Sequence[Price], known: Catalogue, *, on: date) -> Iterator[Finding]:
    """Bases that can still be tuned at a provider with prices, and whose training has none."""
    priced = {row.provider for row in rows}
    trainings = [row for row in rows if row.unit in TRAINING]
    for base in known.bases:
        if base.provider not in priced or base.availability(on=on).word == "closed":
            continue
        if not any(row.provider == base.provider and row.holds_for(base.id, parameters_b=base.parameters_b) for row in trainings):
            yield Finding(
                "base-without-price",
                "warning",
                f"{base.uri}: what its training costs is not known.",
                remedy="If you know it, put it into a price file of your own; a quote says unknown until then.",
            )


def outliving(rows: Sequence[Price], known: Catalogue, *, on: date) -> Iterator[Finding]:
    """Prices that are not retired, of bases that cannot be bought any more."""
    for row in rows:
        base = next((each for each in known.of(row.provider) if each.id.casefold() == row.model.casefold()), None)
        ended = None if base is None or row.status == "retired" else _ended(base, row, on=on)
        if ended is not None:
            yield Finding(
                "price-outlives-base",
                "warning",
                f"{title(row)}: is {row.status} in the book, but ended on {ended}.",
                remedy="Its status is: retired.",
            )


def _ended(base: Base, row: Price, *, on: date) -> date | None:
    """The last day on which that could be bought, if it has passed."""
    if base.serving_ends is not None and base.serving_ends < on and "serving" not in base.earliest:
        return base.serving_ends
    if row.unit in TRAINING and base.training_ends is not None and base.training_ends < on and "training" not in base.earliest:
        return base.training_ends
    return None
