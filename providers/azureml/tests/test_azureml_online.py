"""Models that were tuned on machines of one's own answer on machines by the hour: managed online endpoints of the emulated Azure ML."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tuneport_azureml.emulator import COMPUTE, Habits, Serving
from tuneport_azureml.wire.online import standing_of

from tuneport.deploying import begin, follow
from tuneport.errors import Ambiguous, NotFound, QuotaExceeded, RecipeError, Refused, Unreachable, UsageError
from tuneport.examples import Message
from tuneport.model import Deployment, Model
from tuneport.provider import Generation
from tuneport.testing.emulator.faults import Reset, ServerError

from .azureml_served import PUT_MACHINES, PUT_ONLINE, SCORE, Served, served
from .azureml_stage import chats, recipe

A100 = "Standard_NC24ads_A100_v4"
TEXT = frozenset({"text"})
GREEDY = Generation()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as stage:
        yield stage


def tuned(stage: Served, **options: Any) -> Model:
    return stage.tuned(recipe(instance_types=[A100]), **options)


def ready(stage: Served, model: Model, **options: Any) -> Deployment:
    server = stage.server()
    return follow(server, begin(server, model, options=options, clock=stage.clock), clock=stage.clock)


def said(stage: Served, target: Any, count: int = 4, **generation: Any) -> list[str]:
    found = stage.server().predict(target, chats(count), generation=Generation(**generation), needs=TEXT)
    return [each.text for each in found]


def test_what_the_machines_cost_is_told_first_by_the_services_own_retail_price(stage: Served) -> None:
    plan = stage.server().deployment_plan(tuned(stage), options={"machines": 2})
    (line,) = plan.costs
    assert (line.price, line.currency, line.unit, line.as_of) == (Decimal("7.346"), "USD", "hosting hour", "2026-11-21")
    assert plan.cost_sentences == (f"2 x {A100}: 7.35 USD per hosting hour, 5,362.58 USD a month",)
    assert [request.call.partition("?")[0].rpartition("/")[2] for request in plan.requests][1] == "tuned"
    assert plan.requests[1].body["properties"]["instanceType"] == A100
    assert stage.endpoints() == []


def test_a_model_of_a_compute_is_served_on_its_size_or_on_one_that_is_named(stage: Served) -> None:
    model, server = stage.tuned(compute=COMPUTE), stage.server()
    assert server.deployment_plan(model, options={}).requests[1].body["properties"]["instanceType"] == A100
    named = server.deployment_plan(model, options={"machine": "Standard_NC6s_v3"})
    assert named.costs[0].price == Decimal("3.06")
    with pytest.raises(RecipeError, match="no machines of size"):
        server.deployment_plan(model, options={"machine": "Standard_Nothing"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1}, "no option"),
        ({"name": "a"}, "3 to 32"),
        ({"machines": 0}, "from 1 up"),
        ({"machines": True}, "whole number"),
        ({"machine": 7}, "name of a size"),
    ],
)
def test_options_that_are_none_are_refused(stage: Served, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        stage.server().deployment_plan(tuned(stage), options=options)


def test_an_endpoint_with_its_machines_is_made_once_answers_and_is_ended_with_them(stage: Served) -> None:
    model, server = tuned(stage), stage.server()
    begun = begin(server, model, options={}, clock=stage.clock)
    assert (begun.state, begun.phase, begun.model) == ("Creating", "starting", model.id)
    found = follow(server, begun, clock=stage.clock)
    assert (found.state, found.phase) == ("Succeeded", "ready")
    assert begin(server, model, options={}, clock=stage.clock).id == found.id
    assert (stage.emulator.log.count(PUT_ONLINE), stage.emulator.log.count(PUT_MACHINES)) == (1, 1)
    assert [each.id for each in server.deployments()] == [found.id]
    assert said(stage, model, 12) == [row.messages[-1].text for row in chats(12)]
    assert said(stage, found, 2) == said(stage, server.model(found.id), 2) == ["It is lost", "It is stolen"]
    assert list(server.chat(model, [Message("user", "My card number 3 is blocked")], generation=GREEDY)) == ["It is blocked"]
    server.undeploy(found.id)
    assert (server.deployments(), stage.endpoints()) == ([], [])
    with pytest.raises(NotFound):
        server.undeploy(found.id)


@pytest.mark.parametrize("route", [PUT_ONLINE, PUT_MACHINES])
@pytest.mark.parametrize("fault", [Reset(after_effect=True), ServerError(502, "html", after_effect=True), Reset()])
def test_a_reply_that_is_lost_makes_no_second_endpoint_and_loses_none(stage: Served, route: str, fault: Any) -> None:
    model = tuned(stage)
    stage.emulator.faults.once(fault, on=route)
    found = ready(stage, model)
    assert ([found.id.partition("/")[2]], found.phase) == (stage.endpoints(), "ready")
    (endpoint,) = stage.emulator.world.shelf.online.values()
    assert list(endpoint.deployments) == ["tuned"]


def test_one_that_was_left_without_machines_says_so_costs_nothing_and_is_gone_on_with(stage: Served) -> None:
    model, server = tuned(stage), stage.server()
    stage.emulator.faults.times(3, Reset(), on=PUT_MACHINES)
    with pytest.raises(Ambiguous):
        server.deploy(model, options={})
    stage.clock.sleep(600)
    (left,) = server.deployments()
    assert (left.phase, left.state) == ("failed", "without a deployment")
    assert "costs nothing" in left.reason
    assert ready(stage, model).phase == "ready"
    assert stage.emulator.log.count(PUT_ONLINE) == 1


def test_quota_that_is_not_there_is_said_and_leaves_nothing_that_costs(stage: Served) -> None:
    model = tuned(stage)
    stage.emulator.world.quotas["standardNCADSA100v4Family"] = 0
    with pytest.raises(QuotaExceeded, match="not enough quota"):
        stage.server().deploy(model, options={})
    (endpoint,) = stage.emulator.world.shelf.online.values()
    assert endpoint.deployments == {}


def test_machines_that_failed_say_so_and_can_be_begun_again(tmp_path: Path) -> None:
    with served(tmp_path, serving=Serving(ends="Failed")) as stage:
        model = tuned(stage)
        failed = ready(stage, model)
        assert (failed.phase, failed.state) == ("failed", "Failed")
        assert stage.server().deploy(model, options={}).phase == "starting"
        assert stage.emulator.log.count(PUT_MACHINES) == 2


def test_an_endpoint_of_somebody_elses_is_neither_listed_nor_changed(stage: Served) -> None:
    model, server = tuned(stage), stage.server()
    found = ready(stage, model, name="cards")
    (endpoint,) = stage.emulator.world.shelf.online.values()
    endpoint.tags = {}
    assert server.deployments() == []
    with pytest.raises(Refused, match="is taken: an endpoint of another model"):
        server.deployment_plan(model, options={"name": "cards"})
    assert server.deployment(found.id).model == ""


def test_a_model_that_is_served_by_machines_is_not_deleted(stage: Served) -> None:
    model = tuned(stage)
    found = ready(stage, model)
    with pytest.raises(Refused, match="which costs"):
        stage.trainer().delete("job-1")
    stage.server().undeploy(found.id)
    stage.trainer().delete("job-1")
    assert stage.server().models() == []


def test_what_such_an_endpoint_cannot_be_told_is_refused_before_it_is_asked(stage: Served) -> None:
    model = tuned(stage)
    ready(stage, model)
    for generation in ({"stop": ("x",)}, {"seed": 1, "temperature": 0.5}):
        with pytest.raises(UsageError, match="neither stop strings nor a seed"):
            said(stage, model, 1, **generation)
    assert stage.emulator.log.count(SCORE) == 0
    assert said(stage, model, 1, temperature=0.5, top_p=0.9) == ["It is lost"]


def test_a_model_that_nothing_serves_or_not_yet_says_so(stage: Served) -> None:
    model, server = tuned(stage), stage.server()
    with pytest.raises(NotFound, match="none serves it"):
        said(stage, model)
    server.deploy(model, options={})
    with pytest.raises(Unreachable, match="is Creating"):
        said(stage, model)


@pytest.mark.parametrize(
    ("endpoint", "deployment", "expected"),
    [
        ("Creating", None, ("Creating", "starting")),
        ("Succeeded", None, ("without a deployment", "failed")),
        ("Succeeded", "Creating", ("Creating", "starting")),
        ("Succeeded", "Scaling", ("Scaling", "starting")),
        ("Succeeded", "Succeeded", ("Succeeded", "ready")),
        ("Succeeded", "Canceled", ("Canceled", "failed")),
        ("Updating", "Succeeded", ("Succeeded", "ready")),
        ("Failed", "Succeeded", ("Failed", "failed")),
        ("Deleting", "Succeeded", ("Deleting", "ending")),
        ("Succeeded", "Dreaming", ("Dreaming", "unknown")),
    ],
)
def test_an_endpoint_and_its_machines_have_one_state(endpoint: str, deployment: str | None, expected: tuple[str, str]) -> None:
    row = {"name": "a", "properties": {"provisioningState": endpoint}}
    found = standing_of(row, None if deployment is None else {"properties": {"provisioningState": deployment}})
    assert (found.state, found.phase) == expected


def test_both_kinds_are_listed_together_and_the_one_that_answers_is_asked(tmp_path: Path) -> None:
    with served(tmp_path, habits=Habits(page=1)) as stage:
        first, second = stage.tuned(name="job-1"), stage.tuned(recipe(about="parcel", instance_types=[A100]), name="job-2")
        stage.deployed(first)
        ready(stage, second)
        kinds = [each.id.partition("/")[0] for each in stage.server().deployments()]
        assert kinds == ["onlineEndpoints", "serverlessEndpoints"]
        assert said(stage, first, 1) == ["It is lost"]
