"""What a recipe becomes, and what answers mean: pure, without any request."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tuneport_azureml.profile import Workspace, workspace_of
from tuneport_azureml.wire.datastores import api_url, is_log_address, store_of
from tuneport_azureml.wire.history import events_of, log_of, metric_keys, metrics_of
from tuneport_azureml.wire.jobs import snapshot_of
from tuneport_azureml.wire.names import data_id, data_name_of, job_name, model_id, model_parts
from tuneport_azureml.wire.plans import asked, to_plan
from tuneport_azureml.wire.states import job_state

from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed, ConfigError, DatasetError, NotFound, RecipeError, Refused, UnknownModel, Unsupported
from tuneport.examples import ChatExample, Message
from tuneport.job import JobState
from tuneport.plan import Plan
from tuneport.provider import ProviderSettings
from tuneport.recipe import DPO, SFT, Classify, LoRA, Recipe
from tuneport.tuned_weights import Full

from .azureml_stage import BERT, GPT, PHI, chats, labelled, recipe

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
ENVIRON = {"AZURE_SUBSCRIPTION_ID": SUBSCRIPTION, "AZURE_RESOURCE_GROUP": "tuning", "AZUREML_WORKSPACE_NAME": "contoso-ml"}


def place(environ: dict[str, str] | None = None, **profile: Any) -> Workspace:
    settings = ProviderSettings("azureml", Path("/nowhere"), environ=ENVIRON if environ is None else environ, profile=profile)
    return workspace_of(settings)


def planned(chosen: Recipe, **profile: Any) -> Plan:
    return to_plan(asked(chosen, place=place(**profile)))


def details(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = plan.requests[0].body["properties"]["fineTuningDetails"]
    return found


def first_row(plan: Plan) -> Any:
    return json.loads(b"".join(plan.files[0].chunks()).splitlines()[0])


# --- the place --------------------------------------------------------------------------------------------------------------------------


def test_the_profile_goes_before_the_environment() -> None:
    assert place(workspace="other").scope == f"{SUBSCRIPTION}/tuning/other"


@pytest.mark.parametrize("missing", ENVIRON)
def test_a_place_that_nobody_names_is_asked_for_by_its_variable(missing: str) -> None:
    with pytest.raises(ConfigError, match=missing):
        place({name: value for name, value in ENVIRON.items() if name != missing})


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"subscription": "contoso"}, "is none"),
        ({"workspace": "a/b"}, "no name"),
        ({"management_url": "https://evil.example"}, "neither this machine"),
        ({"management_url": "http://management.azure.com"}, "neither this machine"),
        ({"compute": "a", "instance_types": ["b"]}, "both"),
        ({"token_env": "NOWHERE"}, "holds no token"),
        ({"worksapce": "x"}, "workspace"),
    ],
)
def test_a_profile_that_cannot_be_right_is_refused_with_a_sentence(profile: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place(**profile)
    assert words in str(caught.value)


def test_the_token_does_not_show_in_the_place() -> None:
    assert "eyJsecret" not in repr(place({**ENVIRON, "AZURE_MANAGEMENT_TOKEN": "eyJsecret"}))


# --- plans ------------------------------------------------------------------------------------------------------------------------------


def test_chat_rows_go_as_messages_and_the_base_by_its_asset_id() -> None:
    plan = planned(recipe())
    assert first_row(plan) == {
        "messages": [{"role": "user", "content": "My card number 0 is lost"}, {"role": "assistant", "content": "It is lost"}]
    }
    assert details(plan)["model"]["uri"] == "azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/14"
    assert details(plan)["taskType"] == "chatCompletion"
    assert details(plan)["hyperParameters"] == {"num_train_epochs": "2"}


def test_labels_go_as_text_and_label_with_the_keys_named() -> None:
    plan = planned(Recipe(base=BERT, train=labelled(), method=Classify(epochs=3, learning_rate=2e-5)))
    assert first_row(plan) == {"text": "My card number 0 is lost", "label": "lost"}
    values = details(plan)["hyperParameters"]
    assert values == {"sentence1_key": "text", "label_key": "label", "num_train_epochs": "3", "learning_rate": "0.00002"}
    assert (plan.base, plan.method) == (BERT, "classify")


def test_documents_go_with_their_summaries() -> None:
    plan = planned(recipe(task="summarization"))
    assert first_row(plan) == {"document": "My card number 0 is lost", "summary": "It is lost"}
    assert details(plan)["taskType"] == "textSummarization"


def test_a_row_to_summarize_that_is_a_whole_conversation_is_named_by_its_line() -> None:
    turns = (Message("system", "Be brief."), Message("user", "a"), Message("assistant", "b"))
    rows = Dataset.from_examples([ChatExample(turns[1:]), ChatExample(turns)], name="talks")
    with pytest.raises(DatasetError, match="talks:2"):
        planned(recipe(task="summarization").model_copy(update={"train": rows}))


def asked_of(*turns: tuple[str, str]) -> Recipe:
    """A recipe of question answering with one good row and one of these turns."""
    good = ChatExample((Message("system", "It rains in Ghent."), Message("user", "Where?"), Message("assistant", "Ghent")))
    other = ChatExample(tuple(Message(role, text) for role, text in turns))  # type: ignore[arg-type]
    rows = Dataset.from_examples([good, other], name="talks")
    return recipe(task="question_answering").model_copy(update={"train": rows})


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ((("system", "Snow in Łódź fell."), ("user", "Where?"), ("assistant", "Łódź")), ("Where?", "Snow in Łódź fell.", 8)),
        ((("user", "A is 1.\n\nB is 22.\n \nWhat is B?"), ("assistant", " 22\n")), ("What is B?", "A is 1.\n\nB is 22.", 14)),
    ],
)
def test_a_question_goes_with_its_context_and_the_place_of_its_answer(
    turns: tuple[tuple[str, str], ...], expected: tuple[str, str, int]
) -> None:
    plan = planned(asked_of(*turns))
    second = json.loads(b"".join(plan.files[0].chunks()).splitlines()[1])
    question, context, start = expected
    answer = context[start : start + len(turns[-1][1].strip())]
    assert second == {"question": question, "context": context, "answers": {"text": [answer], "answer_start": [start]}}
    assert answer == turns[-1][1].strip()
    assert details(plan)["taskType"] == "questionAnswering"
    assert details(plan)["hyperParameters"]["answer_text_key"] == "text"


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ((("system", "Snow in Ghent."), ("user", "Where?"), ("assistant", "Bruges")), "word for word"),
        ((("system", "Ghent, Ghent!"), ("user", "Where?"), ("assistant", "Ghent")), "2 times"),
        ((("system", "aaa"), ("user", "What?"), ("assistant", "aa")), "2 times"),
        ((("user", "Where does it snow?"), ("assistant", "Ghent")), "whose last paragraph"),
        ((("user", "\n\nWhere does it snow?"), ("assistant", "Ghent")), "whose last paragraph"),
        (
            (("system", "Snow in Ghent."), ("user", "Where?"), ("assistant", "Ghent"), ("user", "?"), ("assistant", "!")),
            "whose last paragraph",
        ),
    ],
)
def test_an_answer_without_its_one_place_is_named_by_its_line_and_not_repeated(turns: tuple[tuple[str, str], ...], said: str) -> None:
    with pytest.raises(DatasetError, match="talks:2") as caught:
        planned(asked_of(*turns))
    assert said in str(caught.value)
    assert not any(text.strip() in str(caught.value) for _, text in turns if len(text.strip()) > 3)


def test_on_machines_that_are_named_the_adapter_and_what_was_changed_are_sent() -> None:
    method = SFT(epochs=1, lora=LoRA(rank=8, dropout=0.1), schedule="cosine", weight_decay=0.01)
    values = details(planned(recipe().model_copy(update={"method": method}), compute="gpu"))["hyperParameters"]
    assert values == {
        "num_train_epochs": "1",
        "lr_scheduler_type": "cosine",
        "weight_decay": "0.01",
        "apply_lora": "true",
        "lora_r": "8",
        "lora_alpha": "16",
        "lora_dropout": "0",
    } | {"lora_dropout": "0.1"}


def test_all_weights_are_said_in_so_many_words_where_machines_are_named_and_refused_to_say_nothing_elsewhere() -> None:
    full = recipe().model_copy(update={"method": SFT(weights=Full())})
    assert details(planned(full, compute="gpu"))["hyperParameters"]["apply_lora"] == "false"
    with pytest.raises(Unsupported, match="machines of its own"):
        planned(full)


def test_what_is_not_sent_is_named() -> None:
    notes = " ".join(planned(recipe().model_copy(update={"method": SFT(schedule="cosine", warmup_ratio=0.2), "seed": 7})).notes)
    assert all(name in notes for name in ("schedule", "warmup_ratio", "seed", "epochs"))


def test_the_road_of_azure_openai_has_its_own_hyperparameters() -> None:
    plan = planned(recipe(GPT).model_copy(update={"method": SFT(epochs=3, batch_size=4, learning_rate_multiplier=0.5)}))
    assert details(plan)["modelProvider"] == "AzureOpenAI"
    assert details(plan)["hyperParameters"] == {"nEpochs": 3, "batchSize": 4, "learningRateMultiplier": 0.5}


def test_where_a_job_runs_is_said_by_the_recipe_before_the_profile() -> None:
    body = planned(recipe(instance_types=["Standard_NC6s_v3"], job_tier="spot"), compute="gpu").requests[0].body["properties"]
    assert "computeId" not in body
    assert (body["resources"], body["queueSettings"]) == ({"instanceTypes": ["Standard_NC6s_v3"]}, {"jobTier": "Spot"})


@pytest.mark.parametrize(
    ("chosen", "kind", "words"),
    [
        (recipe("no-such-model"), UnknownModel, "azureml://registries/"),
        (recipe(task="translation"), Unsupported, "not carried yet"),
        (recipe(task="text_completion"), Unsupported, "text completion"),
        (recipe(task="image_classification"), Unsupported, "images"),
        (recipe(task="text_classification"), RecipeError, "method classify"),
        (recipe(tags={"tuneport_plan": "x"}), RecipeError, "Tuneport's own"),
        (recipe(compute="a", instance_types=["b"]), RecipeError, "not on both"),
        (recipe(GPT, compute="a"), RecipeError, "Azure OpenAI has its own machines"),
        (recipe(GPT, hyperparameters={"a": "b"}), RecipeError, "hyperparameters"),
        (recipe().model_copy(update={"method": DPO()}), Unsupported, "dpo"),
        (recipe().model_copy(update={"method": SFT(learning_rate_multiplier=2)}), RecipeError, "absolute learning rate"),
        (recipe(GPT).model_copy(update={"method": SFT(learning_rate=1e-4)}), RecipeError, "learning_rate_multiplier"),
        (recipe().model_copy(update={"method": SFT(neftune_alpha=5)}), Unsupported, "neftune_alpha"),
        (recipe().model_copy(update={"method": SFT(max_length=64, too_long="truncate")}), Unsupported, "too long"),
        (recipe(hyperparameters={"num_train_epochs": "5"}), RecipeError, "the recipe's epochs"),
        (recipe(task="summarization", hyperparameters={"document_key": "x"}), RecipeError, "the recipe's rows"),
        (recipe().model_copy(update={"suffix": "a model!"}), RecipeError, "letters, digits"),
        (recipe(rows=0), CheckFailed, "rows"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_a_sentence(chosen: Recipe, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as caught:
        planned(chosen)
    assert words in str(caught.value)


def test_another_scope_or_other_machines_make_another_plan() -> None:
    plans = {planned(recipe()).fingerprint, planned(recipe(), workspace="other").fingerprint, planned(recipe(), compute="gpu").fingerprint}
    assert len(plans) == 3


# --- names ------------------------------------------------------------------------------------------------------------------------------


def test_a_job_is_named_alone_or_after_its_workspace() -> None:
    here = place()
    assert job_name(here, "azureml:abc") == job_name(here, f"{here.scope}/abc") == "abc"
    for wrong in ("", "a b", "../jobs", f"{SUBSCRIPTION}/tuning/elsewhere/abc"):
        with pytest.raises(NotFound):
            job_name(here, wrong)


def test_ids_of_data_and_models_are_read_back() -> None:
    here, name = place(), f"tuneport-{'a' * 32}"
    assert data_name_of(here, data_id(here, name)) == name
    assert data_name_of(here, f"azureml:{data_id(here, name)}") == name
    assert data_name_of(place(workspace="other"), data_id(here, name)) is None
    assert data_name_of(here, f"{here.id}/data/somebodys/versions/1") is None
    assert model_parts(model_id("m-1", "3")) == ("m-1", "3")
    assert model_parts("models/../versions/1") is None


# --- answers ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["hibernating", "", None, 7])
def test_a_word_that_nobody_told_us_of_is_unknown_and_no_end(word: Any) -> None:
    assert job_state(word) is JobState.UNKNOWN
    assert snapshot_of({"name": "a", "properties": {"status": word}}).state is JobState.UNKNOWN


@pytest.mark.parametrize("properties", [{}, {"status": "Completed"}, {"status": "Completed", "outputs": None}, {"fineTuningDetails": 7}])
def test_an_answer_with_next_to_nothing_in_it_is_a_snapshot_all_the_same(properties: dict[str, Any]) -> None:
    said = snapshot_of({"name": "a", "properties": properties})
    assert (said.provider_id, said.model, said.client_id) == ("a", None, None)


def datastore(**properties: Any) -> dict[str, Any]:
    usual = {"datastoreType": "AzureBlob", "accountName": "contoso", "containerName": "data", "endpoint": "core.windows.net"}
    return {"properties": {**usual, **properties}}


def test_data_go_to_the_clouds_own_storage_and_nowhere_else() -> None:
    assert store_of(place(), datastore()).account_url == "https://contoso.blob.core.windows.net"
    for wrong in ({"endpoint": "evil.example"}, {"endpoint": "127.0.0.1:80"}, {"accountName": "a.b/c"}, {"datastoreType": "AzureFile"}):
        with pytest.raises(Refused):
            store_of(place(), datastore(**wrong))


def test_the_token_goes_to_microsofts_run_history_and_nowhere_else() -> None:
    def workspace(host: str) -> dict[str, Any]:
        return {"properties": {"mlFlowTrackingUri": f"azureml://{host}/mlflow/v1.0/x"}}

    assert api_url(place(), workspace("westeurope.api.azureml.ms")) == "https://westeurope.api.azureml.ms"
    for host in ("evil.example", "api.azureml.ms.evil.example", "127.0.0.1:80", ""):
        with pytest.raises(Refused):
            api_url(place(), workspace(host))


def test_a_log_is_read_from_the_clouds_storage_alone() -> None:
    assert is_log_address(place(), "https://contoso.blob.core.windows.net/x?sig=y")
    assert not is_log_address(place(), "http://contoso.blob.core.windows.net/x")
    assert not is_log_address(place(), "https://core.windows.net.evil.example/x")


def test_events_are_in_order_and_keep_their_ids_as_the_log_grows() -> None:
    made = datetime(2026, 11, 21, 9, tzinfo=UTC)
    running = {"status": "Running", "startTimeUtc": "2026-11-21T09:10:00Z"}
    early = list(events_of(running, created=made, log=["one", "", "two"]))
    done = running | {"status": "Failed", "endTimeUtc": "2026-11-21T10:00:00Z", "error": {"error": {"message": "out of memory"}}}
    late = list(events_of(done, created=made, log=["one", "", "two", "three"]))
    assert [each.id for each in early] == ["created", "started", "log-0", "log-2"]
    assert [each.id for each in late[:4]] == [each.id for each in early]
    assert (late[-1].level, late[-1].message) == ("error", "failed: out of memory")


def test_the_log_of_the_user_is_the_one_that_is_read() -> None:
    files = {"system_logs/a.log": "https://a", "user_logs/std_log.txt": "https://b", "user_logs/a.txt": "https://c"}
    assert log_of({"logFiles": files}) == ("user_logs/std_log.txt", "https://b")
    assert log_of({"logFiles": {"user_logs/a.txt": "https://c"}}) == ("user_logs/a.txt", "https://c")
    assert log_of({"logFiles": {"system_logs/a.log": "https://a"}}) is None


def test_metrics_of_one_step_are_joined_by_the_names_that_we_use() -> None:
    rows = [{"step": 5, "value": 1.5, "timestamp": 1_795_251_600_000}, {"step": 10, "value": "nan"}]
    found = metrics_of([("train_loss", rows), ("train/learning_rate", [{"step": 5, "value": 2e-5}])])
    assert [(each.step, each.values) for each in found] == [(5, {"loss": 1.5, "learning_rate": 2e-5})]
    assert metric_keys({"run": {"data": {"metrics": [{"key": "b"}, {"key": "a"}, {}]}}}) == ["a", "b"]


def test_the_base_of_the_tests_is_in_the_catalogue() -> None:
    assert planned(recipe(PHI.lower())).base == PHI
    assert planned(recipe().model_copy(update={"validation": chats(5, about="parcel")})).files[1].purpose == "validation"
