"""Tuned open models on rented machines, over the emulated Vertex AI: told with what they cost, begun once, found again, ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tuneport_vertex.adapter.server import VertexServer
from tuneport_vertex.emulator import Serving
from tuneport_vertex.emulator.endpoints import Deployed, Endpoint

from tuneport.deploying import begin, follow
from tuneport.errors import Ambiguous, NotFound, RecipeError, Refused, Unreachable, Unsupported
from tuneport.examples import Message
from tuneport.model import Deployment, Model
from tuneport.provider import Generation
from tuneport.testing.emulator.faults import Reset, ServerError

from .vertex_served import DEPLOY, LLAMA, UNDEPLOY, Served, served
from .vertex_stage import chats

TEXT = frozenset({"text"})


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as found:
        yield found


@pytest.fixture
def model(stage: Served) -> Model:
    return stage.tuned(LLAMA)


def said(server: VertexServer, target: Model | Deployment, count: int = 3) -> list[str]:
    return [each.text for each in server.predict(target, chats(count), generation=Generation(), needs=TEXT)]


def ready(stage: Served, server: VertexServer, model: Model, **options: object) -> Deployment:
    begun = begin(server, model, options=options, clock=stage.clock)
    return follow(server, begun, clock=stage.clock, timeout_s=7200)


def test_an_open_model_does_not_answer_until_it_is_deployed_and_says_how(stage: Served, model: Model) -> None:
    server = stage.server()
    assert (model.base, "endpoint" in model.details) == (LLAMA, False)
    with pytest.raises(NotFound, match="none serves it") as refused:
        said(server, model)
    assert refused.value.remedy == f"Deploy it: tuneport models deploy {model.uri}"


def test_a_plan_tells_machine_price_and_rules_and_changes_nothing(stage: Served, model: Model) -> None:
    plan = stage.server().deployment_plan(model, options={})
    assert plan.model == model.id
    assert plan.cost_sentences == ("hosting: 1.15 USD per hosting hour, 840.01 USD a month",)
    assert plan.costs[0].price == Decimal("1.1507")
    assert any("nothing ends it by itself" in rule for rule in plan.rules)
    (request,) = plan.requests
    assert request.call == "POST /v1beta1/projects/tune-main/locations/us-central1:deploy"
    assert request.body["customModel"]["gcsUri"].endswith("/postprocess/node-0/checkpoints/final")
    assert request.body["deployConfig"]["dedicatedResources"]["machineSpec"]["machineType"] == "g2-standard-12"
    assert (plan.stands, plan.sends_nothing, stage.emulator.log.effects(DEPLOY)) == (None, False, 0)


def test_it_is_begun_at_once_answers_later_and_is_asked_by_model_and_by_deployment(stage: Served, model: Model) -> None:
    server = stage.server()
    began = stage.clock.monotonic()
    begun = server.deploy(model, options={})
    assert (begun.phase, stage.clock.monotonic() - began) == ("starting", 0)
    with pytest.raises((Unreachable, NotFound)):
        said(server, model)
    stands = follow(server, begun, clock=stage.clock, timeout_s=7200)
    assert (stands.phase, stands.model) == ("ready", model.id)
    assert (stands.details["machine"], stands.details["gpus"]) == ("g2-standard-12", "1 x NVIDIA_L4")
    wanted = ["It is lost", "It is stolen", "It is expired"]
    assert said(server, model) == said(server, stands) == said(server, server.model(stands.id)) == wanted
    pieces = list(server.chat(model, [Message("user", "My card number 3 is blocked")], generation=Generation()))
    assert "".join(pieces) == "It is blocked"


def test_another_process_sees_it_with_the_model_that_it_serves(stage: Served, model: Model) -> None:
    stands = ready(stage, stage.server(), model)
    other = stage.server()
    assert [(each.id, each.model, each.phase) for each in other.deployments()] == [(stands.id, model.id, "ready")]
    assert said(other, model, 1) == ["It is lost"]
    assert other.models()[0].id == model.id
    assert len(other.models()) == 1  # the copy that deploying made is no tuned model of its own


def test_the_same_model_is_deployed_once_however_often_it_is_asked_for(stage: Served, model: Model) -> None:
    server = stage.server()
    stands = ready(stage, server, model)
    plan = server.deployment_plan(model, options={})
    assert plan.sends_nothing
    assert server.deploy(model, options={}).id == stage.server().deploy(model, options={}).id == stands.id
    assert stage.emulator.log.effects(DEPLOY) == 1


def test_a_name_that_another_model_has_is_refused_and_so_is_another_machine(stage: Served, model: Model) -> None:
    server = stage.server()
    ready(stage, server, model, name="answering")
    other = stage.tuned(LLAMA, about="parcel")
    with pytest.raises(Refused, match="the name answering is taken"):
        server.deployment_plan(other, options={"name": "answering"})
    with pytest.raises(Refused, match="stands already, on g2-standard-12"):
        server.deployment_plan(model, options={"name": "answering", "machine": "g2-standard-24"})
    assert stage.emulator.log.effects(DEPLOY) == 1


def test_an_empty_endpoint_of_somebodys_is_not_ended_for_its_name(stage: Served, model: Model) -> None:
    server, world = stage.server(), stage.emulator.world
    place = next(iter(world.jobs.values())).place
    theirs = Endpoint(place, "support", "Support", world.now())
    world.endpoints[theirs.name] = theirs
    for ask in (server.deployment_plan, server.deploy):
        with pytest.raises(Refused, match="the name support is taken: an endpoint stands there that was not made from here"):
            ask(model, options={"name": "support"})
    assert world.endpoints[theirs.name] is theirs


def test_ending_it_ends_endpoint_and_copy_and_ending_it_again_finds_nothing(stage: Served, model: Model) -> None:
    server = stage.server()
    stands = ready(stage, server, model)
    server.undeploy(stands.id)
    assert server.deployments() == []
    assert not any("tuneport-" in name for name in (*stage.emulator.world.endpoints, *stage.emulator.world.models))
    with pytest.raises(NotFound):
        server.undeploy(stands.id)
    with pytest.raises(NotFound):
        server.deployment(stands.id)
    assert server.model(model.id).details["weights"] == model.details["weights"]  # the weights stay


def test_an_endpoint_that_shares_its_traffic_is_emptied_and_ended_too(stage: Served, model: Model) -> None:
    server, world = stage.server(), stage.emulator.world
    stands = ready(stage, server, model)
    endpoint = next(each for name, each in world.endpoints.items() if name.endswith(stands.id.rpartition("/")[2]))
    first = next(iter(endpoint.deployed.values()))
    endpoint.deployed["77"] = Deployed("77", first.version, "beside it", world.now())
    endpoint.traffic = {first.id: 60, "77": 40}
    server.undeploy(stands.id)
    assert endpoint.name not in world.endpoints


def test_an_end_whose_replies_are_lost_ends_it_all_the_same(stage: Served, model: Model) -> None:
    server = stage.server()
    stands = ready(stage, server, model)
    stage.emulator.faults.once(Reset(after_effect=True), on=UNDEPLOY)
    server.undeploy(stands.id)
    assert server.deployments() == []


def test_one_whose_reply_is_lost_is_found_by_its_name_and_not_begun_twice(stage: Served, model: Model) -> None:
    server = stage.server()
    stage.emulator.faults.once(ServerError(502, "html", after_effect=True), on=DEPLOY)
    begun = server.deploy(model, options={})
    assert begun.model == model.id
    assert follow(server, begun, clock=stage.clock, timeout_s=7200).phase == "ready"
    assert stage.emulator.log.effects(DEPLOY) == 1


def test_one_that_was_never_heard_says_that_nobody_knows_and_where_to_look(stage: Served, model: Model) -> None:
    server = stage.server()
    stage.emulator.faults.once(Reset(), on=DEPLOY)
    with pytest.raises(Ambiguous) as unknown:
        server.deploy(model, options={})
    assert "tuneport models deployments" in unknown.value.remedy
    assert stage.emulator.log.effects(DEPLOY) == 0
    assert ready(stage, server, model).phase == "ready"


def test_one_that_fails_says_why_costs_nothing_and_is_made_anew_when_it_is_asked_for_again(tmp_path: Path) -> None:
    with served(tmp_path, serving=Serving(error="Not enough resources of NVIDIA_L4 in us-central1.")) as stage:
        model, server = stage.tuned(LLAMA), stage.server()
        begun = server.deploy(model, options={})
        failed = follow(server, begun, clock=stage.clock, timeout_s=7200)
        assert (failed.phase, failed.reason) == ("failed", "Not enough resources of NVIDIA_L4 in us-central1.")
        other = stage.server()
        plan = other.deployment_plan(model, options={})
        assert (plan.sends_nothing, plan.stands is not None) == (False, True)
        assert [request.call.partition(" ")[0] for request in plan.requests] == ["DELETE", "POST"]
        stage.emulator.world.serving = Serving()
        assert ready(stage, other, model).phase == "ready"
        assert said(other, model, 1) == ["It is lost"]


def test_what_the_service_refuses_was_not_begun(stage: Served, model: Model) -> None:
    stage.emulator.project_called().gpus.clear()
    with pytest.raises(Refused):
        stage.server().deploy(model, options={})
    assert stage.emulator.world.endpoints == {}


def test_bases_endpoints_and_checkpoints_are_not_deployed_and_say_so(stage: Served, model: Model) -> None:
    server = stage.server()
    stands = ready(stage, server, model)
    for target in (server.model(LLAMA), server.model(stands.id)):
        with pytest.raises(Unsupported):
            server.deployment_plan(target, options={})


def test_a_region_is_the_profiles_own_unless_the_profile_is_everywhere(stage: Served, model: Model) -> None:
    with pytest.raises(RecipeError, match="region is europe-west4"):
        stage.server().deployment_plan(model, options={"region": "europe-west4"})
    everywhere = stage.server(location="global")
    plan = everywhere.deployment_plan(model, options={})
    assert plan.id.startswith("tune-main/us-central1/endpoints/")
    elsewhere = everywhere.deployment_plan(model, options={"region": "us-west1"})
    assert elsewhere.id.startswith("tune-main/us-west1/endpoints/")
    assert "price of us-central1" in elsewhere.costs[0].doubts


def test_weights_that_nobody_knows_of_have_to_be_named(stage: Served, model: Model) -> None:
    server = stage.server()
    bare = Model(model.uri, model.provider, model.id, base=LLAMA)
    with pytest.raises(RecipeError, match="is not known"):
        server.deployment_plan(bare, options={})
    plan = server.deployment_plan(bare, options={"weights": "gs://tune-main-us/mine/final"})
    assert plan.requests[0].body["customModel"] == {"gcsUri": "gs://tune-main-us/mine/final"}


def test_the_request_is_what_the_plan_showed(stage: Served, model: Model) -> None:
    server = stage.server()
    plan = server.deployment_plan(model, options={"replicas": 2})
    stands = ready(stage, server, model, replicas=2)
    assert stands.details["replicas"] == 2
    assert stands.id == plan.id
    assert json.loads(json.dumps(plan.requests[0].body))["endpointConfig"]["endpointUserId"] == stands.id.rpartition("/")[2]
