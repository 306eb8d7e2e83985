"""Azure's dialect: ids with their resource, training types as the API spells them, versions that are too old, plans."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from tuneport_azure.wire.dialect import AZURE
from tuneport_azure.wire.ids import bare, public
from tuneport_azure.wire.options import training_type_of
from tuneport_azure.wire.plans import ImportedFile, to_plan
from tuneport_azure.wire.versions import too_old
from tuneport_openai.wire.jobs import snapshot_of

from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed, NotFound, RecipeError, UnknownModel, Unsupported
from tuneport.examples import ChatExample, ImagePart, Message, PreferenceExample, PromptExample, TextPart
from tuneport.graders import StringCheck
from tuneport.job import JobState
from tuneport.methods import DPO, GRPO
from tuneport.plan import Plan
from tuneport.recipe import Recipe

TODAY = date(2026, 11, 21)
TUNED = "gpt-4.1-2025-04-14.ft-0f3c0f3c0f3c0f3c0f3c0f3c0f3c0f3c-cards"


def chat(number: int) -> ChatExample:
    return ChatExample((Message("user", f"question {number}"), Message("assistant", f"answer {number}")))


def pair(number: int) -> PreferenceExample:
    return PreferenceExample((Message("user", f"ask {number}"),), (Message("assistant", "good"),), (Message("assistant", "bad"),))


def recipe(examples: list[Any] | None = None, **settings: Any) -> Recipe:
    rows = [chat(number) for number in range(12)] if examples is None else examples
    return Recipe(**{"base": "gpt-4.1-mini", "train": Dataset.from_examples(rows, name="rows"), **settings})


def plan(wanted: Recipe, *, training_type: str = "global", version: str | None = None, on: date = TODAY, provider: str = "azure") -> Plan:
    base = wanted.base_for(provider)
    return to_plan(
        wanted,
        provider=provider,
        scope="contoso.openai.azure.com",
        base=base,
        on=on,
        training_type=training_type,
        version=version,
    )


def body(wanted: Recipe, **how: Any) -> dict[str, Any]:
    return plan(wanted, **how).requests[-1].body


# --- ids --------------------------------------------------------------------------------------------------------------------------------


def test_an_id_begins_with_its_resource_and_is_taken_with_or_without() -> None:
    shown = public("contoso", "ftjob-1")
    assert shown == "contoso/ftjob-1"
    for given in (shown, "Contoso/ftjob-1", "ftjob-1"):
        assert bare("contoso", given, profile="azure") == "ftjob-1"
    assert bare("contoso", "contoso/deployments/cards", profile="azure") == "deployments/cards"
    assert bare("contoso", "deployments/cards", profile="azure") == "deployments/cards"


def test_an_id_of_another_resource_names_it_and_says_what_to_write() -> None:
    with pytest.raises(NotFound, match="belongs to the resource fabrikam, and azure is set up for contoso") as refused:
        bare("contoso", "fabrikam/ftjob-1", profile="azure")
    assert "[providers.NAME]" in refused.value.remedy


# --- words ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("created", JobState.CREATED),
        ("pending", JobState.CREATED),
        ("validating_files", JobState.VALIDATING),
        ("queued", JobState.QUEUED),
        ("running", JobState.RUNNING),
        ("pausing", JobState.PAUSING),
        ("paused", JobState.PAUSED),
        ("resuming", JobState.QUEUED),
        ("succeeded", JobState.SUCCEEDED),
        ("failed", JobState.FAILED),
        ("cancelled", JobState.CANCELLED),
        ("thawing", JobState.UNKNOWN),
    ],
)
def test_every_word_of_the_vendors_has_its_state(word: str, state: JobState) -> None:
    found = snapshot_of({"id": "ftjob-1", "status": word, "organization_id": None, "result_files": None, "error": None}, dialect=AZURE)
    assert (found.state, found.provider_state, found.state.terminal) == (state, word, state.terminal)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Standard", "standard"),
        ("GlobalStandard", "global"),
        ("globalstandard", "global"),
        ("developerTier", "developer"),
        ("DeveloperTier", "developer"),
        (0, "standard"),
        (1, "global"),
        (None, None),
        ("batch", None),
    ],
)
def test_a_training_type_is_read_whatever_its_spelling(said: object, meant: str | None) -> None:
    assert training_type_of({"trainingType": said}) == meant


def test_a_version_is_too_old_before_methods_and_training_types_came() -> None:
    assert [
        too_old(each) for each in (None, "2024-10-21", "2025-03-01-preview", "2025-04-01-preview", "2025-05-01", "2026-01-01-preview")
    ] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]


# --- plans ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("chosen", "wire"), [("standard", "Standard"), ("global", "GlobalStandard"), ("developer", "developerTier")])
@pytest.mark.parametrize("version", [None, "2025-04-01-preview"])
def test_the_training_type_is_always_sent_and_spelled_as_the_api_does(chosen: str, wire: str, version: str | None) -> None:
    assert body(recipe(), training_type=chosen, version=version)["trainingType"] == wire
    assert body(recipe(options={"azure": {"training_type": chosen}}), version=version)["trainingType"] == wire


def test_another_training_type_is_another_job() -> None:
    assert plan(recipe()).fingerprint != plan(recipe(), training_type="developer").fingerprint


def test_a_developer_job_is_told_to_be_paused_by_the_vendor() -> None:
    assert any("paused and resumed by the vendor" in note for note in plan(recipe(), training_type="developer").notes)


def test_a_version_without_training_types_cannot_train() -> None:
    with pytest.raises(Unsupported, match="2024-10-21 is too old") as refused:
        plan(recipe(), version="2024-10-21")
    assert "v1" in refused.value.remedy


def test_a_base_is_not_trained_in_a_tier_that_the_catalogue_does_not_have_for_it() -> None:
    with pytest.raises(Unsupported, match="gpt-oss-20b is not trained as developer"):
        plan(recipe(base="gpt-oss-20b"), training_type="developer")


def test_files_begin_with_a_byte_order_mark() -> None:
    data = b"".join(plan(recipe()).files[0].chunks())
    assert data.startswith(b"\xef\xbb\xbf")
    assert json.loads(data.decode("utf-8-sig").splitlines()[0])["messages"][0]["content"] == "question 0"


@pytest.mark.parametrize("suffix", ["a" * 19, "cards.v2"])
def test_a_suffix_has_eighteen_characters_at_most_and_no_dots(suffix: str) -> None:
    with pytest.raises(RecipeError, match="suffix"):
        plan(recipe(suffix=suffix))
    assert body(recipe(suffix="a" * 18))["suffix"] == "a" * 18


def test_methods_are_spelled_as_the_api_has_them() -> None:
    chosen = body(recipe([pair(number) for number in range(12)], method=DPO(beta=0.2)))["method"]
    assert chosen == {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}}
    prompts = [PromptExample((Message("user", f"ask {number}"),), reference=str(number)) for number in range(12)]
    grader = StringCheck(input="{{sample.output_text}}", reference="{{item.reference}}", operation="eq")
    validation = Dataset.from_examples(prompts[:3], name="validation")
    found = body(recipe(prompts, base="o4-mini", method=GRPO(grader=grader), validation=validation))
    assert found["method"]["type"] == "reinforcement"
    assert found["method"]["reinforcement"]["grader"]["type"] == "string_check"
    assert found["trainingType"] == "GlobalStandard"


def test_images_are_taken_where_they_are_offered() -> None:
    seen = (TextPart("what is it?"), ImagePart("https://example.org/card.png"))
    rows = [ChatExample((Message("user", seen), Message("assistant", f"a card {number}"))) for number in range(12)]
    assert plan(recipe(rows, base="gpt-4o")).files
    with pytest.raises((CheckFailed, Unsupported)):
        plan(recipe(rows, base="gpt-4.1-mini"))


def test_an_unknown_base_is_named_with_the_nearest_and_another_method_with_its_bases() -> None:
    with pytest.raises(UnknownModel, match=r"gpt-4\.2-mini"):
        plan(recipe(base="gpt-4.2-mini"))
    with pytest.raises(Unsupported, match="not trained by sft"):
        plan(recipe(base="o4-mini"))


def test_training_goes_on_from_tuned_openai_models_only() -> None:
    assert body(recipe(base=TUNED))["model"] == TUNED
    with pytest.raises(Unsupported, match="goes on from tuned OpenAI models only"):
        plan(recipe(base="gpt-oss-20b.ft-0f3c"))
    with pytest.raises(Unsupported, match="checkpoint"):
        plan(recipe(base="ftchkpt-0f3c"))


def test_options_are_those_of_the_profile_or_of_azure() -> None:
    options = {"azure": {"training_type": "developer"}, "north": {"training_type": "standard"}}
    assert body(recipe(options=options))["trainingType"] == "developerTier"
    assert body(recipe(options=options), provider="north")["trainingType"] == "Standard"
    assert body(recipe(options=options), provider="south")["trainingType"] == "developerTier"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"training_type": "Developer"}, "training_type"),
        ({"trainingtype": "global"}, "training_type"),
        ({"import_env": {"train": "https://account.blob.core.windows.net/rows?sig=secret-signature"}}, "environment variable"),
        ({"import_env": {"test": "ROWS"}}, "import_env"),
        ({"import_env": {"validation": "ROWS"}}, "the recipe has none"),
    ],
)
def test_an_impossible_option_is_refused_by_its_name(options: dict[str, Any], why: str) -> None:
    with pytest.raises(RecipeError, match=why) as refused:
        plan(recipe(options={"azure": options}))
    assert "secret-signature" not in str(refused.value)


def test_a_file_that_is_to_be_fetched_says_from_which_variable_and_is_planned_all_the_same() -> None:
    wanted = recipe(options={"azure": {"import_env": {"train": "ROWS_URL"}}})
    (file,) = plan(wanted).files
    assert isinstance(file, ImportedFile)
    assert (file.variable, file.sha256) == ("ROWS_URL", plan(recipe()).files[0].sha256)
