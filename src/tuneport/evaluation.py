"""What an evaluation found: values, differences and verdicts, as a value to read, print or turn into JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tuneport.columns import aligned

if TYPE_CHECKING:
    from tuneport.intervals import Difference

SCHEMA_VERSION = 1

Outcome = Literal["better", "worse", "within the noise", "not comparable"]


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How one label fared. `support` is the rows it is right for, `predicted` the rows answered with it."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


@dataclass(frozen=True, slots=True)
class LabelReport:
    """Every label's scores, and `other`: how many answers were none of the labels."""

    labels: tuple[LabelScore, ...]
    other: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"labels": [asdict(score) for score in self.labels], "other": self.other}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The evaluated model against another on the same rows. `difference` is evaluated - other, by metric; `verdict` is about `primary`.

    `unavailable` says for a metric why it, or its difference, cannot be had. `failed` counts rows that the server could not answer.
    """

    name: str
    metrics: Mapping[str, float | None]
    difference: Mapping[str, Difference]
    outcome: Outcome
    verdict: str
    primary: str | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)
    labels: LabelReport | None = None
    failed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready. `difference` has an entry per metric, and beside them the value and interval of the one the verdict is about."""
        found = {name: _difference_dict(difference) for name, difference in self.difference.items()}
        primary = {"metric": self.primary, **found[self.primary]} if self.primary else {"metric": None, "value": None, "interval": None}
        return {
            "against": {
                "name": self.name,
                "metrics": dict(self.metrics),
                "unavailable": dict(self.unavailable),
                "failed": self.failed,
                "labels": self.labels.to_dict() if self.labels else None,
            },
            "difference": {**found, **primary},
            "outcome": self.outcome,
            "verdict": self.verdict,
        }


def _difference_dict(difference: Difference) -> dict[str, Any]:
    return {"value": difference.value, "interval": list(difference.interval), "level": difference.level, "p": difference.p}


@dataclass(frozen=True, slots=True)
class Answer:
    """One row: what is right, and what each model said, by name."""

    row: int
    reference: str
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model measured on `rows` rows, alone or against others.

    A metric that cannot be had is None in `metrics` and has its reason in `unavailable`. `failed` counts rows that the server could not
    answer: wrong for every metric of text; `max_tokens` is where answers were cut off. `answers` hold the rows' contents, `to_dict` none.
    """

    rows: int
    name: str
    metrics: Mapping[str, float | None]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    answers: tuple[Answer, ...] = field(default=(), repr=False)
    labels: LabelReport | None = None
    failed: int = 0
    seed: int = 0
    resamples: int = 0
    max_tokens: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `models eval`. The first comparison stands at the top level; `comparisons` lists all when there are several."""
        compared = [comparison.to_dict() for comparison in self.comparisons]
        return {
            "schema_version": SCHEMA_VERSION,
            "rows": self.rows,
            "name": self.name,
            "metrics": dict(self.metrics),
            "unavailable": dict(self.unavailable),
            "failed": self.failed,
            "labels": self.labels.to_dict() if self.labels else None,
            "seed": self.seed,
            "resamples": self.resamples,
            "max_tokens": self.max_tokens,
            **(compared[0] if compared else {}),
            **({"comparisons": compared} if len(compared) > 1 else {}),
        }

    def differing(self, against: str) -> tuple[Answer, ...]:
        """The rows that this model and the one called `against` answered differently, beyond white space."""
        from tuneport.metrics import normalised

        return tuple(a for a in self.answers if normalised(a.texts[self.name]) != normalised(a.texts[against]))

    @property
    def models(self) -> tuple[tuple[str, Mapping[str, float | None]], ...]:
        """Every model's name with its metrics, this one first."""
        return ((self.name, self.metrics), *((other.name, other.metrics) for other in self.comparisons))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is not available and why, and how many rows could not be answered: each a sentence."""
        parts = [(self.name, self.unavailable, self.failed), *((c.name, c.unavailable, c.failed) for c in self.comparisons)]
        reasons = dict.fromkeys(f"{metric} not available: {reason}" for _, missing, _ in parts for metric, reason in missing.items())
        return (*reasons, *(_unanswered(name, failed) for name, _, failed in parts if failed))

    def __str__(self) -> str:
        """A table of metrics by model, what is not available and why, and one verdict per comparison."""
        table = [["", *(name for name, _ in self.models)], *([m, *(shown(values[m]) for _, values in self.models)] for m in self.metrics)]
        verdicts = [f"{self.name} is {comparison.verdict}" for comparison in self.comparisons]
        lines = aligned(table, right=range(1, len(self.models) + 1))
        return "\n".join([f"{self.rows} rows", *lines, *self.remarks, *verdicts])


def _unanswered(name: str, failed: int) -> str:
    return (
        f"{name}: 1 row could not be answered and counts as wrong"
        if failed == 1
        else (f"{name}: {failed:,} rows could not be answered and count as wrong")
    )


def shown(value: float | None, *, sign: Literal["-", "+"] = "-") -> str:
    """A metric to read; with sign "+" a difference, which has its sign always."""
    if value is None:
        return "n/a"
    return f"{value:{sign}.3f}" if abs(value) < 1000 else f"{value:{sign}.4g}"
