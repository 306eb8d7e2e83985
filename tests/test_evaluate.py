"""Evaluating models over the Server protocol: what is asked, what is measured, what is said about it."""

import json
import math

import pytest

from tuneport.errors import DatasetError, Unreachable, Unsupported, UsageError
from tuneport.evaluate import Contender, evaluate, labels_prompt
from tuneport.examples import ChatExample, LabelledExample, Message, PreferenceExample, PromptExample, TextPart, ToolCall
from tuneport.model import Model, Prediction
from tuneport.provider import Generation

LABELS = ("change_pin", "exchange_rate", "pending_transfer")
ROWS = [ChatExample((Message("user", f"question {n}"), Message("assistant", LABELS[n % 3]))) for n in range(60)]


class ScriptedServer:
    """Answers by a function of the row's number and the right answer; keeps what it was asked."""

    def __init__(self, answer, gives=("text",)):
        self.answer, self.gives, self.asked, self.needs = answer, frozenset(gives), [], None

    def predict(self, target, rows, *, generation, needs):
        self.needs = needs
        for number, row in enumerate(rows):
            self.asked.append(row)
            right = row.label if isinstance(row, LabelledExample) else row.messages[-1].text
            said = self.answer(number, right)
            yield said if isinstance(said, Prediction) else Prediction(said)


def contender(name, answer, *, gives=("text",), system=None):
    return Contender(name, Model(f"fake:{name}", "fake", name), ScriptedServer(answer, gives), system)


def right_below(limit, *, of=10):
    """Right in `limit` of every `of` rows."""
    return lambda number, right: right if number % of < limit else "something else"


def judged(answer, other, rows=ROWS, **settings):
    return evaluate(contender("tuned", answer), rows, against=[contender("base", other)], resamples=1000, **settings)


def test_a_tuned_model_that_is_right_more_often_is_called_better_by_how_much():
    found = judged(right_below(9), right_below(2))
    assert found.metrics["exact_match"] == pytest.approx(0.9)
    assert found.comparisons[0].metrics["exact_match"] == pytest.approx(0.2)
    assert found.comparisons[0].outcome == "better"
    assert found.comparisons[0].verdict.startswith("better than base: exact_match +0.700, 95% interval +0.5")
    assert found.comparisons[0].verdict.endswith("(60 rows)")


def test_a_tuned_model_that_is_right_less_often_is_called_worse():
    comparison = judged(right_below(2), right_below(9)).comparisons[0]
    assert comparison.outcome == "worse"
    assert comparison.difference["exact_match"].value == pytest.approx(-0.7)


def test_two_models_that_say_the_same_are_within_the_noise():
    comparison = judged(right_below(5), right_below(5)).comparisons[0]
    assert comparison.difference["exact_match"].value == 0
    assert comparison.verdict.startswith("within the noise of base: the difference could be zero")


def test_ten_rows_are_too_few_to_tell_six_right_from_four():
    comparison = judged(right_below(6), right_below(4), rows=ROWS[:10]).comparisons[0]
    assert comparison.outcome == "within the noise"
    assert comparison.difference["exact_match"].interval[0] <= 0


def test_a_lower_perplexity_is_better():
    def likelihood(value):
        return lambda number, right: Prediction("", log_probability=-value * (1 + number % 3), log_probability_tokens=4)

    tuned = contender("tuned", likelihood(0.5), gives=("text", "log_probabilities"))
    base = contender("base", likelihood(3.0), gives=("text", "log_probabilities"))
    found = evaluate(tuned, ROWS, against=[base], metrics=["perplexity"], resamples=1000)
    assert found.metrics["perplexity"] == pytest.approx(math.exp(0.25))
    assert found.comparisons[0].outcome == "better"
    assert found.comparisons[0].difference["perplexity"].value < 0
    assert tuned.server.needs == {"log_probabilities"}


