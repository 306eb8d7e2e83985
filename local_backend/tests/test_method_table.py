"""The table of methods: what is asked before anything runs, printed and documented."""

from __future__ import annotations

from pathlib import Path

import pytest
from tuneport_local.adapter import LocalTrainer
from tuneport_local.method_page import document
from tuneport_local.methods.table import method_table

from tuneport.method_row import TellsMethods
from tuneport.methods import METHODS
from tuneport.provider import Capability, ProviderSettings

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"


@pytest.fixture
def trainer(tmp_path: Path) -> LocalTrainer:
    return LocalTrainer(ProviderSettings("local", tmp_path))


def test_the_page_is_what_the_tables_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == document()


def test_the_table_has_every_method_that_is_trained_and_no_other(trainer: LocalTrainer) -> None:
    assert isinstance(trainer, TellsMethods)
    trained = [method for method in METHODS if trainer.support(Capability.TRAIN, method=method)]
    assert sorted(row.method for row in trainer.methods()) == sorted(trained)


def test_every_kind_of_weights_is_there_or_refused_with_a_reason() -> None:
    for row in method_table():
        assert "lora" in row.weights
        assert not set(row.weights) & set(row.refused)
        assert all(row.refused.values())
