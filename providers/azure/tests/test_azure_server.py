"""Tuned models answer through their deployments: found by model or by name, waited for while they are new, and refused with a reason."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tuneport_azure.adapter.server import AzureServer
from tuneport_azure.emulator.courses import AT_ONCE, DeploymentCourse
from tuneport_azure.emulator.habits import AzureHabits
from tuneport_openai.emulator.validation import UNSAFE

from tuneport.errors import ConfigError, CredentialsRefused, NotFound, Refused, UnknownModel, Unreachable
from tuneport.examples import ChatExample, Example, Message
from tuneport.model import Deployment, Model
from tuneport.provider import Deploys, Generation, Server
from tuneport.testing import ServerConformance
from tuneport.testing.emulator.faults import RateLimited, Reset, ServerError

from .azure_emulated import GPT, put
from .azure_emulated import management as sdk
from .azure_served import CHAT, GET, Served, served

SHORT = Generation(max_tokens=8)
TEXT: Any = frozenset({"text"})


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, deployment=AT_ONCE) as stage:
        yield stage


def rows(*texts: str) -> list[Example]:
    return [ChatExample((Message("user", text), Message("assistant", "blocked"))) for text in texts]


def asked(server: AzureServer, target: Model | Deployment, *texts: str) -> list[str]:
    return [answer.text for answer in server.predict(target, rows(*(texts or ("Card 3 is blocked",))), generation=SHORT, needs=TEXT)]


class TestAzureServer(ServerConformance):
    """The kit's rules."""

    @pytest.fixture
    def server(self, stage: Served) -> Server:
        server = stage.server()
        server.deploy(stage.model, options={"name": "for-the-kit", "type": "developer"})
        return server

    @pytest.fixture
    def model(self, server: Server, stage: Served) -> Model:
        return server.model(stage.model.id)

    @pytest.fixture
    def rows(self) -> list[Example]:
        return rows("Card 3 is lost", "Card 4 is stolen", "Card 5 is expired")


def test_the_server_deploys(stage: Served) -> None:
    assert isinstance(stage.server(), Deploys)


# --- which deployment -------------------------------------------------------------------------------------------------------------------


def test_a_tuned_model_is_asked_through_its_youngest_deployment_that_is_ready(tmp_path: Path) -> None:
    slow = DeploymentCourse(accepted_s=1e6)
    with served(tmp_path, deployment=lambda number: slow if number == 3 else AT_ONCE) as stage:
        server = stage.server()
        for name in ("older", "younger", "coming"):
            stage.clock.sleep(60)
            server.deploy(stage.model, options={"name": name})
        assert asked(server, stage.model)
        requests = stage.emulator.resource().requests
        assert {name: len(times) for name, times in requests.items()} == {"younger": 1}


def test_a_model_without_a_deployment_says_how_to_deploy_it(stage: Served) -> None:
    with pytest.raises(NotFound) as caught:
        stage.server().predict(stage.model, rows("x"), generation=SHORT, needs=TEXT)
    assert f"tuneport models deploy azure:contoso/{stage.bare}" in caught.value.remedy
    assert stage.emulator.log.count(CHAT) == 0


def test_a_model_whose_deployment_is_being_made_does_not_answer_yet(tmp_path: Path) -> None:
    with served(tmp_path) as stage:
        server = stage.server()
        server.deploy(stage.model, options={"name": "tickets"})
        with pytest.raises(Unreachable, match="tickets is Accepted"):
            server.chat(stage.model, [Message("user", "x")], generation=SHORT)


def test_a_model_whose_only_deployment_failed_has_none(tmp_path: Path) -> None:
    with served(tmp_path, deployment=DeploymentCourse(0.0, 0.0, "Failed")) as stage:
        server = stage.server()
        server.deploy(stage.model, options={"name": "tickets"})
        with pytest.raises(NotFound, match="tickets is Failed"):
            asked(server, stage.model)