def test_what_a_server_cannot_give_is_not_available_with_the_reason():
    found = evaluate(contender("tuned", right_below(9)), ROWS, resamples=100)
    assert found.metrics["perplexity"] is None
    assert found.unavailable["perplexity"] == "the server gives text, not log_probabilities"
    assert "perplexity not available: the server gives text" in str(found)


def test_a_log_probability_that_is_missing_for_some_rows_makes_perplexity_unavailable_not_approximate():
    def patchy(number, right):
        return Prediction(right, log_probability=None if number == 3 else -1.0, log_probability_tokens=4)

    found = evaluate(contender("tuned", patchy, gives=("text", "log_probabilities")), ROWS, resamples=100)
    assert found.metrics["perplexity"] is None
    assert found.unavailable["perplexity"] == "the server gave no log-probability for 1 of 60 rows"


def test_perplexities_over_different_tokens_are_not_compared():
    def per_token(tokens):
        said = Prediction("x", log_probability=-1.0, log_probability_tokens=tokens)
        return contender(str(tokens), lambda number, right: said, gives=("text", "log_probabilities"))

    comparison = evaluate(per_token(3), ROWS, against=[per_token(5)], metrics=["perplexity"], resamples=100).comparisons[0]
    assert comparison.outcome == "not comparable"
    assert comparison.to_dict()["difference"] == {"metric": None, "value": None, "interval": None}
    assert "different tokens" in comparison.unavailable["perplexity"]


def test_a_perplexity_too_large_for_a_number_is_not_available_and_the_json_stays_json():
    def absurd(number, right):
        return Prediction(right, log_probability=-9000.0, log_probability_tokens=1)

    found = evaluate(contender("tuned", absurd, gives=("text", "log_probabilities")), ROWS, resamples=100)
    assert found.unavailable["perplexity"] == "too large for a number"
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_server_that_gives_nothing_the_metrics_need_is_refused():
    with pytest.raises(Unsupported, match="tuned: the server gives text, and none of perplexity"):
        evaluate(contender("tuned", right_below(9)), ROWS, metrics=["perplexity"])


def test_the_json_has_the_shape_that_scripts_rely_on():
    document = json.loads(json.dumps(judged(right_below(9), right_below(2)).to_dict(), allow_nan=False))
    assert document["schema_version"] == 1
    assert document["rows"] == 60
    assert document["metrics"]["exact_match"] == pytest.approx(0.9)
    assert document["against"]["name"] == "base"
    assert document["against"]["metrics"]["exact_match"] == pytest.approx(0.2)
    assert document["difference"]["metric"] == "exact_match"
    low, high = document["difference"]["interval"]
    assert low < document["difference"]["value"] < high
    assert document["difference"]["exact_match"]["interval"] == [low, high]
    assert document["verdict"].startswith("better than base")
    assert "comparisons" not in document


def test_the_json_and_the_printed_table_hold_no_row_contents():
    found = judged(right_below(9), lambda number, right: "a secret answer")
    assert "secret" not in json.dumps(found.to_dict()) + str(found) + repr(found)


def test_several_comparisons_are_all_listed_the_first_at_the_top():
    bases = [contender("base", right_below(1)), contender("base with labels", right_below(6))]
    document = evaluate(contender("tuned", right_below(9)), ROWS, against=bases, resamples=500).to_dict()
    assert document["against"]["name"] == "base"
    assert [entry["against"]["name"] for entry in document["comparisons"]] == ["base", "base with labels"]


def test_answers_stand_side_by_side_and_differing_rows_can_be_picked():
    found = judged(right_below(9), right_below(8))
    picked = found.differing("base")
    assert [answer.row for answer in picked] == [8, 18, 28, 38, 48, 58]
    assert picked[0].texts == {"tuned": picked[0].reference, "base": "something else"}


def test_labels_are_reported_one_by_one_and_answers_that_are_none_of_them_as_other():
    report = evaluate(contender("tuned", right_below(9)), ROWS, resamples=100).labels
    assert [score.label for score in report.labels] == list(LABELS)
    assert [score.support for score in report.labels] == [20, 20, 20]
    assert {score.precision for score in report.labels} == {1.0}
    assert report.other == 6


