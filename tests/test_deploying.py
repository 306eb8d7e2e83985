"""Deployments: what they cost is said first, none is made twice, and one that comes slowly is followed until it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from commands import Run

from tuneport.cli import main
from tuneport.client import Client
from tuneport.errors import (
    Ambiguous,
    ConfigError,
    CredentialsRefused,
    JobFailed,
    NotFound,
    Refused,
    TuneportError,
    Unreachable,
    Unsupported,
    WaitTimeout,
)
from tuneport.model import Deployment, DeploymentPlan, Model
from tuneport.plan import PlannedRequest
from tuneport.provider import Provider
from tuneport.quote import QuoteLine
from tuneport.settings import Settings
from tuneport.span import Span
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.fake import fake_provider
from tuneport.testing.server import FakeServer

RULE = "It is removed after 15 days in which nobody asks it."


@dataclass
class Yard:
    """Where deployments stand: made in two minutes by the clock, or never. `lost` says what happens to the next reply."""

    clock: SimulatedClock
    price: Decimal | None = Decimal("1.70")
    lost: str = ""
    fails: str = ""
    silent: int = 0
    puts: list[str] = field(default_factory=list)
    standing: dict[str, Deployment] = field(default_factory=dict)

    def now(self, name: str) -> Deployment:
        if name not in self.standing:
            raise NotFound(f"there is no deployment {name}.")
        one = self.standing[name]
        assert one.created_at is not None
        if self.clock.now() - one.created_at < timedelta(minutes=2):
            return one
        return (
            replace(one, state="Failed", phase="failed", reason=self.fails)
            if self.fails
            else replace(one, state="Succeeded", phase="ready")
        )


class YardServer(FakeServer):
    """Lets a model of the fake cloud answer only where it stands in the yard."""

    yard: Yard

    def deployment_plan(self, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
        name = str(options.get("name", "first"))
        stands = self.yard.now(name) if name in self.yard.standing else None
        if stands is not None and stands.model != model.id:
            raise Refused(f"the name {name} is taken by {stands.model}.")
        line = QuoteLine(
            "hosting", Span.exactly(1), "hosting hour", self.yard.price, as_of="2026-03-19", source="a page", confidence="vendor page"
        )
        body = {"model": model.id, **options}
        return DeploymentPlan(
            f"fake:deployments/{name}",
            "fake",
            f"deployments/{name}",
            model.id,
            (PlannedRequest(f"PUT {name}", body),),
            (line,),
            (RULE,),
            stands,
        )

    def deployment(self, deployment_id: str) -> Deployment:
        if self.yard.silent:
            self.yard.silent -= 1
            raise Unreachable("no answer came.")
        return self.yard.now(deployment_id.rpartition("/")[2])

    def deploy(self, model: Model, *, options: Mapping[str, Any]) -> Deployment:
        name = str(options.get("name", "first"))
        self.yard.puts.append(name)
        lost, self.yard.lost = self.yard.lost, ""
        if lost == "before":
            raise Ambiguous("no clear answer came.")
        at = self.yard.clock.now()
        made = Deployment(f"fake:deployments/{name}", "fake", f"deployments/{name}", model.id, "Creating", "starting", created_at=at)
        self.yard.standing[name] = replace(made, removed_at=at + timedelta(days=15))
        if lost == "after":
            raise Ambiguous("no clear answer came.")
        return self.yard.standing[name]

    def deployments(self) -> Sequence[Deployment]:
        return [self.yard.now(name) for name in self.yard.standing]

    def undeploy(self, deployment_id: str) -> None:
        self.yard.now(name := deployment_id.rpartition("/")[2])
        del self.yard.standing[name]


@dataclass
class Desk:
    """A home, and the cloud with a yard; `model` is a tuned model there."""

    home: Path
    capsys: pytest.CaptureFixture[str]

    def __post_init__(self) -> None:
        self.clock = SimulatedClock(datetime(2026, 11, 21, 9, tzinfo=UTC))
        self.cloud, self.yard = FakeCloud(self.clock), Yard(self.clock)
        body = {"base": "fake-small", "method": "sft", "seed": 0, "suffix": None, "files": {}, "file_names": {}}
        job = self.cloud.add_foreign_job({**body, "metadata": {}, "hyperparameters": {}})
        self.cloud.settle(job.id)
        self.model = f"fake:{self.cloud.get_job(job.id)['model']}"
        self.others: list[Provider] = []

    def provider(self) -> Provider:
        def open_server(settings: Any) -> YardServer:
            server = YardServer(self.cloud, name=settings.name, bases=())
            server.yard = self.yard
            return server

        return replace(fake_provider(self.cloud), open_server=open_server)

    def client(self, home: Path | None = None) -> Client:
        return Client(settings=Settings(home=home or self.home, providers={}), clock=self.clock, providers=[self.provider(), *self.others])

    def __call__(self, *words: str) -> Run:
        self.capsys.readouterr()
        code = main(list(words), opening=self.client)
        out, err = self.capsys.readouterr()
        return Run(code, out, err)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path / "home", capsys)


# --- none twice, none lost -----------------------------------------------------------------------------------------------------------


def test_a_deployment_is_followed_until_it_answers_and_each_change_is_heard(desk: Desk) -> None:
    heard: list[str] = []
    with desk.client() as client:
        begun = client.deploy(desk.model)
        assert (begun.phase, client.deployments(provider="fake")) == ("starting", [begun])
        ended = client.wait_deployed(begun, hear=lambda each: heard.append(each.state))
    assert (ended.phase, heard) == ("ready", ["Succeeded"])


def test_a_second_deploy_of_the_same_model_gives_the_one_that_stands(desk: Desk) -> None:
    with desk.client() as client:
        assert client.deploy(desk.model) == client.deploy(desk.model)
    assert desk.yard.puts == ["first"]


def test_one_that_failed_is_deployed_anew(desk: Desk) -> None:
    desk.yard.fails = "no capacity"
    with desk.client() as client:
        assert client.wait_deployed(client.deploy(desk.model)).reason == "no capacity"
        client.deploy(desk.model)
    assert desk.yard.puts == ["first", "first"]


def test_a_lost_reply_is_looked_for_and_makes_no_second_one(desk: Desk) -> None:
    desk.yard.lost = "after"
    with desk.client() as client:
        assert client.deploy(desk.model).state == "Creating"
    assert (desk.yard.puts, list(desk.yard.standing)) == (["first"], ["first"])


@pytest.mark.parametrize("silent", [0, 99], ids=["not there", "nobody answers"])
def test_what_cannot_be_found_after_a_lost_reply_is_said_to_be_unclear(desk: Desk, silent: int) -> None:
    desk.yard.lost, desk.yard.silent = "before", silent
    with desk.client() as client, pytest.raises(Ambiguous, match="models deployments"):
        client.deploy(desk.model)
    assert desk.yard.puts == ["first"]


def test_a_look_that_is_refused_after_a_lost_reply_says_nothing_of_the_deployment(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def signed_out(server: YardServer, deployment_id: str) -> Deployment:
        raise CredentialsRefused("the token has expired.")

    monkeypatch.setattr(YardServer, "deployment", signed_out)
    desk.yard.lost = "after"
    run = desk("models", "deploy", desk.model, "--yes")
    assert (run.code, desk.yard.puts, list(desk.yard.standing)) == (4, ["first"], ["first"])
    assert "models deployments" in run.err


def test_silence_while_it_is_followed_changes_nothing(desk: Desk) -> None:
    desk.yard.silent = 5
    with desk.client() as client:
        assert client.wait_deployed(client.deploy(desk.model)).phase == "ready"


def test_a_time_out_leaves_it_standing(desk: Desk) -> None:
    with desk.client() as client:
        begun = client.deploy(desk.model)
        before = desk.clock.monotonic()
        with pytest.raises(WaitTimeout, match="goes on by itself"):
            client.wait_deployed(begun, timeout_s=60)
        assert desk.clock.monotonic() - before == pytest.approx(60)
    assert "first" in desk.yard.standing


def test_one_that_vanishes_while_it_is_followed_is_an_error(desk: Desk) -> None:
    with desk.client() as client:
        begun = client.deploy(desk.model)
        client.undeploy(begun)
        with pytest.raises(NotFound):
            client.wait_deployed(begun)


def test_where_models_answer_without_a_deployment_that_is_said(tmp_path: Path) -> None:
    desk_clock = SimulatedClock()
    settings = Settings(home=tmp_path, providers={})
    with Client(settings=settings, clock=desk_clock, providers=[fake_provider(FakeCloud(desk_clock))]) as client:
        model = Model("fake:x", "fake", "x")
        for ask in (client.deployment_plan, client.deploy):
            with pytest.raises(Unsupported, match="without a deployment"):
                ask(model)


# --- the command line ----------------------------------------------------------------------------------------------------------------


def test_what_it_costs_is_said_and_nothing_sent_where_nobody_can_confirm(desk: Desk) -> None:
    run = desk("models", "deploy", desk.model)
    assert (run.code, desk.yard.puts) == (2, [])
    assert "1.70 USD per hosting hour, 1,241.00 USD a month" in run.err
    assert "--yes" in run.err


@pytest.mark.parametrize(("price", "code"), [(Decimal(0), 0), (None, 2)], ids=["free", "not known"])
def test_what_costs_nothing_needs_no_word_and_what_may_cost_anything_does(desk: Desk, price: Decimal | None, code: int) -> None:
    desk.yard.price = price
    assert desk("models", "deploy", desk.model).code == code
    assert bool(desk.yard.puts) == (code == 0)


def test_a_dry_run_shows_the_request_the_price_and_the_rule_and_sends_nothing(desk: Desk) -> None:
    run = desk("models", "deploy", desk.model, "--name", "mine", "--set", "capacity=3", "--dry-run")
    assert (run.code, desk.yard.puts) == (0, [])
    for said in ("1.70 USD", RULE, "PUT mine", '"capacity": 3'):
        assert said in run.out
    document = desk("models", "deploy", desk.model, "--dry-run", "--json").document
    assert (document["costs"][0]["price"], document["rules"], document["stands"]) == ("1.70", [RULE], None)


def test_with_yes_it_is_deployed_followed_listed_and_ended(desk: Desk) -> None:
    run = desk("models", "deploy", desk.model, "--yes")
    assert run.code == 0
    assert "is being made (Creating)" in run.out
    assert "tuneport models chat fake:deployments/first" in run.out
    (listed,) = desk("models", "deployments", "--json").document["deployments"]
    assert (listed["uri"], listed["phase"], listed["removed_at"][:10]) == ("fake:deployments/first", "ready", "2026-12-06")
    assert "fake:deployments/first  Succeeded" in desk("models", "deployments").out
    assert desk("models", "undeploy", "fake:deployments/first").code == 2
    assert desk("models", "undeploy", "fake:deployments/first", "--yes").code == 0
    assert "Nothing is deployed" in desk("models", "deployments").out
    assert desk("models", "undeploy", "fake:deployments/first", "--yes").code == 3


def test_json_streams_each_state_as_a_line(desk: Desk) -> None:
    run = desk("models", "deploy", desk.model, "--yes", "--json")
    assert [each["state"] for each in run.records] == ["Creating", "Succeeded"]


def test_one_that_fails_ends_with_1_and_its_reason(desk: Desk) -> None:
    desk.yard.fails = "no capacity in this region"
    run = desk("models", "deploy", desk.model, "--yes")
    assert run.code == 1
    assert "Failed: no capacity in this region" in run.out


def test_one_that_stands_is_said_to_and_asks_nothing(desk: Desk) -> None:
    assert desk("models", "deploy", desk.model, "--yes", "--no-wait").code == 0
    again = desk("models", "deploy", desk.model)
    assert (again.code, desk.yard.puts) == (0, ["first"])
    assert "stands already" in again.out


def test_one_that_failed_is_asked_about_again_before_it_is_made_anew(desk: Desk) -> None:
    desk.yard.fails = "no capacity"
    assert desk("models", "deploy", desk.model, "--yes").code == 1
    run = desk("models", "deploy", desk.model)
    assert (run.code, desk.yard.puts) == (2, ["first"])
    again = desk("models", "deploy", desk.model, "--yes", "--no-wait")
    assert ("is being made" in again.out, desk.yard.puts) == (True, ["first", "first"])


@pytest.mark.parametrize("word", ["capacity", "=3", "name=a"], ids=["no value", "no key", "twice"])
def test_a_setting_that_is_none_is_refused(desk: Desk, word: str) -> None:
    assert desk("models", "deploy", desk.model, "--name", "b", "--set", word, "--yes").code == 2
    assert desk.yard.puts == []


def test_a_provider_that_does_not_answer_is_passed_over_unless_it_was_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: YardServer) -> Sequence[Deployment]:
        raise Unreachable("no answer came.")

    monkeypatch.setattr(YardServer, "deployments", refuse)
    run = desk("models", "deployments")
    assert (run.code, "fake did not answer" in run.err) == (4, True)
    with desk.client() as client, pytest.raises(TuneportError):
        client.deployments(provider="fake")


def test_a_provider_that_was_never_set_up_is_said_and_is_no_failure(desk: Desk) -> None:
    def refuse(settings: Any) -> YardServer:
        raise ConfigError("no endpoint is named.")

    desk.others.append(replace(fake_provider(desk.cloud, name="unset"), open_server=refuse))
    for words in (("models", "deployments"), ("models", "list")):
        run = desk(*words)
        (line,) = [line for line in run.err.splitlines() if line.startswith("not set up, and so not asked: ")]
        assert (run.code, "unset" in line, "no endpoint is named" in run.err) == (0, True, False)
    named = desk("models", "deployments", "--provider", "unset")
    assert (named.code, "no endpoint is named" in named.err) == (2, True)
    with desk.client() as client:
        assert client.deployments() == []
        assert [model.uri for model in client.models()] == [desk.model]


# --- as a step of a port ---------------------------------------------------------------------------------------------------------------


def test_a_port_asks_before_each_deployment_that_costs_and_not_for_one_that_stands(desk: Desk) -> None:
    from tuneport.porting.deploying import answering
    from tuneport.porting.journal import Journal
    from tuneport.porting.wishes import Consent, Wishes
    from tuneport.porting.work import Work

    asked: list[Consent] = []
    with desk.client() as client:
        journal = Journal(desk.home / "port", about={}, now=client.clock.now)
        work = Work(client, journal, Wishes(to="fake"), asked.append, lambda _: None, lambda job: job)
        model = client.model(desk.model)
        desk.yard.fails = "no capacity"
        with pytest.raises(JobFailed, match="no capacity"):
            answering(model, work=work)
        desk.yard.fails = ""
        desk.yard.standing["first"] = replace(desk.yard.standing["first"], state="Failed", phase="failed", created_at=desk.clock.now())
        assert answering(model, work=work).uri == "fake:deployments/first"
        assert (len(asked), desk.yard.puts) == (2, ["first", "first"])
        answering(model, work=work)
    assert (len(asked), desk.yard.puts) == (2, ["first", "first"])
    assert "hosting: 1.70 USD per hosting hour, 1,241.00 USD a month" in asked[0].sentence
