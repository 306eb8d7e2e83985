"""Azure's emulator on the management plane, driven by the real management client; and what deployments answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
import openai
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from openai import OpenAI
from tuneport_azure.emulator import AT_ONCE, UNLIMITED, AzureCourse, AzureEmulator, AzureHabits, DeploymentCourse, Quotas
from tuneport_azure.emulator.platform import GROUP, START, SUBSCRIPTION

from tuneport.testing.emulator import SteppedClock

from .azure_emulated import GPT, begun, chat_rows, dated, deployable, management, put, tuned, v1

DAY_S = 24 * 3600.0
QUESTION: Any = [{"role": "user", "content": "Card 3 is blocked"}]


@pytest.fixture
def managed(emulator: AzureEmulator) -> CognitiveServicesManagementClient:
    return management(emulator)


def state(client: CognitiveServicesManagementClient, name: str = "cards") -> str | None:
    properties = client.deployments.get(GROUP, "contoso", name).properties
    return properties.provisioning_state if properties else None


def names(client: CognitiveServicesManagementClient, account: str = "contoso") -> list[str | None]:
    return [one.name for one in client.deployments.list(GROUP, account)]


def refused(ask: Callable[[], object], kind: type[HttpResponseError] = HttpResponseError) -> tuple[int | None, str | None]:
    """Status and code."""
    with pytest.raises(kind) as caught:
        ask()
    return caught.value.status_code, caught.value.error.code if caught.value.error else None


def said(client: OpenAI, name: str = "cards") -> str | None:
    """The answer of a deployment, or the code with which it refuses."""
    try:
        return client.chat.completions.create(model=name, messages=QUESTION).choices[0].message.content
    except openai.APIStatusError as error:
        return error.code


# --- coming to be -----------------------------------------------------------------------------------------------------------------------


def test_a_deployment_is_accepted_created_and_answers_late(
    client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock
) -> None:
    made = put(managed, "cards", deployable(tuned(client, clock).fine_tuned_model))
    assert made.properties.provisioning_state == "Accepted"
    seen = []
    for step_s in (0, 5, 174, 1, 60, 60):
        clock.advance(step_s)
        seen.append((state(managed), said(client)))
    assert seen == [
        ("Accepted", "DeploymentNotFound"),
        ("Creating", "DeploymentNotFound"),
        ("Creating", "DeploymentNotFound"),
        ("Succeeded", "DeploymentNotFound"),
        ("Succeeded", "DeploymentNotReady"),
        ("Succeeded", "blocked"),
    ]


@pytest.mark.parametrize("announces", [True, False])
def test_the_sdk_follows_a_put_and_a_delete_to_their_ends(announces: bool) -> None:
    with AzureEmulator(habits=AzureHabits(announces_operations=announces), deployment=AT_ONCE) as emulator:
        clock = emulator.clock
        assert isinstance(clock, SteppedClock)
        managed = management(emulator)
        body: Any = deployable(tuned(v1(emulator), clock).fine_tuned_model)
        made = managed.deployments.begin_create_or_update(GROUP, "contoso", "cards", body).result()
        assert made.properties is not None
        assert made.properties.provisioning_state == "Succeeded"
        managed.deployments.begin_delete(GROUP, "contoso", "cards").result()
        assert names(managed) == []


def test_an_operation_tells_how_it_goes(
    emulator: AzureEmulator, client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock
) -> None:
    headers: dict[str, str] = {}
    body: Any = deployable(tuned(client, clock).fine_tuned_model)
    hook: Any = lambda answer: headers.update(answer.http_response.headers)  # noqa: E731
    managed.deployments.begin_create_or_update(GROUP, "contoso", "cards", body, polling=False, raw_response_hook=hook)
    url = {name.lower(): value for name, value in headers.items()}["azure-asyncoperation"]
    token = {"Authorization": f"Bearer {emulator.token()}"}
    seen = []
    for step_s in (0, 179, 1):
        clock.advance(step_s)
        seen.append(httpx2.get(url, headers=token).json()["status"])
    assert seen == ["InProgress", "InProgress", "Succeeded"]


def test_a_deployment_can_fail_and_be_deleted(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, deployment=lambda number: DeploymentCourse(ends="Failed" if number == 1 else "Succeeded")) as emulator:
        client, managed = v1(emulator), management(emulator)
        model = tuned(client, clock).fine_tuned_model
        put(managed, "cards", deployable(model))
        clock.advance(300)
        assert (state(managed), said(client)) == ("Failed", "DeploymentNotFound")
        managed.deployments.begin_delete(GROUP, "contoso", "cards", polling=False)
        assert state(managed) == "Deleting"
        clock.advance(20)
        assert names(managed) == []
        put(managed, "cards", deployable(model))
        clock.advance(300)
        assert (state(managed), said(client)) == ("Succeeded", "blocked")


def test_a_deployment_says_what_it_is_and_when_it_was_made(
    client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock
) -> None:
    model, made_at = tuned(client, clock).fine_tuned_model, clock.now()
    put(managed, "cards", deployable(model, sku="developertier", capacity=7))
    clock.advance(1000)
    shown = managed.deployments.get(GROUP, "contoso", "cards")
    assert shown.id == (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.CognitiveServices/accounts/contoso/deployments/cards"
    )
    assert shown.sku is not None
    assert shown.properties is not None
    assert shown.properties.model is not None
    assert shown.system_data is not None
    assert (shown.sku.name, shown.sku.capacity, shown.properties.model.name) == ("DeveloperTier", 7, model)
    assert shown.system_data.created_at == made_at


# --- upsert, and one operation at a time ------------------------------------------------------------------------------------------------


def test_a_put_on_an_old_name_replaces_the_model_without_a_word(
    emulator: AzureEmulator, client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock
) -> None:
    first, second = tuned(client, clock), tuned(client, clock, suffix="second")
    put(managed, "cards", deployable(first.fine_tuned_model))
    clock.advance(300)
    made_at = managed.deployments.get(GROUP, "contoso", "cards").system_data
    put(managed, "cards", deployable(second.fine_tuned_model))
    assert [entry.status for entry in emulator.log if entry.method == "PUT"] == [201, 200]
    clock.advance(300)
    shown: Any = managed.deployments.get(GROUP, "contoso", "cards")
    assert (names(managed), shown.properties.model.name) == (["cards"], second.fine_tuned_model)
    assert made_at is not None
    assert shown.system_data.created_at == made_at.created_at


def test_one_operation_at_a_time_on_an_account(client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock) -> None:
    body: Any = deployable(tuned(client, clock).fine_tuned_model)
    put(managed, "one", body)
    for ask in (lambda: put(managed, "two", body), lambda: managed.deployments.begin_delete(GROUP, "contoso", "one", polling=False)):
        assert refused(ask, ResourceExistsError) == (409, "RequestConflict")
    clock.advance(180)
    put(managed, "two", body)
    clock.advance(180)
    assert names(managed) == ["one", "two"]


def test_deleting_what_is_not_there_is_no_error(emulator: AzureEmulator, managed: CognitiveServicesManagementClient) -> None:
    managed.deployments.begin_delete(GROUP, "contoso", "cards", polling=False)
    assert emulator.log.of()[-1].status == 204


# --- what can be deployed ---------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_deployed_by_its_id_and_knows_less(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, deployment=AT_ONCE) as emulator:
        client, managed = v1(emulator), management(emulator)
        checkpoint = client.fine_tuning.jobs.checkpoints.list(tuned(client, clock).id).data[1]
        put(managed, "cards", deployable(checkpoint.id))
        assert said(client) == "blocked"
        named = deployable(checkpoint.fine_tuned_model_checkpoint)
        assert refused(lambda: put(managed, "named", named)) == (400, "DeploymentModelNotSupported")
        question: Any = [{"role": "user", "content": "Card 19 is blocked"}]
        whole = client.chat.completions.create(model="cards", messages=question).choices[0].message.content
        assert whole == "blocked"


def test_a_base_can_be_deployed_too(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, deployment=AT_ONCE) as emulator:
        client, managed = v1(emulator), management(emulator)
        model = {"format": "OpenAI", "name": "gpt-4.1-mini", "version": "2025-04-14"}
        put(managed, "base", {"sku": {"name": "GlobalStandard", "capacity": 50}, "properties": {"model": model}})
        assert (said(client, "base") or "").startswith("As a general model")
        clock.advance(100 * DAY_S)
        assert names(managed) == ["base"]


def test_a_model_of_another_region_is_deployed_by_its_source(emulator: AzureEmulator, clock: SteppedClock) -> None:
    managed, nordic = management(emulator), v1(emulator, resource="nordic")
    model = tuned(nordic, clock).fine_tuned_model
    assert refused(lambda: put(managed, "cards", deployable(model))) == (400, "DeploymentModelNotSupported")
    source = emulator.resource("nordic").arm_id
    put(managed, "cards", deployable(model, source=source))
    clock.advance(300)
    assert said(v1(emulator)) == "blocked"
    for wrong in (f"{source}0", emulator.resource("remote").arm_id):
        assert refused(partial(put, managed, "more", deployable(model, source=wrong)))[0] == 400


def test_a_source_that_one_may_not_read_is_not_found(emulator: AzureEmulator, clock: SteppedClock) -> None:
    model = tuned(v1(emulator, resource="nordic"), clock).fine_tuned_model
    narrow = management(emulator, emulator.token(resources=["contoso"]))
    body = deployable(model, source=emulator.resource("nordic").arm_id)
    assert refused(lambda: put(narrow, "cards", body)) == (400, "InvalidResourceProperties")
    assert refused(lambda: names(narrow, "nordic")) == (403, "AuthorizationFailed")
    assert names(narrow) == []


def changed(**paths: Any) -> Callable[[Any], None]:
    """Sets values in a body; two underscores part the names of a path."""

    def spoil(body: Any) -> None:
        for path, value in paths.items():
            *outer, last = path.split("__")
            inner = body
            for name in outer:
                inner = inner[name]
            inner[last] = value

    return spoil


@pytest.mark.parametrize(
    ("spoil", "answer"),
    [
        (changed(sku__name="Basic"), (400, "InvalidResourceProperties")),
        (changed(sku__name="Standard"), (400, "InvalidResourceProperties")),
        (changed(sku__capacity=0), (400, "InvalidRequestContent")),
        (changed(sku__units=1), (400, "InvalidRequestContent")),
        (changed(properties__colour="red"), (400, "InvalidRequestContent")),
        (changed(properties__model__name="gpt-0"), (400, "DeploymentModelNotSupported")),
        (changed(properties__model__version="2"), (400, "DeploymentModelNotSupported")),
        (changed(properties__model__format="Meta"), (500, "InternalServerError")),
        (changed(properties={}), (400, "InvalidRequestContent")),
        (changed(sku=None), (400, "InvalidRequestContent")),
    ],
)
def test_a_body_that_is_wrong_is_refused(
    client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock, spoil: Callable[[Any], None], answer: tuple[int, str]
) -> None:
    body: Any = deployable(tuned(client, clock).fine_tuned_model)
    spoil(body)
    raw: Any = json.dumps(body).encode()
    assert refused(lambda: put(managed, "cards", raw)) == answer
    assert names(managed) == []


def test_a_name_has_letters_digits_and_few_signs(client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock) -> None:
    body = deployable(tuned(client, clock).fine_tuned_model)
    for name in ("a", "two words", "_cards", "c" * 65):
        assert refused(partial(put, managed, name, body)) == (400, "InvalidResourceName")


def test_a_model_that_is_found_harmful_is_not_deployed(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, course=AzureCourse(harmful=True)) as emulator:
        body = deployable(tuned(v1(emulator), clock).fine_tuned_model)
        with pytest.raises(HttpResponseError, match="above acceptable thresholds"):
            put(management(emulator), "cards", body)


def test_a_tune_is_not_deployed_past_its_day(client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock) -> None:
    body = deployable(tuned(client, clock).fine_tuned_model)
    clock.advance(330 * DAY_S)
    assert refused(lambda: put(managed, "cards", body)) == (400, "ServiceModelDeprecated")


# --- quotas -----------------------------------------------------------------------------------------------------------------------------


def test_capacity_comes_from_a_pool_of_the_region(client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock) -> None:
    model = tuned(client, clock).fine_tuned_model
    put(managed, "one", deployable(model, capacity=200))
    clock.advance(180)
    with pytest.raises(HttpResponseError) as full:
        put(managed, "two", deployable(model, capacity=51))
    assert (full.value.status_code, full.value.error and full.value.error.code) == (400, "InsufficientQuota")
    pool = "OpenAI.GlobalStandard.gpt4.1-mini-finetune"
    assert f"require 51 new capacity in quota {pool}, which is bigger than the current available capacity 50." in str(full.value)
    taken = {usage.name.value: usage.current_value for usage in managed.usages.list("eastus2") if usage.name}
    assert taken[pool] == 200
    put(managed, "one", deployable(model, capacity=250))
    clock.advance(180)
    put(managed, "two", deployable(model, sku="DeveloperTier", capacity=250))


def test_a_pool_is_shared_by_the_accounts_of_a_region_and_by_no_other(emulator: AzureEmulator, clock: SteppedClock) -> None:
    managed, neighbour = management(emulator), emulator.add_resource("fabrikam", location="eastus2")
    for account in ("contoso", "nordic"):
        body = deployable(tuned(v1(emulator, resource=account), clock).fine_tuned_model, capacity=200)
        put(managed, "cards", body, account=account)
    body = deployable(tuned(v1(emulator, resource=neighbour.name), clock).fine_tuned_model, capacity=51)
    assert refused(lambda: put(managed, "cards", body, account=neighbour.name)) == (400, "InsufficientQuota")


def test_an_account_has_room_for_so_many_tunes(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, quotas=Quotas(deployments=1), deployment=AT_ONCE) as emulator:
        managed, body = management(emulator), deployable(tuned(v1(emulator), clock).fine_tuned_model)
        put(managed, "one", body)
        assert refused(lambda: put(managed, "two", body)) == (400, "InsufficientQuota")
        put(managed, "one", body)


def test_a_deployment_answers_as_often_as_its_capacity_allows(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, habits=AzureHabits(throttles=True), deployment=AT_ONCE) as emulator:
        client = v1(emulator)
        put(management(emulator), "cards", deployable(tuned(client, clock).fine_tuned_model, capacity=2))
        first = [said(client)]
        clock.advance(10)
        assert [*first, said(client), said(client)] == ["blocked", "blocked", "RateLimitReached"]
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(model="cards", messages=QUESTION)
        assert limited.value.response.headers["retry-after"] == "50"
        clock.advance(50)
        assert [said(client), said(client)] == ["blocked", "RateLimitReached"]


# --- ending by itself -------------------------------------------------------------------------------------------------------------------


def test_a_deployment_that_is_not_asked_for_15_days_is_gone_and_its_model_is_not(
    emulator: AzureEmulator, client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock
) -> None:
    job = tuned(client, clock)
    put(managed, "cards", deployable(job.fine_tuned_model))
    clock.advance(10 * DAY_S)
    assert said(client) == "blocked"
    clock.advance(14.9 * DAY_S)
    assert names(managed) == ["cards"]
    clock.advance(0.1 * DAY_S)
    assert (names(managed), said(client)) == ([], "DeploymentNotFound")
    assert [gone.removed_because for gone in emulator.resource().removed] == ["idle"]
    put(managed, "cards", deployable(job.fine_tuned_model))
    clock.advance(300)
    assert said(client) == "blocked"


def test_a_developer_deployment_is_gone_after_24_hours_however_used(
    emulator: AzureEmulator, client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock
) -> None:
    put(managed, "cards", deployable(tuned(client, clock).fine_tuned_model, sku="DeveloperTier"))
    clock.advance(DAY_S - 1)
    assert said(client) == "blocked"
    clock.advance(1)
    assert (names(managed), said(client)) == ([], "DeploymentNotFound")
    assert [gone.removed_because for gone in emulator.resource().removed] == ["24 hours"]


# --- answering --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def deployed(emulator: AzureEmulator, client: OpenAI, managed: CognitiveServicesManagementClient, clock: SteppedClock) -> AzureEmulator:
    """With a deployment `cards` that answers."""
    put(managed, "cards", deployable(tuned(client, clock).fine_tuned_model))
    clock.advance(300)
    return emulator


def test_a_deployment_answers_by_its_name_on_v1_and_by_its_path_on_dated_versions(deployed: AzureEmulator) -> None:
    for client in (v1(deployed), dated(deployed)):
        answer: Any = client.chat.completions.create(model="cards", messages=QUESTION)
        assert answer.choices[0].message.content == "blocked"
        assert answer.model.startswith(f"{GPT}.ft-")
        assert answer.prompt_filter_results[0]["content_filter_results"]["jailbreak"] == {"filtered": False, "detected": False}
        assert answer.choices[0].content_filter_results["hate"] == {"filtered": False, "severity": "safe"}
        assert answer.usage.total_tokens > 2
    paths = [entry.path for entry in deployed.log if entry.path.endswith("/chat/completions")]
    assert paths == ["/contoso/openai/v1/chat/completions", "/contoso/openai/deployments/cards/chat/completions"]


def test_a_model_is_not_asked_by_its_own_name(deployed: AzureEmulator, client: OpenAI) -> None:
    model = client.fine_tuning.jobs.list().data[0].fine_tuned_model
    assert (said(client, str(model)), said(client, GPT)) == ("DeploymentNotFound", "DeploymentNotFound")
    assert said(v1(deployed, resource="nordic")) == "DeploymentNotFound"


def test_a_question_that_is_wrong_is_refused_in_openais_spelling(deployed: AzureEmulator) -> None:
    for client in (v1(deployed), dated(deployed)):
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model="cards", messages=[])
        assert (refused.value.type, refused.value.param) == ("invalid_request_error", "messages")


def test_a_stream_begins_with_what_the_filter_thought_of_the_prompt(deployed: AzureEmulator, client: OpenAI) -> None:
    chunks: list[Any] = list(client.chat.completions.create(model="cards", messages=QUESTION, stream=True))
    assert chunks[0].choices == []
    assert chunks[0].prompt_filter_results[0]["prompt_index"] == 0
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[1:]) == "blocked"
    assert chunks[1].choices[0].content_filter_results["violence"]["filtered"] is False


def test_a_prompt_can_be_filtered(deployed: AzureEmulator, client: OpenAI) -> None:
    question: Any = [{"role": "user", "content": "Please, EMULATOR-UNSAFE"}]
    with pytest.raises(openai.BadRequestError) as filtered:
        client.chat.completions.create(model="cards", messages=question)
    body: Any = filtered.value.body
    assert (filtered.value.code, filtered.value.param) == ("content_filter", "prompt")
    assert body["innererror"]["code"] == "ResponsibleAIPolicyViolation"


def test_an_answer_can_be_filtered(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, deployment=AT_ONCE) as emulator:
        client, rows = v1(emulator), chat_rows()
        rows[0]["messages"][1]["content"] = "It is EMULATOR-FILTERED"
        put(management(emulator), "cards", deployable(tuned(client, clock, rows).fine_tuned_model))
        question: Any = [{"role": "user", "content": "Card 0 is lost"}]
        choice: Any = client.chat.completions.create(model="cards", messages=question).choices[0]
        assert (choice.finish_reason, choice.message.content) == ("content_filter", None)
        assert choice.content_filter_results["violence"]["filtered"] is True


# --- Azure Monitor ----------------------------------------------------------------------------------------------------------------------


def measured(emulator: AzureEmulator, token: str | None = None, **asked: str) -> httpx2.Response:
    params = {
        "api-version": "2023-10-01",
        "metricnames": "AzureOpenAIRequests",
        "timespan": "2026-11-15T00:00:00Z/2026-12-15T00:00:00Z",
        "interval": "P1D",
        "aggregation": "Total",
        "$filter": "ModelDeploymentName eq '*'",
    } | asked
    url = f"{emulator.management_url}{emulator.resource().arm_id}/providers/Microsoft.Insights/metrics"
    return httpx2.get(url, params=params, headers={"Authorization": f"Bearer {token or emulator.token()}"})


def test_azure_monitor_tells_how_often_a_deployment_was_asked_each_day(
    deployed: AzureEmulator, client: OpenAI, clock: SteppedClock
) -> None:
    for _ in range(3):
        said(client)
    clock.advance(2 * DAY_S)
    said(client)
    assert said(client, "stranger") == "DeploymentNotFound"
    (series,) = measured(deployed).json()["value"][0]["timeseries"]
    assert series["metadatavalues"][0]["value"] == "cards"
    day = START.date()
    counts = {point["timeStamp"][:10]: point["total"] for point in series["data"] if point["total"]}
    assert counts == {day.isoformat(): 3.0}, "what has just been asked is not known yet"
    clock.advance(180 + 1)
    (series,) = measured(deployed).json()["value"][0]["timeseries"]
    counts = {point["timeStamp"][:10]: point["total"] for point in series["data"] if point["total"]}
    assert counts == {day.isoformat(): 3.0, (day + timedelta(days=2)).isoformat(): 1.0}


@pytest.mark.parametrize(
    "asked",
    [
        {"metricnames": "Requests"},
        {"timespan": "yesterday"},
        {"timespan": "2026-01-01T00:00:00Z/2026-12-01T00:00:00Z"},
        {"interval": "P1W"},
        {"aggregation": "Average"},
        {"$filter": "Region eq '*'"},
    ],
    ids=str,
)
def test_azure_monitor_refuses_what_it_does_not_know(deployed: AzureEmulator, asked: dict[str, str]) -> None:
    answer = measured(deployed, **asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")


def test_azure_monitor_may_be_closed_to_somebody(deployed: AzureEmulator) -> None:
    answer = measured(deployed, deployed.token(role="user", without=["metrics"]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed")
    assert "Microsoft.Insights/metrics/read" in answer.json()["error"]["message"]


# --- accounts, models, usages -----------------------------------------------------------------------------------------------------------


def test_an_account_says_where_it_is(emulator: AzureEmulator, managed: CognitiveServicesManagementClient) -> None:
    account = managed.accounts.get(GROUP, "contoso")
    assert account.properties is not None
    assert (account.location, account.kind, account.id) == ("eastus2", "AIServices", emulator.resource().arm_id)
    assert (account.properties.endpoint, account.properties.disable_local_auth) == (f"{emulator.endpoint()}/", False)
    listed = [[one.name for one in page] for page in (managed.accounts.list(), managed.accounts.list_by_resource_group(GROUP))]
    assert listed == [["contoso", "nordic", "remote"]] * 2
    assert managed.accounts.list_keys(GROUP, "contoso").key1 == emulator.key()


def test_the_models_of_a_region_say_how_they_can_be_trained_there(managed: CognitiveServicesManagementClient) -> None:
    def tiers(account: str) -> set[str]:
        model = next(one for one in managed.accounts.list_models(GROUP, account) if one.name == "gpt-4.1-mini")
        return {name for name in model.capabilities or {} if name.lower().endswith("finetune")}

    assert tiers("contoso") == {"globalFineTune", "devTierFineTune"}
    assert tiers("nordic") == {"fineTune", "globalFineTune", "devTierFineTune"}
    assert tiers("remote") == set()
    there = next(one.model for one in managed.models.list("eastus2") if one.model and one.model.name == "gpt-4.1-mini")
    assert there.deprecation is not None
    assert (there.version, there.deprecation.fine_tune) == ("2025-04-14", "2027-04-14T00:00:00Z")
    assert {sku.usage_name for sku in there.skus or []} == {
        "OpenAI.GlobalStandard.gpt4.1-mini-finetune",
        "OpenAI.DeveloperTier.gpt4.1-mini-finetune",
    }


def test_free_capacity_is_told_for_each_region(deployed: AzureEmulator, managed: CognitiveServicesManagementClient) -> None:
    listed = managed.model_capacities.list(model_format="OpenAI", model_name="gpt-4.1-mini", model_version="2025-04-14")
    free = {(one.location, one.name): one.properties.available_finetune_capacity for one in listed if one.properties and one.location}
    assert (free["eastus2", "GlobalStandard"], free["eastus2", "Standard"]) == (200, 0)
    assert (free["swedencentral", "Standard"], free["norwayeast", "GlobalStandard"]) == (250, 0)


# --- who may --------------------------------------------------------------------------------------------------------------------------


def test_who_may_train_may_not_deploy(emulator: AzureEmulator, client: OpenAI, clock: SteppedClock) -> None:
    body = deployable(tuned(client, clock).fine_tuned_model)
    user = management(emulator, emulator.token(role="user"))
    assert names(user) == []
    with pytest.raises(HttpResponseError) as closed:
        put(user, "cards", body)
    assert (closed.value.status_code, closed.value.error and closed.value.error.code) == (403, "AuthorizationFailed")
    assert "Microsoft.CognitiveServices/accounts/deployments/write" in str(closed.value)
    ask: Callable[[], object] = lambda: user.deployments.begin_delete(GROUP, "contoso", "cards", polling=False)  # noqa: E731
    assert refused(ask) == (403, "AuthorizationFailed")
    nobody = management(emulator, emulator.token(role="nobody"))
    assert refused(lambda: names(nobody)) == (403, "AuthorizationFailed")


def test_tokens_expire_and_keys_are_no_tokens(emulator: AzureEmulator, clock: SteppedClock) -> None:
    short = management(emulator, emulator.token(life_s=60))
    assert names(short) == []
    clock.advance(60)
    assert refused(lambda: names(short), ClientAuthenticationError) == (401, "ExpiredAuthenticationToken")
    for wrong in (emulator.key(), "eyJ-unknown", emulator.token(audience="https://cognitiveservices.azure.com")):
        assert refused(partial(names, management(emulator, wrong)), ClientAuthenticationError) == (401, "InvalidAuthenticationToken")
    answer = httpx2.get(f"{emulator.management_url}{emulator.resource().arm_id}?api-version=2025-09-01")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AuthenticationFailed")


def test_each_thing_that_is_not_there_has_its_own_code(emulator: AzureEmulator, managed: CognitiveServicesManagementClient) -> None:
    emulator.add_resource("fabrikam", location="eastus2", group="elsewhere")
    for ask, code in (
        (lambda: managed.accounts.get("elsewhere", "contoso"), "ResourceNotFound"),
        (lambda: managed.deployments.get(GROUP, "contoso", "cards"), "ResourceNotFound"),
        (lambda: managed.accounts.get(GROUP, "stranger"), "ResourceNotFound"),
        (lambda: managed.accounts.get("nowhere", "contoso"), "ResourceGroupNotFound"),
    ):
        assert refused(ask, ResourceNotFoundError) == (404, code)
    token = {"Authorization": f"Bearer {emulator.token()}"}
    stranger = emulator.resource().arm_id.replace(SUBSCRIPTION, "0")
    answers = [
        httpx2.get(f"{emulator.management_url}{path}", headers=token)
        for path in (
            f"{stranger}?api-version=2025-09-01",
            emulator.resource().arm_id,
            f"{emulator.resource().arm_id}?api-version=2019-01-01",
        )
    ]
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in answers] == [
        (404, "SubscriptionNotFound"),
        (400, "MissingApiVersionParameter"),
        (400, "NoRegisteredProviderFound"),
    ]


def test_a_checkpoint_of_a_job_that_is_not_over_can_be_deployed(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, deployment=AT_ONCE, quotas=UNLIMITED) as emulator:
        client, managed = v1(emulator), management(emulator)
        job = begun(client, clock)
        clock.advance(90 + 300)
        client.fine_tuning.jobs.pause(job.id)
        checkpoint = client.fine_tuning.jobs.checkpoints.list(job.id).data[0]
        put(managed, "cards", deployable(checkpoint.id))
        assert said(client) == "blocked"
