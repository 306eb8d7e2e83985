"""Sweeps at the clouds' real adapters, over their emulators."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from platforms import Platforms, cards, opened

from tuneport.dataset import Dataset
from tuneport.recipe import SFT, Recipe

pytest.importorskip("optuna")


@pytest.fixture
def platforms(capsys: pytest.CaptureFixture[str]) -> Iterator[Platforms]:
    with opened(capsys) as found:
        yield found


@pytest.mark.parametrize("provider", ["openai", "azure"])
def test_trials_are_jobs_of_the_cloud_within_the_budget_and_the_same_sweep_again_makes_none(
    platforms: Platforms, tmp_path: Path, provider: str
) -> None:
    train, held_out = cards(tmp_path / "train.jsonl", 60), cards(tmp_path / "held_out.jsonl", 20, start=1000)
    recipe = Recipe(base="gpt-4.1-mini", train=Dataset.read(train), validation=Dataset.read(held_out), method=SFT(batch_size=4), seed=7)
    command = ["sweep", recipe.save(tmp_path / "recipe.toml"), "--space", "method.epochs=1,2,3", "--provider", provider, "--trials", 3]
    world = getattr(platforms, provider).world
    run = platforms(*command, "--max-cost", 9, "--yes", "--json")
    assert run.code == 0, run.err
    swept = run.records[-1]
    assert sorted(each["values"]["method.epochs"] for each in swept["trials"]) == [1, 2, 3]
    assert {each["state"] for each in swept["trials"]} == {"succeeded"}
    assert swept["best"]["value"] == min(each["value"] for each in swept["trials"])
    assert len(world.jobs) == 3
    assert 0 < Decimal(swept["spent_usd"]) <= 9
    again = platforms(*command, "--max-cost", 9, "--yes", "--json")
    assert (again.code, len(world.jobs), again.records[-1]["best"]) == (0, 3, swept["best"])
    assert Recipe.load(swept["recipe"]).method == SFT(batch_size=4, epochs=swept["best"]["values"]["method.epochs"])
