"""Asking for a port: each answer is on disk before the next one is waited for, and is asked for once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tuneport.errors import Unreachable
from tuneport.examples import ChatExample, Example, Message
from tuneport.model import Model, Prediction
from tuneport.porting.asking import TIMED, Asker, Questions, ask, kept
from tuneport.provider import Generation, Server
from tuneport.testing.clock import SimulatedClock

ROWS = tuple(ChatExample((Message("user", f"question {n}"), Message("assistant", "yes"))) for n in range(TIMED + 10))
QUESTIONS = Questions("old", "fake:x", ROWS, Generation())


class Slow:
    """Answers in two seconds, and looks each time at what is on disk. Falls silent after so many."""

    gives = frozenset({"text"})

    def __init__(self, folder: Path, clock: SimulatedClock, *, answers: int = 1000) -> None:
        self.left = answers
        self.asked: list[str] = []
        self.on_disk: list[int] = []
        self._folder = folder
        self._clock = clock

    def predict(self, target: Model, rows: Iterable[Example], **_: Any) -> Iterator[Prediction]:
        for row in rows:
            self.on_disk.append(len(kept(QUESTIONS, self._folder)))
            if self.left == 0:
                raise Unreachable("no answer came.")
            self.left -= 1
            self._clock.sleep(2.0)
            self.asked.append(cast("ChatExample", row).messages[0].text)
            yield Prediction(f"yes to {self.asked[-1]}", tokens=(3, 4))


def asker(server: Slow, folder: Path, clock: SimulatedClock) -> Asker:
    return Asker(lambda: Model("fake:x", "fake", "x"), lambda _: cast("Server", server), folder, clock)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


def test_every_answer_is_on_disk_before_the_next_one_is_waited_for(tmp_path: Path, clock: SimulatedClock) -> None:
    server = Slow(tmp_path, clock)
    said = ask(QUESTIONS, asker(server, tmp_path, clock))
    assert server.on_disk == list(range(len(ROWS)))
    assert [each.text for each in said] == [f"yes to question {n}" for n in range(len(ROWS))]
    assert (said[0].latency_s, said[TIMED - 1].latency_s, said[TIMED].latency_s) == (2.0, 2.0, None)


@pytest.mark.parametrize("after", [3, TIMED, TIMED + 5])
def test_after_a_server_fell_silent_only_the_other_rows_are_asked(tmp_path: Path, clock: SimulatedClock, after: int) -> None:
    first = Slow(tmp_path, clock, answers=after)
    with pytest.raises(Unreachable):
        ask(QUESTIONS, asker(first, tmp_path, clock))
    second = Slow(tmp_path, clock)
    said = ask(QUESTIONS, asker(second, tmp_path, clock))
    assert first.asked + second.asked == [f"question {n}" for n in range(len(ROWS))]
    assert ask(QUESTIONS, asker(Slow(tmp_path, clock, answers=0), tmp_path, clock)) == said


def test_an_answer_that_was_cut_off_is_asked_again_and_the_others_are_not(tmp_path: Path, clock: SimulatedClock) -> None:
    ask(QUESTIONS, asker(Slow(tmp_path, clock), tmp_path, clock))
    path = tmp_path / QUESTIONS.file
    path.write_bytes(path.read_bytes()[:-7])
    again = Slow(tmp_path, clock)
    assert len(ask(QUESTIONS, asker(again, tmp_path, clock))) == len(ROWS)
    assert again.asked == [f"question {len(ROWS) - 1}"]


def test_other_rows_another_model_and_other_lengths_are_other_answers() -> None:
    files = {
        QUESTIONS.file,
        Questions("old", "fake:y", ROWS, Generation()).file,
        Questions("old", "fake:x", ROWS[1:], Generation()).file,
        Questions("old", "fake:x", ROWS, Generation(max_tokens=7)).file,
    }
    assert len(files) == 4


def test_too_few_answers_are_matched_to_no_row(tmp_path: Path, clock: SimulatedClock) -> None:
    class Short(Slow):
        def predict(self, target: Model, rows: Iterable[Example], **_: Any) -> Iterator[Prediction]:
            return iter(())

    with pytest.raises(Unreachable, match="0 answers to 1 rows"):
        ask(QUESTIONS, asker(Short(tmp_path, clock), tmp_path, clock))
