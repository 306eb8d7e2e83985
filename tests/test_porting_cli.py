"""`tuneport port`: what is typed, what comes back, and several tunes under one budget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Run
from harbour import Harbour, in_memory, rows

from tuneport.cli import main
from tuneport.errors import Refused
from tuneport.testing.wire import HttpAnswer


class Quay:
    """Types commands at a harbour."""

    def __init__(self, harbour: Harbour, capsys: pytest.CaptureFixture[str]) -> None:
        self.harbour = harbour
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> Run:
        self._capsys.readouterr()
        code = main([str(word) for word in words], opening=lambda home: self.harbour.client(home=home))
        return Run(code, *self._capsys.readouterr())

    def test_rows(self, count: int = 200) -> Path:
        return self.harbour.file("held-out.jsonl", rows(count, start=5000))


@pytest.fixture
def quay(capsys: pytest.CaptureFixture[str]) -> Iterator[Quay]:
    with in_memory() as folder:
        yield Quay(Harbour(folder), capsys)


def test_a_port_says_each_step_and_ends_with_the_code(quay: Quay) -> None:
    run = quay("port", quay.harbour.uri, "--to", "new", "--test", quay.test_rows(), "--yes")
    assert run.code == 0, run.err
    steps = [line.rstrip(":") for line in run.out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert steps == ["collect", "map", "convert", "quote", "submit", "follow", "deploy", "prove", "switch"]
    assert "Equal: " in run.out
    assert "+    print(" in run.out


def test_a_dry_run_says_all_up_to_the_quote_and_sends_nothing(quay: Quay) -> None:
    run = quay("port", quay.harbour.uri, "--to", "new", "--dry-run")
    assert run.code == 0
    assert "together: 0.84 USD" in run.out
    assert "Nothing was sent." in run.out
    assert (quay.harbour.creates, quay.harbour.new.files, quay.harbour.new.asked) == (0, {}, [])


def test_a_dry_run_does_not_decide_for_the_run_after_it(quay: Quay) -> None:
    quay("port", quay.harbour.uri, "--to", "new", "--dry-run")
    assert quay("port", quay.harbour.uri, "--to", "new", "--epochs", "5", "--ask", "0", "--yes").code == 0
    (job,) = quay.harbour.new.jobs.values()
    assert job.body["hyperparameters"]["epochs"] == 5
    assert quay("port", quay.harbour.uri, "--to", "new", "--epochs", "2", "--ask", "0", "--yes").code == 2
    assert quay.harbour.creates == 1


def test_without_a_terminal_and_without_yes_nothing_is_spent(quay: Quay) -> None:
    run = quay("port", quay.harbour.uri, "--to", "new")
    assert run.code == 2
    assert "training at new costs 0.48 USD" in run.err
    assert "--yes" in run.err
    assert quay.harbour.creates == 0


def test_json_is_a_record_for_every_step_without_the_rows_contents(quay: Quay) -> None:
    run = quay("port", quay.harbour.uri, "--to", "new", "--test", quay.test_rows(), "--yes", "--json")
    assert run.code == 0
    kinds = [(record["record"], record.get("step")) for record in run.records]
    assert kinds[0] == ("step", "collect")
    assert kinds[-1] == ("port", None)
    last = run.records[-1]
    assert (last["verdict"], last["job"]["state"], last["model"]["provider"]) == ("equal", "succeeded", "new")
    assert "customer" not in run.out


def test_a_copy_that_is_worse_beyond_the_margin_ends_with_1(quay: Quay) -> None:
    quay.harbour.new.errs = lambda text: "refund" in text
    run = quay("port", quay.harbour.uri, "--to", "new", "--test", quay.test_rows(), "--yes")
    assert run.code == 1
    assert "Worse" in run.out


@pytest.mark.parametrize(
    "words",
    [("--to", "new"), ("--to", "new", "old:ftjob-0001", "--all-from", "old"), ("--to", "old", "--all-from", "old")],
    ids=["nothing", "both", "nowhere"],
)
def test_what_is_to_be_carried_where_has_to_be_said(quay: Quay, words: tuple[str, ...]) -> None:
    assert quay("port", *words).code == 2


def test_rows_from_outputs_take_a_flag_for_the_terms_and_one_for_the_price(quay: Quay) -> None:
    words = ("port", quay.harbour.uri, "--to", "new", "--from-outputs", quay.harbour.file("prompts.jsonl", rows(40, start=700)))
    dry = quay(*words, "--dry-run")
    assert (dry.code, quay.harbour.old.asked) == (0, [])
    assert "to ask first: 40 answers of the old model at old for 0.40 USD" in dry.out
    assert "--accept-terms" in quay(*words, "--yes").err
    assert "--yes" in quay(*words, "--accept-terms").err
    assert quay.harbour.old.asked == []
    assert quay(*words, "--accept-terms", "--yes").code == 0
    assert quay.harbour.creates == 1


def test_a_destination_that_is_not_installed_is_said_before_anything_is_fetched(quay: Quay) -> None:
    run = quay("port", quay.harbour.uri, "--to", "nowhere")
    assert (run.code, run.out) == (2, "")
    assert "nowhere" in run.err


# --- several -------------------------------------------------------------------------------------------------------------------------


def tuned(quay: Quay, *seeds: int) -> list[str]:
    return [quay.harbour.uri, *(quay.harbour.tuned(seed=seed) for seed in seeds)]


def test_all_tunes_of_a_provider_are_carried_and_each_has_its_own_journal(quay: Quay) -> None:
    uris = tuned(quay, 1, 2)
    run = quay("port", "--all-from", "old", "--to", "new", "--yes", "--json")
    assert run.code == 0, run.err
    ported = [record for record in run.records if record["record"] == "port"]
    assert {record["named"] for record in ported} == set(uris)
    assert len({record["id"] for record in ported}) == 3
    assert quay.harbour.creates == 3


def test_a_budget_is_over_all_and_those_that_do_not_fit_are_named(quay: Quay) -> None:
    tuned(quay, 1, 2)
    run = quay("port", "--all-from", "old", "--to", "new", "--yes", "--max-cost", "1.70")
    assert run.code == 2
    assert quay.harbour.creates == 2
    assert "0.02 of 1.70 USD are left; it was not carried" in run.err
    again = quay("port", "--all-from", "old", "--to", "new", "--yes", "--max-cost", "1.70")
    assert (again.code, quay.harbour.creates) == (2, 2)
    assert quay("port", "--all-from", "old", "--to", "new", "--yes", "--max-cost", "2.52").code == 0
    assert quay.harbour.creates == 3


def test_rows_that_are_given_later_count_under_the_budget_of_all(quay: Quay) -> None:
    uris = tuned(quay, 1)
    assert quay("port", *uris, "--to", "new", "--yes", "--max-cost", "1.68").code == 0
    asked = len(quay.harbour.new.asked)
    test = quay.test_rows(10)
    run = quay("port", *uris, "--to", "new", "--yes", "--max-cost", "2.10", "--test", test)
    assert run.code == 2
    assert "0.12 of 2.10 USD are left; nobody was asked, and its job goes on" in run.err
    assert len([text for text in quay.harbour.new.asked[asked:] if ":tuned:" in text]) == 10
    assert quay("port", *uris, "--to", "new", "--yes", "--max-cost", "2.28", "--test", test).code == 0


def test_rows_of_ones_own_are_of_one_tune(quay: Quay) -> None:
    uris = tuned(quay, 1)
    for flag in ("--train", "--validation", "--from-outputs"):
        assert "of one tune" in quay("port", *uris, "--to", "new", "--yes", flag, quay.test_rows(10)).err
    assert quay.harbour.creates == 0


def test_the_whole_is_agreed_to_once_before_anything_is_sent(quay: Quay) -> None:
    uris = tuned(quay, 1)
    run = quay("port", *uris, "--to", "new")
    assert run.code == 2
    assert "carrying 2 of 2 tunes to new costs 1.68 USD" in run.err
    assert quay.harbour.creates == 0


def test_one_that_is_refused_keeps_no_other_from_going_on(quay: Quay) -> None:
    uris = tuned(quay, 1)
    quay.harbour.wires["new"].before("POST /jobs", HttpAnswer(400, "quota"))
    run = quay("port", *uris, "--to", "new", "--yes")
    assert run.code == Refused.exit_code
    assert len(quay.harbour.new.jobs) == 1
    assert quay("port", *uris, "--to", "new", "--yes").code == 0
    assert len(quay.harbour.new.jobs) == 2


def test_a_dry_run_of_several_says_what_fits(quay: Quay) -> None:
    uris = tuned(quay, 1)
    run = quay("port", *uris, "--to", "new", "--dry-run", "--max-cost", "1")
    assert run.code == 2
    assert run.out.count("fits; nothing was sent") == 1
    assert quay.harbour.creates == 0