def test_a_label_known_from_training_that_no_row_needs_is_not_other():
    server = contender("tuned", lambda number, right: "top_up" if number < 4 else right)
    assert evaluate(server, ROWS, labels=[*LABELS, "top_up"], resamples=100).labels.other == 0
    assert evaluate(server, ROWS, resamples=100).labels.other == 4


def test_free_text_answers_get_no_label_scores_and_the_reason():
    rows = [ChatExample((Message("user", "q"), Message("assistant", f"a long and different answer {n}"))) for n in range(20)]
    found = evaluate(contender("tuned", right_below(9)), rows, resamples=100)
    assert found.labels is None
    assert found.metrics["macro_f1"] is None
    assert found.unavailable["macro_f1"].startswith("the reference answers do not look like labels")
    assert found.metrics["token_f1"] == pytest.approx(0.9)


def test_rows_that_the_server_could_not_answer_are_wrong_and_counted():
    found = evaluate(contender("tuned", lambda n, right: Prediction(right, finish="error") if n < 6 else right), ROWS, resamples=100)
    assert found.failed == 6
    assert found.metrics["exact_match"] == pytest.approx(0.9)
    assert "tuned: 6 rows could not be answered and count as wrong" in str(found)


def test_every_kind_of_row_is_asked_as_a_conversation_that_ends_with_its_reference():
    question, answer = Message("user", "q"), Message("assistant", "yes")
    rows = [
        ChatExample((question, answer)),
        PromptExample((question,), reference="yes"),
        PreferenceExample((question,), (answer,), (Message("assistant", "no"),)),
        LabelledExample(text="q", label="yes"),
    ]
    server = contender("tuned", lambda number, right: right)
    assert evaluate(server, rows, resamples=100).metrics["exact_match"] == 1
    assert [row.messages for row in server.server.asked] == [(question, answer)] * 4


def test_a_classifier_is_asked_labelled_rows_as_they_are_and_measured_by_its_labels():
    rows = [LabelledExample(text=str(n), label=LABELS[n % 3]) for n in range(12)]
    server = contender("classifier", lambda number, right: Prediction("", label=right if number else "change"), gives=("labels",))
    found = evaluate(server, rows, resamples=100)
    assert server.server.asked == rows
    assert server.server.needs == {"labels"}
    assert found.metrics["exact_match"] == pytest.approx(11 / 12)
    assert found.unavailable["token_f1"] == "the server gives labels, not text"


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ((), Message("system", "Pick a label.")),
        ((Message("system", "Be brief."),), Message("system", "Pick a label.\n\nBe brief.")),
        ((Message("developer", "Be brief."),), Message("developer", "Pick a label.\n\nBe brief.")),
        ((Message("system", (TextPart("Be brief."),)),), Message("system", (TextPart("Pick a label.\n\n"), TextPart("Be brief.")))),
    ],
)
def test_a_contenders_system_text_is_put_in_front_without_a_second_system_turn(turns, expected):
    row = ChatExample((*turns, Message("user", "q"), Message("assistant", "yes")))
    server = contender("base with labels", lambda number, right: right, system="Pick a label.")
    evaluate(server, [row], resamples=100)
    assert server.server.asked[0].messages == (expected, *row.messages[-2:])


def test_the_labels_prompt_lists_each_label_of_the_training_rows_once():
    prompt = labels_prompt(ROWS)
    assert [line for line in prompt.splitlines() if line.startswith("- ")] == [f"- {label}" for label in LABELS]


def test_a_labels_prompt_for_free_text_is_refused():
    rows = [PromptExample((Message("user", "q"),), reference=f"answer number {n}") for n in range(9)]
    with pytest.raises(DatasetError, match=r"9 answers do not look like labels \(9 distinct\)"):
        labels_prompt(rows)


