"""Parity: what is compared on which rows, and what the verdict says of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from tuneport.errors import UsageError
from tuneport.examples import ChatExample, Message
from tuneport.model import Prediction
from tuneport.parity import About, ParityRow, Said, Side, answered, archived_rows, compare, decide, prove, rows_of
from tuneport.parity.power import rows_for_verdict
from tuneport.parity.score_interval import paired_shares

LABELS = ("card_arrival", "exchange_rate", "top_up_failed", "pending_transfer")


def row(number: int, reference: str | None = "a", old: str | None = "a", new: str | None = "a", prompted: str | None = None) -> ParityRow:
    said = [None if text is None else Said.of(text) for text in (old, new, prompted)]
    return ParityRow(number, f"question {number}", reference, *said)


def rows(both: int, *, won: int = 0, lost: int = 0, neither: int = 0) -> list[ParityRow]:
    """Rows that both models have right, the new one only, the old one only, neither of them though they say the same."""
    kinds = [("a", "a")] * both + [("b", "a")] * won + [("a", "b")] * lost + [("b", "b")] * neither
    return [row(number, "a", old, new) for number, (old, new) in enumerate(kinds, start=1)]


def free_text(count: int, *, changed: float, seed: int = 0) -> list[ParityRow]:
    """Answers that are never the reference itself, a share of them changed by the new model for better or worse."""
    draw, found = random.Random(seed), []
    for number in range(1, count + 1):
        old = f"it takes {draw.choice(['two', 'three'])} days to arrive {draw.choice('xyz')}"
        new = f"it takes {draw.choice(['two', 'three'])} days to arrive {draw.choice('xyz')}" if draw.random() < changed else old
        found.append(row(number, f"it takes two days until row {number} arrives", old, new))
    return found


def labelled(count: int, *, seed: int = 0) -> list[ParityRow]:
    draw = random.Random(seed)
    chosen = [[draw.choice(LABELS) for _ in range(3)] for _ in range(count)]
    return [row(n, a, a if draw.random() < 0.9 else b, a if draw.random() < 0.8 else c, b) for n, (a, b, c) in enumerate(chosen, start=1)]


def swapped(found: Sequence[ParityRow]) -> list[ParityRow]:
    return [replace(each, old=each.new, new=each.old) for each in found]


def outcome(found: Sequence[ParityRow], *, margin_points: float = 3.0) -> str:
    return decide(compare(found, metrics=["exact_match"]), margin_points=margin_points).outcome


# --- the verdict -----------------------------------------------------------------------------------------------------------------------


def test_identical_answers_are_equal_given_enough_rows_and_before_that_say_how_many():
    verdict = decide(compare(rows(20)))
    assert verdict.headline == "Cannot tell with 20 rows; about 720 would do."
    assert verdict.enough_rows == 720
    verdict = decide(compare(rows(125)))
    assert verdict.outcome == "equal"
    assert verdict.headline == "Equal: the new model is as good as the old model, within 3 points."
    assert "the old model and the new model gave the same answer to every row." in verdict.cautions


def test_twenty_rows_cannot_tell_and_say_how_hard_a_drop_is_to_find_with_them():
    verdict = decide(compare(rows(17, won=1, lost=2)))
    assert verdict.outcome == "cannot tell"
    assert verdict.chance_of_finding is not None
    assert verdict.chance_of_finding < 0.01
    assert verdict.enough_rows is not None
    assert verdict.enough_rows > 1000


def test_a_drop_is_called_worse_by_how_much_and_whether_it_is_within_the_margin_perhaps_or_beyond():
    within = decide(compare(rows(1975, lost=25)))
    assert (within.outcome, within.judgement.within_margin) == ("worse", True)
    assert within.headline == "Worse, but within the margin of 3 points: the new model is 1.2 points below the old model (0.8 to 1.8)."
    perhaps = decide(compare(rows(480, lost=20)))
    assert perhaps.headline.startswith("Worse, perhaps by more than the margin of 3 points: the new model is 4.0 points below")
    beyond = decide(compare(rows(400, lost=100)))
    assert beyond.headline == "Worse by more than the margin of 3 points: the new model is 20.0 points below the old model (16.7 to 23.7)."
    assert beyond.judgement.beyond_margin


def test_a_gain_is_called_better():
    verdict = decide(compare(rows(400, won=100)))
    assert verdict.outcome == "better"
    assert "the new model is 20.0 points above the old model (16.7 to 23.7)" in verdict.headline


def test_a_wider_margin_makes_equal_what_a_narrower_one_cannot_tell():
    found = rows(360, won=20, lost=20)
    assert outcome(found) == "cannot tell"
    assert outcome(found, margin_points=5) == "equal"


@pytest.mark.parametrize("margin", [0, -1, 100, float("nan")])
def test_a_margin_that_is_none_is_refused(margin):
    with pytest.raises(UsageError, match="margin of"):
        decide(compare(rows(20)), margin_points=margin)


def test_that_a_drop_of_the_margin_is_ruled_out_is_said_where_equal_cannot_be():
    verdict = decide(compare(rows(370, won=19, lost=11)))
    assert verdict.outcome == "cannot tell"
    assert "It may be better; that it is worse by 3 points or more is ruled out." in verdict.sentences


def test_rows_that_should_have_done_are_not_named_again():
    compared = compare(rows(1349, won=64, lost=87), metrics=["exact_match"])
    assert rows_for_verdict(151 / 1500, margin=0.03) < 1500
    verdict = decide(compared)
    assert verdict.outcome == "cannot tell"
    assert verdict.enough_rows == 1900


# --- what is compared ------------------------------------------------------------------------------------------------------------------


def test_right_and_wrong_are_compared_by_the_rows_that_one_model_alone_has_right():
    contest = compare(rows(180, won=5, lost=11, neither=4)).ported
    assert contest is not None
    measured = contest.decisive
    assert measured is not None
    assert (measured.metric, measured.won, measured.lost) == ("exact_match", 5, 11)
    assert (measured.first, measured.old) == (185 / 200, 191 / 200)
    assert measured.difference == paired_shares(5, 11, rows=200)


def test_an_answer_is_normalised_as_the_metric_does_before_it_agrees_or_is_right():
    found = compare([row(1, "caf\u00e9 au lait", "cafe\u0301  au\nlait ", "caf\u00e9 au lait"), row(2, "a", "a", "A")])
    assert found.agreement is not None
    assert (found.agreement.same, found.agreement.rows) == (1, 2)
    assert [each.row.number for each in found.differing] == [2]


def test_right_answers_that_are_all_the_same_are_told_to_prove_little():
    said = "Every row has the same right answer: whoever always says so is right everywhere, whatever is asked."
    assert said in decide(compare(rows(200))).cautions
    assert said not in decide(compare(labelled(200))).cautions


def test_a_model_that_always_says_the_same_is_named():
    found = [row(n, LABELS[n % 4], LABELS[n % 4], LABELS[0]) for n in range(1, 101)]
    assert "the new model gave one and the same answer to every row, whatever was asked." in decide(compare(found)).cautions
    assert not any("one and the same" in said for said in decide(compare(labelled(100))).cautions)
    assert not any("one and the same" in said for said in decide(compare(rows(100))).cautions)


@pytest.mark.parametrize(("failed", "told"), [(5, False), (6, True)])
def test_answers_that_failed_in_such_numbers_that_they_decide_are_said_to(failed, told):
    found = [*rows(100 - failed), *(replace(row(n), old=Said.of("", finish="error")) for n in range(101, 101 + failed))]
    assert ("So many failed that this says who answers rather than who is right." in decide(compare(found)).cautions) is told


def test_answers_without_a_word_are_counted():
    found = [*labelled(50), row(51, "a", " ", "\n"), row(52, "a", "a", "")]
    compared = compare(found)
    assert (compared.asked["old"].empty, compared.asked["new"].empty) == (1, 2)
    assert "2 answers of the new model without a word." in decide(compared).cautions


def test_rows_without_an_answer_are_left_out_and_told():
    found = [*rows(130), row(131, new=None), row(132, old=None), row(133, old=None, new=None)]
    compared = compare(found)
    assert compared.ported is not None
    assert compared.ported.rows == 130
    cautions = decide(compared).cautions
    assert "2 rows of 133 without an answer of the old model: left out." in cautions
    assert "2 rows of 133 without an answer of the new model: left out." in cautions


def test_a_failed_answer_is_wrong_and_agrees_with_nothing():
    failed = Said.of("a", finish="error")
    compared = compare([*rows(10), replace(row(11), new=failed), replace(row(12), old=failed, new=failed)])
    assert compared.agreement is not None
    assert compared.agreement.same == 10
    assert compared.ported is not None
    assert compared.ported.measured[0].lost == 1
    assert compared.ported.measured[0].first == 10 / 12
    assert "the new model could not answer 2 rows: counted as wrong, and as no agreement." in decide(compared).cautions


def test_answers_that_were_cut_off_and_questions_asked_twice_are_told():
    cut = replace(row(2), new=Said.of("a", finish="length"))
    again = replace(row(3), question="question 1")
    cautions = decide(compare([row(1), cut, again])).cautions
    assert "1 answer of the new model cut off at the length that was allowed." in cautions
    assert any(caution.startswith("1 repeated question:") for caution in cautions)


def test_without_references_there_is_agreement_only_and_what_follows_from_it():
    verdict = decide(compare([row(number, None, "a", "a" if number > 4 else "b") for number in range(1, 201)]))
    assert verdict.outcome == "agreement only"
    assert verdict.headline.startswith("No references: agreement only.")
    assert "the same answer on 196 of 200 rows: 98.0% (95.0% to 99.2%)" in verdict.headline
    assert any("differs by no more than 5.0 points" in sentence for sentence in verdict.sentences)
    assert verdict.enough_rows is None


def test_rows_without_reference_among_others_count_for_agreement_only():
    compared = compare([*rows(130), row(131, None, "x", "y"), row(132, "", "x", "y")])
    assert compared.ported is not None
    assert compared.ported.rows == 130
    assert compared.agreement is not None
    assert compared.agreement.rows == 132
    assert "2 rows without a reference: counted for agreement only." in decide(compared).cautions


@pytest.mark.parametrize("found", [[], [row(1, new=None), row(2, old=None)]])
def test_where_no_row_was_answered_by_both_there_is_nothing_to_compare(found):
    verdict = decide(compare(found))
    assert verdict.outcome == "nothing to compare"
    assert not verdict.judgement.no_worse


def test_lost_rows_come_first_then_those_won_then_the_others():
    found = [row(1, "a", "b", "c"), row(2, "a", "b", "a"), row(3, "a", "a", "b"), row(4), row(5, None, "a", "b")]
    assert [(each.row.number, each.kind) for each in compare(found).differing] == [(3, "lost"), (2, "won"), (1, "other"), (5, "other")]


def test_free_text_is_judged_by_its_words_where_nobody_gives_the_reference_itself():
    verdict = decide(compare(free_text(400, changed=0.1), resamples=500))
    assert verdict.metric == "token_f1"
    assert verdict.outcome == "equal"
    assert any(caution.startswith("The verdict is about token_f1:") for caution in verdict.cautions)
    asked = decide(compare(free_text(400, changed=0.1), metrics=["exact_match"], resamples=500))
    assert asked.metric == "exact_match"
    assert any("wrong alike" in caution for caution in asked.cautions)


def test_free_text_on_few_rows_cannot_tell_though_no_row_differs():
    verdict = decide(compare(free_text(40, changed=0.0), resamples=500))
    assert verdict.outcome == "cannot tell"
    assert verdict.enough_rows is not None
    assert 40 < verdict.enough_rows < 600


def test_perplexity_is_compared_where_there_are_log_probabilities_and_no_verdict_is_about_it():
    def scored(text: str, value: float) -> Said:
        return Said(Prediction(text, log_probability=value, log_probability_tokens=2))

    found = [ParityRow(n, f"q{n}", "a", scored("a", -1.0 - n % 3), scored("a", -2.0 - n % 2)) for n in range(1, 40)]
    contest = compare(found, metrics=["perplexity", "exact_match"], resamples=200).ported
    assert contest is not None
    assert contest.primary == "exact_match"
    assert [each.metric for each in contest.measured if each.difference] == ["perplexity", "exact_match"]
    without = compare(rows(20), metrics=["perplexity"], resamples=200)
    assert decide(without).headline.startswith("No metric is available: agreement only.")
    assert without.ported is not None
    assert "log_probabilities" in without.ported.measured[0].reason


@pytest.mark.parametrize(
    ("found", "settings", "said"),
    [
        ([row(1), row(1)], {}, "two rows have the number 1"),
        ([row(1)], {"metrics": ["bleu"]}, "unknown metric 'bleu'"),
        ([row(1)], {"metrics": []}, "no metric is asked for"),
        ([row(1)], {"resamples": 10}, "at least 100 resamples"),
        ([row(1)], {"level": 1.0}, "a level from 0.5 to below 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(found, settings, said):
    with pytest.raises(UsageError, match=said):
        compare(found, **settings)


# --- prompting -------------------------------------------------------------------------------------------------------------------------


def prompted(count: int, *, right: int) -> list[ParityRow]:
    return [row(number, prompted="a" if number <= right else "b") for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (200, "Prompting is enough: the prompted base is as good as the old model, within 3 points: 0.0 points"),
        (150, "Prompting is not enough. Worse by more than the margin of 3 points: the prompted base is 25.0 points below"),
        (195, "Whether prompting is enough cannot be told: the prompted base is -2.5 points"),
    ],
)
def test_prompting_is_judged_by_the_same_rule_on_the_same_rows(right, said):
    prompting = decide(compare(prompted(200, right=right))).prompting
    assert prompting is not None
    assert prompting.sentence.startswith(said)
    assert prompting.enough == (right == 200)


def test_prompting_that_is_better_or_worse_within_the_margin_is_enough():
    better = [row(number, "a", "b" if number < 80 else "a", "a", "a") for number in range(1, 401)]
    within = prompted(2000, right=1975)
    for found in (better, within):
        prompting = decide(compare(found)).prompting
        assert prompting is not None
        assert prompting.enough


def test_without_a_prompted_base_nothing_is_said_of_prompting():
    assert decide(compare(rows(130))).prompting is None


# --- what must not matter --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [labelled(120), free_text(120, changed=0.3)], ids=["labels", "free text"])
def test_the_order_of_rows_does_not_matter(found):
    mixed = random.Random(1).sample(found, len(found))
    assert compare(mixed, resamples=200) == compare(found, resamples=200)


@pytest.mark.parametrize("found", [labelled(120), free_text(120, changed=0.3)], ids=["labels", "free text"])
def test_swapping_old_and_new_mirrors_every_metric(found):
    there, back = compare(found, resamples=200).ported, compare(swapped(found), resamples=200).ported
    assert there is not None
    assert back is not None
    assert there.primary == back.primary
    for one, other in zip(there.measured, back.measured, strict=True):
        assert one.difference is not None
        assert other.difference is not None
        assert (one.first, one.old, one.won, one.lost) == (other.old, other.first, other.lost, other.won)
        assert one.difference.value == pytest.approx(-other.difference.value)
        assert one.difference.interval == pytest.approx([-edge for edge in reversed(other.difference.interval)])


@pytest.mark.parametrize("found", [labelled(60), free_text(60, changed=0.3)], ids=["labels", "free text"])
def test_more_rows_narrow_every_interval(found):
    many = [replace(each, number=each.number + 1000 * time) for time in range(6) for each in found]
    few, more = compare(found, resamples=400).ported, compare(many, resamples=400).ported
    assert few is not None
    assert more is not None
    for one, other in zip(few.measured, more.measured, strict=True):
        assert one.difference is not None
        assert other.difference is not None
        assert width(other.difference.interval) < width(one.difference.interval)


def width(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


# --- where rows come from --------------------------------------------------------------------------------------------------------------


def test_archived_answers_become_rows_and_the_new_answers_join_them():
    record = {
        "line": 7,
        "question": "user: hi",
        "reference": "a",
        "answer": "a",
        "finish": "stop",
        "prompt_tokens": 9,
        "completion_tokens": 2,
    }
    found = answered(archived_rows([record, {"line": 9, "question": "q", "answer": "x"}]), new=[Said.of("b", latency_s=0.5), None])
    assert [each.number for each in found] == [7, 9]
    assert found[0].old is not None
    assert (found[0].old.text, found[0].old.tokens) == ("a", (9, 2))
    assert found[1].old is not None
    assert (found[1].reference, found[1].old.tokens, found[1].new) == (None, None, None)
    with pytest.raises(UsageError, match="1 answers"):
        answered(found, new=[None])
    with pytest.raises(UsageError, match="line 2 of the archived answers"):
        archived_rows([record, {"line": 1}])


def test_rows_of_a_dataset_ask_what_comes_before_the_reference():
    example = ChatExample((Message("user", "hi"), Message("assistant", "hello")))
    assert rows_of([(3, example)]) == (ParityRow(3, "user: hi", "hello"),)


def test_names_that_two_models_share_are_told_apart():
    old, new = (Side("tickets", f"{provider}:tickets", provider) for provider in ("openai", "azure"))
    about = About(old, new, "rows", "0" * 64, date(2026, 11, 21))
    assert (about.names["old"], about.names["new"]) == ("openai tickets", "azure tickets")
    assert prove(rows(130), about).verdict.headline == "Equal: azure tickets is as good as openai tickets, within 3 points."
    same = replace(about, new=old)
    assert (same.names["old"], same.names["new"]) == ("tickets (old)", "tickets (new)")
