"""Graders tried on rows by the command line, and used as the measure of an evaluation."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Shell

import tuneport as tp
from tuneport.errors import CheckFailed
from tuneport.evaluate import Contender, evaluate
from tuneport.model import Prediction


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    shell = Shell(tmp_path, capsys)
    os.environ["TUNEPORT_HOME"] = str(shell.home)
    yield shell
    del os.environ["TUNEPORT_HOME"]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    asked = [{"messages": [{"role": "user", "content": f"{n}+2?"}], "reference": f"#### {n + 2}"} for n in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in asked))
    return path


# --- by the command line -----------------------------------------------------------------------------------------------------------------


def test_a_grader_is_tried_on_the_references_and_on_an_empty_answer(shell: Shell, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "grader.json").write_text('{"kind": "numeric"}')

    run = shell("--json", "data", "grade", rows, "--grader", tmp_path / "grader.json")
    assert run.code == 0
    assert [(each["answers"], each["rows"], each["mean"], each["full_marks"]) for each in run.document["trials"]] == [
        ("the references", 3, 1.0, 1.0),
        ("an empty answer", 3, 0.0, 0.0),
    ]


def test_answers_of_a_model_are_graded_by_their_lines(shell: Shell, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def grade(sample, item):\n    return float(sample['output_text'] in item['reference'])\n")
    (tmp_path / "said.jsonl").write_text('{"line": 1, "answer": "2"}\n{"line": 3, "answer": "5"}\n')

    run = shell("--json", "data", "grade", rows, "--grader", tmp_path / "mine.py", "--answers", tmp_path / "said.jsonl")
    (trial,) = run.document["trials"]
    assert (run.code, trial["rows"], trial["mean"]) == (0, 2, 0.5)


def test_answers_that_cannot_be_graded_are_named_by_their_lines_and_end_with_1(shell: Shell, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def grade(sample, item):\n    return 1 / len(sample['output_text'])\n")

    run = shell("data", "grade", rows, "--grader", tmp_path / "mine.py")
    assert run.code == 1
    assert "line 2: the grader 'mine' raised ZeroDivisionError in line 2 of its source." in run.out


def test_what_is_no_grader_and_two_kinds_of_answers_are_refused(shell: Shell, rows: Path) -> None:
    assert "no grader" in shell("data", "grade", rows, "--grader", rows).err
    both = shell("data", "grade", rows, "--grader", rows, "--answer", "x", "--answers", rows)
    assert (both.code, "not both" in both.err) == (2, True)


# --- as the measure of an evaluation -----------------------------------------------------------------------------------------------------


class Speaking:
    """Says to each row what it was told to."""

    gives = frozenset({"text"})

    def __init__(self, answers: list[str]) -> None:
        self.answers, self.asked = answers, 0

    def predict(self, target: Any, rows: Any, *, generation: Any, needs: Any) -> Iterator[Prediction]:
        self.asked = generation.max_tokens
        yield from (Prediction(answer) if answer else Prediction("", finish="error") for answer in self.answers)


def contender(name: str, answers: list[str]) -> Contender:
    server: Any = Speaking(answers)
    return Contender(name, tp.Model(f"fake:{name}", "fake", name), server)


BOTH = tp.MultiGrader(graders={"form": tp.RegexCheck(pattern="####"), "right": tp.NumericAnswer()}, formula="0.5 * form + 0.5 * right")
ASKED = [tp.PromptExample((tp.Message("user", "2+2?"),), "4")] * 40


def test_two_models_are_compared_by_what_a_grader_gives_their_answers() -> None:
    tuned, base = contender("tuned", ["#### 4"] * 30 + ["#### 5"] * 10), contender("base", ["4"] * 10 + ["five"] * 29 + [""])

    found = evaluate(tuned, ASKED, against=[base], grader=BOTH, resamples=500)
    assert found.metrics == {"reward": 0.875, "reward/form": 1.0, "reward/right": 0.75}
    assert found.comparisons[0].metrics == {"reward": 0.125, "reward/form": 0.0, "reward/right": 0.25}
    assert found.comparisons[0].outcome == "better"
    assert found.comparisons[0].difference["reward"].interval[0] > 0.5
    assert found.max_tokens == 256


def test_answers_that_a_grader_fails_on_leave_the_metric_out_with_the_reason() -> None:
    grader = tp.PythonGrader(name="mine", source="def grade(sample, item):\n    return int(sample['output_text'])\n")

    found = evaluate(contender("tuned", ["4"] * 39 + ["four"]), ASKED, grader=grader, metrics=["exact_match"], resamples=100)
    assert found.metrics == {"reward": None, "exact_match": 0.975}
    assert found.unavailable["reward"] == "the grader 'mine' raised ValueError in line 2 of its source (row 40)."


def test_rows_need_no_reference_but_what_the_grader_names_and_are_refused_before_a_question() -> None:
    rows = [tp.PromptExample((tp.Message("user", "Say x."),), extra={"word": "x"}), tp.PromptExample((tp.Message("user", "Say."),))]
    speaking = contender("tuned", ["x", "x"])

    with pytest.raises(CheckFailed, match=r"row 2 has no item\.word, which the grader 'string_check' names"):
        evaluate(speaking, rows, grader=tp.StringCheck(reference="{{item.word}}"))
    assert speaking.server.asked == 0  # type: ignore[attr-defined]
    assert evaluate(contender("tuned", ["x"]), rows[:1], grader=tp.StringCheck(reference="{{item.word}}")).metrics == {"reward": 1.0}