def test_progress_is_told_per_contender_and_row():
    told = []
    tuned, base = contender("tuned", right_below(9)), contender("base", right_below(9))
    evaluate(tuned, ROWS[:2], against=[base], resamples=100, on_progress=lambda *step: told.append(step))
    assert told == [("tuned", 1, 2), ("tuned", 2, 2), ("base", 1, 2), ("base", 2, 2)]


@pytest.mark.parametrize(
    "row",
    [
        ChatExample((Message("user", "q"),)),
        ChatExample((Message("user", "q"), Message("assistant", None, tool_calls=(ToolCall("look", "{}"),)))),
        PromptExample((Message("user", "q"),)),
        LabelledExample(text="q"),
        ChatExample(()),
    ],
)
def test_a_row_without_a_reference_is_refused_by_number_before_any_question(row):
    server = contender("tuned", right_below(9))
    with pytest.raises(DatasetError, match="row 3 has no reference answer"):
        evaluate(server, [*ROWS[:2], row])
    assert server.server.asked == []


def test_no_rows_are_refused():
    with pytest.raises(DatasetError, match="no rows to evaluate on"):
        evaluate(contender("tuned", right_below(9)), [])


def _short(target, rows, *, generation, needs):
    yield from (Prediction("x") for _ in list(rows)[1:])


def _long(target, rows, *, generation, needs):
    while True:
        yield Prediction("x")


@pytest.mark.parametrize(("predict", "words"), [(_short, "gave only 2 answers to 3 rows"), (_long, "gave too many answers to 3 rows")])
def test_a_server_that_does_not_answer_each_row_once_is_an_error_not_a_shifted_comparison(predict, words):
    server = contender("tuned", right_below(9))
    server.server.predict = predict
    with pytest.raises(Unreachable, match=words):
        evaluate(server, ROWS[:3])


def test_two_contenders_of_one_name_are_refused():
    with pytest.raises(UsageError, match="two contenders are called 'tuned'"):
        evaluate(contender("tuned", right_below(1)), ROWS, against=[contender("tuned", right_below(2))])


@pytest.mark.parametrize(
    ("metrics", "words"), [(["exact"], "unknown metric 'exact'; available: exact_match"), ([], "no metric is asked for")]
)
def test_an_unknown_metric_is_refused_with_those_that_exist(metrics, words):
    with pytest.raises(UsageError, match=words):
        evaluate(contender("tuned", right_below(1)), ROWS, metrics=metrics)


@pytest.mark.parametrize("settings", [{"resamples": 10}, {"level": 1.0}, {"level": 0.0}])
def test_settings_that_give_no_interval_are_refused(settings):
    with pytest.raises(UsageError, match="at least 100 resamples"):
        evaluate(contender("tuned", right_below(1)), ROWS, **settings)


def test_the_printed_evaluation_is_a_table_with_a_verdict_per_comparison():
    assert str(judged(right_below(9), right_below(2), metrics=["exact_match"])).splitlines()[:3] == [
        "60 rows",
        "             tuned   base",
        "exact_match  0.900  0.200",
    ]
    assert str(judged(right_below(9), right_below(2))).splitlines()[-1].startswith("tuned is better than base: exact_match +0.700")


def test_answers_get_room_for_the_longest_reference_and_the_result_says_how_much():
    rows = [ChatExample((Message("user", "q"), Message("assistant", answer))) for answer in ("ja", "größer", "nein")]
    found = evaluate(contender("tuned", right_below(9)), rows, resamples=1000)
    assert found.to_dict()["max_tokens"] == len("größer".encode()) + 8


def test_the_room_asked_for_is_the_room_given():
    found = evaluate(contender("tuned", right_below(9)), ROWS, generation=Generation(max_tokens=5), resamples=1000)
    assert found.max_tokens == 5


# --- pairs ----------------------------------------------------------------------------------------------------------------------