@pytest.mark.parametrize("given", ["contoso/deployments/tickets", "deployments/tickets", "tickets"])
def test_a_deployment_is_asked_by_its_id_or_name(stage: Served, given: str) -> None:
    server = stage.server()
    server.deploy(stage.model, options={"name": "tickets"})
    model = server.model(given)
    assert (model.uri, model.kind, model.base) == ("azure:contoso/deployments/tickets", "tuned", GPT)
    assert asked(server, model) == asked(server, server.deployment("contoso/deployments/tickets"))


def test_a_base_answers_through_a_deployment_of_it_for_comparison(stage: Served) -> None:
    server = stage.server()
    with pytest.raises(NotFound, match="only through a deployment"):
        asked(server, server.model(GPT))
    base = {"format": "OpenAI", "name": "gpt-4.1-mini", "version": "2025-04-14"}
    put(sdk(stage.emulator), "plain", {"sku": {"name": "GlobalStandard", "capacity": 1}, "properties": {"model": base}})
    found = server.model(GPT)
    assert (found.kind, found.base, found.uri) == ("base", GPT, f"azure:contoso/{GPT}")
    assert asked(server, found)
    assert server.deployments() == []


def test_without_the_management_plane_a_deployment_is_still_asked_by_its_name(stage: Served) -> None:
    stage.server().deploy(stage.model, options={"name": "tickets"})
    blind = stage.server(subscription=None)
    assert asked(blind, blind.model("contoso/deployments/tickets"))
    with pytest.raises(ConfigError) as caught:
        asked(blind, stage.model)
    assert "azure:contoso/deployments/NAME" in caught.value.remedy


def test_a_role_without_the_management_plane_is_told_to_name_the_deployment(stage: Served) -> None:
    stage.server().deploy(stage.model, options={"name": "tickets"})
    poor = stage.server(role="nobody")
    with pytest.raises(CredentialsRefused) as caught:
        asked(poor, stage.model)
    assert "Name the deployment instead" in caught.value.remedy
    assert asked(poor, poor.model("contoso/deployments/tickets"))


def test_what_belongs_to_another_resource_is_not_asked_for_here(stage: Served) -> None:
    server = stage.server()
    with pytest.raises(UnknownModel, match="nordic"):
        server.model("nordic/deployments/tickets")
    with pytest.raises(NotFound, match="nordic"):
        asked(server, Model(uri="azure:nordic/x.ft-1", provider="azure", id="nordic/x.ft-1"))


# --- models -----------------------------------------------------------------------------------------------------------------------------


def test_tuned_models_are_listed_with_their_base_job_and_deployments(stage: Served) -> None:
    server = stage.server()
    server.deploy(stage.model, options={"name": "tickets"})
    (found,) = server.models()
    assert (found.id, found.kind, found.base) == (stage.model.id, "tuned", GPT)
    assert found.job_uri == f"azure:contoso/{stage.job}"
    assert found.details["deployments"] == ["tickets"]
    assert found.details["shutdown_date"] == "2027-10-14"
    assert found.created_at is not None


def test_tuned_models_are_listed_without_the_management_plane(stage: Served) -> None:
    (found,) = stage.server(subscription=None).models()
    assert found.id == stage.model.id
    assert "deployments" not in found.details


def test_a_checkpoint_can_be_named_for_deploying(stage: Served) -> None:
    found = stage.server().model("contoso/ftchkpt-0123456789abcdef0123456789abcdef")
    assert (found.kind, found.base) == ("tuned", None)


def test_an_unknown_model_is_refused_with_what_it_may_have_been(stage: Served) -> None:
    for server in (stage.server(), stage.server(subscription=None)):
        with pytest.raises(UnknownModel, match="no deployment 'no-such'") as caught:
            server.model("no-such")
        assert "models list" in caught.value.remedy
    with pytest.raises(UnknownModel, match="there is no deployment gone"):
        stage.server().model("contoso/deployments/gone")


# --- waiting for a new one --------------------------------------------------------------------------------------------------------------


