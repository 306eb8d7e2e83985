"""Asking many rows at a time: in order, no more than allowed at once, and one refused row stops no other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from tuneport.answering import in_order
from tuneport.errors import CredentialsRefused, Refused, Unreachable
from tuneport.model import Prediction


def test_answers_come_in_the_order_of_the_rows_though_the_first_takes_longest() -> None:
    others = threading.Event()

    def ask(row: int) -> Prediction:
        if row == 0:
            assert others.wait(10)
        elif row == 3:
            others.set()
        return Prediction(str(row))

    assert [each.text for each in in_order(range(4), ask, at_once=4)] == ["0", "1", "2", "3"]


def test_no_more_rows_are_asked_at_once_than_allowed_and_none_is_read_far_ahead() -> None:
    read: list[int] = []
    running, most, lock = 0, 0, threading.Lock()

    def rows() -> Iterator[int]:
        for row in range(40):
            read.append(row)
            yield row

    def ask(row: int) -> Prediction:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1
        return Prediction(str(row))

    answers = in_order(rows(), ask, at_once=3)
    next(answers)
    assert len(read) <= 2 * 3 + 1
    assert len(list(answers)) == 39
    assert 1 <= most <= 3


def test_a_row_that_is_refused_by_itself_has_no_answer_and_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def ask(row: int) -> Prediction:
        if row == 1:
            raise Refused("the row is too long.")
        return Prediction(str(row))

    with caplog.at_level(logging.WARNING, logger="tuneport"):
        answers = list(in_order(range(3), ask, at_once=2))
    assert [(each.text, each.finish) for each in answers] == [("0", "stop"), ("", "error"), ("2", "stop")]
    assert "row 2 has no answer: the row is too long." in caplog.text


@pytest.mark.parametrize("error", [CredentialsRefused("no"), Unreachable("nobody")])
def test_an_error_that_is_not_of_one_row_ends_it_all(error: Exception) -> None:
    def ask(row: int) -> Prediction:
        if row == 1:
            raise error
        return Prediction(str(row))

    with pytest.raises(type(error)):
        list(in_order(range(3), ask, at_once=1))


def test_a_refusal_of_the_first_row_is_of_the_request_itself() -> None:
    def ask(row: int) -> Prediction:
        raise Refused("there is no such setting.")

    with pytest.raises(Refused, match="no such setting"):
        list(in_order(range(3), ask, at_once=1))