PAIRS = [
    PreferenceExample((Message("user", f"question {n}"),), (Message("assistant", "good"),), (Message("assistant", "bad, and long"),))
    for n in range(40)
]


def likelier(better, worse, *, tokens=(2, 4)):
    """Gives both answers these log-probabilities, by the row's number."""
    sides = {"good": (better, tokens[0]), "bad, and long": (worse, tokens[1])}

    def answer(number, right):
        value, length = sides[right]
        return Prediction("", log_probability=value(number) if callable(value) else value, log_probability_tokens=length)

    return answer


def weighed(name, answer):
    return contender(name, answer, gives=("text", "log_probabilities"))


def test_the_share_of_pairs_whose_better_answer_is_likelier_is_compared_with_the_bases():
    tuned = weighed("tuned", likelier(lambda number: -1.0 if number % 10 < 8 else -9.0, -5.0))
    base = weighed("base", likelier(lambda number: -1.0 if number % 2 else -9.0, -5.0))

    found = evaluate(tuned, PAIRS, against=[base], metrics=["preference_accuracy"], resamples=1000)

    assert found.metrics == {"preference_accuracy": 0.8}
    assert found.comparisons[0].metrics == {"preference_accuracy": 0.5}
    assert found.comparisons[0].difference["preference_accuracy"].value == pytest.approx(0.3)
    assert found.comparisons[0].outcome == "better"
    assert tuned.server.needs == {"log_probabilities"}  # nothing is written for it
    assert [row.messages[-1].text for row in tuned.server.asked] == ["good"] * 40 + ["bad, and long"] * 40
    assert tuned.server.asked[3].messages[:-1] == tuned.server.asked[43].messages[:-1] == PAIRS[3].prompt


def test_by_the_token_the_length_of_an_answer_has_no_part_in_what_is_preferred():
    """-4 in 2 tokens is likelier than -6 in 4 as a whole, and less likely by the token. Equal ones are not preferred."""
    found = evaluate(weighed("tuned", likelier(-4.0, -6.0)), PAIRS, resamples=100)
    equal = evaluate(weighed("tuned", likelier(-2.0, -4.0)), PAIRS, metrics=["preference_accuracy_by_token"], resamples=100)

    assert (found.metrics["preference_accuracy"], found.metrics["preference_accuracy_by_token"]) == (1.0, 0.0)
    assert equal.metrics["preference_accuracy_by_token"] == 0.0
    assert next(iter(found.metrics)) == "preference_accuracy"  # what a verdict on pairs is about


def test_preferences_of_rows_that_are_no_pairs_are_not_available_and_not_asked_for_by_themselves():
    server = weighed("tuned", lambda number, right: Prediction("", log_probability=-1.0, log_probability_tokens=1))

    found = evaluate(server, ROWS, metrics=["preference_accuracy", "perplexity"], resamples=100)

    assert found.metrics["preference_accuracy"] is None
    assert found.unavailable["preference_accuracy"] == "the rows are no pairs of a better and a worse answer"
    assert len(server.server.asked) == len(ROWS)
    assert "preference_accuracy" not in evaluate(contender("tuned", right_below(9)), ROWS, resamples=100).metrics


def test_a_log_probability_that_is_missing_for_a_worse_answer_makes_the_preference_unavailable():
    def patchy(number, right):
        return Prediction("", log_probability=None if (number, right) == (3, "bad, and long") else -1.0, log_probability_tokens=2)

    found = evaluate(weighed("tuned", patchy), PAIRS, metrics=["preference_accuracy", "perplexity"], resamples=100)

    assert found.unavailable["preference_accuracy"] == "the server gave no log-probability for 1 of 80 rows"
    assert found.metrics["perplexity"] is not None


def test_a_server_that_writes_text_alone_says_why_there_is_no_preference():
    found = evaluate(contender("tuned", right_below(9)), PAIRS, resamples=100)

    assert found.unavailable["preference_accuracy"] == "the server gives text, not scores or log_probabilities"
    assert found.metrics["exact_match"] is not None
