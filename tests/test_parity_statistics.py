"""Parity verdicts against models whose true difference is known: levels, power, and what must not matter."""

from __future__ import annotations

from collections import Counter
from functools import cache
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneport.intervals import Pair, paired_differences
from tuneport.metrics import MEASURES
from tuneport.parity.power import about, chance_to_find, rows_for_sure, rows_for_verdict
from tuneport.parity.score_interval import coin_falls, mcnemar, paired_shares, share_interval, tango_interval, widened
from tuneport.parity.verdict import Judgement, judged
from tuneport.tallies import Numbers

COMPARISONS = 1000
MARGIN = 0.03


@cache
def judgement(won: int, lost: int, rows: int, margin: float = MARGIN) -> Judgement:
    return judged(paired_shares(won, lost, rows=rows), margin=margin)


def simulated(rows: int, *, drop: float, discordance: float, seed: int, margin: float = MARGIN) -> list[Judgement]:
    """What 1,000 comparisons of such models come to: the old one alone is right on (discordance + drop) / 2 of all rows."""
    lost, won = (discordance + drop) / 2, (discordance - drop) / 2
    drawn = np.random.default_rng(seed).multinomial(rows, [won, lost, 1 - discordance], size=COMPARISONS)
    return [judgement(int(each[0]), int(each[1]), rows, margin) for each in drawn]


def share(found: list[Judgement], *outcomes: str) -> float:
    return sum(each.outcome in outcomes for each in found) / len(found)


def exactly(rows: int, *, drop: float, discordance: float, margin: float = MARGIN) -> tuple[float, float]:
    """The probabilities that the interval lies within the margin, and that zero is ruled out, over all that may be seen."""
    lost_share = (discordance + drop) / 2 / discordance
    within = ruled_out = 0.0
    for differing, probability in enumerate(np.exp(coin_falls(rows, share=discordance))):
        if probability < 1e-9:
            continue
        for lost, chance in enumerate(np.exp(coin_falls(differing, share=min(lost_share, 1 - 1e-12)))):
            if chance > 1e-6:
                found = judgement(differing - lost, lost, rows, margin)
                within += probability * chance * found.within_margin
                ruled_out += probability * chance * (found.outcome in ("better", "worse"))
    return within, ruled_out


# --- known intervals -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("won", "lost", "rows", "low", "high"),
    [
        # airway hyper-responsiveness before and after transplantation, Bentur et al. 2009, in Fagerland, Lydersen and Laake 2014
        (1, 7, 21, -0.517, -0.026),
        # no row differs: z² / (rows + z²) on either side
        (0, 0, 21, -0.1546, 0.1546),
        (0, 0, 130, -0.0287, 0.0287),
    ],
)
def test_the_score_interval_is_the_published_one(won, lost, rows, low, high):
    assert tango_interval(won, lost, rows=rows) == pytest.approx((low, high), abs=5e-4)


def test_the_score_interval_includes_zero_where_the_exact_test_does_not_rule_it_out():
    found = paired_shares(5, 0, rows=20)
    assert found.p == pytest.approx(2 / 32)
    assert found.interval[0] == 0.0
    assert paired_shares(6, 0, rows=20).interval[0] > 0


def test_the_exact_test_counts_coins():
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 1024)


@pytest.mark.parametrize(
    ("count", "rows", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],  # the last from Newcombe 1998, table I, method 3
)
def test_the_interval_of_one_share_is_wilsons(count, rows, low, high):
    assert share_interval(count, rows=rows) == pytest.approx((low, high), abs=5e-5)


# --- false alarms ----------------------------------------------------------------------------------------------------------------------


def at_most(level: float, wrongly: list[float]) -> None:
    """None of some shares of 1,000 comparisons is above the level by more than simulation error, and all together are not above it."""
    assert max(wrongly) <= level + 3 * sqrt(level * (1 - level) / COMPARISONS)
    assert sum(wrongly) / len(wrongly) <= level


def test_models_that_are_alike_are_called_better_or_worse_in_five_percent_of_comparisons_at_most():
    cases = [(50, 0.3), (100, 0.1), (200, 0.05), (500, 0.1), (1000, 0.2), (2000, 0.02)]
    found = [simulated(rows, drop=0.0, discordance=discordance, seed=rows) for rows, discordance in cases]
    at_most(0.05, [share(each, "better", "worse") for each in found])


