"""Jobs through the whole of Tuneport: what is refused says why, what is created is created once, and what it cost is not guessed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tuneport_openai import provider as openai_provider
from tuneport_openai.adapter.connection import Connection
from tuneport_openai.adapter.trainer import OpenAITrainer
from tuneport_openai.emulator import Course, Habits
from tuneport_openai.profile import endpoint_of

from tuneport import Client
from tuneport.errors import (
    Ambiguous,
    CredentialsRefused,
    NotFound,
    PlatformClosed,
    QuotaExceeded,
    RateLimited,
    UnknownModel,
    Unreachable,
    Unsupported,
)
from tuneport.examples import Message
from tuneport.job import JobState
from tuneport.provider import Capability, ProviderSettings
from tuneport.settings import Settings
from tuneport.testing.emulator.faults import RateLimited as Limited
from tuneport.testing.emulator.faults import Reset, ServerError, Truncated
from tuneport.testing.kit import make, uploaded

from .canned import Canned, job
from .stage import CREATE, LLAMA, Stage, chats, recipe, staged


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


def client_of(stage: Stage) -> Client:
    settings = Settings(home=stage.home, environ=stage.settings().environ)
    return Client(settings=settings, clock=stage.clock, providers=[openai_provider])


def test_a_trainer_that_nobody_holds_any_more_leaves_no_socket_open(stage: Stage) -> None:
    connection = Connection(endpoint_of(stage.settings()), clock=stage.clock)
    sdk = connection.client
    assert not sdk.is_closed()
    del connection
    assert sdk.is_closed()


# --- creating ---------------------------------------------------------------------------------------------------------------------------


def test_the_body_that_arrives_is_the_planned_one_with_the_client_id_in_its_metadata(stage: Stage) -> None:
    made = make(stage.trainer(), recipe().model_copy(update={"suffix": "cards", "seed": 7}), client_id="c" * 32)
    asked = stage.emulator.world.jobs[made.id].request
    assert (asked.metadata or {})["tuneport_client_id"] == "c" * 32
    assert (asked.metadata or {})["tuneport_plan"] == made.plan.fingerprint
    assert (asked.model, asked.suffix, asked.seed) == ("gpt-4.1-mini-2025-04-14", "cards", 7)


def test_what_a_plan_says_it_sends_is_what_arrives(stage: Stage) -> None:
    wanted = recipe().model_copy(update={"suffix": "cards", "seed": 7, "validation": chats(3, about="parcel")})
    made = make(stage.trainer(), wanted, client_id="c" * 32)
    arrived = [entry.route for entry in stage.emulator.log if entry.method == "POST"]
    assert [request.call.replace(" /", " /v1/") for request in made.plan.sends] == arrived
    body = made.plan.sends[-1].body
    asked = stage.emulator.world.jobs[made.id].request
    assert asked.metadata == {**body["metadata"], "tuneport_client_id": "c" * 32}
    assert (asked.model, asked.suffix, asked.seed) == (body["model"], body["suffix"], body["seed"])
    assert body["training_file"] == "{file:train}"


@pytest.mark.parametrize("fault", [Reset(), ServerError(503), ServerError(502, "html"), Truncated(), Truncated(admitted=True)])
def test_a_create_without_a_clear_answer_is_ambiguous_and_sent_once(stage: Stage, fault: Any) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    files = uploaded(trainer, plan)
    stage.emulator.faults.always(fault, on=CREATE)
    with pytest.raises(Ambiguous):
        trainer.create(plan, "c" * 32, files)
    assert stage.emulator.log.count(CREATE) == 1


def test_a_create_that_is_asked_to_wait_has_created_nothing(stage: Stage) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    files = uploaded(trainer, plan)
    stage.emulator.faults.once(Limited(42.0), on=CREATE)
    with pytest.raises(RateLimited) as limited:
        trainer.create(plan, "c" * 32, files)
    assert limited.value.retry_after_s == 42.0
    assert not stage.emulator.world.jobs


def test_a_closed_platform_says_so_with_its_date_and_where_the_same_data_can_go(stage: Stage) -> None:
    trainer = stage.trainer(key=stage.emulator.closed_key)
    plan = trainer.plan(recipe())
    files = uploaded(trainer, plan)
    with pytest.raises(PlatformClosed) as closed:
        trainer.create(plan, "c" * 32, files)
    assert "2027-01-06" in closed.value.message
    assert "azure:" in closed.value.remedy
    assert "wound down" in closed.value.reason
    assert closed.value.exit_code == 3


def test_an_account_without_credit_is_a_quota_and_not_a_wait(stage: Stage) -> None:
    stage.emulator.organisation().out_of_credit = True
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    files = uploaded(trainer, plan)
    with pytest.raises(QuotaExceeded):
        trainer.create(plan, "c" * 32, files)


def test_a_wrong_key_is_refused_in_one_sentence_without_the_key(stage: Stage) -> None:
    trainer = stage.trainer(key="sk-wrong-key-of-somebody")
    with pytest.raises(CredentialsRefused) as refused:
        trainer.find_file(trainer.plan(recipe()).files[0])
    assert "sk-wrong" not in str(refused.value) + repr(vars(refused.value))
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("base", "kind", "said"),
    [("gpt-9", UnknownModel, "gpt-9"), ("gpt-4.1-nano", Unsupported, "2026-10-23"), ("o4-mini", Unsupported, "sft")],
)
def test_a_base_that_cannot_be_trained_is_refused_before_any_request(stage: Stage, base: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        stage.trainer().plan(recipe(base))
    assert stage.emulator.log.count() == 0


def test_a_method_that_the_api_does_not_have_is_the_vendors_affair(stage: Stage) -> None:
    answer = stage.trainer().support(Capability.TRAIN, method="orpo")
    assert (bool(answer), answer.whose) == (False, "vendor")


def test_what_a_base_takes_is_told_without_a_request(tmp_path: Path) -> None:
    trainer = OpenAITrainer(ProviderSettings(name="openai", home=tmp_path))
    assert trainer.support(Capability.IMAGES, base="gpt-4o-2024-08-06")
    assert not trainer.support(Capability.IMAGES, base="gpt-4.1-mini")
    assert not trainer.support(Capability.TRAIN, method="dpo", base="gpt-4o-mini")


# --- through the client -----------------------------------------------------------------------------------------------------------------


def test_a_submit_asks_at_most_two_requests_more_than_the_bare_sdk(stage: Stage) -> None:
    """Bare: the upload, the look whether it is processed, and the create."""
    with client_of(stage) as client:
        done = client.submit(recipe(), provider="openai")
    assert done.state is JobState.VALIDATING
    assert stage.emulator.log.count() <= 3 + 2


def test_a_submit_adds_less_than_a_tenth_of_a_second_of_its_own(stage: Stage) -> None:
    """The first one pays for imports; requests take no time that counts on loopback, but are left out."""
    spent_s = 0.0

    class Timed(httpx2.BaseTransport):
        def __init__(self) -> None:
            self._sockets = httpx2.HTTPTransport(verify=False)

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            nonlocal spent_s
            began = time.perf_counter()
            try:
                return self._sockets.handle_request(request)
            finally:
                spent_s += time.perf_counter() - began

        def close(self) -> None:
            self._sockets.close()

    with httpx2.Client(transport=Timed()) as http_client:
        trainer = stage.trainer(http_client=http_client)
        make(trainer, recipe())
        took = []
        for number in range(5):
            plan = trainer.plan(recipe().model_copy(update={"seed": number}))
            spent_s, began = 0.0, time.perf_counter()
            trainer.create(plan, f"{number:032d}", uploaded(trainer, plan))
            took.append(time.perf_counter() - began - spent_s)
    assert min(took) < 0.1


def test_a_whole_life_of_a_job(stage: Stage) -> None:
    with client_of(stage) as client:
        submitted = client.submit(recipe(), provider="openai")
        done = client.wait(submitted, timeout_s=7200)
        assert done.state is JobState.SUCCEEDED
        model = client.model(done)
        assert model.checkpoints
        assert next(iter(client.events(done))).message.startswith("Created")
        assert client.metrics(done)
        assert "".join(client.chat(model, [Message("user", "My card number 3 is blocked")]))
        assert done.cost is not None
        assert Decimal(done.cost) > 0


def test_a_file_in_error_stops_with_the_vendors_reason(tmp_path: Path) -> None:
    with staged(tmp_path, habits=Habits(processing_s=2.0)) as stage:
        trainer = stage.trainer()
        plan = trainer.plan(recipe())
        file_id = trainer.upload(plan.files[0])
        stage.emulator.world.files[file_id].problem = "Invalid file format."
        stage.emulator.world.files[file_id].looked_at = True
        stage.clock.sleep(10)
        assert trainer.file_state(file_id).state == "error"


def test_jobs_that_others_started_are_adopted_by_sync(stage: Stage) -> None:
    theirs = make(stage.trainer(), recipe())
    with client_of(stage) as client:
        results = client.sync(provider="openai", adopt_all=True)
        assert [result.kind for result in results] == ["foreign"]
        assert client.job(f"openai:{theirs.id}").state is JobState.VALIDATING


# --- what came of it --------------------------------------------------------------------------------------------------------------------


def test_a_bill_is_tokens_times_the_price_of_the_book(tmp_path: Path) -> None:
    done = job(1, status="succeeded", fine_tuned_model="ft:x", trained_tokens=2_000_000, method={"type": "supervised"})
    assert Canned({"/fine_tuning/jobs": [done]}).trainer(tmp_path).billed("ftjob-00001") == Decimal(10)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "running"},
        {"status": "failed"},
        {"trained_tokens": None},
        {"trained_tokens": 0},
        {"model": "gpt-9"},
        {"method": {"type": "reinforcement"}},
    ],
)
def test_a_bill_that_would_be_a_guess_is_not_known(tmp_path: Path, changes: dict[str, Any]) -> None:
    done = job(1, status="succeeded", fine_tuned_model="ft:x", trained_tokens=2_000_000, method={"type": "supervised"}) | changes
    assert Canned({"/fine_tuning/jobs": [done]}).trainer(tmp_path).billed("ftjob-00001") is None


def test_a_tune_of_a_tune_is_billed_as_its_base(tmp_path: Path) -> None:
    done = job(1, status="succeeded", model="ft:gpt-4.1-mini-2025-04-14:acme::x", fine_tuned_model="ft:y", trained_tokens=1_000_000)
    done["method"] = {"type": "supervised"}
    assert Canned({"/fine_tuning/jobs": [done]}).trainer(tmp_path).billed("ftjob-00001") == Decimal(5)


def test_deleting_deletes_the_model_and_leaves_the_record(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.clock.sleep(3600)
    model = trainer.result(made.id)
    trainer.delete(made.id)
    assert model.id not in stage.emulator.world.models
    assert trainer.fetch([made.id])[made.id].state is JobState.SUCCEEDED
    with pytest.raises((NotFound, UnknownModel)):
        trainer.delete(made.id)


def test_a_failed_job_keeps_the_vendors_reason_and_has_no_model(tmp_path: Path) -> None:
    course = Course(ends="failed", failure=("server_error", "The machine broke."))
    with staged(tmp_path, course=course) as stage:
        trainer = stage.trainer()
        made = make(trainer, recipe())
        stage.clock.sleep(3600)
        assert "The machine broke." in (trainer.fetch([made.id])[made.id].error or "")
        with pytest.raises(NotFound):
            trainer.result(made.id)


def test_what_a_compatible_endpoint_cannot_do_is_refused_before_any_request(stage: Stage) -> None:
    trainer = stage.elsewhere("no_pause", "no_checkpoints")
    made = make(trainer, recipe(LLAMA))
    stage.clock.sleep(3600)
    before = stage.emulator.log.count()
    for call in (trainer.pause, trainer.resume):
        with pytest.raises(Unsupported, match="paused"):
            call(made.id)
    assert stage.emulator.log.count() == before
    assert trainer.result(made.id).checkpoints == ()


def test_a_page_of_html_where_a_job_should_be_is_no_answer(tmp_path: Path) -> None:
    proxy = httpx2.MockTransport(lambda request: httpx2.Response(200, html="<html>Please log in</html>"))
    settings = ProviderSettings(name="openai", home=tmp_path, environ={"OPENAI_API_KEY": "sk-1"})
    trainer = OpenAITrainer(settings, http_client=httpx2.Client(transport=proxy))
    with pytest.raises(Unreachable):
        trainer.fetch(["ftjob-1"])


def test_the_catalogue_names_what_can_be_trained_today_and_until_when(stage: Stage) -> None:
    found = {base.id: base.note for base in stage.trainer().catalogue()}
    assert "gpt-4.1-mini-2025-04-14" in found
    assert "gpt-4.1-nano-2025-04-14" not in found
    assert "2027-01-06" in found["gpt-4.1-mini-2025-04-14"]
    stage.clock.sleep((datetime(2027, 1, 8, tzinfo=UTC) - stage.clock.now()).total_seconds())
    assert not stage.trainer().catalogue()


@pytest.mark.parametrize(
    "habits", [Habits(processing_s=0.0), Habits(processing_s=0.0, filters_by_metadata=False)], ids=["the filter is minded", "it is not"]
)
def test_a_job_is_found_by_its_mark_though_our_clock_is_ahead(tmp_path: Path, habits: Habits) -> None:
    with staged(tmp_path, habits=habits) as stage:
        made = make(stage.trainer(), recipe(), client_id="c" * 32)
        make(stage.trainer(), recipe().model_copy(update={"seed": 8}), client_id="d" * 32)
        found = stage.trainer().find("c" * 32, made.plan, since=stage.clock.now() + timedelta(hours=1))
        assert found is not None
        assert found.provider_id == made.id
        assert stage.trainer().find("e" * 32, made.plan, since=stage.clock.now()) is None
