"""Asking for a port: each answer is on disk before the next one is waited for, and is asked for once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tuneport.errors import ConfigError, NotFound, Refused, Unreachable
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
    assert (said[1].latency_s, said[TIMED - 1].latency_s, said[TIMED].latency_s) == (2.0, 2.0, None)
    assert said[0].latency_s is None  # a model may have been loaded for it


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


class Picky(Slow):
    """Refuses some rows, as a content filter does, or as `error` says."""

    def __init__(self, folder: Path, clock: SimulatedClock, *, refuses: Iterable[int], error: type[Refused] = Refused) -> None:
        super().__init__(folder, clock)
        self._refused = {f"question {number}" for number in refuses}
        self._error = error

    def predict(self, target: Model, rows: Iterable[Example], **how: Any) -> Iterator[Prediction]:
        for row in rows:
            if cast("ChatExample", row).messages[0].text in self._refused:
                raise self._error("this is not answered.")
            yield from super().predict(target, [row], **how)


@pytest.mark.parametrize("refused", [{0}, {3}, {0, 1}, {TIMED}, {TIMED + 5, TIMED + 6}, {TIMED + 9}, {4, TIMED + 2}])
def test_a_row_that_is_refused_has_failed_and_the_others_are_answered(tmp_path: Path, clock: SimulatedClock, refused: set[int]) -> None:
    said = ask(QUESTIONS, asker(Picky(tmp_path, clock, refuses=refused), tmp_path, clock))
    assert {number for number, each in enumerate(said) if each.failed} == refused
    assert [each.text for each in said] == ["" if n in refused else f"yes to question {n}" for n in range(len(ROWS))]
    assert ask(QUESTIONS, asker(Slow(tmp_path, clock, answers=0), tmp_path, clock)) == said


def test_where_every_row_is_refused_the_model_is(tmp_path: Path, clock: SimulatedClock) -> None:
    with pytest.raises(Refused):
        ask(QUESTIONS, asker(Picky(tmp_path, clock, refuses=range(len(ROWS))), tmp_path, clock))
    few = Questions("old", "fake:x", ROWS[:2], Generation())
    with pytest.raises(Refused):
        ask(few, asker(Picky(tmp_path, clock, refuses=range(2)), tmp_path, clock))
    assert kept(QUESTIONS, tmp_path) == kept(few, tmp_path) == []


def test_a_model_that_is_gone_is_no_matter_of_a_row(tmp_path: Path, clock: SimulatedClock) -> None:
    with pytest.raises(NotFound):
        ask(QUESTIONS, asker(Picky(tmp_path, clock, refuses={3}, error=NotFound), tmp_path, clock))
    assert len(kept(QUESTIONS, tmp_path)) == 3


def test_last_lines_that_a_power_cut_has_spoiled_are_asked_for_again(tmp_path: Path, clock: SimulatedClock) -> None:
    ask(QUESTIONS, asker(Slow(tmp_path, clock), tmp_path, clock))
    path = tmp_path / QUESTIONS.file
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]) + b"\0" * 40 + b"\n" + b"\0" * 12)
    again = Slow(tmp_path, clock)
    assert len(ask(QUESTIONS, asker(again, tmp_path, clock))) == len(ROWS)
    assert again.asked == [f"question {len(ROWS) - 2}", f"question {len(ROWS) - 1}"]


def test_answers_behind_one_that_cannot_be_read_are_neither_thrown_away_nor_given_to_other_rows(
    tmp_path: Path, clock: SimulatedClock
) -> None:
    ask(QUESTIONS, asker(Slow(tmp_path, clock), tmp_path, clock))
    path = tmp_path / QUESTIONS.file
    lines = path.read_bytes().splitlines(keepends=True)
    spoiled = b"".join([*lines[:4], b"{\n", *lines[5:]])
    path.write_bytes(spoiled)
    with pytest.raises(ConfigError, match=r":5 cannot be read"):
        ask(QUESTIONS, asker(Slow(tmp_path, clock), tmp_path, clock))
    assert path.read_bytes() == spoiled
