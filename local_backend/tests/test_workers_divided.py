"""A base that is divided among the workers of a job: what they learn is what one learns that has all of it.

Among them is a job by rows whose base is whole, so that what is started here shows that as well: the other methods are slow tests of
`test_workers_methods`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.bases import divided
from tuneport_local.bases.loading import load_adapter, load_model
from tuneport_local.engines.combinations import refuse
from tuneport_local.machine import memory_need as needs
from tuneport_local.machine.memory_need import memory_need
from tuneport_local.machine.team import Team
from tuneport_local.machine.what_fits import refuse_what_cannot_fit, team_that_fits
from tuneport_local.plans.planning import hyperparameters

from tuneport.dataset import Dataset
from tuneport.errors import RecipeError, Refused, Unsupported
from tuneport.examples import ChatExample, Message
from tuneport.recipe import Recipe

from .tiny import save_tiny, tiny_tokenizer, write_chats, write_pairs
from .together import Compared, compared, recipe_of

PAUSED_AT = 4
FULL: dict[str, Any] = {"kind": "full", "freeze": 0, "layer_decay": 1.0, "gradual": False}
JOBS: dict[str, dict[str, Any]] = {
    "lora": {"forgetting": True},
    "full": {"weights": FULL},
    "pairs": {"method": "dpo", "beta": 0.1, "label_smoothing": 0.0, "loss": "sigmoid", "sharding": "none"},
    "paused": {},
    "paused_full": {"weights": FULL},
    "best": {"weights": FULL, "keep": "best", "learning_rate": 0.02},
}
MORE: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "broken": {},
    "bf16": {"precision": "bf16"},
    "dpo": {"method": "dpo", "beta": 0.1, "label_smoothing": 0.0, "loss": "sigmoid"},
    "orpo": {"method": "orpo", "beta": 0.1},
    "orpo full": {"method": "orpo", "beta": 0.1, "weights": FULL, "learning_rate": 0.001},
    "rslora": {"lora": {"variant": "rslora"}},
    "upper": {"weights": {**FULL, "freeze": 1, "layer_decay": 0.9}},
    "recomputed": {"weights": FULL, "gradient_checkpointing": True},
    "ia3": {"weights": {"kind": "ia3"}},
    "prompt": {"weights": {"kind": "prompt", "tokens": 4, "text": None}},
    "prefix": {"weights": {"kind": "prefix", "tokens": 4}},
    "oft": {"weights": {"kind": "oft", "block": 8, "targets": "all-linear"}},
    "vera": {"weights": {"kind": "vera", "rank": 8, "targets": "all-linear"}},
}


def save_gpt2(folder: Path) -> Path:
    """A base for which transformers has no plan."""
    from transformers import GPT2Config, GPT2LMHeadModel
    from tuneport_local.quiet import quiet

    sizes = {"vocab_size": 320, "n_positions": 512, "n_embd": 32, "n_layer": 2, "n_head": 4}
    with quiet():
        GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=1, eos_token_id=2, pad_token_id=0)).save_pretrained(folder)
        tiny_tokenizer().save_pretrained(folder)
    return folder


def save_broken(folder: Path) -> Path:
    """A base with one weight that is no number."""
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(save_tiny(folder) / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][-1, 0] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def a_scene(folder: Path, jobs: dict[str, dict[str, Any]]) -> Compared:
    """Nine rows in steps of four: the last of an epoch has one, and nothing for the second worker. Where the best shall not be the last,
    what is validated is nothing like what is learned."""
    base = save_tiny(folder / "base")
    train, like, unlike = write_chats(folder / "train.jsonl", 9), write_chats(folder / "like.jsonl", 3), folder / "unlike.jsonl"
    row = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "9 8 7 world 6 5 4 hello"}]}
    unlike.write_text(f"{json.dumps(row)}\n" * 3)
    pairs = {name: str(write_pairs(folder / f"{name}-pairs.jsonl", rows, first=rows)) for name, rows in (("train", 9), ("validation", 3))}

    def recipe(name: str) -> dict[str, Any]:
        files = pairs if "method" in jobs[name] else {"train": str(train), "validation": str(unlike if name == "best" else like)}
        paused = {"pause_at": PAUSED_AT} if name.startswith("paused") else {}
        place = folder / f"{name}-base"
        of = save_gpt2(place) if name == "gpt2" else save_broken(place) if name == "broken" else base
        return recipe_of(of, files, **{"sharding": "full", **jobs[name]}, **paused)

    return compared(folder, {name: recipe(name) for name in jobs})


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    return a_scene(tmp_path_factory.mktemp("divided"), JOBS)


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    return a_scene(tmp_path_factory.mktemp("more"), MORE)


@pytest.mark.train
@pytest.mark.parametrize("name", JOBS)
def test_each_step_on_a_divided_base_is_that_of_one_worker_who_has_all_of_it(scene: Compared, name: str) -> None:
    assert scene.same_steps(name)


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MORE if name not in ("gpt2", "broken")])
def test_so_it_is_for_the_other_kinds_of_weights(more: Compared, name: str) -> None:
    assert more.same_steps(name)


@pytest.mark.train
@pytest.mark.slow
def test_a_base_that_nobody_divides_block_by_block_ends_the_job_with_a_sentence(more: Compared) -> None:
    assert "transformers does not say how a model such as" in more.told["gpt2"].error
    assert "is divided among processes block by block" in more.told["gpt2"].error


@pytest.mark.train
@pytest.mark.slow
def test_what_is_broken_of_a_divided_base_is_named_whoever_has_it(more: Compared) -> None:
    assert "The base itself is broken: model.layers.1.mlp.up_proj.weight holds values that are no numbers" in more.told["broken"].error


@pytest.mark.train
def test_each_worker_keeps_half_of_the_base(scene: Compared) -> None:
    whole = sum(each.numel() * each.element_size() for each in load_model(scene.folder / "base", dtype="fp32", device="cpu").parameters())
    (said,) = [event for event in scene.told["lora"].events if event.startswith("the base is divided")]
    assert said == f"the base is divided: each worker keeps {whole / 2e3:,.1f} of its {whole / 1e3:,.1f} kB"


@pytest.mark.train
def test_the_adapter_of_a_divided_base_is_whole_and_answers_alike_in_one_process(scene: Compared) -> None:
    import torch
    from safetensors.torch import load_file

    one, other = scene.told["lora"].path / "adapter", scene.folder / "lora-alone" / "adapter"
    if not other.is_dir():
        scene.alone("lora")
    first, second = load_file(one / "adapter_model.safetensors"), load_file(other / "adapter_model.safetensors")
    assert {name: each.shape for name, each in first.items()} == {name: each.shape for name, each in second.items()}
    ids = torch.arange(5, 25)[None]
    answers = []
    for adapter in (one, other):
        model = load_adapter(load_model(scene.folder / "base", dtype="fp32", device="cpu"), adapter, device="cpu")
        with torch.no_grad():
            answers.append(model(input_ids=ids).logits)
    assert torch.allclose(*answers, atol=1e-4)


@pytest.mark.train
def test_all_weights_of_a_divided_base_are_left_as_one_model(scene: Compared) -> None:
    from safetensors.torch import load_file

    left = scene.told["full"].path / "model"
    base = load_file(scene.folder / "base" / "model.safetensors")
    found = load_file(left / "model.safetensors")
    assert {name: each.shape for name, each in found.items()} == {name: each.shape for name, each in base.items()}
    assert not any(found[name].equal(base[name]) for name in base)
    load_model(left, dtype="fp32", device="cpu")


@pytest.mark.train
def test_a_paused_training_on_a_divided_base_goes_on_where_it_was(scene: Compared) -> None:
    for name in ("paused", "paused_full"):
        assert scene.told[name].said(f"resuming at step {PAUSED_AT} of 9")


@pytest.mark.train
def test_the_best_weights_of_a_divided_base_are_put_together_again(scene: Compared) -> None:
    from safetensors.torch import load_file

    assert scene.told["best"].said("left are the weights of step 3: the best validation")
    saved = next((scene.told["best"].path / "checkpoints").glob("step-00000003")) / "model.safetensors"
    kept, left = load_file(saved), load_file(scene.told["best"].path / "model" / "model.safetensors")
    assert kept.keys() == left.keys()
    assert all(kept[name].equal(left[name]) for name in kept)


@pytest.mark.train
def test_a_divided_base_is_asked_what_it_has_forgotten_before_it_is_trained_and_after(scene: Compared) -> None:
    (said,) = [event for event in scene.told["lora"].events if event.startswith("general text: ")]
    assert "perplexity" in said


# --- before anything is sent ---------------------------------------------------------------------------------------------------------


def a_recipe(**options: Any) -> Recipe:
    rows = Dataset.from_examples([ChatExample((Message("user", f"question {n}"), Message("assistant", "yes"))) for n in range(12)])
    return Recipe(base="tiny", train=rows, method={"kind": "sft"}, options={"local": {"device": "cpu", **options}})


def test_a_recipe_that_divides_nothing_says_nothing_of_it() -> None:
    values = hyperparameters(a_recipe(engine="accelerate", workers=2), provider="local")
    assert "sharding" not in values
    assert hyperparameters(a_recipe(engine="accelerate", workers=2, sharding="none"), provider="local") == values
    assert hyperparameters(a_recipe(engine="accelerate", workers=2, sharding="full"), provider="local")["sharding"] == "full"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"engine": "process"}, "sharding = 'full' divides the base among workers, and engine 'process' is one of them"),
        ({"lora": {"variant": "pissa"}}, "begins with the principal parts of the base's weights, and no process has all of a divided base"),
        ({"lora": {"variant": "dora"}}, "lora.variant 'dora' begins with the norms of the base's weights"),
        ({"weights": {"kind": "ln"}}, "weights 'ln' do not go with a divided base: peft copies the layers"),
        ({"method": "reward"}, "a divided base is built for sft, dpo, orpo, not for reward"),
        ({"method": "dpo", "weights": {"kind": "full"}}, "method dpo compares all weights with a copy of what they were"),
    ],
)
def test_what_a_divided_base_cannot_learn_is_refused_with_the_reason(said: dict[str, Any], sentence: str) -> None:
    values = {"engine": "accelerate", "batch_size": 8, "device": "cpu", "lora": {}, "sharding": "full", **said}
    method = values.pop("method", "sft")
    with pytest.raises((RecipeError, Unsupported), match=sentence):
        refuse(values, method=method, workers=2)


def test_a_base_is_not_divided_on_the_cpu_of_a_machine_with_gpus_nor_by_an_older_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert divided.why_not("cpu") == ""
    with monkeypatch.context() as changed:
        changed.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        assert divided.why_not("cpu").startswith("torch would divide the base among the GPUs of this machine")
        assert divided.why_not("cuda:0") == ""
    monkeypatch.setattr("importlib.metadata.version", lambda name: "5.9.1")
    assert divided.why_not("cpu") == "a divided base needs transformers 5.23 or newer, and here is 5.9.1"


# --- memory --------------------------------------------------------------------------------------------------------------------------


def test_on_a_processor_what_was_whole_for_a_while_goes_back_to_the_system() -> None:
    assert divided.environment("full", device="cpu") == {"MALLOC_MMAP_THRESHOLD_": "1048576"}
    assert not divided.environment("none", device="cpu")
    assert not divided.environment("full", device="cuda:0")


LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
"""8.03 billion weights, of two bytes each: 18.5 GB for LoRA and 128 GB for all of them, and 1.1 GB for the output layer."""


def test_of_a_divided_base_each_worker_takes_its_part_and_a_block_at_a_time(tmp_path: Path) -> None:
    one, four = (memory_need(LLAMA, home=tmp_path, device="cpu", team=team) for team in (Team(), Team(4, 4, divided=True)))
    assert one is not None
    assert four is not None
    assert float(one.needed) == pytest.approx(8.03 * 2.3 + 1.07, rel=0.01)
    assert float(four.needed) == pytest.approx(8.03 * (0.25 + 0.3 + 1.75 / 4) + 1.07, rel=0.01)
    assert four.together == 4 * four.needed
    assert "in each of 4 workers among whom the base is divided" in four.sentence


def test_a_base_that_fits_so_many_gpus_only_divided_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.setattr(needs, "_there", lambda device: Decimal(16))
    about: dict[str, Any] = {"home": tmp_path, "device": "cuda:0", "method": "sft", "kind": "lora"}
    with pytest.raises(Refused) as caught:
        refuse_what_cannot_fit(LLAMA, **about)
    assert "divided among 4 workers (options.local.sharding = 'full' and engine = 'accelerate') it takes about 9.0 GB in each" in str(
        caught.value.remedy
    )
    assert refuse_what_cannot_fit(LLAMA, **about, team=Team(4, 1, divided=True)) is not None
    assert team_that_fits(LLAMA, Team(4, 1), **about) == Team(4, 1, divided=True)
    assert team_that_fits(LLAMA, Team(4, 1), **{**about, "method": "reward"}) == Team(4, 1)


def test_workers_that_share_one_memory_have_to_fit_in_it_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "_there", lambda device: Decimal(64))
    about: dict[str, Any] = {"home": tmp_path, "device": "cpu", "method": "sft", "kind": "lora"}
    assert refuse_what_cannot_fit(LLAMA, **about, team=Team(3, 3)) is not None
    with pytest.raises(Refused, match=r"19\.5 GB in each of 4 workers, 78\.2 GB together, of the 64\.0 GB there are") as caught:
        refuse_what_cannot_fit(LLAMA, **about, team=Team(4, 4))
    assert "3 workers instead of 4" in str(caught.value.remedy)
    assert "divided among 4 workers (options.local.sharding = 'full') it takes about 9.0 GB in each" in str(caught.value.remedy)
