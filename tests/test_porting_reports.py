"""What the report of a port says of its rows and its answers, beside the verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from harbour import Harbour, held_out, in_memory, page_of, rows

from tuneport.dataset import Dataset
from tuneport.errors import UsageError
from tuneport.porting.port import Ported


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


@pytest.fixture
def harbour(tmp_path: Path) -> Harbour:
    return Harbour(tmp_path / "harbour")


def cautions_of(done: Ported) -> tuple[str, ...]:
    assert done.proof.report is not None
    return done.proof.report.verdict.cautions


def test_the_report_says_that_the_old_model_has_learned_from_rows_that_the_new_one_has_not(harbour: Harbour) -> None:
    done = harbour.port()
    assert "The old model has learned from these rows and the new one has not" in page_of(done)
    assert "the old model has learned from them" in harbour.heard("map")
    assert not any("has learned from these rows" in said for said in cautions_of(harbour.port(test=held_out(harbour), agree=("ask",))))


def test_the_report_says_how_many_of_its_rows_were_trained_on(harbour: Harbour) -> None:
    done = harbour.port(test=Dataset.read(harbour.file("known.jsonl", rows(40, start=30))))
    assert "30 of 40 rows ask what the training rows ask" in page_of(done)
    again = harbour.port(agree=())
    assert "30 of 40 rows ask what the training rows ask" in page_of(again)


def test_the_report_says_that_rows_made_of_the_old_models_answers_call_itself_right(harbour: Harbour) -> None:
    prompts = Dataset.read(harbour.file("prompts.jsonl", rows(50, start=700)))
    assert "what the old model itself has said" in page_of(harbour.port(prompts=prompts, agree=("terms", "ask", "train")))


def test_the_report_says_which_rows_were_left_out_and_why_the_old_model_is_silent(harbour: Harbour) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    asked = {"messages": [{"role": "user", "content": "about refund"}, {"role": "assistant", "tool_calls": [call]}]}
    harbour.old.last_words = 6
    test = Dataset.read(harbour.file("calls.jsonl", rows(10, start=70) + json.dumps(asked) + "\n"))
    page = page_of(harbour.port(test=test))
    assert "1 of 11 rows are answered by calls of tools" in page
    assert "does not answer any more" in page


def test_a_report_says_by_which_seed_its_rows_were_chosen(harbour: Harbour) -> None:
    test = held_out(harbour, 60)
    assert "Chosen with seed" not in page_of(harbour.port(test=test))
    assert "Chosen with seed" in page_of(harbour.port(test=test, ask=30, agree=("ask",)))


def test_a_report_names_the_verdicts_that_there_were_before_on_other_rows(harbour: Harbour) -> None:
    test = held_out(harbour)
    assert "Compared before" not in page_of(harbour.port(test=test))
    assert "Compared before" not in page_of(harbour.port(test=test, agree=()))
    few = harbour.port(test=held_out(harbour, 20), agree=("ask",))
    assert "Compared before on other rows, or by another metric or margin: equal." in page_of(few)
    wide = harbour.port(test=held_out(harbour, 20), margin=40, agree=())
    assert "margin: equal, cannot tell." in page_of(wide)


def test_rows_that_ask_the_same_are_asked_once_and_do_not_make_a_verdict_surer(harbour: Harbour) -> None:
    test = Dataset.read(harbour.file("twice.jsonl", rows(20, start=5000) * 20))
    done = harbour.port(test=test)
    assert (done.proof.outcome, len([text for text in harbour.new.asked if ":tuned:" in text])) == ("cannot tell", 20)
    assert "380 of 400 rows ask what another one asks" in page_of(done)


def test_rows_that_are_all_answered_by_calls_are_not_said_to_have_been_compared(harbour: Harbour) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    asked = {"messages": [{"role": "user", "content": "about refund"}, {"role": "assistant", "tool_calls": [call]}]}
    done = harbour.port(test=Dataset.read(harbour.file("calls.jsonl", (json.dumps(asked) + "\n") * 12)))
    assert done.proof.outcome == "not compared"
    assert done.proof.sentence == "no rows are compared: all of them are answered by calls of tools"
    assert harbour.port(ask=0, agree=()).proof.sentence == "no rows are compared, as asked for"


def test_other_epochs_than_were_submitted_are_refused_and_the_same_are_not(harbour: Harbour) -> None:
    harbour.port(epochs=7, ask=0)
    assert harbour.port(epochs=7, ask=0, agree=()).job.provider == "new"
    with pytest.raises(UsageError, match="submitted with 7 epochs, not 8"):
        harbour.port(epochs=8, ask=0, agree=())