def test_a_drop_as_large_as_the_margin_is_called_equal_in_two_and_a_half_percent_of_comparisons_at_most():
    cases = [(130, 0.03), (200, 0.032), (500, 0.05), (1000, 0.1), (2000, 0.1), (3000, 0.3)]
    found = [simulated(rows, drop=MARGIN, discordance=discordance, seed=rows) for rows, discordance in cases]
    at_most(0.025, [sum(each.within_margin for each in one) / COMPARISONS for one in found])


@pytest.mark.parametrize(("rows", "discordance", "margin"), [(125, 0.031, 0.03), (200, 0.05, 0.05), (300, 0.04, 0.03), (500, 0.06, 0.05)])
def test_counted_over_all_outcomes_both_levels_hold(rows, discordance, margin):
    wrongly_equal, _ = exactly(rows, drop=margin, discordance=discordance, margin=margin)
    _, wrongly_ruled_out = exactly(rows, drop=0.0, discordance=discordance, margin=margin)
    assert wrongly_equal <= 0.025
    assert wrongly_ruled_out <= 0.05


def test_the_bootstrap_alone_would_call_models_equal_on_twenty_rows_that_happen_not_to_differ():
    same = Numbers(np.ones((20, 2)))
    found = paired_differences([Pair(same, same, MEASURES["token_f1"].value)], level=0.95, resamples=200, seed=0)[0]
    assert judged(found, margin=MARGIN).outcome == "equal"
    assert judged(widened(found, worth=20), margin=MARGIN).outcome == "cannot tell"


def test_scores_between_right_and_wrong_keep_the_levels_too():
    rng, wrongly = np.random.default_rng(11), Counter[str]()
    for number in range(150):
        for drop in (0.0, MARGIN):
            rows = 200
            old = rng.choice([0.4, 0.7, 1.0], size=rows)
            fate = rng.choice(3, size=rows, p=[(0.032 - drop) / 2, (0.032 + drop) / 2, 1 - 0.032])
            new = np.select([fate == 0, fate == 1], [1.0, 0.0], old)
            old = np.select([fate == 0, fate == 1], [0.0, 1.0], old)
            tallies = [Numbers(np.stack([each, np.ones(rows)], axis=1)) for each in (new, old)]
            found = paired_differences([Pair(*tallies, MEASURES["token_f1"].value)], level=0.95, resamples=200, seed=number)[0]
            verdict = judged(widened(found, worth=rows), margin=MARGIN)
            wrongly["equal"] += drop > 0 and verdict.within_margin
            wrongly["different"] += drop == 0 and verdict.outcome in ("better", "worse")
    assert wrongly["equal"] <= 0.025 * 150
    assert wrongly["different"] <= 0.05 * 150


# --- power -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("discordance", [0.02, 0.1, 0.3])
def test_models_that_are_alike_are_called_equal_given_enough_rows(discordance):
    rows = rows_for_verdict(discordance, margin=MARGIN)
    assert share(simulated(4 * rows, drop=0.0, discordance=discordance, seed=1), "cannot tell") == 0.0
    assert share(simulated(4 * rows, drop=0.0, discordance=discordance, seed=1), "equal") >= 0.95


def test_models_that_never_differ_are_equal_from_125_rows_on_at_three_points():
    assert [judgement(0, 0, rows).outcome for rows in (20, 124, 125, 1000)] == ["cannot tell", "cannot tell", "equal", "equal"]
    assert rows_for_verdict(0.0, margin=MARGIN) == 125


@pytest.mark.parametrize(
    ("rows", "discordance", "drop"),
    [(100, 0.1, 0.05), (200, 0.05, 0.05), (400, 0.06, 0.03), (400, 0.03, 0.03), (1000, 0.1, 0.03), (2000, 0.3, 0.03), (50, 0.4, 0.2)],
)
def test_a_planted_drop_is_found_as_often_as_the_power_says(rows, discordance, drop):
    stated = chance_to_find(drop, rows=rows, discordance=discordance)
    found = share(simulated(rows, drop=drop, discordance=discordance, seed=rows), "worse")
    assert abs(found - stated) <= 3 * sqrt(stated * (1 - stated) / COMPARISONS)


