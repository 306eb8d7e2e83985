"""The verdict in words: equal, better, worse, or cannot tell and how many rows would.

Let the difference be new - old and the margin m. Each word follows from the interval alone (95% unless another level is asked for):

    equal         includes 0 and lies wholly within -m to +m
    better        lies wholly above 0; within the margin where its upper end is below +m
    worse         lies wholly below 0; within the margin where its lower end is above -m, beyond it where its upper end is at or below -m
    cannot tell   all else

So models that are alike are called better or worse in 5% of comparisons at most, and models that differ by the margin are called equal in
2.5% at most. Prompting is enough where the untuned base with examples in its prompt, judged in the same way, is equal to the old model,
better, or worse within the margin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal

from tuneport.errors import UsageError
from tuneport.intervals import Difference
from tuneport.parity.compare import SELDOM
from tuneport.parity.compared import Compared, Contest, Measured, Who
from tuneport.parity.power import POWER, about, chance_by_error, chance_to_find, rows_for_sure, rows_for_verdict
from tuneport.parity.score_interval import z_of
from tuneport.parity.wording import NAMES, agreement, difference, interval, number, percent, points, value
from tuneport.plurals import counted

MARGIN_POINTS = 3.0
MANY = 0.05
"""A share of answers that failed, above which they decide the verdict."""

Outcome = Literal["equal", "better", "worse", "cannot tell", "agreement only", "nothing to compare"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One difference against a margin. `no_worse` is True where the interval rules out a drop as large as the margin, whatever else."""

    outcome: Outcome
    within_margin: bool = False
    beyond_margin: bool = False
    no_worse: bool = False


