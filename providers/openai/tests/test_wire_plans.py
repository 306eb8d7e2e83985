"""From a recipe to the one request that creates a job: exact, or refused with a reason before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import pytest
from tuneport_openai.wire.plans import CREATE, OPENAI, Dialect, compatible, to_plan

from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed, RecipeError, UnknownModel, Unsupported
from tuneport.examples import ChatExample, Example, ImagePart, Message, PreferenceExample, PromptExample, TextPart
from tuneport.graders import StringCheck
from tuneport.job import JobState
from tuneport.methods import DPO, GRPO, SFT, LoRA
from tuneport.plan import Plan, PlannedFile
from tuneport.recipe import Recipe

TODAY = date(2026, 11, 21)
BASE = "gpt-4.1-mini-2025-04-14"
TUNED = "ft:gpt-4.1-mini-2025-04-14:acme::AbC123"


def chat(number: int, *, words: int = 1) -> ChatExample:
    return ChatExample((Message("user", f"question {number}"), Message("assistant", f"answer {number} " * words)))


def pair(number: int) -> PreferenceExample:
    return PreferenceExample((Message("user", f"ask {number}"),), (Message("assistant", "good"),), (Message("assistant", "bad"),))


def prompt(number: int) -> PromptExample:
    return PromptExample((Message("user", f"ask {number}"),), reference=str(number))


def rows(examples: Iterable[Example], *, name: str = "rows") -> Dataset:
    return Dataset.from_examples(examples, name=name)


def recipe(examples: Sequence[Example] | None = None, **settings: Any) -> Recipe:
    return Recipe(**{"base": BASE, "train": rows([chat(i) for i in range(12)] if examples is None else examples), **settings})


def plan(recipe: Recipe, *, on: date = TODAY, dialect: Dialect = OPENAI, provider: str = "openai") -> Plan:
    return to_plan(recipe, provider=provider, scope="api.openai.com/v1/org", base=recipe.base_for(provider), on=on, dialect=dialect)


def body(recipe: Recipe, **how: Any) -> dict[str, Any]:
    return plan(recipe, **how).requests[-1].body


def lines(file: PlannedFile) -> list[Any]:
    return [json.loads(line) for line in b"".join(file.chunks()).splitlines()]


# --- the request -----------------------------------------------------------------------------------------------------------------------


def test_a_plain_recipe_is_one_request_with_nothing_in_it_that_the_vendor_decides() -> None:
    found = plan(recipe())
    assert [request.call for request in found.requests] == [CREATE]
    assert found.requests[0].body == {"model": BASE, "training_file": "{file:train}", "method": {"type": "supervised"}, "seed": 0}
    assert found.hyperparameters == {"epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}


def test_what_the_recipe_says_stands_in_the_request_as_the_api_spells_it() -> None:
    method = SFT(epochs=3, batch_size=8, learning_rate_multiplier=1.8)
    options = {"wandb": {"project": "tickets", "tags": ["a"]}, "metadata": {"team": "support"}}
    found = body(recipe(method=method, seed=7, suffix="tickets", options={"openai": options}))
    assert found["method"] == {
        "type": "supervised",
        "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": 8, "learning_rate_multiplier": 1.8}},
    }
    assert (found["seed"], found["suffix"], found["metadata"]) == (7, "tickets", {"team": "support"})
    assert found["integrations"] == [{"type": "wandb", "wandb": {"project": "tickets", "tags": ["a"]}}]


def test_validation_rows_are_a_second_file() -> None:
    found = plan(recipe(validation=rows([chat(100)])))
    assert [file.purpose for file in found.files] == ["train", "validation"]
    assert found.requests[0].body["validation_file"] == "{file:validation}"
    assert lines(found.files[1])[0]["messages"][0] == {"role": "user", "content": "question 100"}


def test_preferences_go_in_openais_own_form() -> None:
    found = plan(recipe([pair(i) for i in range(10)], method=DPO(beta=0.2)))
    assert found.requests[0].body["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}}
    assert set(lines(found.files[0])[0]) == {"input", "preferred_output", "non_preferred_output"}


def reinforcement(**method: Any) -> Recipe:
    train, validation = [prompt(i) for i in range(10)], rows([prompt(99)])
    return recipe(train, base="o4-mini", method=GRPO(grader=StringCheck(), **method), validation=validation)


def test_reinforcement_carries_its_grader_and_wraps_a_bare_schema() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    made = reinforcement(reasoning_effort="low", eval_samples=2, compute_multiplier=2.0, response_format=schema)
    found = plan(made, on=date(2026, 10, 1))
    said = found.requests[0].body["method"]["reinforcement"]
    assert said["grader"]["type"] == "string_check"
    assert said["hyperparameters"] == {"compute_multiplier": 2.0, "eval_samples": 2, "reasoning_effort": "low"}
    assert said["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    assert lines(found.files[0])[0] == {"messages": [{"role": "user", "content": "ask 0"}], "reference": "0"}
    whole = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    assert body(reinforcement(response_format=whole), on=date(2026, 10, 1))["method"]["reinforcement"]["response_format"] == whole


def test_reinforcement_without_rows_to_validate_on_is_refused() -> None:
    with pytest.raises(CheckFailed, match="rows to validate on"):
        plan(reinforcement().model_copy(update={"validation": None}), on=date(2026, 10, 1))


def test_a_plan_says_where_it_comes_from_and_is_the_same_twice() -> None:
    made = recipe()
    first, second = plan(made), plan(made)
    assert first.to_dict() == second.to_dict()
    assert (first.recipe_fingerprint, first.dataset_fingerprint) == (made.fingerprint, made.train.fingerprint)
    assert Plan.from_dict(json.loads(json.dumps(first.to_dict()))).fingerprint == first.fingerprint


# --- which base ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt-4.1-mini", "GPT-4.1-mini", BASE, f"openai:{BASE}"])
def test_a_base_goes_by_its_dated_id_whatever_it_is_called(name: str) -> None:
    found = plan(recipe(base=name))
    assert (found.base, found.requests[0].body["model"]) == (BASE, BASE)


@pytest.mark.parametrize("name", [TUNED, f"{TUNED}:ckpt-step-90"])
def test_a_tuned_model_or_a_checkpoint_is_trained_on(name: str) -> None:
    assert body(recipe(base=name))["model"] == name
    assert body(recipe(base=f"openai:{name}"))["model"] == name


def test_an_unknown_base_is_refused_by_name_with_the_nearest() -> None:
    with pytest.raises(UnknownModel, match=r"gpt-4\.1-minni.*did you mean"):
        plan(recipe(base="gpt-4.1-minni"))


@pytest.mark.parametrize("name", ["gpt-3.5-turbo", "gpt-4.1-nano", "ft:gpt-3.5-turbo-0125:acme::x"])
def test_a_retired_base_is_refused_with_its_date(name: str) -> None:
    with pytest.raises(Unsupported, match="2026-10-23"):
        plan(recipe(base=name))


def test_after_the_last_day_of_new_jobs_everything_is_refused_with_where_else_it_can_go() -> None:
    with pytest.raises(Unsupported, match=r"no new jobs since 2027-01-06.*until 2027-01-14.*azure:gpt-4\.1-mini-2025-04-14") as caught:
        plan(recipe(), on=date(2027, 1, 7))
    assert "openai:" not in str(caught.value)


def test_a_base_that_cannot_be_trained_so_is_refused_with_those_that_can() -> None:
    with pytest.raises(Unsupported, match=r"gpt-4o-mini-2024-07-18 is not trained by dpo.*gpt-4\.1-mini-2025-04-14"):
        plan(recipe([pair(i) for i in range(10)], base="gpt-4o-mini", method=DPO()))


def test_a_method_that_nobody_knows_is_refused() -> None:
    strange = SFT.model_construct(**{**SFT().model_dump(), "kind": "divination"})
    with pytest.raises(Unsupported, match="divination"):
        plan(recipe().model_copy(update={"method": strange}))


# --- settings --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (SFT(epochs=51), "epochs is 51; at least 1 and at most 50"),
        (SFT(batch_size=257), "batch_size is 257; at least 1 and at most 256"),
        (SFT(learning_rate=1e-4), "learning_rate_multiplier"),
    ],
)
def test_a_value_out_of_the_apis_range_is_refused_with_the_range(method: SFT, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        plan(recipe(method=method))


@pytest.mark.parametrize(("beta", "taken"), [(2.0, True), (2.1, False), ("auto", True)])
def test_beta_is_at_most_two(beta: Any, taken: bool) -> None:
    made = recipe([pair(i) for i in range(10)], method=DPO(beta=beta))
    if taken:
        assert plan(made).hyperparameters["beta"] == beta
        return
    with pytest.raises(RecipeError, match=r"beta is 2\.1; above 0 and at most 2"):
        plan(made)


@pytest.mark.parametrize("multiplier", [1e-5, 10.5])
def test_the_compute_multiplier_has_a_range_that_begins_above_its_lower_end(multiplier: float) -> None:
    with pytest.raises(RecipeError, match="compute_multiplier"):
        plan(reinforcement(compute_multiplier=multiplier), on=date(2026, 10, 1))


def test_settings_that_the_vendor_decides_are_named_and_change_nothing() -> None:
    plain = plan(recipe())
    other = plan(recipe(method=SFT(lora=LoRA(rank=4), warmup_ratio=0.2, schedule="cosine", weight_decay=0.1, max_grad_norm=0.5)))
    assert plain.notes == ()
    assert other.fingerprint == plain.fingerprint
    assert all(name in other.notes[0] for name in ("lora", "warmup_ratio", "schedule", "weight_decay", "max_grad_norm"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"wanb": {"project": "x"}}, "did you mean 'wandb'"),
        ({"wandb": {"entity": "x"}}, "wandb"),
        ({"metadata": {"tuneport_plan": "x"}}, "Tuneport's own"),
        ({"metadata": {str(i): "x" for i in range(13)}}, "13 pairs"),
        ({"metadata": {"k" * 65: "x"}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"hyperparameters": {"n_epochs": 3}}, "method.epochs"),
    ],
)
def test_options_that_the_api_would_refuse_are_refused_by_name(options: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        plan(recipe(options={"openai": options}))


def test_a_suffix_is_held_to_the_limits_of_whoever_gets_it() -> None:
    long = "tickets-2026.11-second-try"
    assert body(recipe(suffix=long))["suffix"] == long
    azure = Dialect("Azure OpenAI", limits="azure")
    with pytest.raises(RecipeError, match="at most 18"):
        plan(recipe(suffix=long), dialect=azure)
    with pytest.raises(RecipeError, match=r"holds '\.'"):
        plan(recipe(suffix="v1.2"), dialect=azure)


# --- rows ------------------------------------------------------------------------------------------------------------------------------


def test_too_few_rows_are_refused_for_training_and_are_enough_for_validating() -> None:
    with pytest.raises(CheckFailed, match="9 rows; at least 10"):
        plan(recipe([chat(i) for i in range(9)]))
    assert plan(recipe(validation=rows([chat(50)]))).files[1].rows == 1


def test_bad_rows_are_refused_with_their_lines_and_never_shown() -> None:
    bad = ChatExample((Message("user", "a secret question"),))
    with pytest.raises(CheckFailed, match=r"train.*line 13") as caught:
        plan(recipe([*(chat(i) for i in range(12)), bad]))
    assert "secret" not in str(caught.value)


def test_rows_of_another_kind_than_the_method_learns_from_are_refused() -> None:
    with pytest.raises(CheckFailed, match="line 1"):
        plan(recipe([chat(i) for i in range(10)], method=DPO()))


def test_images_are_taken_by_the_base_that_takes_them() -> None:
    seen = Message("user", (TextPart("what is it?"), ImagePart("https://example.com/a.png")))
    made = recipe([*(chat(i) for i in range(10)), ChatExample((seen, Message("assistant", "a dog")))])
    assert "image_url" in json.dumps(lines(plan(made.model_copy(update={"base": "gpt-4o"})).files[0])[-1])
    with pytest.raises(CheckFailed, match="image"):
        plan(made)


def test_a_row_longer_than_the_model_learns_from_is_refused_or_cut_as_the_recipe_says() -> None:
    pytest.importorskip("bpe_openai")
    made = recipe([*(chat(i) for i in range(10)), chat(10, words=30_000)])
    with pytest.raises(CheckFailed, match=r"line 11.*65,536"):
        plan(made)
    cut = plan(made.model_copy(update={"method": SFT(too_long="truncate")}))
    assert any("cut at their end" in note for note in cut.notes)


def test_a_limit_of_length_of_the_recipe_is_held_to_and_never_dropped() -> None:
    pytest.importorskip("bpe_openai")
    made = recipe([*(chat(i) for i in range(10)), chat(10, words=50)])
    assert plan(made.model_copy(update={"method": SFT(max_length=400)})).files[0].rows == 11
    with pytest.raises(CheckFailed, match=r"line 11.*100"):
        plan(made.model_copy(update={"method": SFT(max_length=100)}))
    with pytest.raises(Unsupported, match="max_length 100"):
        plan(made.model_copy(update={"method": SFT(max_length=100, too_long="truncate")}))


def test_an_image_counts_for_its_tokens_and_not_for_the_length_of_its_address() -> None:
    pytest.importorskip("bpe_openai")
    seen = Message("user", (ImagePart("https://example.com/a.png", detail="low"),))
    made = recipe([*(chat(i) for i in range(10)), ChatExample((seen, Message("assistant", "a dog")))], base="gpt-4o")
    assert plan(made.model_copy(update={"method": SFT(max_length=300)})).files[0].rows == 11
    with pytest.raises(CheckFailed, match="line 11"):
        plan(made.model_copy(update={"method": SFT(max_length=90)}))
    high = Message("user", (ImagePart("https://example.com/a.png", detail="high"),))
    large = recipe([*(chat(i) for i in range(10)), ChatExample((high, Message("assistant", "a dog")))], base="gpt-4o")
    with pytest.raises(CheckFailed, match="line 11"):
        plan(large.model_copy(update={"method": SFT(max_length=300)}))


def test_rows_that_stand_in_both_files_are_told() -> None:
    found = plan(recipe(validation=rows([chat(3), chat(70)], name="held out")))
    assert [finding.line for finding in found.findings if finding.rule == "test-apart"] == [1]


def test_the_bytes_of_a_file_are_those_that_its_digest_is_of_at_every_reading() -> None:
    file = plan(recipe()).files[0]
    again = PlannedFile.from_chunks(file.chunks, purpose="train", rows=file.rows)
    assert (again.sha256, again.size_bytes) == (file.sha256, file.size_bytes)
    assert len(lines(file)) == file.rows == 12


# --- others who speak the API ----------------------------------------------------------------------------------------------------------


def test_a_dialect_with_a_byte_order_mark_begins_every_file_with_it() -> None:
    dialect = Dialect("Azure OpenAI", limits="azure", bom=True)
    found = plan(recipe(validation=rows([chat(50)])), dialect=dialect, provider="azure")
    assert [b"".join(file.chunks())[:4] for file in found.files] == [b"\xef\xbb\xbf{", b"\xef\xbb\xbf{"]


def test_an_endpoint_of_which_nothing_is_known_gets_any_base_and_the_older_place_of_hyperparameters() -> None:
    options = {"mine": {"hyperparameters": {"lora": True, "lora_r": 16}}}
    made = recipe([chat(1)], base="some/model", method=SFT(epochs=2), options=options)
    found = body(made, dialect=compatible("mine"), provider="mine")
    assert found == {
        "model": "some/model",
        "training_file": "{file:train}",
        "hyperparameters": {"n_epochs": 2, "lora": True, "lora_r": 16},
        "seed": 0,
    }


def test_a_compatible_endpoint_that_the_catalogue_knows_is_held_to_it() -> None:
    dialect = compatible("nebius")
    assert dialect.limits == "nebius"
    assert body(recipe(base="meta-llama/Llama-3.1-8B-Instruct"), dialect=dialect, provider="nebius")["model"].startswith("meta-llama")
    with pytest.raises(UnknownModel):
        plan(recipe(base="no-such-model"), dialect=dialect, provider="nebius")


def test_a_dialect_may_know_more_words_for_states() -> None:
    azure = Dialect("Azure OpenAI", states={"pending": JobState.CREATED, "resuming": JobState.QUEUED})
    assert azure.state_of("pending") is JobState.CREATED
    assert azure.state_of("running") is JobState.RUNNING
    assert OPENAI.state_of("pending") is JobState.UNKNOWN
