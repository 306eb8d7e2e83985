"""The examples run as they are, from any folder, and print what their readers are told to expect."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tuneport import Recipe

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
RECIPES = sorted((EXAMPLES / "recipes").iterdir())

OFFLINE = {
    "prepare_data": ["288 rows, ok", "train.jsonl: 216 rows", "test.jsonl: 72 rows"],
    "plan_and_quote": ["train: tuneport-", "288 rows", "fake: 2.88 USD", "training: 288 row at 0.01 USD", "from: made up"],
    "compare_costs": ["provider and base", "tinker", "unknown", "lines are in costs.csv"],
    "costs_by_data_size": ["1 x: 288 rows", "10 x: 2,880 rows", "100 x: 28,800 rows", "the cheapest is no longer", "at least 4.00 a job"],
    "own_gpu_or_rented": ["tokens. By the token:", "together", "By the hour:", "  own ", "tokens/s on", "H100 80GB SXM"],
    "follow_jobs": ["looks at 3 jobs", "fake:ftjob-0003 failed", "fake:ftjob-0001 succeeded"],
    "lost_answer": ["it is not known whether", "sync: adopted", "jobs at the provider: 1"],
}
"""Script -> what its output must contain, in this order."""
LEAVES = {"compare_costs": {"costs.csv"}, "own_gpu_or_rented": {"home"}}
"""What a script leaves behind on purpose: a result, or what was counted."""
WITH_A_REAL_MODEL = {"local_sft": [" succeeded", "base+labels", "exact_match", "better than base"]}


def run(name: str, folder: Path, *, timeout_s: float, words: Sequence[str] = ()) -> str:
    """The output of an example that was started in an empty folder with a home of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TUNEPORT_")}
    environ = {**kept, "TUNEPORT_HOME": str(folder / "home"), "TUNEPORT_CONFIG": str(folder / "none.toml"), "PYTHONWARNINGS": "error"}
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *words]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=timeout_s)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_in_order(output: str, wanted: list[str]) -> None:
    place = 0
    for words in wanted:
        found = output.find(words, place)
        assert found >= 0, f"{words!r} is not in what follows {output[:place][-60:]!r}:\n{output}"
        place = found


def test_every_example_is_run_by_a_test_and_described_in_the_readme() -> None:
    scripts = {path.stem for path in EXAMPLES.glob("*.py")}
    assert scripts == OFFLINE.keys() | WITH_A_REAL_MODEL.keys()
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(scripts) if f"`{name}.py`" not in readme] == []


@pytest.mark.parametrize("name", OFFLINE)
def test_an_offline_example_prints_what_it_shows_and_leaves_nothing_else_behind(name: str, tmp_path: Path) -> None:
    assert_in_order(run(name, tmp_path, timeout_s=60), OFFLINE[name])
    assert {path.name for path in tmp_path.iterdir()} == LEAVES.get(name, set())


def test_the_comparison_writes_every_line_with_its_source_and_leaves_empty_what_nobody_knows(tmp_path: Path) -> None:
    said = run("compare_costs", tmp_path, timeout_s=60)
    with (tmp_path / "costs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert f"{len(rows)} lines are in costs.csv" in said
    assert {row["provider"] for row in rows} == {"azure", "bedrock", "fireworks", "nebius", "openai", "tinker", "together", "vertex"}
    for row in rows:
        assert (row["cost"] == "") == ((row["price"] == "" or row["amount"] == "") and row["amount"] != "0")
        assert row["price"] == "" or (row["source"] and row["as_of"])
        assert row["cost"] == "" or Decimal(row["low"]) <= Decimal(row["cost"]) <= Decimal(row["high"])
    assert [row for row in rows if row["price"] == ""] != []


def test_own_and_rented_gpus_are_counted_by_the_speeds_that_are_given_and_no_others(tmp_path: Path) -> None:
    """27,309 tokens (`3 epochs are …`) at 1,000 tokens/s are 27.309 s; at 0.135 USD an hour that is 0.0010 USD."""
    said = run("own_gpu_or_rented", tmp_path, timeout_s=60, words=["own=1000", "RTX 3090 24GB=500"])
    tokens = int(said.split("epochs are ")[1].split(" tokens")[0].replace(",", ""))
    counted = {line.split("  ")[1]: line for line in said.splitlines() if " USD, at " in line}
    assert [name.partition(",")[0] for name in counted] == ["own", "RTX 3090 24GB"]
    assert f"{Decimal(tokens) / 1000 / 3600 * Decimal('0.135'):.4f} USD, at 1,000 tokens/s" in counted["own"]
    assert "costs less from" not in counted["own"]
    assert "third party" in next(line for line in said.splitlines() if "RTX 3090" in line)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_A_REAL_MODEL)
def test_an_example_with_a_real_model_trains_and_evaluates_it(name: str, tmp_path: Path) -> None:
    assert_in_order(run(name, tmp_path, timeout_s=1800), WITH_A_REAL_MODEL[name])


def test_the_examples_train_as_the_demo_does() -> None:
    """One learning rate for the one job that is shown in four places."""
    from tuneport.cli import demo

    recipe = Recipe.load(EXAMPLES / "recipes" / "tickets.toml")
    assert (recipe.method.epochs, recipe.method.learning_rate, recipe.method.lora.rank) == (demo.EPOCHS, demo.LEARNING_RATE, demo.RANK)
    script = (EXAMPLES / "local_sft.py").read_text(encoding="utf-8")
    written = recipe.method.model_dump(include={"epochs", "batch_size"}) | {"seed": recipe.seed}
    assert f"learning_rate={demo.LEARNING_RATE:.0e}".replace("e-0", "e-") in script
    assert [f"{name}={value}" for name, value in written.items() if f"{name}={value}" not in script] == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_an_example_recipe_can_be_read_and_names_data_that_are_there(path: Path) -> None:
    recipe = Recipe.load(path)
    assert recipe.base_for("local") == "smollm2-135m-instruct"
    assert recipe.train.count() > 200
    assert recipe.validation is None or recipe.validation.count() > 20
