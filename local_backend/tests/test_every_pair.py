"""The table of methods is true: every method trains every kind of weights that it names, on every kind of model, and the result answers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local import provider
from tuneport_local.adapter import LocalTrainer
from tuneport_local.adapters.tuned_kinds import KINDS
from tuneport_local.jobs.trained import trained
from tuneport_local.methods.table import method_table
from tuneport_local.server import LocalServer
from tuneport_local.training.train import TrainingSpec, train

from tuneport.examples import Message, PromptExample, canonical_bytes
from tuneport.provider import Generation, ProviderSettings
from tuneport.recipe import Recipe

from .joblog import MemoryJob
from .tiny import save_tiny, write_answers, write_chats, write_pairs
from .tiny_headed import pictures, save_bert, save_resnet, save_vit, texts, write_rows

pytestmark = pytest.mark.slow

SMALL: dict[str, dict[str, Any]] = {
    "prompt": {"tokens": 4},
    "prefix": {"tokens": 4},
    "oft": {"block": 8},
    "vera": {"rank": 8},
}
"""What kinds of weights need on a tiny model."""
BESIDE: dict[str, dict[str, Any]] = {"grpo": {"grader": {"kind": "string_check"}, "samples_per_prompt": 2, "max_tokens": 4}}
BASES: dict[str, Any] = {"llama": save_tiny, "bert": save_bert, "vit": save_vit, "resnet": save_resnet}
HEADED = ("classify", "regress")


def on(method: str) -> tuple[str, ...]:
    return tuple(BASES) if method in HEADED else ("llama",)


VARIANTS = ("rslora", "dora", "pissa")
PAIRS = [(row.method, kind, base) for row in method_table() for kind in (*row.weights, *VARIANTS) for base in on(row.method)]
CANNOT = {("resnet", kind) for kind in (*KINDS, *VARIANTS) if kind != "full"}
"""A network that keeps statistics of its batches has no place for them in an adapter: refused by name."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


@cache
def base_in(folder: Path, name: str) -> Path:
    made: Path = BASES[name](folder / name)
    return made


def rows_for(folder: Path, method: str, base: str) -> Path:
    path = folder / f"{method}-{base}.jsonl"
    if method in HEADED:
        of = pictures if base in ("vit", "resnet") else texts
        return write_rows(path, of(8, scored=method == "regress"))
    if method == "grpo":
        prompts = (PromptExample((Message("user", f"Where is my card? {number}"),), "Red") for number in range(4))
        path.write_bytes(b"".join(canonical_bytes(row) + b"\n" for row in prompts))
        return path
    return {"sft": write_chats, "kto": write_answers}.get(method, write_pairs)(path, 8)


def recipe_for(folder: Path, method: str, kind: str, base: str) -> Recipe:
    weights = (
        {"lora": {"variant": kind}} if kind in VARIANTS else {"weights": {"kind": kind, **SMALL.get(kind, {})} if kind != "lora" else None}
    )
    table = {"kind": method, "epochs": 1, "batch_size": 4, **BESIDE.get(method, {}), **weights}
    return Recipe.parse({"base": str(base_in(folder, base)), "method": table, "train": str(rows_for(folder, method, base))})


def job_of(folder: Path, recipe: Recipe, name: str) -> tuple[MemoryJob, TrainingSpec]:
    """As a submit would make it: the plan's request, its files written."""
    settings = ProviderSettings("local", folder / "home")
    plan = LocalTrainer(settings).plan(recipe)
    job = MemoryJob(folder / name)
    job.path.mkdir()
    body = json.loads(json.dumps(plan.requests[0].body))
    for file in plan.files:
        path = job.path / f"{file.purpose}.jsonl"
        path.write_bytes(b"".join(file.chunks()))
        body["files"][file.purpose] = str(path)
    return job, TrainingSpec.from_dict(body)


@pytest.mark.parametrize(("method", "kind", "base"), PAIRS, ids=["-".join(each) for each in PAIRS])
def test_a_method_trains_the_weights_that_its_table_names_and_the_result_answers(method: str, kind: str, base: str, folder: Path) -> None:
    recipe = recipe_for(folder, method, kind, base)
    job, spec = job_of(folder, recipe, f"{method}-{kind}-{base}")
    if (base, kind) in CANNOT:
        with pytest.raises(Exception, match="full"):
            train(job, spec=spec, home=folder / "home")
        return

    assert train(job, spec=spec, home=folder / "home") == "succeeded"
    assert all(torch.isfinite(torch.tensor(value)) for _, values in job.metrics for name, value in values.items() if name == "loss")
    left = trained(job.path)
    assert left is not None
    server = provider.open_server(ProviderSettings("local", folder / "home"))  # type: ignore[misc]
    assert isinstance(server, LocalServer)
    needs = frozenset({"labels"} if method == "classify" else {"scores"} if method in ("regress", "reward") else {"text"})
    rows = [row for _, row in zip(range(2), recipe.train, strict=False)]
    answers = list(server.predict(server.model(str(left)), rows, generation=Generation(max_tokens=3), needs=needs))  # type: ignore[arg-type]
    assert len(answers) == 2
    assert all(answer.finish != "error" for answer in answers)