@dataclass(frozen=True, slots=True)
class Prompting:
    """Whether the untuned base with examples in its prompt does as well as the old model."""

    judgement: Judgement
    sentence: str
    difference: Difference | None = None

    @property
    def enough(self) -> bool:
        """Equal, better, or worse within the margin."""
        return self.judgement.outcome == "better" or self.judgement.within_margin


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to sign. `headline` is a sentence, `sentences` say what it rests on, `cautions` what to know before believing it.

    enough_rows        about how many rows would do; None where the verdict is there or no number of rows would help
    chance_of_finding  how likely a true drop of the margin would have been called worse with these rows
    """

    judgement: Judgement
    headline: str
    sentences: tuple[str, ...]
    cautions: tuple[str, ...]
    margin_points: float
    level: float
    rows: int = 0
    metric: str | None = None
    difference: Difference | None = None
    enough_rows: int | None = None
    chance_of_finding: float | None = None
    prompting: Prompting | None = None
    power: float = POWER

    @property
    def outcome(self) -> Outcome:
        """The verdict in a word."""
        return self.judgement.outcome


def judged(found: Difference, *, margin: float) -> Judgement:
    """The rule above. margin: a share (0.03 for three points)."""
    low, high = found.interval
    outcome: Outcome
    within = -margin < low and high < margin
    if low > 0:
        outcome = "better"
    elif high < 0:
        outcome = "worse"
    else:
        outcome = "equal" if within else "cannot tell"
    return Judgement(outcome, within, beyond_margin=high <= -margin or low >= margin, no_worse=low > -margin)


def decide(compared: Compared, *, margin_points: float = MARGIN_POINTS, names: Mapping[Who, str] = NAMES) -> Verdict:
    """The verdict of a comparison. Raises UsageError for a margin that is none."""
    if not 0 < margin_points < 100:
        raise UsageError(f"a margin of {number(margin_points)} points is none.", remedy="Give one above 0 and below 100.")
    contest = compared.ported
    decisive = contest.decisive if contest else None
    if contest is None or decisive is None or decisive.difference is None:
        return _without_metric(compared, margin_points=margin_points, names=names)
    return _with_metric(compared, contest, decisive, decisive.difference, margin_points=margin_points, names=names)


def _with_metric(
    compared: Compared, contest: Contest, decisive: Measured, found: Difference, *, margin_points: float, names: Mapping[Who, str]
) -> Verdict:
    margin = margin_points / 100
    judgement = judged(found, margin=margin)
    enough = _enough_rows(decisive, rows=contest.rows, margin=margin, level=found.level) if judgement.outcome == "cannot tell" else None
    chance = _chance(decisive, found, rows=contest.rows, margin=margin)
    return Verdict(
        judgement,
        _headline(judgement, found, names, rows=contest.rows, margin_points=margin_points, enough=enough),
        tuple(_sentences(compared, contest, decisive, judgement, chance=chance, enough=enough, margin_points=margin_points, names=names)),
        tuple(_cautions(compared, names)),
        margin_points,
        found.level,
        rows=contest.rows,
        metric=decisive.metric,
        difference=found,
        enough_rows=enough,
        chance_of_finding=chance,
        prompting=_prompting(compared.prompted, margin_points=margin_points, names=names),
    )


def _without_metric(compared: Compared, *, margin_points: float, names: Mapping[Who, str]) -> Verdict:
    found = compared.agreement
    if found is None:
        head = f"Nothing to compare: no row has an answer of both {names['old']} and {names['new']}."
        return Verdict(Judgement("nothing to compare"), head, (), tuple(_cautions(compared, names)), margin_points, compared.level)
    missing = "No references" if compared.ported is None else "No metric is available"
    said = [f"{missing}, so that nobody can say which is right; how often the two say the same is all there is."]
    most = 1 - found.interval[0]
    said.append(f"Whatever is right, exact_match differs by no more than {100 * most:.1f} points, at a level of {found.level:.0%}.")
    head = f"{missing}: agreement only. {names['old']} and {names['new']} gave {agreement(found)}."
    return Verdict(
        Judgement("agreement only"), head, tuple(said), tuple(_cautions(compared, names)), margin_points, found.level, rows=found.rows
    )


# --- words -----------------------------------------------------------------------------------------------------------------------------


def _headline(
    judgement: Judgement, found: Difference, names: Mapping[Who, str], *, rows: int, margin_points: float, enough: int | None
) -> str:
    margin = f"{number(margin_points)} points"
    if judgement.outcome == "equal":
        return f"Equal: {names['new']} is as good as {names['old']}, within {margin}."
    if judgement.outcome == "cannot tell":
        return f"Cannot tell with {counted(rows, 'row')}; about {enough:,} would do."
    return f"{_against(judgement, found, margin_points=margin_points, old=names['old'], name=names['new'])}."


def _against(judgement: Judgement, found: Difference, *, margin_points: float, old: str, name: str) -> str:
    """`Worse, but within the margin of 3 points: NEW is 1.2 points below OLD (0.3 to 2.1)`."""
    where, margin = "above" if found.value > 0 else "below", f"the margin of {number(margin_points)} points"
    if judgement.within_margin:
        how = f", but within {margin}"
    elif judgement.beyond_margin:
        how = f" by more than {margin}"
    else:
        how = f", perhaps by more than {margin}"
    least, most = sorted(100 * abs(edge) for edge in found.interval)
    by = f"{100 * abs(found.value):.1f} points {where} {old} ({least:.1f} to {most:.1f})"
    return f"{judgement.outcome.capitalize()}{how}: {name} is {by}"


def _sentences(
    compared: Compared,
    contest: Contest,
    decisive: Measured,
    judgement: Judgement,
    *,
    chance: float,
    enough: int | None,
    margin_points: float,
    names: Mapping[Who, str],
) -> Iterator[str]:
    values = f"{value(decisive.old, decisive)} {names['old']}, {value(decisive.first, decisive)} {names['new']}"
    on = counted(contest.rows, "row")
    yield f"{decisive.metric} on the same {on}: {values}; difference {difference(decisive)}, {compared.level:.0%} interval."
    if decisive.won is not None and decisive.lost is not None:
        yield f"{names['new']} does better on {counted(decisive.won, 'row')} and worse on {decisive.lost:,}."
    if compared.agreement:
        yield f"The two gave {agreement(compared.agreement)}."
    if judgement.outcome == "cannot tell" and judgement.no_worse:
        yield f"It may be better; that it is worse by {number(margin_points)} points or more is ruled out."
    yield f"With these rows a true drop of {number(margin_points)} points is called worse {_chance_words(chance)}."
    if enough:
        basis = _basis(decisive, contest.rows)
        yield f"About {enough:,} rows give a verdict with a power of {POWER:g}, whatever the true difference is, {basis}."


def _basis(decisive: Measured, rows: int) -> str:
    """What the number of rows is reckoned from: what was seen, and one row more that differs."""
    if decisive.right_or_wrong and decisive.won is not None and decisive.lost is not None:
        seen = f"as {decisive.won + decisive.lost:,} of {rows:,} here suggest"
        return f"if one model alone is right on {percent(decisive.variance)} of them, {seen}"
    return f"if a row's difference has a variance of {decisive.variance:.2g}, as here"


def _chance_words(chance: float) -> str:
    return f"with a probability of {percent(chance)}" if 0.001 <= chance <= 0.999 else "nearly always" if chance > 0.5 else "hardly ever"


def _cautions(compared: Compared, names: Mapping[Who, str]) -> Iterator[str]:
    yield from _unanswered(compared, names)
    if compared.without_reference and compared.ported:
        yield f"{counted(compared.without_reference, 'row')} without a reference: counted for agreement only."
    if compared.repeated:
        yield f"{counted(compared.repeated, 'repeated question')}: rows count as independent, so the interval is too narrow."
    found = compared.agreement
    if found and found.same == found.rows:
        yield f"{names['old']} and {names['new']} gave the same answer to every row."
    if compared.ported and compared.ported.rows > 1 and compared.references == 1:
        yield "Every row has the same right answer: whoever always says so is right everywhere, whatever is asked."
    decisive = compared.ported.decisive if compared.ported else None
    if compared.ported and compared.ported.why:
        yield f"The verdict is about {compared.ported.primary}: {compared.ported.why}."
    elif decisive and max(decisive.first or 0.0, decisive.old or 0.0) <= SELDOM:
        yield f"Both score {SELDOM:.0%} or less in {decisive.metric}: two models that are wrong alike are equal too."


def _unanswered(compared: Compared, names: Mapping[Who, str]) -> Iterator[str]:
    for who, asked in compared.asked.items():
        if asked.missing:
            yield f"{counted(asked.missing, 'row')} of {compared.rows:,} without an answer of {names[who]}: left out."
        if asked.failed:
            yield f"{names[who]} could not answer {counted(asked.failed, 'row')}: counted as wrong, and as no agreement."
            if asked.failed > MANY * compared.rows:
                yield "So many failed that this says who answers rather than who is right."
        if asked.empty:
            yield f"{counted(asked.empty, 'answer')} of {names[who]} without a word."
        elif asked.different == 1 and min(compared.rows - asked.missing - asked.failed, compared.references) > 1:
            yield f"{names[who]} gave one and the same answer to every row, whatever was asked."
        if asked.cut_off:
            yield f"{counted(asked.cut_off, 'answer')} of {names[who]} cut off at the length that was allowed."


def _prompting(contest: Contest | None, *, margin_points: float, names: Mapping[Who, str]) -> Prompting | None:
    decisive = contest.decisive if contest else None
    found = decisive.difference if decisive else None
    if contest is None or decisive is None or found is None:
        return None
    judgement, on = judged(found, margin=margin_points / 100), counted(contest.rows, "row")
    prompted, detail = names["prompted"], f"{points(found.value)} points ({interval(found)})"
    if judgement.outcome == "equal":
        said = f"Prompting is enough: {prompted} is as good as {names['old']}, within {number(margin_points)} points: {detail}, {on}."
    elif judgement.outcome == "cannot tell":
        enough = _enough_rows(decisive, rows=contest.rows, margin=margin_points / 100, level=found.level)
        said = f"Whether prompting is enough cannot be told: {prompted} is {detail} from {names['old']}; about {enough:,} rows would do."
    else:
        enough_or_not = "enough" if judgement.outcome == "better" or judgement.within_margin else "not enough"
        against = _against(judgement, found, margin_points=margin_points, old=names["old"], name=prompted)
        said = f"Prompting is {enough_or_not}. {against}, {on}."
    return Prompting(judgement, said, found)


# --- how many rows ---------------------------------------------------------------------------------------------------------------------


def _enough_rows(decisive: Measured, *, rows: int, margin: float, level: float) -> int:
    """More than there are, in any case: those that should have done, and by chance did not, are not told again."""
    wanted = rows_for_verdict(decisive.variance, margin=margin, level=level)
    if wanted <= decisive.worth:
        wanted = max(rows_for_sure(decisive.variance, margin=margin, level=level), ceil(1.25 * decisive.worth))
    return about(ceil(wanted * rows / decisive.worth))


def _chance(decisive: Measured, found: Difference, *, rows: int, margin: float) -> float:
    if decisive.right_or_wrong and decisive.won is not None and decisive.lost is not None:
        return chance_to_find(margin, rows=rows, discordance=(decisive.won + decisive.lost) / rows, level=found.level)
    half = (found.interval[1] - found.interval[0]) / 2
    return chance_by_error(margin, error=half / z_of((1 + found.level) / 2), level=found.level)
