"""Deployments: what they would cost, made once whatever is lost on the way, followed, and ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tuneport_azure.adapter import hosting
from tuneport_azure.adapter.deploying import begin as make
from tuneport_azure.adapter.deployment_plans import plan_of
from tuneport_azure.adapter.deployments import Deployments
from tuneport_azure.adapter.usage import LastUse
from tuneport_azure.emulator.courses import AT_ONCE, DeploymentCourse
from tuneport_azure.emulator.habits import AzureHabits
from tuneport_azure.emulator.platform import GROUP, START, SUBSCRIPTION
from tuneport_azure.wire.deployments import PHASES, Standing, default_name, standing_of, wanted
from tuneport_azure.wire.skus import Sku, sku_of

from tuneport.deploying import begin, follow
from tuneport.errors import (
    Ambiguous,
    CredentialsRefused,
    NotFound,
    QuotaExceeded,
    RateLimited,
    RecipeError,
    Refused,
    Unreachable,
    Unsupported,
    UsageError,
)
from tuneport.examples import Message
from tuneport.model import Model
from tuneport.provider import Deploys, Generation
from tuneport.testing.emulator.faults import RateLimited as TooMany
from tuneport.testing.emulator.faults import Reset, ServerError, Truncated, UnknownWord

from .azure_emulated import GPT, deployable, put
from .azure_emulated import management as sdk
from .azure_loopback import SILENT, Asked, Said, answering, management, refusal
from .azure_served import DELETE, GET, METRICS, PUT, Served, served

TUNED = "gpt-4.1-mini-2025-04-14.ft-0f3c9a21aaaabbbbccccddddeeeeffff-tickets"
MODEL = Model(uri=f"azure:contoso/{TUNED}", provider="azure", id=f"contoso/{TUNED}")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as stage:
        yield stage


def nothing_there(asked: Asked) -> Said:
    """What an account says in which nothing stands, and which does not say what it can deploy."""
    return Said(body={"value": []}) if asked.path.endswith("/models") else refusal(404, "ResourceNotFound")


def others_are_asked(stage: Served) -> None:
    """So that there is a metric of the account: where there is none, nobody can say who was asked."""
    stage.emulator.resource().requests["another"] = [START]


# --- options ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"typ": "global"}, "did you mean 'type'"),
        ({"type": "Global"}, "did you mean 'global'"),
        ({"capacity": 0}, "capacity is 0"),
        ({"capacity": True}, "capacity is True"),
        ({"capacity": "50"}, "capacity is '50'"),
        ({"name": "a"}, "2 to 64"),
        ({"name": "no/slash"}, "no/slash"),
        ({"name": 3}, "name is 3"),
        ({"source": "contoso"}, "/subscriptions/"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: Mapping[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        wanted(options, model=TUNED, usual="global")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (TUNED, "gpt-4.1-mini-tickets-0f3c9a21"),
        ("gpt-4o-mini-2024-07-18.ft-0f3c9a21aaaa", "gpt-4o-mini-0f3c9a21"),
        ("ftchkpt-0123456789abcdef0123456789abcdef", "ftchkpt-0123456789abcdef0123456789abcdef"),
        ("Odd model: one", "Odd-model--one"),
    ],
)
def test_a_name_made_of_the_models_is_readable_and_can_be_used(model: str, name: str) -> None:
    assert default_name(model) == name
    assert wanted({}, model=model, usual="global").name == name


# --- what the management plane says -----------------------------------------------------------------------------------------------------


def row(**changes: Any) -> dict[str, Any]:
    properties = {"provisioningState": "Succeeded", "model": {"format": "OpenAI", "name": TUNED, "version": "1"}}
    return {
        "name": "tickets",
        "sku": {"name": "GlobalStandard", "capacity": 50},
        "systemData": {"createdAt": "2026-11-20T10:11:12.1234567Z"},
        "properties": {**properties, **changes},
    }


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("Accepted", "starting"),
        ("Creating", "starting"),
        ("creating", "starting"),
        ("Moving", "starting"),
        ("Succeeded", "ready"),
        ("Failed", "failed"),
        ("Canceled", "failed"),
        ("Disabled", "failed"),
        ("Deleting", "ending"),
        ("Hibernating", "unknown"),
        ("", "unknown"),
    ],
)
def test_every_provisioning_state_has_a_phase_and_keeps_its_word(word: str, phase: str) -> None:
    found = standing_of(row(provisioningState=word))
    assert (found.state, found.phase) == (word, phase)


def test_no_word_of_the_sdks_is_missing() -> None:
    from azure.mgmt.cognitiveservices.models import DeploymentProvisioningState

    assert {str(word.value).casefold() for word in DeploymentProvisioningState} == set(PHASES)


def test_an_age_is_read_to_the_seventh_digit() -> None:
    found = standing_of(row())
    assert found.created_at is not None
    assert found.created_at.isoformat() == "2026-11-20T10:11:12.123456+00:00"
    assert standing_of(row() | {"systemData": {"createdAt": "soon"}}).created_at is None


def test_a_reason_is_kept_where_a_row_has_one() -> None:
    found = standing_of(row(provisioningState="Failed", error={"code": "Hate", "message": "scores above\n acceptable thresholds"}))
    assert found.reason == "scores above acceptable thresholds"


@pytest.mark.parametrize(
    "odd", [{}, {"name": "x"}, {"name": "x", "properties": {"model": {}}}, {"name": 3, "properties": {"model": {"name": "m"}}}]
)
def test_a_row_without_a_name_or_a_model_is_none(odd: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="without a name or a model"):
        standing_of(odd)


def test_a_base_goes_by_its_version() -> None:
    found = standing_of(row(model={"format": "OpenAI", "name": "gpt-4.1", "version": "2025-04-14"}))
    assert (found.model, found.tuned) == ("gpt-4.1-2025-04-14", False)


def test_the_tier_of_tuned_models_is_told_from_that_of_their_base() -> None:
    """The recorded list of 2026-06-25 has both under one name; its wire says `costs`, its capacity may have neither minimum nor step."""
    skus = [
        {"name": "GlobalStandard", "usageName": "OpenAI.GlobalStandard.gpt4.1", "capacity": {"maximum": 9, "default": 9}},
        {
            "name": "GlobalStandard",
            "usageName": "OpenAI.GlobalStandard.gpt4.1-finetune",
            "capacity": {"maximum": 250, "default": 50},
            "deprecationDate": "2027-10-14T00:00:00Z",
            "rateLimits": [{"key": "request", "renewalPeriod": 10, "count": 1}],
            "costs": [{"name": "Hosting", "unit": "1 Hour"}],
        },
    ]
    found = sku_of([{"name": "gpt-4.1", "version": "2025-04-14", "skus": skus}], base="gpt-4.1-2025-04-14", name="globalstandard")
    assert found is not None
    assert (found.usual, found.most, found.requests, str(found.ends)) == (50, 250, 6.0, "2027-10-14")
    assert (
        sku_of([{"name": "gpt-4.1", "version": "2025-04-14", "skus": [skus[0], 3]}], base="gpt-4.1-2025-04-14", name="GlobalStandard")
        is None
    )


# --- costs and ends ---------------------------------------------------------------------------------------------------------------------


def test_an_hour_of_a_hosted_deployment_costs_and_one_of_a_developers_does_not() -> None:
    for kind, price in (("global", "1.70"), ("standard", "1.70"), ("developer", "0.00")):
        (line,) = hosting.costs(kind, GPT, on=START.date())  # type: ignore[arg-type]
        assert (line.item, line.unit, line.price) == ("hosting", "hosting hour", Decimal(price))
        assert line.as_of
        assert line.source
        assert line.confidence == "vendor page"


def test_the_rules_are_told_in_sentences() -> None:
    hosted = " ".join(hosting.rules("global", capacity=50, why="as asked", sku=Sku(requests=1.0)))
    developer = " ".join(hosting.rules("developer", capacity=50, why="as asked", sku=None))
    assert all(
        word in hosted for word in ("asked or not", "15 days", "Tokens are billed besides", "50,000 tokens and 50 requests a minute")
    )
    assert "24 hours" in developer
    assert "no hour is billed" in developer
    assert "24 hours" not in hosted


def test_when_azure_removes_it_follows_from_its_age_and_its_last_use() -> None:
    made = Standing("d", TUNED, "Succeeded", sku="GlobalStandard", created_at=START)
    asked = LastUse(START + timedelta(days=9))
    assert hosting.removed_at(made, asked) == START + timedelta(days=24)
    assert hosting.removed_at(made, LastUse()) == START + timedelta(days=15)
    assert hosting.removed_at(made, LastUse(unknown="forbidden")) is None
    developers = Standing("d", TUNED, "Succeeded", sku="developertier", created_at=START)
    assert hosting.removed_at(developers, asked) == START + timedelta(hours=24)
    assert hosting.removed_at(developers, LastUse(unknown="forbidden")) == START + timedelta(hours=24)
    base = Standing("d", "gpt-4.1-2025-04-14", "Succeeded", sku="GlobalStandard", created_at=START)
    assert hosting.removed_at(base, LastUse()) is None
    assert hosting.idle_days(made, asked, now=START + timedelta(days=12, hours=5)) == 3


# --- planning ---------------------------------------------------------------------------------------------------------------------------


def test_a_plan_says_the_request_the_cost_and_the_rules_and_sends_nothing(stage: Served) -> None:
    server = stage.server()
    plan = server.deployment_plan(stage.model, options={})
    assert isinstance(server, Deploys)
    assert stage.puts() == 0
    assert plan.id.startswith("contoso/deployments/gpt-4.1-mini-tickets-")
    assert plan.uri == f"azure:{plan.id}"
    assert plan.model == stage.model.id
    (request,) = plan.requests
    assert request.call.startswith(f"PUT /subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/")
    assert request.body == {
        "sku": {"name": "GlobalStandard", "capacity": 50},
        "properties": {"model": {"format": "OpenAI", "name": stage.bare, "version": "1"}},
    }
    assert [line.price for line in plan.costs] == [Decimal("1.70")]
    assert any("15 days" in rule for rule in plan.rules)
    assert any("Capacity 50" in rule for rule in plan.rules)
    assert plan.stands is None


def test_a_developers_plan_costs_nothing_by_the_hour_and_ends_after_a_day(stage: Served) -> None:
    plan = stage.server().deployment_plan(stage.model, options={"type": "developer", "name": "trial", "capacity": 3})
    assert plan.requests[0].body["sku"] == {"name": "DeveloperTier", "capacity": 3}
    assert [line.price for line in plan.costs] == [Decimal(0)]
    assert any("24 hours" in rule for rule in plan.rules)
    assert plan.id == "contoso/deployments/trial"


def test_a_name_that_another_model_has_is_refused_before_anything_is_sent(stage: Served) -> None:
    """A PUT would change the other deployment: the vendor knows no such refusal."""
    put(sdk(stage.emulator), "taken", {"sku": {"name": "GlobalStandard", "capacity": 1}, "properties": {"model": base()}})
    before = stage.puts()
    for call in (stage.server().deployment_plan, stage.server().deploy):
        with pytest.raises(Refused, match=r"taken is taken.*gpt-4\.1-mini-2025-04-14"):
            call(stage.model, options={"name": "taken"})
    assert stage.puts() == before


def base() -> dict[str, str]:
    return {"format": "OpenAI", "name": "gpt-4.1-mini", "version": "2025-04-14"}


def test_without_a_word_no_more_is_taken_than_the_quota_has_left(stage: Served) -> None:
    pool = stage.server().deployment_plan(stage.model, options={})
    assert pool.requests[0].body["sku"]["capacity"] == 50
    stage.emulator.world.pools[pool_of(stage)] = 20
    plan = stage.server().deployment_plan(stage.model, options={})
    assert plan.requests[0].body["sku"]["capacity"] == 20
    assert any("all that is left of the quota" in rule for rule in plan.rules)


def pool_of(stage: Served) -> str:
    """The quota of tuned models of that base in the global tier."""
    return f"OpenAI.GlobalStandard.{stage.emulator.world.bases[GPT].pool}-finetune"  # type: ignore[attr-defined]


def test_a_quota_that_is_used_up_is_told_before_it_bites(stage: Served) -> None:
    stage.emulator.world.pools[pool_of(stage)] = 0
    with pytest.raises(QuotaExceeded, match="0 of 0"):
        stage.server().deployment_plan(stage.model, options={})
    with pytest.raises(QuotaExceeded, match="60 more do not fit"):
        stage.server().deployment_plan(stage.model, options={"capacity": 60})


def test_more_than_a_deployment_takes_is_no_matter_of_quota(stage: Served) -> None:
    with pytest.raises(RecipeError, match="at most 250"):
        stage.server().deployment_plan(stage.model, options={"capacity": 251, "type": "developer"})


def test_a_model_of_another_resource_is_deployed_by_what_it_is_called(stage: Served) -> None:
    server = stage.server(resource="nordic")
    source = stage.emulator.resource("contoso").arm_id
    for number, name in enumerate((stage.model.id, stage.bare)):
        begun = server.deploy(server.model(name), options={"source": source, "name": f"from-{number}"})
        assert begun.model == stage.model.id
    with pytest.raises(NotFound, match="belongs to the resource contoso") as caught:
        server.deployment_plan(server.model(stage.model.id), options={})
    assert "--set source=" in caught.value.remedy


def test_a_model_of_another_resource_needs_its_account(stage: Served) -> None:
    server = stage.server(resource="nordic")
    with pytest.raises(NotFound, match="profile of its own"):
        server.deployment_plan(stage.model, options={})
    source = stage.emulator.resource("contoso").arm_id
    begun = server.deploy(stage.model, options={"source": source})
    assert begun.model == stage.model.id
    assert begun.details["source"] == source
    stage.clock.sleep(600)
    assert server.deployment(begun.id).phase == "ready"


@pytest.mark.parametrize("changes", [{"resource_group": "elsewhere"}, {"account": "elsewhere"}, {"subscription": "0" * 8}])
def test_a_plan_for_a_place_that_is_not_there_is_refused(stage: Served, changes: Mapping[str, str]) -> None:
    """Where nothing is, no name is taken: that alone says nothing."""
    with pytest.raises(NotFound) as caught:
        stage.server(**changes).deployment_plan(stage.model, options={})
    assert "resource_group" in caught.value.remedy


def test_only_tuned_models_are_deployed(stage: Served) -> None:
    server = stage.server()
    base_model = Model(uri=f"azure:contoso/{GPT}", provider="azure", id=f"contoso/{GPT}", kind="base")
    standing = server.model(server.deploy(stage.model, options={"name": "tickets"}).id)
    for model, words in ((base_model, "no tuned model"), (standing, "a deployment already")):
        with pytest.raises(Unsupported, match=words):
            server.deployment_plan(model, options={})


def test_a_checkpoint_is_deployed_by_its_own_id(stage: Served) -> None:
    from .azure_emulated import close_clients, v1

    checkpoint = next(iter(v1(stage.emulator).fine_tuning.jobs.checkpoints.list(stage.job)))
    close_clients()
    server = stage.server()
    begun = server.deploy(server.model(f"contoso/{checkpoint.id}"), options={})
    assert (begun.model, begun.id) == (f"contoso/{checkpoint.id}", f"contoso/deployments/{checkpoint.id}")
    assert begun.phase == "starting"


def test_a_resource_that_trains_in_its_region_deploys_there(stage: Served) -> None:
    """Whoever keeps training in a region may not have answers made anywhere."""
    plan = stage.server(training_type="standard").deployment_plan(stage.model, options={})
    assert plan.requests[0].body["sku"]["name"] == "Standard"
    for training_type in ("global", "developer"):
        plan = stage.server(training_type=training_type).deployment_plan(stage.model, options={})
        assert plan.requests[0].body["sku"]["name"] == "GlobalStandard"


def test_a_list_of_models_that_is_not_given_leaves_the_usual_capacity(stage: Served) -> None:
    stage.emulator.faults.times(10, ServerError(503), on=METRICS.replace("providers/Microsoft.Insights/metrics", "models"))
    plan = stage.server().deployment_plan(stage.model, options={})
    assert plan.requests[0].body["sku"]["capacity"] == 50
    assert any("samples" in rule for rule in plan.rules)


# --- making ---------------------------------------------------------------------------------------------------------------------------


def test_a_deployment_is_followed_until_it_answers(stage: Served) -> None:
    others_are_asked(stage)
    server = stage.server()
    begun = server.deploy(stage.model, options={"name": "tickets"})
    assert (begun.uri, begun.phase, begun.model) == ("azure:contoso/deployments/tickets", "starting", stage.model.id)
    heard: list[str] = []
    ready = follow(server, begun, clock=stage.clock, hear=lambda now: heard.append(now.state))
    assert ready.phase == "ready"
    assert heard == ["Creating", "Succeeded"]
    assert stage.puts() == 1
    assert ready.details["shutdown_date"] == "2027-10-14"
    assert ready.created_at is not None
    assert ready.removed_at == ready.created_at + timedelta(days=15)


def test_a_second_call_makes_no_second_deployment_and_the_plan_says_that_it_stands(stage: Served) -> None:
    server = stage.server()
    first = server.deploy(stage.model, options={})
    second = server.deploy(stage.model, options={})
    assert (second.id, stage.puts()) == (first.id, 1)
    plan = server.deployment_plan(stage.model, options={})
    assert plan.stands is not None
    assert plan.stands.id == first.id
    assert len(server.deployments()) == 1


@pytest.mark.parametrize("options", [{"type": "developer"}, {"capacity": 7}])
def test_what_stands_otherwise_than_asked_for_is_not_changed_unasked(stage: Served, options: Mapping[str, Any]) -> None:
    server = stage.server()
    server.deploy(stage.model, options={"name": "tickets"})
    with pytest.raises(Refused, match="stands already, as GlobalStandard with capacity 50"):
        server.deploy(stage.model, options={"name": "tickets", **options})
    assert stage.puts() == 1


@pytest.mark.parametrize("fault", [Reset(after_effect=True), ServerError(500, after_effect=True), Truncated(), Truncated(admitted=True)])
def test_a_lost_reply_makes_no_second_deployment(stage: Served, fault: Any) -> None:
    server = stage.server()
    stage.emulator.faults.once(fault, on=PUT)
    begun = begin(server, stage.model, options={}, clock=stage.clock)
    assert begun.phase == "starting"
    assert stage.puts() == 1
    plan = server.deployment_plan(stage.model, options={})
    assert plan.stands is not None
    assert len(server.deployments()) == 1


@pytest.mark.parametrize("fault", [Reset(), ServerError(503), ServerError(502, "html")])
def test_a_request_that_was_lost_on_its_way_is_sent_again(stage: Served, fault: Any) -> None:
    """A PUT is an update by name: what is sent twice makes one deployment."""
    server = stage.server()
    stage.emulator.faults.once(fault, on=PUT)
    assert server.deploy(stage.model, options={}).phase == "starting"
    assert len(server.deployments()) == 1


def test_what_stays_unclear_is_said_to_be_and_that_it_may_cost(stage: Served) -> None:
    stage.emulator.faults.times(5, ServerError(500), on=PUT)
    with pytest.raises(Ambiguous) as caught:
        stage.server().deploy(stage.model, options={})
    assert "costs" in caught.value.remedy
    assert stage.puts() == 3


def test_where_nothing_can_be_seen_after_a_lost_reply_nothing_is_sent_again() -> None:
    """The look before sees nothing there; the PUT is lost, and from then on nobody answers."""
    lost = False

    def script(asked: Asked) -> Said:
        nonlocal lost
        lost = lost or asked.method == "PUT"
        return SILENT if lost else nothing_there(asked)

    with answering(script) as (url, asked):
        with pytest.raises(Ambiguous, match="no clear answer"):
            make(Deployments(management(url)), MODEL, options={})
        assert [each.method for each in asked].count("PUT") == 1


@pytest.mark.parametrize(
    "then", [refusal(401, "ExpiredAuthenticationToken"), refusal(403, "AuthorizationFailed"), refusal(400, "BadRequest"), SILENT]
)
@pytest.mark.parametrize("looks", [0, 1])
def test_whatever_comes_after_a_lost_reply_the_deployment_may_stand_and_cost(then: Said, looks: int) -> None:
    """Be it the look after it, or the same request again once a look has seen nothing."""
    after: list[str] = []

    def script(asked: Asked) -> Said:
        if asked.method == "PUT" or after:
            after.append(asked.method)
        if after == ["PUT"]:
            return refusal(500, "InternalServerError")
        return then if len(after) > 1 + looks else nothing_there(asked)

    with answering(script) as (url, _), pytest.raises(Ambiguous) as caught:
        make(Deployments(management(url)), MODEL, options={})
    assert "it costs" in caught.value.remedy
    assert "tuneport models deployments" in caught.value.remedy


@pytest.mark.parametrize(("model", "refused"), [("gpt-4.1-2025-04-14.ft-another", True), (TUNED, False)])
def test_who_took_the_name_while_a_reply_was_lost_is_seen(model: str, refused: bool) -> None:
    there: list[str] = []

    def script(asked: Asked) -> Said:
        if asked.method == "PUT":
            there.append(model)
            return SILENT
        return Said(200, {"name": "tickets", **deployable(there[0])}) if there else nothing_there(asked)

    with answering(script) as (url, asked):
        deployments = Deployments(management(url))
        if refused:
            with pytest.raises(Refused, match="meanwhile the name tickets was taken"):
                make(deployments, MODEL, options={"name": "tickets"})
        else:
            assert make(deployments, MODEL, options={"name": "tickets"}).model == MODEL.id
        assert [each.method for each in asked].count("PUT") == 1


def test_what_failed_before_is_not_taken_for_what_a_lost_request_began(tmp_path: Path) -> None:
    with served(tmp_path, deployment=lambda number: DeploymentCourse(ends="Failed" if number == 1 else "Succeeded")) as stage:
        server = stage.server()
        assert follow(server, server.deploy(stage.model, options={}), clock=stage.clock).phase == "failed"
        stage.emulator.faults.once(Reset(), on=PUT)
        assert server.deploy(stage.model, options={}).phase == "starting"


def test_another_change_in_the_account_is_waited_for(stage: Served) -> None:
    server = stage.server()
    server.deploy(stage.model, options={"name": "first"})
    second = server.deploy(stage.model, options={"name": "second"})
    assert second.phase == "starting"
    assert {each.id.rpartition("/")[2] for each in server.deployments()} == {"first", "second"}
    assert 170 <= (stage.clock.now() - START).total_seconds() - 10_005 <= 300


def test_the_wait_for_another_change_has_an_end() -> None:
    def script(asked: Asked) -> Said:
        return refusal(409, "RequestConflict", Retry_After="60") if asked.method == "PUT" else nothing_there(asked)

    with answering(script) as (url, asked):
        plane = management(url)
        with pytest.raises(RateLimited, match="another change"):
            make(Deployments(plane), MODEL, options={})
        assert plane.clock.monotonic() <= 900
        assert [each.method for each in asked].count("PUT") == 16


def test_a_429_is_waited_out_as_it_says(stage: Served) -> None:
    stage.emulator.faults.times(2, TooMany(40.0), on=PUT)
    before = stage.clock.monotonic()
    stage.server().deploy(stage.model, options={})
    assert 80 <= stage.clock.monotonic() - before <= 90
    assert len(stage.server().deployments()) == 1


def test_capacity_that_is_refused_after_all_keeps_the_vendors_words() -> None:
    words = "This operation require 50 new capacity in quota Q, which is bigger than the current available capacity 0."

    def script(asked: Asked) -> Said:
        return refusal(400, "InsufficientQuota", words) if asked.method == "PUT" else nothing_there(asked)

    with answering(script) as (url, asked):
        with pytest.raises(QuotaExceeded) as caught:
            make(Deployments(management(url)), MODEL, options={})
        assert caught.value.reason == words
        assert [each.method for each in asked].count("PUT") == 1


def test_a_role_that_may_train_but_not_deploy_gets_that_sentence(stage: Served) -> None:
    server = stage.server(role="user")
    server.deployment_plan(stage.model, options={})
    with pytest.raises(CredentialsRefused) as caught:
        server.deploy(stage.model, options={})
    assert "may not deploy" in caught.value.message
    assert "Foundry Owner" in caught.value.remedy
    assert stage.puts() == 1


@pytest.mark.parametrize("announces", [True, False])
def test_a_deployment_that_fails_says_why_as_far_as_the_service_does(tmp_path: Path, announces: bool) -> None:
    course = DeploymentCourse(5.0, 60.0, "Failed")
    with served(tmp_path, deployment=course, habits=AzureHabits(announces_operations=announces)) as stage:
        server = stage.server()
        ended = follow(server, server.deploy(stage.model, options={}), clock=stage.clock)
        assert (ended.phase, ended.state) == ("failed", "Failed")
        assert ("could not be created" in ended.reason) == announces
        assert ended.reason
        assert stage.server().deployments()[0].phase == "failed"


def test_a_failed_deployment_does_not_stand_and_is_made_again(tmp_path: Path) -> None:
    with served(tmp_path, deployment=lambda number: DeploymentCourse(ends="Failed" if number == 1 else "Succeeded")) as stage:
        server = stage.server()
        assert follow(server, server.deploy(stage.model, options={}), clock=stage.clock).phase == "failed"
        assert server.deployment_plan(stage.model, options={}).stands is None
        assert follow(server, server.deploy(stage.model, options={}), clock=stage.clock).phase == "ready"
        assert stage.puts() == 2


def test_a_state_that_nobody_has_heard_of_is_unknown_and_followed_on(stage: Served) -> None:
    server = stage.server()
    begun = server.deploy(stage.model, options={})
    stage.emulator.faults.times(2, UnknownWord(), on=GET)
    assert follow(server, begun, clock=stage.clock).phase == "ready"


def test_a_token_that_expires_in_the_middle_of_a_wait_leaves_the_deployment_alone(stage: Served) -> None:
    server = stage.server(token=stage.emulator.token(life_s=60))
    begun = server.deploy(stage.model, options={})
    with pytest.raises(CredentialsRefused) as caught:
        follow(server, begun, clock=stage.clock)
    assert "expired" in caught.value.message
    assert "AZURE_MANAGEMENT_TOKEN" in caught.value.remedy
    stage.clock.sleep(600)
    assert stage.server().deployment(begun.id).phase == "ready"


# --- listing ----------------------------------------------------------------------------------------------------------------------------


def test_deployments_of_tuned_models_are_listed_with_age_last_use_and_end(stage: Served) -> None:
    server = stage.server()
    put(sdk(stage.emulator), "a-base", {"sku": {"name": "GlobalStandard", "capacity": 1}, "properties": {"model": base()}})
    stage.clock.sleep(600)
    ready = stage.deployed(server, {"name": "tickets"})
    stage.clock.sleep(2 * 86_400)
    list(server.chat(ready, [Message("user", "Is card 3 blocked?")], generation=Generation(max_tokens=8)))
    asked = stage.clock.now()
    stage.clock.sleep(3 * 86_400)
    (found,) = server.deployments()
    assert found.id == "contoso/deployments/tickets"
    assert found.last_used_at is not None
    assert timedelta(0) <= asked - found.last_used_at < timedelta(hours=1)
    assert found.removed_at == found.last_used_at + timedelta(days=15)
    assert found.details["idle_days"] == 3
    assert found.details["type"] == "GlobalStandard"


def test_one_that_was_never_asked_is_said_not_to_have_been(stage: Served) -> None:
    others_are_asked(stage)
    stage.deployed(stage.server())
    (found,) = stage.server().deployments()
    assert found.last_used_at is None
    assert found.details["last_use"] == "not since it was made"
    assert found.removed_at is not None


def test_where_the_account_has_no_such_metric_nobody_says_that_it_was_never_asked(stage: Served) -> None:
    stage.deployed(stage.server())
    (found,) = stage.server().deployments()
    assert (found.last_used_at, found.removed_at) == (None, None)
    assert "not known" in found.details["last_use"]


def test_an_odd_row_hides_no_other_deployment(caplog: pytest.LogCaptureFixture) -> None:
    row = {"name": "tickets", "properties": {"model": {"name": TUNED}, "provisioningState": "Succeeded"}}
    with answering(lambda _: Said(body={"value": [{"name": "odd", "properties": None}, row]})) as (url, _):
        found = Deployments(management(url)).standing()
    assert [each.name for each in found] == ["tickets"]
    assert "'odd'" in caplog.text


def test_where_metrics_may_not_be_read_the_end_is_not_known(stage: Served) -> None:
    stage.deployed(stage.server())
    token = stage.emulator.token(without=["metrics"], life_s=10_000_000)
    (found,) = stage.server(token=token).deployments()
    assert (found.last_used_at, found.removed_at) == (None, None)
    assert "not known" in found.details["last_use"]
    assert "idle_days" not in found.details


def test_without_a_deployment_nothing_is_listed_and_no_metric_is_asked_for(stage: Served) -> None:
    assert stage.server().deployments() == []
    assert stage.emulator.log.count(METRICS) == 0


def test_an_idle_deployment_vanishes_and_is_not_found(stage: Served) -> None:
    others_are_asked(stage)
    server = stage.server()
    ready = stage.deployed(server)
    assert ready.removed_at is not None
    stage.clock.sleep((ready.removed_at - stage.clock.now()).total_seconds() + 60)
    assert server.deployments() == []
    with pytest.raises(NotFound, match="there is no deployment"):
        server.deployment(ready.id)


def test_a_deployment_of_another_resource_is_not_looked_for_here(stage: Served) -> None:
    with pytest.raises(NotFound, match="profile of its own"):
        stage.server().deployment("nordic/deployments/tickets")


# --- ending -----------------------------------------------------------------------------------------------------------------------------


def test_ending_one_sees_it_gone(stage: Served) -> None:
    server = stage.server()
    ready = stage.deployed(server)
    server.undeploy(ready.id)
    assert server.deployments() == []
    assert stage.emulator.log.count(DELETE) == 1
    with pytest.raises(NotFound):
        server.undeploy(ready.id)
    assert stage.emulator.log.count(DELETE) == 1


def test_one_that_is_still_being_made_is_ended_when_it_can_be(stage: Served) -> None:
    server = stage.server()
    begun = server.deploy(stage.model, options={})
    server.undeploy(begun.id)
    assert server.deployments() == []


@pytest.mark.parametrize("fault", [Reset(), Reset(after_effect=True), ServerError(500), ServerError(500, after_effect=True), TooMany(5.0)])
def test_a_lost_reply_to_an_end_is_looked_after(stage: Served, fault: Any) -> None:
    server = stage.server()
    ready = stage.deployed(server)
    stage.emulator.faults.once(fault, on=DELETE)
    server.undeploy(ready.id)
    assert server.deployments() == []


def test_one_that_does_not_go_is_said_to_stand(tmp_path: Path) -> None:
    with served(tmp_path, deployment=DeploymentCourse(0.0, 0.0, deleting_s=10_000.0)) as stage:
        server = stage.server()
        begun = server.deploy(stage.model, options={})
        with pytest.raises(Unreachable, match="not gone after 10 minutes"):
            server.undeploy(begun.id)


def test_one_of_that_name_can_be_made_while_the_old_one_goes(tmp_path: Path) -> None:
    course = DeploymentCourse(0.0, 0.0, deleting_s=40.0)
    with served(tmp_path, deployment=course) as stage:
        server = stage.server()
        begun = server.deploy(stage.model, options={})
        sdk(stage.emulator).deployments.begin_delete(GROUP, "contoso", begun.id.rpartition("/")[2], polling=False)
        assert server.deployment(begun.id).phase == "ending"
        assert server.deploy(stage.model, options={}).phase == "ready"


def test_a_role_that_may_not_end_one_is_told_so(tmp_path: Path) -> None:
    with served(tmp_path, deployment=AT_ONCE) as stage:
        begun = stage.server().deploy(stage.model, options={})
        with pytest.raises(CredentialsRefused, match="may not deploy"):
            stage.server(role="user").undeploy(begun.id)
        assert len(stage.server().deployments()) == 1


def test_every_call_says_what_is_missing_where_no_subscription_is_named(stage: Served) -> None:
    server = stage.server(subscription=None)
    calls = (
        lambda: server.deploy(stage.model, options={}),
        lambda: server.deployment_plan(stage.model, options={}),
        server.deployments,
        lambda: server.undeploy("contoso/deployments/x"),
        lambda: server.deployment("contoso/deployments/x"),
    )
    for call in calls:
        with pytest.raises(UsageError, match="subscription"):
            call()


def test_the_body_of_the_plan_is_what_is_sent() -> None:
    sent: list[bytes] = []

    def script(asked: Asked) -> Said:
        if asked.method != "PUT":
            return nothing_there(asked)
        sent.append(asked.body)
        return Said(201, {"name": "tickets", **deployable(TUNED)})

    with answering(script) as (url, _):
        deployments = Deployments(management(url))
        plan = plan_of(deployments, MODEL, options={"name": "tickets"})
        begun = make(deployments, MODEL, options={"name": "tickets"})
    assert [json.loads(body) for body in sent] == [plan.requests[0].body]
    assert begun.phase == "unknown"
