"""Which weights go with which method, and where: asked of the plan, before torch is loaded and anything is sent."""

from __future__ import annotations

import importlib.metadata
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tuneport_local import provider
from tuneport_local.adapter import LocalTrainer
from tuneport_local.adapters.tuned_kinds import KINDS as HERE
from tuneport_local.adapters.tuned_kinds import goes_with, work_of
from tuneport_local.bases import quantized
from tuneport_local.machine.memory_need import memory_need
from tuneport_local.methods.objectives import METHODS
from tuneport_local.plans.planning import body_of

from tuneport.dataset import Dataset
from tuneport.errors import Unsupported
from tuneport.examples import ChatExample, LabelledExample, Message, PreferenceExample, PromptExample
from tuneport.graders import StringCheck
from tuneport.methods import METHOD_CLASSES
from tuneport.provider import ProviderSettings
from tuneport.recipe import SFT, Recipe
from tuneport.tuned_weights import IA3, KINDS, Full, LoRA, PrefixTuning, PromptTuning

BASE = "smollm2-135m-instruct"
ASKED = tuple((Message("user", f"question {number}"),) for number in range(12))
CHATS = Dataset.from_examples([ChatExample((*asked, Message("assistant", f"answer {n}"))) for n, asked in enumerate(ASKED)])
PAIRS = Dataset.from_examples([PreferenceExample(asked, (Message("assistant", "yes"),), (Message("assistant", "no"),)) for asked in ASKED])
ROWS = {
    **dict.fromkeys(("dpo", "orpo", "kto", "reward"), PAIRS),
    "sft": CHATS,
    "grpo": Dataset.from_examples([PromptExample(asked, reference="yes") for asked in ASKED]),
    "classify": Dataset.from_examples([LabelledExample(text=f"text {n}", label="ab"[n % 2]) for n in range(12)]),
    "regress": Dataset.from_examples([LabelledExample(text=f"text {n}", score=n / 12) for n in range(12)]),
}


@pytest.fixture
def trainer(tmp_path: Path) -> LocalTrainer:
    opened = provider.open_trainer(ProviderSettings("local", tmp_path))
    assert isinstance(opened, LocalTrainer)
    return opened


def recipe(method: Any = None, *, options: dict[str, Any] | None = None, **settings: Any) -> Recipe:
    made = method or SFT(**settings)
    return Recipe(base=BASE, train=ROWS[made.kind], method=made, options={"local": {"device": "cpu", **(options or {})}})


def of(kind: str, **settings: Any) -> Any:
    more = {"grader": StringCheck()} if kind == "grpo" else {}
    return METHOD_CLASSES[kind](**more, **settings)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_planned_where_the_table_says_so_and_refused_with_its_reason_elsewhere(
    trainer: LocalTrainer, method: str, kind: str
) -> None:
    answer = goes_with(kind, method=method)
    made = recipe(of(method, weights=kind))

    if answer:
        assert trainer.plan(made).hyperparameters.get("weights", {"kind": "lora"})["kind"] == kind
    else:
        with pytest.raises(Unsupported) as refusal:
            trainer.plan(made)
        assert answer.reason in str(refusal.value)


def test_every_kind_of_a_recipe_is_known_here() -> None:
    assert set(HERE) == set(KINDS)


def test_a_recipe_that_says_nothing_of_weights_has_the_plan_it_always_had(trainer: LocalTrainer) -> None:
    values = body_of(trainer.plan(recipe()))["hyperparameters"]

    assert not {"weights", "neftune_alpha"} & set(values)
    assert set(values["lora"]) == {"rank", "alpha", "dropout", "targets"}
    assert trainer.plan(recipe(weights="lora")).fingerprint == trainer.plan(recipe()).fingerprint


@pytest.mark.parametrize(("weights", "rate"), [(Full(), 5e-5), (IA3(), 5e-3), (PromptTuning(), 1e-2)])
def test_the_usual_learning_rate_is_that_of_the_kind_and_the_plan_says_it(trainer: LocalTrainer, weights: Any, rate: float) -> None:
    plan = trainer.plan(recipe(weights=weights))

    assert plan.hyperparameters["learning_rate"] == pytest.approx(rate)
    assert any(f"learning_rate {rate:g}" in note for note in plan.notes)


