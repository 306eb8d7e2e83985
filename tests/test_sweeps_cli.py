"""`tuneport sweep` at the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Run
from harbour import in_memory
from laboratory import Laboratory

from tuneport.cli import main
from tuneport.client import Client
from tuneport.recipe import Recipe

pytest.importorskip("optuna")
RATE = "method.learning_rate=1e-5..1e-3:log"


class Desk:
    """Types commands at one laboratory."""

    def __init__(self, lab: Laboratory, capsys: pytest.CaptureFixture[str]) -> None:
        self.lab = lab
        self._capsys = capsys
        self.recipe = lab.recipe().save(lab.folder / "recipe.toml")
        self.opening = lambda home: lab.client()

    def __call__(self, *words: object) -> Run:
        self._capsys.readouterr()
        code = main([str(word) for word in words], opening=self.opening)
        return Run(code, *self._capsys.readouterr())

    def sweep(self, *words: object, space: str = RATE) -> Run:
        return self("sweep", self.recipe, "--space", space, "--provider", "lab", *words)


@pytest.fixture
def desk(capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with in_memory() as folder:
        yield Desk(Laboratory(folder), capsys)


def test_a_sweep_says_what_each_trial_gave_and_ends_with_a_table_the_best_first(desk: Desk) -> None:
    out = desk.lab.folder / "best.toml"
    run = desk.sweep("--trials", "3", "--max-cost", "9", "--out", out, "--yes")
    assert run.code == 0, run.err
    lines = run.out.splitlines()
    table = next(place for place, line in enumerate(lines) if line.startswith("trial  method.learning_rate  eval_loss"))
    losses = [float(line.split()[2]) for line in lines[table + 1 : table + 4]]
    assert losses == sorted(losses)
    assert f"Best: eval_loss {losses[0]:.6g} in trial" in run.out
    assert f"Its recipe: {out}" in run.out
    assert Recipe.load(out).base == "fake-small"
    assert "All trials together: up to 7.50 USD." in run.out


def test_the_same_for_scripts_is_one_record_a_line_and_the_sweep_last(desk: Desk) -> None:
    run = desk.sweep("--trials", "2", "--max-cost", "9", "--yes", "--json")
    assert run.code == 0, run.err
    *trials, last = run.records
    assert {each["record"] for each in trials} <= {"trial", "note"}
    assert last["record"] == "sweep"
    assert last["spent_usd"] == "5.00"
    assert [each["state"] for each in last["trials"]] == ["succeeded", "succeeded"]
    assert Path(last["recipe"]).is_file()
    assert last["best"]["value"] == min(each["value"] for each in last["trials"])


def test_without_a_terminal_money_is_not_spent_unasked(desk: Desk) -> None:
    run = desk.sweep("--trials", "2", "--max-cost", "9")
    assert run.code == 2
    assert "cost up to 9.00 USD together" in run.err
    assert "--yes" in run.err
    assert desk.lab.creates == 0


def test_a_dry_run_says_the_first_trials_and_sends_and_writes_nothing(desk: Desk) -> None:
    run = desk.sweep("--trials", "9", "--max-cost", "9", "--dry-run", space="method.lora.rank=4,8,16")
    assert run.code == 0, run.err
    assert "of 3 combinations" in run.out
    assert run.out.count("2.50") == 3
    assert desk.lab.wire.sent == []
    assert not (desk.lab.home / "sweeps").exists()
    document = desk.sweep("--trials", "9", "--max-cost", "9", "--dry-run", "--json").document
    assert document["combinations"] is None
    assert len(document["first_trials"]) == 5


def test_ctrl_c_leaves_the_trials_running_and_says_the_command_that_goes_on(desk: Desk) -> None:
    from test_sweeps import SimulatedInterrupt

    desk.opening = lambda home: desk.lab.client(clock=SimulatedInterrupt(desk.lab.clock, after=3))  # type: ignore[arg-type]
    run = desk.sweep("--trials", "2", "--max-cost", "9", "--yes")
    assert run.code == 130
    (command,) = [line for line in run.err.splitlines() if "tuneport sweep --resume" in line]
    assert desk.lab.creates == 1
    desk.opening = lambda home: desk.lab.client()
    again = desk(*command.partition("tuneport ")[2].split(), "--json", "--yes")
    assert again.code == 0, again.err
    assert desk.lab.creates == 2
    assert len(again.records[-1]["trials"]) == 2


def test_a_sweep_that_is_named_goes_on_with_what_was_wanted_but_for_what_is_said_now(desk: Desk) -> None:
    first = desk.sweep("--trials", "2", "--max-cost", "9", "--yes", "--json").records[-1]
    more = desk("sweep", "--resume", first["id"][:5], "--trials", "3", "--yes", "--json").records[-1]
    assert more["id"] == first["id"]
    assert len(more["trials"]) == 3


def test_sweeps_are_listed_and_shown_without_asking_anybody(desk: Desk) -> None:
    assert desk("sweep", "--list").out == "No sweep was begun here.\n"
    name = desk.sweep("--trials", "2", "--max-cost", "9", "--yes", "--json").records[-1]["id"]
    sent = len(desk.lab.wire.sent)
    assert name in desk("sweep", "--list").out
    assert [each["id"] for each in desk("sweep", "--list", "--json").document["sweeps"]] == [name]
    assert desk("sweep", "--show", name).out.count("succeeded") == 2
    assert desk("sweep", "--show", name[:4], "--json").document["trials"][0]["job"].startswith("lab:")
    assert len(desk.lab.wire.sent) == sent


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--max-cost", "9"), "--trials N"),
        (("--trials", "2", "--max-cost", "x"), "not an amount"),
        (("--trials", "2"), "--max-cost USD"),
        (("--trials", "2", "--max-cost", "9", "--space", "method.epochs"), "has no value"),
        (("--trials", "2", "--max-cost", "9", "--space", RATE), "twice"),
        (("--trials", "2", "--max-cost", "9", "--space", "method.lora.rnk=1,2"), "did you mean 'rank'"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(desk: Desk, words: tuple[str, ...], sentence: str) -> None:
    run = desk.sweep(*words, "--yes")
    assert run.code == 2
    assert sentence in run.err
    assert "Traceback" not in run.err
    assert desk.lab.creates == 0


def test_a_sweep_that_is_not_there_or_damaged_is_said(desk: Desk) -> None:
    assert "there is no sweep 'abc'" in desk("sweep", "--show", "abc").err
    name = desk.sweep("--trials", "1", "--max-cost", "9", "--yes", "--json").records[-1]["id"]
    journal = desk.lab.home / "sweeps" / name / "sweep.json"
    journal.write_text(journal.read_text()[:100])
    run = desk("sweep", "--show", name)
    assert run.code == 2
    assert "cannot be read" in run.err
    assert desk.sweep("--trials", "1", "--max-cost", "9", "--yes").code == 2
    assert desk.lab.creates == 1


def test_all_of_it_is_also_one_call_of_a_client(desk: Desk) -> None:
    client: Client = desk.lab.client()
    with client:
        done = client.sweep(
            desk.lab.recipe(), {"method.lora.rank": [4, 8], "method.warmup_ratio": "0..0.2"}, provider="lab", trials=3, max_cost_usd=9
        )
    assert len(done.trials) == 3
    assert all(0 <= each.values["method.warmup_ratio"] <= 0.2 for each in done.trials)