def test_a_new_deployment_is_waited_for_until_it_is_heard_of(tmp_path: Path) -> None:
    """Succeeded, and for minutes not found, then not ready, on the data plane."""
    with served(tmp_path, deployment=DeploymentCourse(0.0, 0.0, unheard_s=150.0, not_ready_s=150.0)) as stage:
        server = stage.server()
        begun = server.deploy(stage.model, options={})
        before = stage.clock.monotonic()
        assert all(asked(server, begun, *(f"Card {n}" for n in range(12))))
        assert stage.clock.monotonic() - before >= 290


def test_a_conversation_waits_for_a_new_deployment_too(tmp_path: Path) -> None:
    with served(tmp_path, deployment=DeploymentCourse(0.0, 0.0)) as stage:
        server = stage.server()
        begun = server.deploy(stage.model, options={})
        assert "".join(server.chat(begun, [Message("user", "Is card 3 blocked?")], generation=SHORT))


@pytest.mark.parametrize(("unheard_s", "not_ready_s", "kind"), [(1e6, 0.0, NotFound), (0.0, 1e6, Refused)])
def test_the_patience_with_a_new_deployment_has_an_end(tmp_path: Path, unheard_s: float, not_ready_s: float, kind: type[Refused]) -> None:
    with served(tmp_path, deployment=DeploymentCourse(0.0, 0.0, unheard_s=unheard_s, not_ready_s=not_ready_s)) as stage:
        server = stage.server()
        begun = server.deploy(stage.model, options={})
        before = stage.clock.monotonic()
        with pytest.raises(kind, match="does not answer") as caught:
            list(server.chat(begun, [Message("user", "x")], generation=SHORT))
        assert type(caught.value) is kind
        assert 590 <= stage.clock.monotonic() - before <= 700
        assert stage.emulator.log.count(CHAT) <= 250


def test_one_that_vanished_after_idle_days_is_not_waited_for(stage: Served) -> None:
    server = stage.server()
    begun = server.deploy(stage.model, options={})
    stage.clock.sleep(timedelta(days=16).total_seconds())
    before = stage.clock.monotonic()
    with pytest.raises(NotFound, match="15 days") as caught:
        asked(server, begun)
    assert stage.clock.monotonic() - before < 10
    assert "deploy it again" in caught.value.remedy


def test_a_name_that_nobody_can_look_up_is_waited_for_a_minute_only(stage: Served) -> None:
    server = stage.server(subscription=None)
    before = stage.clock.monotonic()
    with pytest.raises(NotFound, match="does not answer"):
        asked(server, server.model("contoso/deployments/typo"))
    assert stage.clock.monotonic() - before <= 120


def test_a_failed_deployment_says_so_when_it_is_asked(tmp_path: Path) -> None:
    with served(tmp_path, deployment=DeploymentCourse(0.0, 0.0, "Failed")) as stage:
        server = stage.server()
        begun = server.deploy(stage.model, options={})
        with pytest.raises(Refused, match="is Failed"):
            asked(server, begun)


def test_all_rows_together_look_once_at_what_they_wait_for(tmp_path: Path) -> None:
    with served(tmp_path, deployment=DeploymentCourse(0.0, 0.0, unheard_s=60.0, not_ready_s=0.0)) as stage:
        server = stage.server()
        begun = server.deploy(stage.model, options={})
        before = stage.emulator.log.count(GET)
        asked(server, begun, *(f"Card {n}" for n in range(20)))
        assert stage.emulator.log.count(GET) - before == 1


# --- answers ----------------------------------------------------------------------------------------------------------------------------


def test_what_the_content_filter_refuses_has_no_answer_and_the_others_have(stage: Served, caplog: pytest.LogCaptureFixture) -> None:
    server = stage.server()
    server.deploy(stage.model, options={})
    texts = (f"{UNSAFE} one", "Card 3 is lost", f"{UNSAFE} two", "Card 4 is stolen")
    with caplog.at_level(logging.WARNING, "tuneport"):
        answers = list(server.predict(stage.model, rows(*texts), generation=SHORT, needs=TEXT))
    assert [answer.finish == "error" for answer in answers] == [True, False, True, False]
    assert "content filter" in caplog.text
    assert "one" not in caplog.text.split()


