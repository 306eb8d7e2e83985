"""Scores and labels that a model gives by itself: how they are measured, compared, and asked of a server of which not every model gives
the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tuneport.contenders import opponent
from tuneport.errors import Unsupported, UsageError
from tuneport.evaluate import Contender, evaluate
from tuneport.examples import ChatExample, LabelledExample
from tuneport.model import Model, Prediction
from tuneport.provider import Generation, given_by

ROWS = [LabelledExample(f"text {n}", score=float(n % 7)) for n in range(70)]
LABELLED = [LabelledExample(f"text {n}", label=str(n % 3)) for n in range(30)]


class Mixed:
    """A server of three models: one talks, one gives labels, one scores. `answer` makes the prediction for a row's number."""

    gives = frozenset({"text", "labels", "scores"})

    def __init__(self, answer: Callable[[int], Prediction]) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def gives_of(self, target: Model) -> frozenset[Any]:
        return frozenset({{"talker": "text", "labeller": "labels", "scorer": "scores"}[target.id]})

    def model(self, model_id: str) -> Model:
        return Model(f"fake:{model_id}", "fake", model_id, kind="base")

    def predict(self, target: Model, rows: Iterable[Any], *, generation: Generation, needs: frozenset[str]) -> Iterator[Prediction]:
        self.asked += rows
        return iter([self.answer(number) for number, _ in enumerate(self.asked)])


def contender(model: str, answer: Callable[[int], Prediction], name: str = "tuned") -> Contender:
    return Contender(name, Model(f"fake:{model}", "fake", model), Mixed(answer))  # type: ignore[arg-type]


def score(value: float) -> Prediction:
    return Prediction(str(value), score=value)


def test_errors_of_scores_are_measured_in_their_own_unit() -> None:
    found = evaluate(contender("scorer", lambda n: score(n % 7 + (1.0 if n % 2 else -1.0))), ROWS)

    assert (found.metrics["mae"], found.metrics["rmse"]) == (1.0, 1.0)
    assert found.metrics["r2"] == pytest.approx(1 - 1 / 4.0)  # the variance of 0 … 6 is 4
    assert list(found.metrics) == ["mae", "rmse", "r2"]


def test_the_root_of_the_mean_square_weighs_large_errors_more() -> None:
    found = evaluate(contender("scorer", lambda n: score(n % 7 + (5.0 if n == 0 else 0.0))), ROWS)

    assert found.metrics["mae"] == pytest.approx(5 / 70)
    assert found.metrics["rmse"] == pytest.approx(math.sqrt(25 / 70))


def test_a_scorer_with_smaller_errors_is_better_and_the_mean_alone_explains_nothing() -> None:
    near, mean = contender("scorer", lambda n: score(n % 7 + 0.1)), contender("scorer", lambda n: score(3.0), name="mean")
    found = evaluate(near, ROWS, against=[mean], resamples=500)

    assert found.comparisons[0].outcome == "better"
    assert found.comparisons[0].primary == "mae"
    assert found.comparisons[0].metrics["r2"] == pytest.approx(0.0)


def test_a_model_that_writes_numbers_is_compared_with_one_that_gives_scores() -> None:
    talker = contender("talker", lambda n: Prediction(f" {n % 7}.5 "), name="talker")
    found = evaluate(contender("scorer", lambda n: score(float(n % 7))), ROWS, against=[talker], resamples=200)

    assert (found.metrics["mae"], found.comparisons[0].metrics["mae"]) == (0.0, pytest.approx(0.5))
    assert all(isinstance(row, ChatExample) for row in talker.server.asked)  # type: ignore[attr-defined]


def test_answers_and_rows_that_are_no_numbers_make_no_metric() -> None:
    words = evaluate(contender("talker", lambda n: Prediction("many" if n < 3 else "1")), ROWS)
    same = evaluate(contender("scorer", lambda n: score(1.0)), [LabelledExample("text", score=2.0)] * 5)

    assert words.unavailable["mae"] == "3 of 70 answers are no numbers"
    assert (same.metrics["mae"], same.metrics["r2"]) == (1.0, None)
    assert same.unavailable["r2"] == "all rows have the same score"


def test_a_model_that_gives_labels_gets_rows_as_they_are_and_no_metric_of_text() -> None:
    labeller = contender("labeller", lambda n: Prediction(str(n % 3), label=str(n % 3), probability=0.9))
    found = evaluate(labeller, LABELLED)

    assert (found.metrics["exact_match"], found.metrics["macro_f1"], found.metrics["token_f1"]) == (1.0, 1.0, None)
    assert found.unavailable["token_f1"] == "the server gives labels, not text"
    assert labeller.server.asked == LABELLED  # type: ignore[attr-defined]


def test_scores_are_no_labels_and_labels_no_scores() -> None:
    with pytest.raises(Unsupported, match="the server gives scores, and none of exact_match can be measured"):
        evaluate(contender("scorer", lambda n: score(1.0)), LABELLED, metrics=["exact_match"])


def test_what_a_model_gives_is_asked_of_a_server_that_knows_and_else_is_what_the_server_gives() -> None:
    class Plain:
        gives = frozenset({"text"})

    assert given_by(Mixed(lambda n: score(0)), Model("fake:scorer", "fake", "scorer")) == {"scores"}  # type: ignore[arg-type]
    assert given_by(Plain(), Model("fake:any", "fake", "any")) == {"text"}  # type: ignore[arg-type]


def test_a_base_without_a_head_is_no_opponent_and_the_base_under_a_prompt_is_one() -> None:
    server = Mixed(lambda n: score(0))

    class Models:
        def server(self, provider: str) -> Mixed:
            return server

    target = Model("fake:labeller", "fake", "labeller", base="talker")
    with pytest.raises(UsageError, match=r"fake:labeller answers by a head of its own, which its base talker does not have"):
        opponent("base", target, models=Models(), labels_from=None)  # type: ignore[arg-type]
    assert "- 0\n- 1\n- 2" in (opponent("base+labels", target, models=Models(), labels_from=LABELLED).system or "")  # type: ignore[arg-type]