def test_the_power_grows_with_the_rows_and_the_drop_and_falls_with_the_discordance():
    powers = [chance_to_find(0.03, rows=rows, discordance=0.1) for rows in (20, 100, 500, 2_000, 100_000)]
    assert powers == sorted(powers)
    assert powers[0] < 0.01
    assert powers[-1] > 0.999
    assert chance_to_find(0.05, rows=500, discordance=0.1) > powers[2] > chance_to_find(0.03, rows=500, discordance=0.3)


def test_the_power_where_every_row_differs_or_the_drop_takes_more_rows_than_do_is_still_one():
    assert chance_to_find(0.5, rows=100, discordance=1.0) == pytest.approx(1.0, abs=1e-3)
    assert chance_to_find(0.03, rows=200, discordance=0.0) == chance_to_find(0.03, rows=200, discordance=0.03)


@pytest.mark.parametrize("difference", [0.0, 0.25, 0.5, 0.75, 1.0, 2.0])
@pytest.mark.parametrize("discordance", [0.035, 0.07, 0.2])
def test_as_many_rows_as_would_do_give_a_verdict_eight_times_in_ten_whatever_the_true_difference(difference, discordance):
    rows = rows_for_verdict(discordance, margin=MARGIN)
    discordance = max(discordance, difference * MARGIN)
    found = simulated(rows, drop=difference * MARGIN, discordance=discordance, seed=3)
    assert 1 - share(found, "cannot tell") >= 0.8 - 3 * sqrt(0.8 * 0.2 / COMPARISONS)


def test_rows_that_would_do_are_told_roundly_and_never_fewer():
    assert [about(rows) for rows in (1, 9, 99, 125, 130, 1168, 99_001)] == [1, 9, 99, 130, 130, 1200, 100_000]
    assert rows_for_verdict(0.1, margin=0.03) == 1419
    assert rows_for_sure(0.1, margin=0.03) > rows_for_verdict(0.1, margin=0.03) > rows_for_verdict(0.1, margin=0.05)


def test_no_outcome_of_twenty_rows_is_called_equal_and_few_that_differ_say_nothing():
    found = {(won, lost): judgement(won, lost, 20).outcome for won in range(21) for lost in range(21 - won)}
    assert "equal" not in found.values()
    assert {outcome for (won, lost), outcome in found.items() if won + lost <= 5} == {"cannot tell"}
    assert found[0, 15] == "worse"


# --- what must not matter --------------------------------------------------------------------------------------------------------------

counts = st.integers(0, 60)
MIRRORED = {"better": "worse", "worse": "better"}


@given(won=counts, lost=counts, both=st.integers(1, 2000))
def test_swapping_old_and_new_mirrors_the_verdict(won, lost, both):
    rows = won + lost + both
    there, back = paired_shares(won, lost, rows=rows), paired_shares(lost, won, rows=rows)
    assert (-back.value, back.p) == (there.value, there.p)
    assert (-back.interval[1], -back.interval[0]) == pytest.approx(there.interval, abs=1e-12)
    one, other = judgement(won, lost, rows), judgement(lost, won, rows)
    assert MIRRORED.get(one.outcome, one.outcome) == other.outcome
    assert (one.within_margin, one.beyond_margin) == (other.within_margin, other.beyond_margin)


@given(won=counts, lost=counts, both=st.integers(1, 500))
def test_more_rows_of_the_same_kind_narrow_the_interval(won, lost, both):
    rows = won + lost + both
    ends = [paired_shares(times * won, times * lost, rows=times * rows).interval for times in (1, 2, 4, 8)]
    widths = [high - low for low, high in ends]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > widths[-1]


@given(won=counts, lost=counts, both=st.integers(0, 500))
def test_the_interval_holds_the_difference_and_stays_between_all_and_nothing(won, lost, both):
    rows = max(1, won + lost + both)
    found = paired_shares(won, lost, rows=rows)
    assert -1 <= found.interval[0] <= found.value + 1e-12
    assert found.value - 1e-12 <= found.interval[1] <= 1
    assert found.could_be_zero or found.p <= 0.05