def test_a_conversation_that_the_content_filter_refuses_says_so(stage: Served) -> None:
    server = stage.server()
    server.deploy(stage.model, options={})
    with pytest.raises(Refused, match="content filter"):
        list(server.chat(stage.model, [Message("user", UNSAFE)], generation=SHORT))


def test_what_the_filter_found_is_named(tmp_path: Path) -> None:
    inner = {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {"hate": {"filtered": True, "severity": "high"}, "sexual": {}},
    }
    error = {"message": "filtered", "type": None, "param": "prompt", "code": "content_filter", "status": 400, "innererror": inner}
    server = answering(lambda _: httpx2.Response(400, json={"error": error}), tmp_path)
    with pytest.raises(Refused, match=r"for hate \(high\)"):
        list(server.chat(DEPLOYMENT, [Message("user", "x")], generation=SHORT))


DEPLOYMENT = Model(uri="azure:contoso/deployments/tickets", provider="azure", id="contoso/deployments/tickets")


def answering(answer: Callable[[httpx2.Request], httpx2.Response], home: Path, **profile: Any) -> AzureServer:
    """A server over a data plane that answers so, without a management plane."""
    from tuneport.provider import ProviderSettings
    from tuneport.testing import SimulatedClock

    profile = {"endpoint": "https://contoso.openai.azure.com", **profile}
    settings = ProviderSettings(
        name="azure", home=home, environ={"AZURE_OPENAI_API_KEY": "k" * 32}, profile=profile, clock=SimulatedClock()
    )
    return AzureServer(settings, http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))


def said(text: str | None, finish: str = "stop") -> httpx2.Response:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    return httpx2.Response(200, json={"id": "c", "prompt_filter_results": [], "choices": [choice], "usage": usage})


@pytest.mark.parametrize(
    ("version", "path"), [(None, "/openai/v1/chat/completions"), ("2025-04-01-preview", "/openai/deployments/tickets/chat/completions")]
)
def test_the_name_of_the_deployment_is_what_is_asked_in_each_version(tmp_path: Path, version: str | None, path: str) -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return said("yes")

    server = answering(answer, tmp_path, **({"api_version": version} if version else {}))
    assert asked(server, DEPLOYMENT) == ["yes"]
    (request,) = seen
    assert request.url.path == path
    assert json.loads(request.read())["model"] == "tickets"


def test_an_answer_that_was_filtered_on_its_way_out_ends_in_error(tmp_path: Path) -> None:
    server = answering(lambda _: said(None, "content_filter"), tmp_path)
    (answer,) = server.predict(DEPLOYMENT, rows("x"), generation=SHORT, needs=TEXT)
    assert (answer.text, answer.finish) == ("", "error")


def test_the_limits_of_a_small_deployment_are_waited_out(tmp_path: Path) -> None:
    """With a capacity of 2 it answers two requests a minute."""
    with served(tmp_path, deployment=AT_ONCE, habits=AzureHabits(throttles=True)) as stage:
        server = stage.server(requests_at_once=1)
        server.deploy(stage.model, options={"capacity": 2})
        before = stage.clock.monotonic()
        assert all(asked(server, stage.model, *(f"Card {n}" for n in range(6))))
        assert stage.clock.monotonic() - before >= 110


@pytest.mark.parametrize("fault", [RateLimited(20.0), ServerError(503, "html"), Reset()])
def test_rows_are_asked_again_where_there_was_no_answer(stage: Served, fault: Any) -> None:
    server = stage.server()
    server.deploy(stage.model, options={})
    stage.emulator.faults.times(2, fault, on=CHAT)
    assert all(asked(server, stage.model, *(f"Card {n}" for n in range(6))))


def test_a_wrong_key_is_refused_and_never_shown(stage: Served) -> None:
    server = stage.server()
    server.deploy(stage.model, options={})
    key = stage.emulator.key()
    stage.emulator.resource().keys[:] = ["another"]
    with pytest.raises(CredentialsRefused) as caught:
        asked(server, stage.model)
    assert key not in str(caught.value)
