"""Recipes: portable, strict about what they hold, the same in every notation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tuneport.dataset import Dataset
from tuneport.errors import RecipeError
from tuneport.examples import ChatExample, Message, PreferenceExample
from tuneport.recipe import DPO, SFT, LoRA, Recipe

ROWS = [ChatExample((Message("user", f"question {n}"), Message("assistant", f"answer {n}"))) for n in range(10)]
MEMORY = Dataset.from_examples(ROWS)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Dataset.from_examples(ROWS).write(tmp_path / "data" / "tickets.jsonl").path


def recipe(**values: Any) -> Recipe:
    return Recipe.parse({"base": "smollm2-135m-instruct", "train": MEMORY, **values})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"metod": "sft"}, "unknown key 'metod'; did you mean 'method'?"),
        ({"colour": "red"}, "unknown key 'colour'; known: base, method, train"),
        ({1: 2}, "unknown key '1'"),
        ({"method": {"epoch": 3}}, "method: unknown key 'epoch'; did you mean 'epochs'?"),
        ({"method": {"lora": {"rnk": 8}}}, "method: lora: unknown key 'rnk'; did you mean 'rank'?"),
        ({"method": "sfd"}, "method: unknown method 'sfd'; available: sft, dpo, orpo, kto, grpo, reward, classify, regress."),
        ({"method": {"weights": "lore"}}, "unknown weights 'lore'; available: lora, full, ia3, prompt, prefix, oft, vera, ln."),
        ({"method": {"weights": "full", "lora": {"rank": 4}}}, "give weights 'full' or lora, not both"),
        ({"method": {"weights": {"kind": "full", "layer_decay": 2}}}, "layer_decay must be at most 1, not 2."),
        ({"method": 7}, "method: must be a name or a table, not 7"),
        ({"method": {"epochs": 0}}, "method: epochs must be at least 1 or 'auto', not 0."),
        ({"method": {"epochs": "two"}}, "method: epochs must be a whole number or 'auto', not 'two'."),
        ({"method": {"epochs": 2.5}}, "method: epochs must be a whole number or 'auto', not 2.5."),
        ({"method": {"epochs": True}}, "method: epochs cannot be true."),
        ({"method": {"learning_rate": 3}}, "method: learning_rate must be at most 1 or 'auto', not 3."),
        ({"method": {"learning_rate": float("nan")}}, "method: learning_rate must be finite or 'auto', not nan."),
        ({"method": {"max_grad_norm": float("inf")}}, "method: max_grad_norm must be finite, not inf."),
        ({"method": {"warmup_ratio": 1}}, "method: warmup_ratio must be below 1, not 1."),
        ({"method": {"schedule": "step"}}, "method: schedule must be 'linear', 'cosine' or 'constant', not 'step'."),
        ({"method": {"lora": {"rank": 0}}}, "method: lora: rank must be at least 1, not 0."),
        ({"method": {"learning_rate": 1e-4, "learning_rate_multiplier": 2}}, "give learning_rate or learning_rate_multiplier, not both"),
        ({"seed": -1}, "seed must be at least 0, not -1."),
        ({"suffix": "a b"}, "suffix must be 1 to 64 letters, digits,"),
        ({"base": 3}, "base must be text or a table, not 3."),
        ({"base": ""}, "base must be a name"),
        ({"base": {}}, "a table with a name for each provider"),
        ({"train": None}, "train must be a dataset or the path of one."),
        ({"train": "nowhere.jsonl"}, "train: nowhere.jsonl: no such file."),
        ({"validation": {"pth": "x"}}, "validation: dataset: unknown key 'pth'; did you mean 'path'?"),
    ],
)
def test_what_a_recipe_cannot_hold_is_refused_in_a_sentence_with_key_and_value(values: dict[Any, Any], sentence: str) -> None:
    with pytest.raises(RecipeError) as refused:
        Recipe.parse({"base": "smollm2-135m-instruct", "train": MEMORY, **values})
    assert sentence in str(refused.value)


def test_missing_keys_are_named_all_at_once() -> None:
    with pytest.raises(RecipeError, match=r"^base is missing\. train is missing\.$"):
        Recipe.parse({})


def test_python_values_are_as_strict_as_files() -> None:
    with pytest.raises(RecipeError, match="epochs must be at least 1 or 'auto', not 0"):
        SFT(epochs=0)
    with pytest.raises(RecipeError, match="'all-linear' or a list"):
        LoRA(targets=3)  # type: ignore[arg-type]


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        recipe().seed = 3


def test_the_scale_of_an_adapter_is_two_unless_alpha_is_given() -> None:
    assert LoRA(rank=8).scale == 2
    assert LoRA(rank=8, alpha=4).scale == 0.5


def test_a_base_can_be_named_for_each_provider() -> None:
    several = recipe(base={"local": "smollm2-135m-instruct", "azure": "gpt-4.1-mini"})
    assert several.base_for("azure") == "gpt-4.1-mini"
    assert recipe().base_for("anything") == "smollm2-135m-instruct"
    with pytest.raises(RecipeError, match=r"no base model for 'vertex', only for azure, local\. Add vertex to `base`"):
        several.base_for("vertex")


@pytest.mark.parametrize("ending", [".toml", ".yaml", ".yml", ".json"])
def test_a_recipe_survives_a_round_trip_through_a_file(ending: str, data: Path) -> None:
    train, validation = Dataset.read(data, format="chat").split(test=2, seed=5)
    before = recipe(
        base={"local": "smollm2-135m-instruct"},
        method={"epochs": 2, "learning_rate": 1e-4, "lora": {"rank": 8, "targets": ["q_proj"]}},
        train=train,
        validation=validation,
        suffix="tickets",
        seed=11,
        options={"local": {"device": "cpu"}},
    )
    after = Recipe.load(before.save(data.parent / f"recipe{ending}"))
    assert after.to_dict() == before.to_dict()
    assert after.fingerprint == before.fingerprint
    assert list(after.train) == list(train)


def test_a_yaml_number_without_a_point_is_still_a_number(data: Path) -> None:
    path = data.parent / "recipe.yaml"
    path.write_text("base: x\ntrain: tickets.jsonl\nmethod: {learning_rate: 1e-4}\n")
    assert Recipe.load(path).method.learning_rate == 1e-4


def test_datasets_are_looked_for_beside_the_recipe(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = data.parent / "recipe.toml"
    path.write_text('base = "x"\ntrain = "tickets.jsonl"\n[validation]\npath = "../data/tickets.jsonl"\ntake = 3\n')
    monkeypatch.chdir(tmp_path)
    loaded = Recipe.load("data/recipe.toml")
    assert loaded.train.count() == 10
    assert loaded.validation is not None
    assert len(list(loaded.validation)) == 3
    assert loaded.to_dict()["train"] == {"path": str(data)}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("recipe.toml", 'base = "x"\ntrain = "gone.jsonl"', "gone.jsonl: no such file"),
        ("recipe.toml", "base = ", "is not valid TOML"),
        ("recipe.yaml", "base: [", "is not valid YAML"),
        ("recipe.json", "[1]", "a recipe is a table of keys, not a list"),
        ("recipe.yaml", "", "a recipe is a table of keys, not a NoneType"),
        ("recipe.json", '{"base": "x", "train": "gone.jsonl", "metod": 1}', "gone.jsonl: no such file"),
        ("recipe.ini", "", "'.ini'; a recipe is a .toml, .yaml, .yml or .json file"),
    ],
)
def test_a_recipe_file_that_cannot_be_used_is_named(name: str, text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RecipeError) as refused:
        Recipe.load(tmp_path / name)
    assert str(refused.value).startswith(f"{tmp_path / name}: ")
    assert sentence in str(refused.value)


def test_a_recipe_file_that_is_missing_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.toml: no such file"):
        Recipe.load(tmp_path / "recipe.toml")
    (tmp_path / "recipe.toml").write_bytes(b"\xff")
    with pytest.raises(RecipeError, match="cannot be read"):
        Recipe.load(tmp_path / "recipe.toml")


def test_the_fingerprint_is_of_rows_and_settings_not_of_paths(data: Path, tmp_path: Path) -> None:
    elsewhere = Dataset.read(data).write(tmp_path / "elsewhere.json", format="sharegpt").path
    here = recipe(train=str(data)).fingerprint
    assert recipe(train=str(elsewhere)).fingerprint == here == recipe().fingerprint
    assert recipe(train=MEMORY.take(9)).fingerprint != here
    assert recipe(seed=1).fingerprint != here
    assert recipe(method={"epochs": 1}).fingerprint != here
    assert recipe(validation=str(elsewhere)).fingerprint != here


def test_a_recipe_over_rows_in_memory_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"train: the dataset 'memory' exists in memory only.*dataset\.write\(path\)"):
        recipe().save(tmp_path / "recipe.toml")
    assert list(tmp_path.iterdir()) == []


def test_the_schema_is_json_and_names_every_key() -> None:
    schema = json.loads(json.dumps(Recipe.model_json_schema()))
    assert set(schema["properties"]) == {"base", "method", "train", "validation", "suffix", "seed", "options"}
    assert schema["required"] == ["base", "train"]
    assert schema["additionalProperties"] is False
    assert {"epochs", "learning_rate", "lora"} <= set(schema["$defs"]["SFT"]["properties"])


@pytest.mark.parametrize("text", ["base: [x\n", "a: b: secret words\n", "key: 'unterminated\n", "base: \x00\n", "base: &a x\nseed: *b\n"])
def test_a_yaml_file_that_does_not_parse_is_one_line_without_its_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match="is not valid YAML") as refused:
        Recipe.load(path)
    assert "\n" not in refused.value.message
    assert "secret" not in refused.value.message


def test_a_preference_recipe_and_a_reinforcement_recipe_survive_their_files(tmp_path: Path) -> None:
    exact = {"kind": "string_check", "name": "exact", "operation": "ilike"}
    grader = {"kind": "multi", "formula": "0.5 * exact + 0.5 * alike", "graders": {"exact": exact, "alike": {"kind": "text_similarity"}}}
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"messages": [{"role": "user", "content": "hi"}]}\n')
    for method in ({"kind": "dpo", "beta": 0.2}, {"kind": "grpo", "grader": grader, "reasoning_effort": "low"}):
        recipe = Recipe(base="o4-mini", train=rows, method=method)
        for ending in ("toml", "yaml", "json"):
            again = Recipe.load(recipe.save(tmp_path / f"recipe.{ending}"))
            assert again.method == recipe.method
            assert again.fingerprint == recipe.fingerprint


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ("grpo", "grader is missing"),
        ({"kind": "grpo", "grader": {"kind": "python"}}, "source is missing"),
        ({"kind": "grpo", "grader": {"kind": "vibes"}}, "'vibes'"),
        ({"kind": "grpo", "grader": {"kind": "score_model", "model": "m", "messages": [{}], "range": [1, 0]}}, "1 is not below 0"),
        ({"kind": "dpo", "beta": 0}, "beta must be above 0 or 'auto', not 0"),
        ({"kind": "dpo", "betta": 1}, "did you mean 'beta'?"),
        ({"kind": "sft", "beta": 1}, "unknown key 'beta'"),
    ],
)
def test_settings_that_a_method_does_not_have_are_refused(method: Any, sentence: str) -> None:
    with pytest.raises(RecipeError) as refused:
        Recipe.parse({"base": "o4-mini", "train": MEMORY, "method": method})
    assert sentence in str(refused.value)


# --- preferences -------------------------------------------------------------------------------------------------------------------------


def test_a_recipe_from_before_there_were_several_losses_keeps_its_fingerprint() -> None:
    rows = [PreferenceExample((Message("user", "one"),), (Message("assistant", "Red"),), (Message("assistant", "No"),))]
    made = Recipe(base="b", train=Dataset.from_examples(rows, name="r"), method=DPO(beta=0.2, epochs=2))

    assert made.fingerprint == "2929c4a77a1a22475b58852279c69538808c11629d31d6c993414252a647e288"
    assert made.fingerprint == made.model_copy(update={"method": DPO(beta=0.2, epochs=2, loss="sigmoid")}).fingerprint
    assert made.fingerprint != made.model_copy(update={"method": DPO(beta=0.2, epochs=2, loss="hinge")}).fingerprint


def test_a_loss_of_preferences_survives_a_file(tmp_path: Path) -> None:
    made = Recipe(base="b", train=MEMORY, method=DPO(loss="robust", label_smoothing=0.1))
    assert made.to_dict()["method"] | {"loss": "robust", "label_smoothing": 0.1} == made.to_dict()["method"]
    assert Recipe.parse(made.to_dict() | {"train": MEMORY}).method == made.method


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "robust"}, "loss 'robust' needs label_smoothing"),
        ({"label_smoothing": 0.1}, "label_smoothing is for loss 'robust', not for 'sigmoid'"),
        ({"loss": "robust", "label_smoothing": 0.5}, "label_smoothing"),
        ({"loss": "sigmoidal"}, "loss"),
    ],
)
def test_losses_and_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        DPO(**settings)
