"""Every pair of weights and method that the table allows is trained, and what it leaves answers from disk."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local import provider
from tuneport_local.objectives import METHODS, OBJECTIVES
from tuneport_local.trained import trained
from tuneport_local.training import train
from tuneport_local.tuned_kinds import KINDS, goes_with

from tuneport.examples import ChatExample, Message, PromptExample, canonical_bytes
from tuneport.provider import Generation, ProviderSettings

from .joblog import MemoryJob, spec_of
from .tiny import save_tiny, write_chats, write_pairs
from .tiny_headed import pictures, save_bert, save_vit, texts, write_rows

pytestmark = [pytest.mark.train, pytest.mark.slow]
WEIGHTS: dict[str, dict[str, Any]] = {
    "dora": {"lora": {"variant": "dora"}},
    "pissa": {"lora": {"variant": "pissa"}},
    "full": {"weights": {"kind": "full", "freeze": 1, "layer_decay": 0.5, "gradual": True}},
    "ia3": {"weights": {"kind": "ia3"}},
    "prompt": {"weights": {"kind": "prompt", "tokens": 3, "text": None}},
    "prefix": {"weights": {"kind": "prefix", "tokens": 3}},
    "oft": {"weights": {"kind": "oft", "block": 8, "targets": "all-linear"}},
    "vera": {"weights": {"kind": "vera", "rank": 8, "targets": "all-linear"}},
    "ln": {"weights": {"kind": "ln"}},
}
GRADED = {
    "grader": {
        "kind": "string_check",
        "name": "s",
        "input": "{{sample.output_text}}",
        "reference": "{{item.reference}}",
        "operation": "like",
    },
    "samples_per_prompt": 2,
    "max_tokens": 4,
    "temperature": 1.0,
    "beta": 0.1,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def write_prompts(path: Path) -> Path:
    rows = [PromptExample((Message("user", f"Where is my card? {number}"),), reference="Red") for number in range(4)]
    path.write_bytes(b"".join(canonical_bytes(row) + b"\n" for row in rows))
    return path


ROWS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Path]]] = {
    "sft": (save_tiny, lambda path: write_chats(path, 4)),
    "grpo": (save_tiny, write_prompts),
    **dict.fromkeys(("dpo", "orpo", "kto", "reward"), (save_tiny, lambda path: write_pairs(path, 4))),
    "classify": (save_bert, lambda path: write_rows(path, texts(8, scored=False))),
    "regress": (save_vit, lambda path: write_rows(path, pictures(8, scored=True))),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_what_the_table_allows_is_trained_and_answers_from_disk(method: str, weights: str, tmp_path: Path) -> None:
    kind = WEIGHTS[weights].get("weights", {"kind": "lora"})["kind"]
    if not goes_with(kind, method=method):
        pytest.skip(goes_with(kind, method=method).reason)
    save, write = ROWS[method]
    own = {**OBJECTIVES[method].own, **{name: value for name, value in GRADED.items() if name in OBJECTIVES[method].own}}
    base, rows = save(tmp_path / "base"), write(tmp_path / "rows.jsonl")
    job = MemoryJob(tmp_path / "job")

    assert train(job, spec=spec_of(base, rows, method=method, epochs=1, **own, **WEIGHTS[weights]), home=tmp_path) == "succeeded"

    assert all(math.isfinite(value) for value in job.losses().values())
    assert provider.open_server is not None
    server = provider.open_server(ProviderSettings("local", tmp_path))
    model = server.model(str(trained(job.path)))
    asked = {"classify": texts(3, scored=False), "regress": pictures(3, scored=True)}.get(
        method, [ChatExample((Message("user", "Where is my card?"), Message("assistant", "Red")))]
    )
    needs = server.gives_of(model)  # type: ignore[attr-defined]
    assert len(list(server.predict(model, asked, generation=Generation(max_tokens=3), needs=needs))) == len(asked)


def test_every_kind_is_among_them() -> None:
    assert {table.get("weights", {"kind": "lora"})["kind"] for table in WEIGHTS.values()} == set(KINDS)
