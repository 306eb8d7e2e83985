"""Tuned models are served, asked and ended, over the emulated Azure ML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tuneport_azureml.adapter.server import AzureMLServer
from tuneport_azureml.emulator import COMPUTE, Habits, Serving
from tuneport_azureml.emulator.serving_routes import UNSAFE
from tuneport_azureml.wire.endpoints import Region, default_name, is_serving_address, standing_of

from tuneport.deploying import begin, follow
from tuneport.errors import Ambiguous, CredentialsRefused, NotFound, RecipeError, Refused, Unreachable, Unsupported, UsageError
from tuneport.examples import ChatExample, Message, Tool
from tuneport.provider import Deploys, Generation
from tuneport.recipe import Classify, Recipe
from tuneport.testing.emulator.faults import RateLimited, Reset, ServerError, Truncated

from .azureml_served import ASK, DELETE_ENDPOINT, GET_ENDPOINT, KEYS, PUT_ENDPOINT, Served, served
from .azureml_stage import BERT, PHI, Identity, chats, labelled, recipe

TEXT = frozenset({"text"})
GREEDY = Generation()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as stage:
        yield stage


def said(server: AzureMLServer, target: Any, count: int = 4) -> list[str]:
    return [each.text for each in server.predict(target, chats(count), generation=GREEDY, needs=TEXT)]


class TestDeploying:
    def test_the_price_is_told_first_as_far_as_anybody_tells_it(self, stage: Served) -> None:
        model, server = stage.tuned(recipe().model_copy(update={"suffix": "cards"})), stage.server()
        plan = server.deployment_plan(model, options={})
        assert plan.cost_sentences == ("hosting: price per hosting hour not known",)
        assert not plan.free
        assert "asked or not" in plan.rules[0]
        assert plan.id.startswith("serverlessEndpoints/cards-job-1-")
        body = plan.requests[0].body
        assert body["properties"]["modelSettings"]["modelId"] == (
            "azureml://locations/westeurope/workspaces/00000000-0000-4000-8000-000000000001/" + model.id
        )
        assert stage.endpoints() == []

    def test_an_endpoint_is_made_once_followed_and_ended(self, stage: Served) -> None:
        model, server = stage.tuned(), stage.server()
        assert isinstance(server, Deploys)
        begun = begin(server, model, options={}, clock=stage.clock)
        assert (begun.state, begun.phase, begun.model) == ("Creating", "starting", model.id)
        ready = follow(server, begun, clock=stage.clock)
        assert (ready.state, ready.phase) == ("Succeeded", "ready")
        assert begin(server, model, options={}, clock=stage.clock).id == ready.id
        assert stage.emulator.log.count(PUT_ENDPOINT) == 1
        assert [each.id for each in server.deployments()] == [ready.id]
        server.undeploy(ready.id)
        assert (server.deployments(), stage.endpoints()) == ([], [])
        with pytest.raises(NotFound):
            server.undeploy(ready.id)
        assert server.model(model.id).id == model.id

    def test_an_endpoint_says_on_itself_which_model_it_serves(self, stage: Served) -> None:
        model = stage.tuned()
        stage.deployed(model)
        assert stage.emulator.world.shelf.endpoints[stage.endpoints()[0]].tags == {"tuneport_model": model.id}

    def test_another_models_name_is_left_alone(self, stage: Served) -> None:
        first, second, server = stage.tuned(), stage.tuned(recipe(about="parcel"), name="job-2"), stage.server()
        server.deploy(first, options={"name": "cards"})
        with pytest.raises(Refused, match="is taken"):
            server.deployment_plan(second, options={"name": "cards"})
        assert stage.emulator.log.count(PUT_ENDPOINT) == 1

    def test_a_name_that_is_taken_while_the_reply_was_lost_is_left_alone(self, stage: Served) -> None:
        first, second, server = stage.tuned(), stage.tuned(recipe(about="parcel"), name="job-2"), stage.server()
        world = stage.emulator.world
        plan = server.deployment_plan(second, options={"name": "cards"})
        server.deploy(first, options={"name": "other"})
        stage.emulator.faults.once(Reset(), on=PUT_ENDPOINT)
        world.shelf.endpoints["cards"] = world.shelf.endpoints["other"]
        with pytest.raises(Refused, match="is taken"):
            server.deploy(second, options={"name": "cards"})
        assert plan.stands is None

    @pytest.mark.parametrize("fault", [Reset(after_effect=True), ServerError(502, "html", after_effect=True), Truncated(), Reset()])
    def test_a_reply_that_is_lost_makes_no_second_endpoint_and_loses_none(self, stage: Served, fault: Any) -> None:
        model, server = stage.tuned(), stage.server()
        stage.emulator.faults.once(fault, on=PUT_ENDPOINT)
        begun = begin(server, model, options={}, clock=stage.clock)
        assert [begun.id.partition("/")[2]] == stage.endpoints()
        assert follow(server, begun, clock=stage.clock).phase == "ready"

    def test_what_nobody_can_see_is_said_to_be_perhaps_begun(self, stage: Served) -> None:
        model, server = stage.tuned(), stage.server()
        stage.emulator.faults.once(Reset(after_effect=True), on=PUT_ENDPOINT)
        stage.emulator.faults.times(20, Reset(), on=GET_ENDPOINT, after=1)
        with pytest.raises(Ambiguous) as caught:
            server.deploy(model, options={})
        assert "it costs" in caught.value.remedy

    def test_a_lost_answer_to_the_end_is_looked_after(self, stage: Served) -> None:
        ready, server = stage.deployed(stage.tuned()), stage.server()
        stage.emulator.faults.once(Reset(after_effect=True), on=DELETE_ENDPOINT)
        server.undeploy(ready.id)
        assert stage.endpoints() == []

    def test_a_service_that_asks_to_wait_is_waited_for(self, stage: Served) -> None:
        model, server = stage.tuned(), stage.server()
        stage.emulator.faults.times(2, RateLimited(30.0), on=PUT_ENDPOINT)
        before = stage.clock.monotonic()
        assert server.deploy(model, options={}).phase == "starting"
        assert stage.clock.monotonic() - before >= 60

    def test_a_deployment_that_failed_says_so_and_can_be_begun_again(self, tmp_path: Path) -> None:
        with served(tmp_path, serving=Serving(ends="Failed")) as stage:
            model, server = stage.tuned(), stage.server()
            failed = follow(server, begin(server, model, options={}, clock=stage.clock), clock=stage.clock)
            assert (failed.phase, failed.state) == ("failed", "Failed")
            assert "activity log" in failed.reason
            with pytest.raises(NotFound, match="none serves it"):
                said(server, model)
            assert server.deploy(model, options={}).phase == "starting"
            assert stage.emulator.log.count(PUT_ENDPOINT) == 2

    @pytest.mark.parametrize(
        ("chosen", "profile", "reason"),
        [
            (Recipe(base=BERT, train=labelled(), method=Classify(epochs=1)), {}, "TextClassification"),
            (Recipe(base=BERT, train=labelled(), method=Classify(epochs=1)), {"compute": COMPUTE}, "TextClassification"),
            (recipe(task="summarization"), {}, "TextSummarization"),
        ],
    )
    def test_a_model_that_is_not_served_so_is_refused_before_anything_is_made(
        self, stage: Served, chosen: Recipe, profile: dict[str, Any], reason: str
    ) -> None:
        model = stage.tuned(chosen, **profile)
        with pytest.raises(Refused, match=reason):
            stage.server().deployment_plan(model, options={})
        with pytest.raises(Refused, match=reason):
            stage.server().deployment_plan(stage.server().models()[0], options={})

    @pytest.mark.parametrize(
        ("options", "message"),
        [({"size": 2}, "no option of an endpoint"), ({"name": "1st"}, "begins with a letter"), ({"name": "a" * 53}, "52 letters")],
    )
    def test_options_that_are_none_are_refused(self, stage: Served, options: dict[str, Any], message: str) -> None:
        with pytest.raises(RecipeError, match=message):
            stage.server().deployment_plan(stage.tuned(), options=options)

    def test_a_base_is_not_deployed(self, stage: Served) -> None:
        server = stage.server()
        with pytest.raises(Unsupported, match="no tuned model"):
            server.deployment_plan(server.model(PHI), options={})

    def test_a_reader_may_look_and_deploys_nothing(self, stage: Served) -> None:
        model = stage.tuned()
        server = stage.server(environ={"AZURE_MANAGEMENT_TOKEN": stage.emulator.token(role="reader")})
        assert server.deployments() == []
        with pytest.raises(CredentialsRefused, match="role"):
            server.deploy(model, options={})
        assert stage.endpoints() == []

    def test_a_login_that_ends_while_it_is_followed_is_renewed(self, stage: Served) -> None:
        model = stage.tuned()
        server = stage.server(credential=lambda: Identity(stage, life_s=100))
        assert follow(server, begin(server, model, options={}, clock=stage.clock), clock=stage.clock).phase == "ready"


class TestAsking:
    def test_a_served_model_answers_in_order_and_with_its_tokens(self, stage: Served) -> None:
        model = stage.tuned()
        ready, server = stage.deployed(model), stage.server()
        answers = list(server.predict(model, chats(12), generation=GREEDY, needs=TEXT))
        assert [each.text for each in answers] == [row.messages[-1].text for row in chats(12)]
        assert all(each.finish == "stop" and min(each.tokens) > 0 for each in answers)
        assert said(server, ready) == said(server, server.model(ready.id)) == [each.text for each in answers[:4]]
        assert stage.emulator.log.count(KEYS) == 3

    def test_a_conversation_is_answered_piece_by_piece(self, stage: Served) -> None:
        model = stage.tuned()
        stage.deployed(model)
        server = stage.server()
        assert list(server.chat(model, [Message("user", "My card number 3 is blocked")], generation=GREEDY)) == ["It", " is", " blocked"]
        with pytest.raises(UsageError, match="no message"):
            server.chat(model, [], generation=GREEDY)

    def test_an_answer_that_was_cut_says_so(self, stage: Served) -> None:
        model = stage.tuned()
        stage.deployed(model)
        (answer,) = stage.server().predict(model, chats(1), generation=Generation(max_tokens=1), needs=TEXT)
        assert (answer.finish, answer.text) == ("length", "It")

    def test_a_young_endpoint_that_is_said_to_be_ready_is_waited_for(self, tmp_path: Path) -> None:
        with served(tmp_path, serving=Serving(deaf_s=100)) as stage:
            model, server = stage.tuned(), stage.server()
            follow(server, begin(server, model, options={}, clock=stage.clock), clock=stage.clock)
            assert said(server, model, 1) == ["It is lost"]

    def test_one_that_never_answers_is_given_up(self, tmp_path: Path) -> None:
        with served(tmp_path, serving=Serving(deaf_s=10**6)) as stage:
            model, server = stage.tuned(), stage.server()
            follow(server, begin(server, model, options={}, clock=stage.clock), clock=stage.clock)
            with pytest.raises(NotFound, match="does not answer"):
                said(server, model, 1)

    def test_a_model_that_nothing_serves_says_how_to_deploy_it(self, stage: Served) -> None:
        model, server = stage.tuned(), stage.server()
        with pytest.raises(NotFound) as caught:
            said(server, model)
        assert caught.value.remedy == f"Deploy it: tuneport models deploy {model.uri}"
        server.deploy(model, options={})
        with pytest.raises(Unreachable, match="is Creating"):
            said(server, model)

    def test_a_key_that_was_changed_is_fetched_anew(self, stage: Served) -> None:
        model = stage.tuned()
        stage.deployed(model)
        server = stage.server()
        stage.emulator.faults.once(ServerError(503), on=ASK)
        asks = server.predict(model, chats(1), generation=GREEDY, needs=TEXT)
        stage.emulator.world.shelf.endpoints[stage.endpoints()[0]].keys = ("changed", "too")
        assert [each.text for each in asks] == ["It is lost"]

    def test_log_probabilities_of_a_reference_are_not_to_be_had_and_nothing_stands_in_for_them(self, stage: Served) -> None:
        with pytest.raises(Unsupported, match="of the model's own words"):
            stage.server().predict(stage.tuned(), chats(1), generation=GREEDY, needs=frozenset({"log_probabilities"}))

    def test_tools_are_refused_before_a_question_is_sent(self, stage: Served) -> None:
        model = stage.tuned()
        stage.deployed(model)
        row = ChatExample((Message("user", "Hello"), Message("assistant", "Hi")), (Tool("look", "Looks.", {"type": "object"}),))
        with pytest.raises(UsageError, match="call tools"):
            list(stage.server().predict(model, [row], generation=GREEDY, needs=TEXT))
        assert stage.emulator.log.count(ASK) == 0

    def test_a_base_that_somebody_deployed_is_asked_too(self, stage: Served) -> None:
        world, server = stage.emulator.world, stage.server()
        model = stage.tuned()
        stage.deployed(model)
        standing = world.shelf.endpoints[stage.endpoints()[0]]
        standing.properties = {
            **standing.properties,
            "modelSettings": {"modelId": "azureml://registries/azureml/models/Phi-3-mini-4k-instruct"},
        }
        base = server.model(PHI)
        assert said(server, base, 1)[0].startswith("As a general model")

    def test_a_suspended_endpoint_says_so(self, stage: Served) -> None:
        model = stage.tuned()
        ready = stage.deployed(model)
        stage.emulator.world.shelf.endpoints[stage.endpoints()[0]].suspended = True
        now = stage.server().deployment(ready.id)
        assert (now.phase, now.state) == ("failed", "Suspended")
        assert "subscription" in now.reason


def test_no_row_is_repeated_where_an_endpoint_refuses_one(stage: Served) -> None:
    model = stage.tuned()
    stage.deployed(model)
    row = ChatExample((Message("user", f"My card number 7 is lost {UNSAFE}"), Message("assistant", "It is lost")))
    with pytest.raises(Refused, match="content_filter") as caught:
        list(stage.server().predict(model, [row], generation=GREEDY, needs=TEXT))
    assert "card" not in str(caught.value)
    answers = list(stage.server().predict(model, [*chats(1), row, *chats(2)], generation=GREEDY, needs=TEXT))
    assert [each.finish for each in answers] == ["stop", "error", "stop", "stop"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://cards-1.eastus2.models.ai.azure.com", True),
        ("https://cards.eastus2.inference.ai.azure.com/", True),
        ("https://models.ai.azure.com.example.org", False),
        ("http://cards-1.eastus2.models.ai.azure.com", False),
        ("https://example.org", False),
        ("http://127.0.0.1:9", False),
    ],
)
def test_a_key_goes_to_the_clouds_own_hosts_alone(stage: Served, url: str, expected: bool) -> None:
    from tuneport_azureml.profile import workspace_of

    place = workspace_of(stage.settings(environ={"AZUREML_DEV_URL_MFE": ""}))
    assert is_serving_address(place, url) is expected


@pytest.mark.parametrize(
    ("word", "stands", "phase"),
    [
        ("Creating", "Creating", "starting"),
        ("Updating", "Online", "starting"),
        ("Succeeded", "Online", "ready"),
        ("Succeeded", "Suspended", "failed"),
        ("Succeeded", "Reinstating", "starting"),
        ("Failed", "CreationFailed", "failed"),
        ("Canceled", "Unknown", "failed"),
        ("Deleting", "Deleting", "ending"),
        ("Dreaming", "Online", "unknown"),
    ],
)
def test_every_word_for_an_endpoint_has_its_phase(word: str, stands: str, phase: str) -> None:
    row = {"name": "a", "properties": {"provisioningState": word, "endpointState": stands}}
    assert standing_of(row).phase == phase


def test_the_usual_name_of_an_endpoint_is_the_same_at_every_call_fits_and_is_another_for_another_model() -> None:
    model = f"models/{'cards-' * 20}{'0' * 32}/versions/1"
    names = {
        default_name(each, scope="s/g/w") for each in (model, "models/3cards/versions/1", "models/cards/versions/2", "models/-/versions/1")
    }
    assert len(names) == 4
    assert all(len(name) <= 52 and name[0].isalpha() for name in names)
    assert default_name(model, scope="s/g/w") == default_name(model, scope="S/g/w") != default_name(model, scope="s/g/other")
    assert standing_of({"name": "a", "properties": {"modelSettings": {"modelId": "azureml://x"}}}).model(Region("a", "b")) == "azureml://x"


def test_endpoints_are_listed_page_after_page(tmp_path: Path) -> None:
    with served(tmp_path, habits=Habits(page=1)) as stage:
        models = [stage.tuned(name="job-1"), stage.tuned(recipe(about="parcel"), name="job-2")]
        for model in models:
            stage.server().deploy(model, options={})
            stage.clock.sleep(10)
        assert [each.model for each in stage.server().deployments()] == [models[1].id, models[0].id]
