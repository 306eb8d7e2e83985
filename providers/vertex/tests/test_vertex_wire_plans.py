"""From a recipe to the body of tuningJobs.create: what each setting becomes, and what is refused before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from tuneport_vertex.profile import Place
from tuneport_vertex.wire.plans import Prepared, asked, create_body, to_plan

from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed, ConfigError, RecipeError, TuneportError, UnknownModel, Unsupported
from tuneport.examples import ChatExample, Message, PromptExample
from tuneport.graders import MultiGrader, NumericAnswer, PythonGrader, RegexCheck, ScoreModel, StringCheck, TextSimilarity
from tuneport.methods import DPO, GRPO, SFT, LoRA
from tuneport.plan import Plan
from tuneport.quoting.job import COMPARED_EPOCHS
from tuneport.recipe import Recipe

from .vertex_stage import GEMINI, GEMMA, chats, pairs, prompts

TODAY = date(2026, 11, 21)
BEFORE = date(2026, 10, 1)
HERE = Place(name="vertex", project="my-project", location="us-central1", serving_location="us", bucket="rows", prefix="tuning")
TUNED = "my-project/us/models/4567@2"
RIGHT = StringCheck(name="right")
FLASH = "gemini-2.5-flash"


def plan(recipe: Recipe, *, place: Place = HERE, on: date = TODAY, prepared: Prepared | None = None) -> Plan:
    return to_plan(asked(recipe, place=place, on=on), prepared=prepared)


def body(
    method: Any = None, *, base: str = GEMINI, train: Dataset | None = None, on: date = TODAY, place: Place = HERE, **options: Any
) -> Any:
    """What would be sent for a recipe of that method with those options."""
    kind = method or SFT()
    rows = train or {"sft": chats, "dpo": pairs, "grpo": prompts}[kind.kind](60)
    recipe = Recipe(base=base, method=kind, train=rows, options={"vertex": options} if options else {})
    return plan(recipe, place=place, on=on).requests[0].body


# --- supervised tuning of Gemini ----------------------------------------------------------------------------------------------------------


def test_the_least_recipe_is_the_least_body() -> None:
    spec = {"trainingDatasetUri": "{file:train}", "hyperParameters": {"epochCount": COMPARED_EPOCHS}}
    assert body() == {"baseModel": GEMINI, "supervisedTuningSpec": spec}


def test_epochs_that_nobody_names_are_those_that_the_quote_goes_by() -> None:
    made = plan(Recipe(base=GEMINI, train=chats(60)))
    assert (made.epochs, made.hyperparameters["epochs"]) == (COMPARED_EPOCHS, COMPARED_EPOCHS)
    assert f"{COMPARED_EPOCHS} epochs, since the recipe names none" in " | ".join(made.notes)
    assert "hyperParameters" not in body(GRPO(grader=RIGHT))["reinforcementTuningSpec"]


def test_every_setting_of_supervised_tuning_has_its_place() -> None:
    method = SFT(epochs=3, learning_rate_multiplier=0.5, lora=LoRA(rank=8))
    recipe = Recipe(
        base=GEMINI,
        method=method,
        train=chats(60),
        validation=chats(12, about="parcel"),
        suffix="cards",
        options={
            "vertex": {"checkpoints": "last", "labels": {"team": "support"}, "service_account": "tuner@my-project.iam.gserviceaccount.com"}
        },
    )
    assert plan(recipe).requests[0].body == {
        "baseModel": GEMINI,
        "supervisedTuningSpec": {
            "trainingDatasetUri": "{file:train}",
            "validationDatasetUri": "{file:validation}",
            "hyperParameters": {"epochCount": 3, "learningRateMultiplier": 0.5, "adapterSize": "ADAPTER_SIZE_EIGHT"},
            "exportLastCheckpointOnly": True,
        },
        "tunedModelDisplayName": "cards",
        "labels": {"team": "support"},
        "serviceAccount": "tuner@my-project.iam.gserviceaccount.com",
    }


def test_the_rank_of_every_recipe_leaves_the_size_to_the_service_and_an_option_says_it() -> None:
    assert "adapterSize" not in body(SFT(lora=LoRA(rank=16)))["supervisedTuningSpec"]["hyperParameters"]
    assert body(SFT(), adapter_size=16)["supervisedTuningSpec"]["hyperParameters"]["adapterSize"] == "ADAPTER_SIZE_SIXTEEN"


@pytest.mark.parametrize("written", [GEMINI, f"publishers/google/models/{GEMINI}", f"vertex:{GEMINI}", f"google/{GEMINI}"])
def test_a_base_goes_by_its_short_and_its_long_name(written: str) -> None:
    assert body(base=written)["baseModel"] == GEMINI


@pytest.mark.parametrize(
    "written", [TUNED, f"vertex:{TUNED}", "projects/my-project/locations/us/models/4567@2", "projects/123/locations/us/models/4567@2"]
)
def test_a_tuned_model_is_trained_further_by_its_resource_name(written: str) -> None:
    sent = body(base=written)
    assert sent["preTunedModel"] == {"tunedModelName": "projects/my-project/locations/us/models/4567@2"}
    assert "baseModel" not in sent


def test_a_checkpoint_is_trained_further_by_its_id() -> None:
    sent = body(base=f"{TUNED}#3")["preTunedModel"]
    assert sent == {"tunedModelName": "projects/my-project/locations/us/models/4567@2", "checkpointId": "3"}


# --- the other methods --------------------------------------------------------------------------------------------------------------------


def test_preference_tuning_has_a_spec_and_a_beta_of_its_own() -> None:
    sent = body(DPO(epochs=2, beta=0.2), base=FLASH, on=BEFORE)
    assert sent["preferenceOptimizationSpec"]["hyperParameters"] == {"epochCount": 2, "beta": 0.2}


def test_a_preference_loss_that_the_service_does_not_have_is_refused() -> None:
    with pytest.raises(Unsupported, match="has no place for loss: the recipe says 'ipo'"):
        body(DPO(loss="ipo"), base=FLASH, on=BEFORE)


def test_reinforcement_says_how_answers_are_scored_and_how_they_are_made() -> None:
    method = GRPO(grader=RIGHT, epochs=2, batch_size=16, eval_interval=10, reasoning_effort="low")
    spec = body(method, samples_per_prompt=8, max_output_tokens=2048, checkpoint_interval=20)["reinforcementTuningSpec"]
    assert spec["hyperParameters"] == {
        "epochCount": 2,
        "batchSize": 16,
        "evaluateInterval": 10,
        "samplesPerPrompt": 8,
        "maxOutputTokens": 2048,
        "checkpointInterval": 20,
        "thinkingLevel": "MINIMAL",
    }
    assert spec["singleRewardConfig"]["rewardName"] == "right"


def test_prompts_go_with_their_references_as_text() -> None:
    made = plan(Recipe(base=GEMINI, method=GRPO(grader=RIGHT), train=prompts(60)))
    row = json.loads(b"".join(made.files[0].chunks()).splitlines()[4])
    assert row["contents"] == [{"role": "user", "parts": [{"text": "What is 4 and 4?"}]}]
    assert row["references"] == {"level": "1", "reference": "8", "tuneport_item": '{"level":1,"reference":"8"}'}


def test_a_teacher_makes_a_distillation_of_the_questions_alone() -> None:
    recipe = Recipe(
        base=GEMINI, method=SFT(epochs=1), train=chats(60), options={"vertex": {"teacher": "gemini-3.5-pro", "sft_loss_weight": 0.3}}
    )
    made = plan(recipe)
    assert made.requests[0].body["distillationSpec"] == {
        "promptDatasetUri": "{file:train}",
        "baseTeacherModel": "gemini-3.5-pro",
        "hyperParameters": {"epochCount": 1, "sftLossWeightMultiplier": 0.3},
    }
    assert made.unquoted == ("the teacher's answers",)
    row = json.loads(b"".join(made.files[0].chunks()).splitlines()[0])
    assert row == {"contents": [{"role": "user", "parts": [{"text": "My card number 0 is lost"}]}]}


def test_a_tuned_teacher_is_named_by_its_resource() -> None:
    assert body(teacher=TUNED)["distillationSpec"]["tunedTeacherModelSource"] == "projects/my-project/locations/us/models/4567@2"


def test_a_rebase_is_a_request_of_its_own_around_the_job() -> None:
    recipe = Recipe(base=GEMINI, train=chats(60), options={"vertex": {"rebase": TUNED, "same_endpoint": True}})
    request = plan(recipe).requests[0]
    assert request.call == "POST tuningJobs:rebaseTunedModel"
    assert request.body["tunedModelRef"] == {"tunedModel": "projects/my-project/locations/us/models/4567@2"}
    assert request.body["deployToSameEndpoint"] is True
    assert request.body["tuningJob"]["baseModel"] == GEMINI


# --- open models --------------------------------------------------------------------------------------------------------------------------


def test_an_open_model_is_trained_on_messages_into_the_bucket() -> None:
    made = plan(Recipe(base=GEMMA, method=SFT(epochs=1, learning_rate=1e-4, batch_size=8), train=chats(60)))
    assert made.requests[0].body == {
        "baseModel": GEMMA,
        "supervisedTuningSpec": {
            "trainingDatasetUri": "{file:train}",
            "hyperParameters": {"epochCount": 1, "learningRate": 1e-4, "batchSize": 8},
            "tuningMode": "TUNING_MODE_PEFT_ADAPTER",
        },
        "outputUri": "gs://rows/tuning/outputs/{client_id}",
    }
    assert json.loads(b"".join(made.files[0].chunks()).splitlines()[0])["messages"][0]["role"] == "user"


def test_all_weights_of_an_open_model_are_trained_where_the_option_says_so() -> None:
    sent = body(base=GEMMA, mode="full", output_uri="gs://elsewhere/out/", custom_base_model="gs://elsewhere/before")
    assert sent["supervisedTuningSpec"]["tuningMode"] == "TUNING_MODE_FULL"
    assert (sent["outputUri"], sent["customBaseModel"]) == ("gs://elsewhere/out", "gs://elsewhere/before")


def test_an_open_model_of_which_only_all_weights_are_trained_needs_no_option() -> None:
    assert body(base="google/gemma3@gemma-3-4b-it")["supervisedTuningSpec"]["tuningMode"] == "TUNING_MODE_FULL"


def test_what_is_encrypted_with_a_key_of_ones_own_says_so() -> None:
    key = "projects/my-project/locations/us-central1/keyRings/r/cryptoKeys/k"
    assert body(base=GEMMA, kms_key=key)["encryptionSpec"] == {"kmsKeyName": key}


# --- the body that is sent ----------------------------------------------------------------------------------------------------------------


def test_what_is_sent_names_the_files_and_the_submit() -> None:
    made = plan(Recipe(base=GEMMA, train=chats(60), options={"vertex": {"labels": {"team": "support"}}}))
    sent = create_body(made, client_id="c" * 32, files={"train": "gs://rows/tuning/tuneport-1.jsonl"})
    assert sent["supervisedTuningSpec"]["trainingDatasetUri"] == "gs://rows/tuning/tuneport-1.jsonl"
    assert sent["outputUri"] == f"gs://rows/tuning/outputs/{'c' * 32}"
    assert sent["labels"]["team"] == "support"
    assert sent["labels"]["tuneport-client"] == "c" * 32
    assert all(len(value) <= 63 for value in sent["labels"].values())


def test_rows_that_lie_in_a_bucket_are_used_there_and_need_none_of_ones_own() -> None:
    homeless = Place(name="vertex", project="my-project", location="us-central1", serving_location="us")
    recipe = Recipe(base=GEMINI, train=chats(60))
    made = plan(recipe, place=homeless, prepared=Prepared(uris={"train": "gs://theirs/rows.jsonl"}))
    assert made.requests[0].body["supervisedTuningSpec"]["trainingDatasetUri"] == "gs://theirs/rows.jsonl"
    assert made.files == ()
    with pytest.raises(ConfigError, match="no bucket is named"):
        plan(recipe, place=homeless)


def test_an_open_model_needs_a_bucket_for_its_weights_though_its_rows_lie_in_one() -> None:
    nowhere = Place(name="vertex", project="my-project", location="us-central1", serving_location="us")
    there = Prepared(uris={"train": "gs://theirs/rows.jsonl"})
    with pytest.raises(ConfigError, match=r"weights of an open model.*output_uri"):
        plan(Recipe(base=GEMMA, train=chats(60)), place=nowhere, prepared=there)
    named = Recipe(base=GEMMA, train=chats(60), options={"vertex": {"output_uri": "gs://mine/weights"}})
    assert plan(named, place=nowhere, prepared=there).requests[0].body["outputUri"] == "gs://mine/weights"


def test_equal_recipes_have_equal_plans_and_other_ones_have_others() -> None:
    first, same = (plan(Recipe(base=GEMINI, train=chats(60))) for _ in range(2))
    assert first.fingerprint == same.fingerprint
    assert first.fingerprint != plan(Recipe(base=GEMINI, method=SFT(epochs=2), train=chats(60))).fingerprint


# --- what is said beside the plan ---------------------------------------------------------------------------------------------------------


def notes(method: Any = None, *, base: str = GEMINI, seed: int = 0, suffix: str | None = None) -> str:
    return " | ".join(plan(Recipe(base=base, method=method or SFT(), train=chats(60), seed=seed, suffix=suffix)).notes)


def test_settings_that_the_service_decides_are_named() -> None:
    said = notes(SFT(warmup_ratio=0.1, batch_size=8, lora=LoRA(dropout=0.1)), seed=7)
    assert "does not use the recipe's: warmup_ratio, batch_size, lora (beside its rank), seed" in said
    assert "does not use" not in notes()


def test_what_a_tuned_model_will_need_is_said_before() -> None:
    assert "answers from the multi-region us only" in notes()
    assert "deployed to GPUs, which cost by the hour" in notes(base=GEMMA)
    assert "a new version of that model is made" in notes(base=TUNED)
    assert "a new model is made, named cards" in notes(base=TUNED, suffix="cards")


# --- what is refused ----------------------------------------------------------------------------------------------------------------------

REFUSED: list[tuple[dict[str, Any], type[TuneportError], str]] = [
    ({"base": "gemini-9"}, UnknownModel, "no base of vertex is called 'gemini-9'"),
    ({"base": "other-project/us/models/1@1"}, UnknownModel, r'project = "other-project"'),
    ({"base": FLASH}, Unsupported, "cannot be tuned at Vertex AI any more.*gemini-3.5-flash"),
    ({"method": DPO()}, Unsupported, "gemini-3.5-flash is not trained by dpo.*No base of Vertex AI is trained by dpo on 2026-11-21"),
    ({"method": SFT(lora=LoRA(rank=12))}, RecipeError, "lora.rank is 12; Vertex AI takes 1, 2, 4, 8, 16, 32.*nearest is 8"),
    ({"method": SFT(learning_rate=1e-4)}, RecipeError, "takes no absolute one.*learning_rate_multiplier"),
    ({"base": GEMMA, "method": SFT(learning_rate_multiplier=2.0)}, RecipeError, "takes an absolute learning rate only"),
    ({"base": GEMMA, "options": {"mode": "half"}}, RecipeError, "mode must be 'adapter' or 'full'"),
    ({"base": "google/gemma3@gemma-3-4b-it", "options": {"mode": "adapter"}}, Unsupported, "is tuned as full only"),
    ({"options": {"mode": "full"}}, RecipeError, "mode is said of open models"),
    ({"base": TUNED, "options": {"output_uri": "gs://a-b/c"}}, RecipeError, "output_uri is said of open models"),
    ({"options": {"output_uri": "s3://x"}}, RecipeError, "is no folder in Cloud Storage"),
    ({"options": {"adaptersize": 4}}, RecipeError, "adapter_size"),
    ({"options": {"labels": {"tuneport-x": "1"}}}, RecipeError, "is Tuneport's own"),
    ({"options": {"labels": {"Team": "1"}}}, RecipeError, "lower-case"),
    ({"options": {"labels": {"team": "A B"}}}, RecipeError, "values are lower-case"),
    ({"options": {"labels": {f"l{n}": "" for n in range(61)}}}, RecipeError, "61 labels; the service takes 64"),
    ({"options": {"kms_key": "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"}}, Unsupported, "offers that for no Gemini 3"),
    (
        {"base": GEMMA, "options": {"kms_key": "projects/p/locations/eu/keyRings/r/cryptoKeys/k"}},
        RecipeError,
        "another region than us-central1",
    ),
    ({"options": {"samples_per_prompt": 4}}, RecipeError, "samples_per_prompt is an option of reinforcement"),
    ({"options": {"same_endpoint": True}}, RecipeError, "same_endpoint goes with rebase"),
    ({"options": {"sft_loss_weight": 0.5}}, RecipeError, "sft_loss_weight goes with teacher"),
    ({"options": {"rebase": TUNED, "teacher": "gemini-3.5-pro"}}, RecipeError, "distilled or rebased, not both"),
    ({"base": TUNED, "options": {"rebase": TUNED}}, Unsupported, "a rebase tunes a model anew by method sft, on a base"),
    ({"method": SFT(max_length=512, too_long="truncate")}, Unsupported, "not at max_length 512"),
    ({"method": GRPO(grader=RIGHT, compute_multiplier=2.0)}, Unsupported, "has no compute_multiplier.*samples_per_prompt"),
    ({"method": GRPO(grader=RIGHT, response_format={"type": "object"})}, Unsupported, "has no response_format"),
    ({"method": GRPO(grader=RIGHT, reasoning_effort="medium")}, RecipeError, "knows minimal and high only"),
    ({"method": GRPO(grader=RIGHT, learning_rate_multiplier=9.0)}, RecipeError, "takes 0.25 to 4"),
    ({"method": GRPO(grader=RIGHT, batch_size=3), "options": {"samples_per_prompt": 3}}, RecipeError, "a multiple of 16"),
    ({"method": GRPO(grader=RIGHT), "options": {"teacher": "x"}}, Unsupported, "a teacher is distilled by method sft"),
    ({"train": chats(0)}, CheckFailed, "there are no rows"),
]


@pytest.mark.parametrize(("how", "kind", "said"), REFUSED, ids=[case[2][:40] for case in REFUSED])
def test_what_cannot_be_is_refused_with_a_reason(how: Mapping[str, Any], kind: type[TuneportError], said: str) -> None:
    method = how.get("method") or SFT()
    rows = how.get("train") or {"sft": chats, "dpo": pairs, "grpo": prompts}[method.kind](60)
    with pytest.raises(kind, match=said):
        plan(Recipe(base=how.get("base", GEMINI), method=method, train=rows, options={"vertex": how.get("options", {})}))


@pytest.mark.parametrize(("location", "said"), [("asia-northeast1", "us-central1, europe-west4"), ("global", "us-central1, europe-west4")])
def test_a_region_that_does_not_tune_a_base_names_those_that_do(location: str, said: str) -> None:
    place = Place(name="vertex", project="my-project", location=location, serving_location="us", bucket="rows")
    with pytest.raises(Unsupported, match=rf"is not tuned in {location}, but in {said}.*location ="):
        body(place=place)
    assert body(base=GEMMA, place=Place(name="vertex", project="p", location="global", serving_location="us", bucket="b"))


def test_more_rows_to_validate_on_than_are_taken_are_refused() -> None:
    with pytest.raises(CheckFailed, match="at most 30% are taken"):
        plan(Recipe(base=GEMINI, train=chats(12), validation=chats(12, about="parcel")))


def test_a_prompt_that_does_not_end_with_the_user_is_refused_by_its_line() -> None:
    rows = Dataset.from_examples([PromptExample((Message("assistant", "Hello"),))] * 12, name="bad")
    with pytest.raises((CheckFailed, TuneportError), match=r"line 1|:1:"):
        plan(Recipe(base=GEMINI, method=GRPO(grader=RIGHT), train=rows))


def test_rows_without_what_the_grader_names_are_refused_by_their_lines() -> None:
    with pytest.raises(CheckFailed, match=r"lines 1, 2, 3, 4, 5 and 55 more have no item\.city, which the grader 'where' names"):
        body(GRPO(grader=StringCheck(name="where", reference="{{item.city}}")))


# --- rewards ------------------------------------------------------------------------------------------------------------------------------


def reward(grader: Any) -> Any:
    spec = body(GRPO(grader=grader))["reinforcementTuningSpec"]
    return spec.get("singleRewardConfig") or spec["compositeRewardConfig"]


@pytest.mark.parametrize(
    ("operation", "match"),
    [
        ("eq", {"matchOperation": "EXACT_MATCH", "expression": "{{references.reference}}"}),
        ("like", {"matchOperation": "PARTIAL_MATCH", "expression": "{{references.reference}}"}),
        ("ilike", {"matchOperation": "REGEX_CONTAINS", "expression": "(?i){{references.reference}}"}),
    ],
)
def test_a_string_check_is_a_string_match(operation: Any, match: Mapping[str, str]) -> None:
    found = reward(StringCheck(operation=operation))["stringMatchRewardScorer"]
    assert found == {"correctAnswerReward": 1.0, "wrongAnswerReward": 0.0, "stringMatchExpression": match}


def test_a_check_for_another_answer_turns_the_rewards_around_and_one_key_of_json_is_looked_at() -> None:
    found = reward(StringCheck(operation="ne", input="{{ sample.output_json.label }}", reference="{{item.level}}"))[
        "stringMatchRewardScorer"
    ]
    assert (found["correctAnswerReward"], found["wrongAnswerReward"]) == (0.0, 1.0)
    assert found["jsonMatchExpression"] == {
        "keyName": "label",
        "valueStringMatchExpression": {"matchOperation": "EXACT_MATCH", "expression": "{{references.level}}"},
    }


@pytest.mark.parametrize(
    ("grader", "right", "wrong"),
    [(RegexCheck(pattern=r"#### -?\d+\s*$"), "so\n#### 4", "4"), (NumericAnswer(), "it is 4.0", "5")],
    ids=["regex", "numeric"],
)
def test_graders_that_the_service_has_not_run_there_as_python_code(grader: Any, right: str, wrong: str) -> None:
    world: dict[str, Any] = {}
    exec(reward(grader)["codeExecutionRewardScorer"]["pythonCodeSnippet"], world)

    for text, expected in ((right, 1.0), (wrong, 0.0)):
        answer = {"role": "model", "parts": [{"text": text}]}
        assert world["evaluate"]({"contents": [], "references": {"reference": "#### 4"}}, answer) == expected


def test_a_python_grader_is_called_as_the_service_calls_it() -> None:
    source = (
        "def grade(sample, item):\n"
        "    right = sample['output_json'] == item['level']\n"
        "    return 1.0 if right else 0.5 * (sample['output_text'] == item['reference'])\n"
    )
    snippet = reward(PythonGrader(source=source))["codeExecutionRewardScorer"]["pythonCodeSnippet"]
    world: dict[str, Any] = {}
    exec(snippet, world)
    example = {"contents": [], "references": {"reference": "8", "level": "2", "tuneport_item": '{"reference":"8","level":2}'}}

    def said(text: str) -> dict[str, Any]:
        return {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": text}]}

    assert [world["evaluate"](example, said(text)) for text in ("2", "8", "no")] == [1.0, 0.5, 0.0]
    assert world["evaluate"]({"references": {"reference": "yes", "level": "-"}}, said("yes")) == 0.5


def test_code_that_is_written_for_the_service_goes_as_it_is() -> None:
    source = "def evaluate(example, response):\n    return 1.0\n"
    assert reward(PythonGrader(source=source))["codeExecutionRewardScorer"] == {"pythonCodeSnippet": source}


def test_a_judge_is_an_autorater_of_a_gemini() -> None:
    judge = ScoreModel(
        name="kind?", model=GEMINI, messages=({"role": "user", "content": "Is {{sample.output_text}} as kind as {{item.level}}?"},)
    )
    found = reward(judge)
    assert found["rewardName"] == "kind-"
    assert found["autoraterScorer"] == {
        "autoraterConfig": {"autoraterModel": f"projects/my-project/locations/us-central1/publishers/google/models/{GEMINI}"},
        "autoraterPrompt": "Is {{response}} as kind as {{references.level}}?",
        "parsedResponseConversionScorer": {},
    }


def test_a_weighted_mean_of_graders_is_a_composite_reward() -> None:
    code = PythonGrader(source="def grade(sample, item):\n    return 1.0\n")
    found = reward(MultiGrader(graders={"right": RIGHT, "code": code}, formula="0.75 * right + code / 4"))
    assert [(each["rewardConfig"]["rewardName"], each["weight"]) for each in found["weightedRewardConfigs"]] == [
        ("right", 0.75),
        ("code", 0.25),
    ]


def test_a_reward_as_the_api_spells_it_takes_the_place_of_the_grader() -> None:
    own = {"cloudRunRewardScorer": {"cloudRunUri": "https://score-1.run.app"}}
    assert body(GRPO(grader=RIGHT), reward=own)["reinforcementTuningSpec"]["singleRewardConfig"] == own


@pytest.mark.parametrize(
    ("grader", "said"),
    [
        (TextSimilarity(name="alike"), "the grader 'alike': Vertex AI has no reward for how alike"),
        (StringCheck(input="{{item.x}}"), "compares the whole answer, or one key"),
        (StringCheck(reference="{{item.a.b}}"), "nothing to put in place of {{item.a.b}}"),
        (PythonGrader(source="def score(): pass"), "has no function grade"),
        (PythonGrader(source="def grade(:"), "is no Python"),
        (ScoreModel(model="gpt-4.1", messages=({"role": "user", "content": "?"},)), "judges are Geminis, not gpt-4.1"),
        (ScoreModel(model=GEMINI, range=(0.0, 10.0), messages=({"role": "user", "content": "?"},)), "scores from 0 to 10"),
        (ScoreModel(model=GEMINI, messages=({"role": "user", "content": [{"type": "text"}]},)), "is not plain text"),
        (MultiGrader(graders={"right": RIGHT}, formula="right * right"), "the weighted mean of rewards"),
        (MultiGrader(graders={"right": RIGHT}, formula="2 * right"), "weights that sum up to 1"),
        (MultiGrader(graders={"right": RIGHT}, formula="max(right, 0)"), "the weighted mean of rewards"),
        (MultiGrader(graders={"right": RIGHT}, formula="right +"), "the weighted mean of rewards"),
    ],
)
def test_what_scores_otherwise_is_refused_by_its_name(grader: Any, said: str) -> None:
    with pytest.raises((Unsupported, RecipeError), match=said):
        reward(grader)


def test_chats_become_prompts_with_their_answers_as_references() -> None:
    chat = ChatExample((Message("system", "Be short."), Message("user", "2 + 2?"), Message("assistant", "4")))
    made = plan(Recipe(base=GEMINI, method=GRPO(grader=RIGHT), train=Dataset.from_examples([chat] * 12, name="sums")))
    row = json.loads(b"".join(made.files[0].chunks()).splitlines()[0])
    assert row["systemInstruction"]["parts"] == [{"text": "Be short."}]
    assert row["references"] == {"reference": "4"}