def test_settings_of_adapters_are_in_the_plan_where_they_are_changed(trainer: LocalTrainer) -> None:
    lora = trainer.plan(recipe(lora=LoRA(variant="dora"))).hyperparameters["lora"]

    assert (lora["variant"], "quantize" in lora) == ("dora", False)


# --- what does not go together ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "options", "words"),
    [
        ({"weights": PrefixTuning()}, {"gradient_checkpointing": True}, "do not go with gradient_checkpointing"),
        ({"weights": PromptTuning(), "neftune_alpha": 5}, {}, "neftune_alpha is noise on the embeddings of words"),
        ({"lora": LoRA(variant="pissa", quantize=4)}, {}, "a base in few bits does not have"),
        ({"lora": LoRA(quantize=8)}, {"device": "mps"}, "has no kernels for the GPU of a Mac"),
        ({"method": of("dpo")}, {"share_beginning": True}, "share_beginning is built for sft, not for dpo"),
    ],
)
def test_settings_that_exclude_each_other_are_refused_before_anything_is_made(
    trainer: LocalTrainer, settings: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(Unsupported, match=words):
        trainer.plan(recipe(options=options, **settings))


def test_a_base_in_few_bits_is_for_models_that_generate(trainer: LocalTrainer) -> None:
    with pytest.raises(Unsupported, match="a base in 4 bits is built for models that generate, not for classify"):
        trainer.plan(recipe(of("classify", lora=LoRA(quantize=4))))


@pytest.mark.parametrize(
    ("version", "device", "words"),
    [
        (None, "cpu", "needs bitsandbytes, which is not installed"),
        ("0.49.1", "cpu", "0.49.1 runs on NVIDIA GPUs only, and this trains on cpu"),
        ("0.50.2", "cpu", ""),
        ("0.45.0", "cuda:0", ""),
    ],
)
def test_whether_a_base_can_be_held_in_few_bits_is_told_without_loading_what_does_it(
    monkeypatch: pytest.MonkeyPatch, version: str | None, device: str, words: str
) -> None:
    def installed(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", installed)

    assert words in quantized.why_not(device)
    assert bool(words) == bool(quantized.why_not(device))


# --- memory and time --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "lora", "bytes_per_weight", "words"),
    [
        ("lora", None, "2.3", "bf16 weights, LoRA"),
        ("lora", {"quantize": 4}, "0.9", "weights in 4 bits, LoRA"),
        ("lora", {"quantize": 8}, "1.4", "weights in 8 bits, LoRA"),
        ("lora", {"variant": "pissa"}, "4.3", "fp32 weights, LoRA begun at their principal parts"),
        ("full", None, "16", "fp32 weights, their gradients and two moments of Adam"),
        ("ia3", None, "2.02", "bf16 weights, IA3"),
    ],
)
def test_a_quote_says_what_memory_each_kind_takes(
    tmp_path: Path, kind: str, lora: dict[str, Any] | None, bytes_per_weight: str, words: str
) -> None:
    found = memory_need("meta-llama/Llama-3.1-8B-Instruct", home=tmp_path, device="cpu", kind=kind, lora=lora)

    assert found is not None
    assert float(found.needed) == pytest.approx(float(Decimal(bytes_per_weight)) * 8.03 + 1.07, rel=0.02)
    assert words in found.sentence


def test_speeds_are_kept_apart_for_what_is_trained() -> None:
    works = [
        work_of("sft", None),
        work_of("sft", None, {"variant": "dora"}),
        work_of("sft", None, {"quantize": 4}),
        work_of("sft", {"kind": "full"}),
        work_of("dpo", {"kind": "full"}),
    ]

    assert works == ["sft", "sft, dora", "sft, 4 bits", "sft of full weights", "dpo of full weights"]
    assert work_of("sft", None, {"rank": 16, "alpha": 32.0}) == "sft"
