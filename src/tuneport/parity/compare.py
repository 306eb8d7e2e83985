"""Old and new on the same rows: metrics with the interval of their difference, agreement, and the rows on which they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np

from tuneport.errors import UsageError
from tuneport.intervals import Array, Difference, Pair, paired_differences, refuse_settings
from tuneport.metrics import MEASURES, Answers, Measure, label_set, measures_of, normalised, unavailable
from tuneport.parity.compared import Agreement, Asked, Compared, Contest, Differing, Latency, Measured, Who
from tuneport.parity.rows import ParityRow, Said
from tuneport.parity.score_interval import paired_shares, share_interval, widened, z_of
from tuneport.provider import Need
from tuneport.tallies import Marks, Numbers, Tally

SELDOM = 0.1
"""Where neither model gives the reference itself in more of the rows than this, exact_match says little of either."""


def compare(
    rows: Iterable[ParityRow],
    *,
    metrics: Sequence[str] | None = None,
    labels: Iterable[str] = (),
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Compared:
    """Compares the new model, and the prompted base where it answered, with the old one; nothing depends on the order of the rows.

    metrics  names from `tuneport.metrics.MEASURES`, the first being the one the verdict is about; None for all that the answers allow,
             exact_match first, or token_f1 where neither model gives the reference itself in more than a tenth of the rows
    labels   labels known beside those among the references
    Raises UsageError for an unknown metric, a row number given twice, or settings that make no interval.
    """
    found = sorted(rows, key=lambda row: row.number)
    _check(found, level=level, resamples=resamples)
    wanted = None if metrics is None else tuple(measure.name for measure in measures_of(metrics))
    settings = _Settings(wanted, tuple(labels), level, resamples, seed)
    ported = _contest("new", found, settings)
    asked_prompted = any(row.prompted for row in found)
    return Compared(
        rows=len(found),
        ported=ported,
        prompted=_contest("prompted", found, settings, primary=ported.primary if ported else None) if asked_prompted else None,
        agreement=_agreement(found, level=level),
        differing=_differing(found),
        asked={who: _asked([_said(row, who) for row in found]) for who in _sides(prompted=asked_prompted)},
        without_reference=sum(not row.reference for row in found),
        repeated=len(found) - len({row.question for row in found}),
        level=level,
        resamples=resamples,
        seed=seed,
        references=len({normalised(row.reference) for row in found if row.reference}),
    )


@dataclass(frozen=True, slots=True)
class _Settings:
    metrics: tuple[str, ...] | None
    labels: tuple[str, ...]
    level: float
    resamples: int
    seed: int


def _sides(*, prompted: bool) -> tuple[Who, ...]:
    return ("old", "new", "prompted") if prompted else ("old", "new")


def _said(row: ParityRow, who: Who) -> Said | None:
    return {"old": row.old, "new": row.new, "prompted": row.prompted}[who]


def _check(rows: Sequence[ParityRow], *, level: float, resamples: int) -> None:
    twice = [number for number, count in Counter(row.number for row in rows).items() if count > 1]
    if twice:
        raise UsageError(f"two rows have the number {twice[0]}.", remedy="Give each row its line.")
    refuse_settings(level=level, resamples=resamples)


# --- metrics ---------------------------------------------------------------------------------------------------------------------------


def _contest(who: Who, rows: Sequence[ParityRow], settings: _Settings, *, primary: str | None = None) -> Contest | None:
    usable = [(row.reference, old, said) for row in rows if row.reference and (old := row.old) and (said := _said(row, who))]
    if not usable:
        return None
    right = tuple(reference for reference, _, _ in usable)
    told = label_set(right, given=settings.labels, wanted=settings.metrics)
    answers = (
        Answers(right, tuple(said.prediction for _, _, said in usable), told),
        Answers(right, tuple(old.prediction for _, old, _ in usable), told),
    )
    measured = _measure(answers, settings)
    named, why = _primary(measured, asked=settings.metrics is not None) if primary is None else (primary, "")
    return Contest(who, len(usable), measured, named, why)


def _gives(answers: Answers) -> frozenset[Need]:
    said: Need = "labels" if all(p.label is not None for p in answers.predictions) else "text"
    scored: frozenset[Need] = frozenset({"log_probabilities"} if any(p.log_probability is not None for p in answers.predictions) else ())
    return scored | {said}


def _measure(answers: tuple[Answers, Answers], settings: _Settings) -> tuple[Measured, ...]:
    wanted = tuple(measure.name for measure in measures_of(None)) if settings.metrics is None else settings.metrics
    reasons = {name: next(filter(None, (unavailable(MEASURES[name], _gives(each), each) for each in answers)), "") for name in wanted}
    reasons |= {name: reason or MEASURES[name].incomparable(*answers) for name, reason in reasons.items()}
    usable = [MEASURES[name] for name, reason in reasons.items() if not reason]
    taken = _tallies(usable, answers)
    compared = dict(zip((measure.name for measure in usable), _compared(usable, taken, settings), strict=True))
    refused = (
        {} if settings.metrics is None else {name: Measured(name, None, None, reason=reason) for name, reason in reasons.items() if reason}
    )
    return tuple((compared | refused)[name] for name in wanted if name in compared or name in refused)


def _tallies(measures: Iterable[Measure], answers: tuple[Answers, Answers]) -> dict[Callable[[Answers], Tally], tuple[Tally, Tally]]:
    return {count: (count(answers[0]), count(answers[1])) for count in dict.fromkeys(measure.tally for measure in measures)}


def _compared(
    measures: Sequence[Measure], taken: Mapping[Callable[[Answers], Tally], tuple[Tally, Tally]], settings: _Settings
) -> Iterable[Measured]:
    resampled = [measure for measure in measures if not _right_or_wrong(*taken[measure.tally])]
    pairs = [Pair(*taken[measure.tally], measure.value) for measure in resampled]
    found = paired_differences(pairs, level=settings.level, resamples=settings.resamples, seed=settings.seed)
    drawn = {measure.name: difference for measure, difference in zip(resampled, found, strict=True)}
    for measure in measures:
        first, old = taken[measure.tally]
        if measure.name in drawn:
            yield _scored(measure, first, old, drawn[measure.name])
        else:
            yield _counted(measure, first, old, level=settings.level)


def _scores(tally: Tally) -> Array | None:
    """(rows,): what each row adds to a mean over rows; None where the metric is no such mean."""
    return tally.values[:, 0] if isinstance(tally, Numbers) and bool((tally.values[:, 1] == 1).all()) else None


def _right_or_wrong(*tallies: Tally) -> bool:
    scores = [_scores(tally) for tally in tallies]
    return all(each is not None and bool(np.isin(each, (0.0, 1.0)).all()) for each in scores)


def _sides_of(first: Tally, old: Tally) -> tuple[int | None, int | None, float]:
    """Rows won, rows lost, and the sum of the squares of what they differ by."""
    ours, theirs = _scores(first), _scores(old)
    if ours is None or theirs is None:
        return None, None, 0.0
    gain = ours - theirs
    return int((gain > 0).sum()), int((gain < 0).sum()), float((gain**2).sum())


def _counted(measure: Measure, first: Tally, old: Tally, *, level: float) -> Measured:
    """A share of rows: counting the rows that differ says it all."""
    won, lost, squares = _sides_of(first, old)
    rows = first.rows
    return Measured(
        measure.name,
        measure.of(first),
        measure.of(old),
        paired_shares(won or 0, lost or 0, rows=rows, level=level),
        won=won,
        lost=lost,
        worth=rows,
        variance=(squares + 1) / (rows + 2),
        right_or_wrong=True,
    )


def _scored(measure: Measure, first: Tally, old: Tally, drawn: Difference) -> Measured:
    """A mean of scores, a mean over labels, or a perplexity."""
    values, points = (measure.of(first), measure.of(old)), "log_probabilities" not in measure.needs
    if not all(map(isfinite, (*values, *drawn.interval))):
        return Measured(measure.name, None, None, reason="too large for a number", points=points)
    won, lost, squares = _sides_of(first, old)
    worth = _worth(first)
    if won is None:
        half = (drawn.interval[1] - drawn.interval[0]) / 2
        squares = (worth * half / z_of((1 + drawn.level) / 2)) ** 2
    return Measured(
        measure.name,
        *values,
        widened(drawn, worth=worth) if points else drawn,
        won=won if points else None,
        lost=lost if points else None,
        worth=worth,
        variance=(squares + 1) / (worth + 2),
        points=points,
    )


def _worth(tally: Tally) -> float:
    """Of a mean over labels: labels² / sum of 1 / rows of the label, which is all rows where every label has as many."""
    if not isinstance(tally, Marks):
        return float(tally.rows)
    right = tally.places[2]
    counts = np.bincount(right[right >= 0])
    present = counts[counts > 0]
    return float(len(present) ** 2 / (1 / present).sum())


def _primary(measured: Sequence[Measured], *, asked: bool) -> tuple[str | None, str]:
    """The first that a margin means something for; not exact_match where that is always 0, unless it was asked for."""
    known = [each for each in measured if each.points and each.difference is not None]
    if not known:
        return None, ""
    first = known[0]
    seldom = max(first.first or 0.0, first.old or 0.0) <= SELDOM
    if not asked and first.metric == "exact_match" and seldom and any(each.metric == "token_f1" for each in known):
        why = f"neither model gives the reference itself in more than {SELDOM:.0%} of the rows, so that exact_match says little"
        return "token_f1", why
    return first.metric, ""


# --- agreement and the rest ------------------------------------------------------------------------------------------------------------


def _same(one: Said, other: Said) -> bool:
    return not (one.failed or other.failed) and normalised(one.text) == normalised(other.text)


def _agreement(rows: Sequence[ParityRow], *, level: float) -> Agreement | None:
    both = [(row.old, row.new) for row in rows if row.old and row.new]
    if not both:
        return None
    same = sum(_same(old, new) for old, new in both)
    return Agreement(same, len(both), share_interval(same, rows=len(both), level=level), level)


def _differing(rows: Sequence[ParityRow]) -> tuple[Differing, ...]:
    """What was lost first, then what was won."""
    found = [Differing(row, _kind(row, row.old, row.new)) for row in rows if row.old and row.new and not _same(row.old, row.new)]
    return tuple(sorted(found, key=lambda each: ("lost", "won", "other").index(each.kind)))


def _kind(row: ParityRow, old: Said, new: Said) -> Literal["lost", "won", "other"]:
    if not row.reference:
        return "other"
    was, now = (not said.failed and normalised(said.text) == normalised(row.reference) for said in (old, new))
    return "other" if was == now else "lost" if was else "won"


def _asked(answers: Sequence[Said | None]) -> Asked:
    given = [said for said in answers if said is not None]
    times = [said.latency_s for said in given if said.latency_s is not None and not said.failed]
    tokens = [counted for said in given if (counted := said.tokens)]
    texts = [normalised(said.text) for said in given if not said.failed]
    return Asked(
        missing=len(answers) - len(given),
        failed=sum(said.failed for said in given),
        cut_off=sum(said.prediction.finish == "length" for said in given),
        latency=Latency(len(times), float(np.median(times)), float(np.quantile(times, 0.95))) if times else None,
        tokens=(sum(prompt for prompt, _ in tokens) / len(tokens), sum(said for _, said in tokens) / len(tokens)) if tokens else None,
        empty=texts.count(""),
        different=len(set(texts)),
    )
