"""The examples run as they are, from any folder, and print what their readers are told to expect."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tuneport import Recipe

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
RECIPES = sorted((EXAMPLES / "recipes").iterdir())

OFFLINE = {
    "prepare_data": ["288 rows, ok", "train.jsonl: 216 rows", "test.jsonl: 72 rows"],
    "plan_and_quote": ["train: tuneport-", "288 rows", "fake: 2.88 USD", "from: made up"],
    "follow_jobs": ["looks at 3 jobs", "fake:ftjob-0003 failed", "fake:ftjob-0001 succeeded"],
    "lost_answer": ["it is not known whether", "sync: adopted", "jobs at the provider: 1"],
}
"""Script -> what its output must contain, in this order."""
WITH_A_REAL_MODEL = {"local_sft": [" succeeded", "base+labels", "exact_match", "better than base"]}


def run(name: str, folder: Path, *, timeout_s: float) -> str:
    """The output of an example that was started in an empty folder with a home of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TUNEPORT_")}
    environ = {**kept, "TUNEPORT_HOME": str(folder / "home"), "TUNEPORT_CONFIG": str(folder / "none.toml"), "PYTHONWARNINGS": "error"}
    command = [sys.executable, str(EXAMPLES / f"{name}.py")]
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
def test_an_offline_example_prints_what_it_shows_and_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    assert_in_order(run(name, tmp_path, timeout_s=60), OFFLINE[name])
    assert list(tmp_path.iterdir()) == []


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
