"""Quotes for this machine: tokens as the trainer counts them, hours as it was seen to train."""

from __future__ import annotations

from pathlib import Path

import pytest
from tuneport_local import provider, throughput
from tuneport_local.adapter import LocalTrainer
from tuneport_local.devices import DeviceQueue
from tuneport_local.token_count import count_tokens

from tuneport.dataset import Dataset
from tuneport.provider import ProviderSettings
from tuneport.recipe import SFT, Recipe

from .tiny import CHATML, save_tiny, write_chats

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def recipe(base: Path, tmp_path: Path) -> Recipe:
    rows = write_chats(tmp_path / "chats.jsonl")
    return Recipe(base=str(base), train=rows, method=SFT(epochs=2), options={"local": {"device": "cpu"}})


def trainer(home: Path) -> LocalTrainer:
    opened = provider.open_trainer(ProviderSettings("local", home))
    assert isinstance(opened, LocalTrainer)
    return opened


@pytest.mark.parametrize("template", [CHATML, None])
def test_tokens_are_counted_as_the_trainer_counts_them(tmp_path: Path, template: str | None) -> None:
    from transformers import AutoTokenizer
    from tuneport_local.rows import prepare

    folder = save_tiny(tmp_path / "tiny", template=template)
    rows = Dataset.read(write_chats(tmp_path / "chats.jsonl", rows=50))
    counted = count_tokens(rows, base=str(folder), home=tmp_path)
    trained = prepare(rows.numbered(), AutoTokenizer.from_pretrained(folder), max_length=10**6, too_long="refuse", name="rows")
    assert (counted.tokens, counted.exact) == (trained.tokens, True)


def test_tokens_of_a_base_whose_tokenizer_cannot_be_read_are_estimated(base: Path, recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((base / name).read_bytes())
    exact = count_tokens(recipe.train, base=str(base), home=tmp_path)
    estimated = count_tokens(recipe.train, base=str(folder), home=tmp_path)
    assert not estimated.exact
    assert exact.tokens / 4 < estimated.tokens < exact.tokens * 4


def test_a_quote_measures_a_machine_once_and_remembers(recipe: Recipe, tmp_path: Path) -> None:
    quote = trainer(tmp_path).estimate(recipe)
    assert "calibration" in quote.lines[0].note
    assert quote.lines[0].amount > 0
    assert trainer(tmp_path).estimate(recipe) == quote
    assert not list((tmp_path / "local").glob("jobs/*"))


def test_a_busy_device_is_not_measured(recipe: Recipe, tmp_path: Path) -> None:
    queue = DeviceQueue(tmp_path / "local" / "devices", "cpu")
    queue.lock.parent.mkdir(parents=True)
    assert queue.take()
    quote = trainer(tmp_path).estimate(recipe)
    queue.give_back()
    assert "time is not known" in quote.lines[0].note
    assert throughput.known(tmp_path / "local", base=str(recipe.base), hardware=throughput.hardware_of("cpu")) is None
