"""The metrics against numbers worked out by hand or by scikit-learn 1.7, and the intervals against simulated models."""

import math
import tracemalloc

import numpy as np
import pytest

from tuneport.intervals import Difference, Pair, paired_differences
from tuneport.metrics import MEASURES, Answers, label_counts, precision_recall_f1, same_answer, word_f1
from tuneport.model import Prediction
from tuneport.tallies import Numbers, total

RIGHT = ("a", "a", "a", "b", "b", "c", "c", "c", "c", "d")
SAID = ("a", "b", "a", "b", "b", "c", "zzz", "a", "c", "a")


def answers(said, right=RIGHT, labels=("a", "b", "c", "d")):
    return Answers(tuple(right), tuple(p if isinstance(p, Prediction) else Prediction(p) for p in said), tuple(labels))


def hits(*marks):
    """Tallies of exact match for rows marked right (1) or wrong (0)."""
    return Numbers(np.array([[float(mark), 1.0] for mark in marks]))


def measured(measure, answers):
    return measure.of(measure.tally(answers))


def difference(first, second, measure, *, resamples=2000, seed=0, level=0.95):
    return paired_differences([Pair(first, second, measure.value)], level=level, resamples=resamples, seed=seed)[0]


def mean_difference(first, second, **settings):
    return difference(first, second, MEASURES["exact_match"], **settings)


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [
        ("card_arrival", "card_arrival", True),
        ("  card_arrival\n", "card_arrival", True),
        ("two  words", "two\nwords", True),
        ("cafe\u0301", "caf\u00e9", True),
        ("Card_arrival", "card_arrival", False),
        ("card_arrival.", "card_arrival", False),
        ("", "card_arrival", False),
    ],
)
def test_an_exact_match_ignores_white_space_and_unicode_forms_but_neither_case_nor_punctuation(answer, reference, same):
    assert same_answer(answer, reference) is same


@pytest.mark.parametrize(
    ("answer", "reference", "f1"),
    [
        ("The cat sat on the mat.", "a cat sat on a mat", 1.0),
        ("cat", "cat sat on mat", 0.4),
        ("cat cat", "cat", 2 / 3),
        ("dog", "cat", 0.0),
        ("", "cat", 0.0),
        ("the", "a", 1.0),
    ],
)
def test_token_f1_counts_shared_words_as_squad_does(answer, reference, f1):
    assert word_f1(answer, reference) == pytest.approx(f1)


def test_macro_scores_agree_with_scikit_learn_when_an_answer_is_no_label_and_a_label_is_never_answered():
    taken = answers(SAID)
    assert measured(MEASURES["macro_precision"], taken) == pytest.approx(0.5416666666666666)
    assert measured(MEASURES["macro_recall"], taken) == pytest.approx(0.5416666666666666)
    assert measured(MEASURES["macro_f1"], taken) == pytest.approx(0.5095238095238095)


def test_scores_per_label_agree_with_scikit_learn():
    precision, recall, f1 = precision_recall_f1(total(label_counts(answers(SAID))))
    assert precision == pytest.approx([0.5, 2 / 3, 1.0, 0.0])
    assert recall == pytest.approx([2 / 3, 1.0, 0.5, 0.0])
    assert f1 == pytest.approx([0.5714285714, 0.8, 2 / 3, 0.0])


def test_a_known_label_that_no_row_needs_does_not_lower_the_macro_mean():
    without, with_more = answers(SAID), answers(SAID, labels=("a", "b", "c", "d", "never_right"))
    assert measured(MEASURES["macro_f1"], with_more) == pytest.approx(measured(MEASURES["macro_f1"], without))


def test_perplexity_is_taken_over_all_tokens_together_not_as_a_mean_of_rows():
    said = [
        Prediction(text, log_probability=value, log_probability_tokens=tokens) for text, value, tokens in (("x", -1.0, 1), ("y", -6.0, 9))
    ]
    assert measured(MEASURES["perplexity"], answers(said, "xy", ())) == pytest.approx(math.exp(0.7))


def test_a_row_that_could_not_be_answered_is_wrong_even_when_its_text_reads_right():
    taken = answers([Prediction("a", finish="error"), "a"], ("a", "a"), ("a",))
    assert [measured(MEASURES[name], taken) for name in ("exact_match", "token_f1", "macro_recall")] == [0.5, 0.5, 0.5]


def test_a_server_that_gives_labels_is_measured_by_them():
    taken = answers([Prediction("", label="a"), Prediction("", label="b")], ("a", "a"), ("a", "b"))
    assert measured(MEASURES["exact_match"], taken) == 0.5


def test_a_model_compared_with_itself_differs_by_exactly_nothing():
    same = hits(1, 0, 1, 1, 0)
    assert mean_difference(same, same) == Difference(value=0.0, interval=(0.0, 0.0), level=0.95, p=1.0)


