"""A sweep on this machine: real trials of a tiny model, one after the other on one device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tuneport_local import provider

from tuneport.client import Client
from tuneport.recipe import SFT, LoRA, Recipe
from tuneport.settings import Settings

from .tiny import save_tiny, write_chats
from .workers import kill_workers

pytest.importorskip("optuna")
pytestmark = [pytest.mark.train, pytest.mark.slow]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    settings = Settings(home=tmp_path / "home", providers={"local": {"calibrate": False}}, environ={"OMP_NUM_THREADS": "1"})
    with Client(settings=settings, providers=[provider]) as opened:
        yield opened
    kill_workers(tmp_path / "home")


def test_a_sweep_over_learning_rates_finds_the_one_that_learns(client: Client, tmp_path: Path) -> None:
    rows = write_chats(tmp_path / "chats.jsonl")
    base = save_tiny(tmp_path / "base")
    options = {"local": {"device": "cpu", "precision": "fp32"}}
    method = SFT(epochs=2, lora=LoRA(rank=4))
    recipe = Recipe(base=str(base), train=rows, validation=rows, method=method, options=options)
    done = client.sweep(recipe, {"method.learning_rate": [1e-6, 0.02]}, provider="local", trials=2, parallel=2)
    assert [each.state for each in done.trials] == ["succeeded", "succeeded"]
    assert done.best.values == {"method.learning_rate": 0.02}
    assert done.spent_usd == 0
    assert isinstance(written := Recipe.load(done.recipe).method, SFT)
    assert written.learning_rate == 0.02
    assert client.model(str(done.best.job)).base == str(base)
