"""What a finished job leaves behind, and what writing it must not do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tuneport_local.jobs.trained import trained
from tuneport_local.machine import hardware
from tuneport_local.quiet import quiet
from tuneport_local.training import artefacts
from tuneport_local.training.artefacts import Facts
from tuneport_local.training.assembly import adapted

from tuneport.errors import ConfigError

from .joblog import spec_of
from .tiny import tiny_model

PUBLISHED = "someone/some-model"


def facts(**changes: Any) -> Facts:
    given: dict[str, Any] = {
        "spec": spec_of(Path("smollm2-135m-instruct"), Path("rows.jsonl")),
        "base_note": "dequantised from Q4_1",
        "base_name": PUBLISHED,
        "rows": 3,
        "tokens_per_epoch": 60,
        "learned_tokens_per_epoch": 9,
        "validation_rows": 0,
        "hardware": hardware.choose(device="cpu", precision="fp32"),
        "last": {"loss": 0.5},
        "eval_losses": (),
        "tokens": 120,
        "training_s": 2.0,
        "begun": time.time(),
    }
    return Facts(**{**given, **changes})


@pytest.fixture
def tuned() -> Any:
    spec = spec_of(Path(PUBLISHED), Path("rows.jsonl"))
    with quiet():
        return adapted(SimpleNamespace(model=tiny_model(), spec=spec, machine=facts().hardware, head=(), task="CAUSAL_LM", eyes=None))  # type: ignore[arg-type]


def test_writing_an_adapter_of_a_published_base_does_not_ask_the_hub_about_it(tuned: Any, tmp_path: Path) -> None:
    """peft would, and warn that it got no answer; warnings are errors here."""
    folder = artefacts.publish(tmp_path, tuned, tokenizer=None, facts=facts())

    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == PUBLISHED
    assert trained(tmp_path) is not None


def test_the_card_names_base_licence_data_and_what_the_weights_were_made_from(tuned: Any, tmp_path: Path) -> None:
    card = (artefacts.publish(tmp_path, tuned, tokenizer=None, facts=facts()) / "README.md").read_text()

    for words in (
        f"base_model: {PUBLISHED}",
        "license: apache-2.0",
        "dequantised from Q4_1",
        "3 rows, 60 tokens, 9 of them learned",
        "0.5000",
    ):
        assert words in card


def test_tokens_per_second_are_those_of_the_whole_run(tuned: Any, tmp_path: Path) -> None:
    artefacts.publish(tmp_path, tuned, tokenizer=None, facts=facts())

    assert json.loads((tmp_path / "run.json").read_text())["metrics"]["tokens_per_second"] == 60.0


def test_a_folder_that_cannot_be_written_is_named_and_nothing_is_called_complete(tuned: Any, tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()

    with pytest.raises(ConfigError, match=r"the adapter in .* could not be written"):
        artefacts.publish(tmp_path, tuned, tokenizer=None, facts=facts())

    assert not (tmp_path / "adapter").exists()
    assert not (tmp_path / ".adapter.part").exists()
    assert trained(tmp_path) is None