def test_equal_seeds_give_equal_intervals_and_other_seeds_others():
    first, second = hits(*[1, 1, 0] * 20), hits(*[1, 0, 1, 0] * 15)
    assert mean_difference(first, second, seed=1) == mean_difference(first, second, seed=1)
    assert mean_difference(first, second, seed=1) != mean_difference(first, second, seed=2)


def test_the_interval_is_as_wide_as_theory_says():
    rng = np.random.default_rng(5)
    first, second = hits(*(rng.random(2000) < 0.8)), hits(*(rng.random(2000) < 0.6))
    found = mean_difference(first, second, resamples=4000)
    half = 1.96 * np.std(first.values[:, 0] - second.values[:, 0]) / math.sqrt(2000)
    assert (found.interval[1] - found.interval[0]) / 2 == pytest.approx(half, rel=0.05)


def test_four_rows_won_and_none_lost_are_not_called_a_difference():
    """The percentile bootstrap alone would call it one; a fair coin does this in one of eight tries."""
    found = mean_difference(hits(*[1] * 100), hits(*[1] * 96, *[0] * 4))
    assert found.p == pytest.approx(0.125, abs=0.03)
    assert found.could_be_zero


def test_ten_rows_won_of_ten_are_a_difference():
    assert not mean_difference(hits(*[1] * 10), hits(*[0] * 10)).could_be_zero


@pytest.mark.parametrize(("rows", "accuracy", "disagreement"), [(30, 0.5, 0.5), (100, 0.9, 0.1), (200, 0.9, 0.02)])
def test_models_that_are_alike_are_told_apart_no_more_often_than_the_level_allows(rows, accuracy, disagreement):
    rng, alarms, tries = np.random.default_rng(rows), 0, 1000
    for attempt in range(tries):
        shared = rng.random(rows) < accuracy
        own = [np.where(rng.random(rows) < disagreement, rng.random(rows) < accuracy, shared) for _ in range(2)]
        alarms += not mean_difference(hits(*own[0]), hits(*own[1]), resamples=300, seed=attempt).could_be_zero
    assert alarms / tries <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / tries)


def test_a_planted_difference_is_found_and_lies_inside_the_interval_as_often_as_the_level_says():
    rng, found, inside, tries = np.random.default_rng(1), 0, 0, 300
    for attempt in range(tries):
        better, worse = rng.random(400) < 0.85, rng.random(400) < 0.70
        low, high = mean_difference(hits(*better), hits(*worse), resamples=300, seed=attempt).interval
        found += low > 0
        inside += low <= 0.15 <= high
    assert found / tries > 0.98
    assert 0.91 <= inside / tries <= 0.99


def test_a_difference_in_macro_f1_is_found_by_swapping_rows_too():
    right = tuple("abcd"[row % 4] for row in range(80))
    good, bad = answers(right, right), answers(["a" if row % 2 else text for row, text in enumerate(right)], right)
    measure = MEASURES["macro_f1"]
    found = difference(measure.tally(good), measure.tally(bad), measure, resamples=1000)
    assert found.value == pytest.approx(measured(measure, good) - measured(measure, bad))
    assert found.interval[0] > 0
    assert found.p < 0.01


def test_what_is_found_for_a_metric_does_not_depend_on_what_else_is_asked():
    right = tuple("abc"[row % 3] for row in range(60))
    good, bad = answers(right, right), answers([text if row % 4 else "a" for row, text in enumerate(right)], right)
    pairs = [Pair(MEASURES[name].tally(good), MEASURES[name].tally(bad), MEASURES[name].value) for name in ("exact_match", "macro_f1")]
    together = paired_differences(pairs, level=0.95, resamples=500, seed=3)
    alone = [paired_differences([pair], level=0.95, resamples=500, seed=3)[0] for pair in pairs]
    assert together == alone


def test_label_counts_drawn_again_are_those_of_the_rows_drawn():
    rng = np.random.default_rng(0)
    counts = label_counts(answers(SAID))
    weights = rng.integers(4, size=(len(RIGHT), 6)).astype(float)
    written_out = np.stack([total(counts.part(np.arange(len(RIGHT)) == row)) for row in range(len(RIGHT))])
    assert counts.summed(weights) == pytest.approx(weights.T @ written_out)


@pytest.mark.parametrize("labels", [2, 1000])
def test_comparing_many_labels_takes_no_more_memory_than_few(labels):
    """64 MB at once, however many rows and labels; written out, 3,080 rows of a thousand labels would take 400."""
    rng = np.random.default_rng(0)
    names = tuple(f"label {number:04}" for number in range(labels))
    right = [names[row % labels] for row in range(3080)]
    taken = [answers([text if rng.random() < share else names[0] for text in right], right, names) for share in (0.9, 0.8)]
    measure = MEASURES["macro_f1"]
    tracemalloc.start()
    try:
        difference(*(measure.tally(one) for one in taken), measure, resamples=1000)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 80e6
