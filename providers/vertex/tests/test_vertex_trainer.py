"""The trainer over the emulated Vertex AI, with the real SDKs: what is sent, how often, and what comes back."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tuneport_vertex.adapter.signing_in import NOBODY
from tuneport_vertex.adapter.trainer import VertexTrainer
from tuneport_vertex.emulator import EUROPEAN_BUCKET, Course, Habits
from tuneport_vertex.wire.plans import create_body

from tuneport.dataset import Dataset
from tuneport.errors import (
    Ambiguous,
    ConfigError,
    CredentialsRefused,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    Unreachable,
    Unsupported,
)
from tuneport.examples import ChatExample, Message
from tuneport.graders import StringCheck
from tuneport.job import JobState
from tuneport.methods import DPO, GRPO, SFT
from tuneport.provider import Capability
from tuneport.recipe import Recipe
from tuneport.registry import JobRegistry
from tuneport.submit import Desk, submit
from tuneport.testing.emulator.faults import RateLimited as Limited
from tuneport.testing.emulator.faults import Reset, ServerError, Truncated
from tuneport.testing.kit import Made, make

from .vertex_life import Identity
from .vertex_stage import CREATE, DAY, GEMINI, GEMMA, LIST, Stage, chats, pairs, prompts, recipe, staged

KEY = "projects/tune-main/locations/europe-west4/keyRings/r/cryptoKeys/k"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


class Heard(httpx.BaseTransport):
    """Real sockets, and what went over them."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, Any]] = []
        self._sockets = httpx.HTTPTransport(verify=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        self.bodies.append((request.method, json.loads(content) if content else None))
        return self._sockets.handle_request(request)

    def close(self) -> None:
        self._sockets.close()


def camel(value: Any) -> Any:
    """Names in one spelling: google-genai writes some in snake_case, which the API reads as well (ProtoJSON). Labels are names of ours."""
    if isinstance(value, dict):
        return {_camel(key): each if key == "labels" else camel(each) for key, each in value.items()}
    return [camel(each) for each in value] if isinstance(value, list) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))


def made(stage: Stage, chosen: Recipe, **settings: Any) -> tuple[Made, Any]:
    """A job, and the one body that it was created with."""
    with Heard() as heard:
        trainer = VertexTrainer(stage.settings(**settings), http_client=httpx.Client(transport=heard))
        found = make(trainer, chosen)
        (body,) = [body for method, body in heard.bodies if method == "POST"]
    return found, camel(body)


def ended(stage: Stage, chosen: Recipe | None = None, **settings: Any) -> tuple[VertexTrainer, str]:
    """A job whose time has passed."""
    trainer = stage.trainer(**settings)
    job = make(trainer, chosen or recipe())
    stage.clock.sleep(DAY)
    return trainer, job.id


# --- what is sent -------------------------------------------------------------------------------------------------------------------------

EUROPE = {"location": "europe-west4", "bucket": f"gs://{EUROPEAN_BUCKET}/tuning"}
CASES: list[tuple[Recipe, dict[str, Any]]] = [
    (recipe(), {}),
    (recipe(labels={"team": "support"}, service_account="t@tune-main.iam.gserviceaccount.com", checkpoints="last", adapter_size=4), {}),
    (
        Recipe(
            base=GEMINI, train=chats(60), validation=chats(12, about="parcel"), suffix="cards", method=SFT(learning_rate_multiplier=2.0)
        ),
        {},
    ),
    (Recipe(base=GEMINI, train=prompts(60), method=GRPO(grader=StringCheck(), epochs=1, batch_size=32, reasoning_effort="high")), {}),
    (recipe(teacher="gemini-3.5-flash", sft_loss_weight=0.5), {}),
    (recipe(GEMMA, description="kept for later"), {}),
    (
        Recipe(
            base=GEMMA, train=chats(60), method=SFT(learning_rate=2e-5, batch_size=4), options={"vertex": {"mode": "full", "kms_key": KEY}}
        ),
        EUROPE,
    ),
]


@pytest.mark.parametrize(("chosen", "settings"), CASES)
def test_what_is_sent_is_what_was_planned_with_our_labels(stage: Stage, chosen: Recipe, settings: dict[str, Any]) -> None:
    job, body = made(stage, chosen, **settings)
    trainer = stage.trainer(**settings)
    files = {file.purpose: trainer.find_file(file) or "" for file in job.plan.files}
    assert body == create_body(job.plan, client_id=job.client_id, files=files)
    assert all(uri.startswith("gs://") for uri in files.values())


def test_preference_tuning_is_sent_as_planned_while_a_base_took_it(tmp_path: Path) -> None:
    with staged(tmp_path, start=datetime(2026, 9, 1, tzinfo=UTC)) as stage:
        chosen = Recipe(base="gemini-2.5-flash", train=pairs(60), validation=pairs(12), method=DPO(beta=0.3, epochs=1))
        job, body = made(stage, chosen)
        assert body["preferenceOptimizationSpec"]["hyperParameters"] == {"beta": 0.3, "epochCount": 1}
        stage.clock.sleep(DAY)
        assert stage.trainer().fetch([job.id])[job.id].method == "dpo"


def test_a_tuned_model_and_a_checkpoint_of_it_are_trained_further(stage: Stage) -> None:
    trainer, first = ended(stage)
    model = trainer.result(first)
    job, body = made(stage, recipe(model.checkpoints[0]))
    assert body["preTunedModel"]["checkpointId"] == model.checkpoints[0].rpartition("#")[2]
    stage.clock.sleep(DAY)
    again = trainer.result(job.id)
    assert again.base == GEMINI
    assert again.id.partition("@")[0] == model.id.partition("@")[0]


def test_a_rebase_is_a_job_of_the_new_base_that_is_found_by_its_label(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        trainer, first = ended(stage, recipe("gemini-3.1-flash-lite"))
        plan = trainer.plan(recipe(rebase=trainer.result(first).id))
        with JobRegistry(stage.home, clock=stage.clock) as registry:
            job = submit(plan, desk=Desk(provider="vertex", trainer=trainer, registry=registry, clock=stage.clock))
        assert job.base == GEMINI
        assert job.provider_id != first
        assert trainer.fetch([job.provider_id])[job.provider_id].plan_fingerprint == plan.fingerprint


# --- how often ----------------------------------------------------------------------------------------------------------------------------


def test_a_submit_makes_two_requests_more_than_the_bare_calls(stage: Stage) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    assert stage.emulator.log.count() == 0
    with JobRegistry(stage.home, clock=stage.clock) as registry:
        submit(plan, desk=Desk(provider="vertex", trainer=trainer, registry=registry, clock=stage.clock))
    assert stage.emulator.log.count() <= 2 + 2


@pytest.mark.parametrize("fault", [ServerError(503), ServerError(500), ServerError(504), Reset(), Reset(after_effect=True), Truncated()])
def test_a_create_without_a_clear_answer_is_ambiguous_and_is_sent_once(stage: Stage, fault: Any) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    stage.emulator.faults.once(fault, on=CREATE)
    with pytest.raises(Ambiguous):
        trainer.create(plan, "a" * 32, files)
    assert stage.emulator.log.count(CREATE) == 1


def test_a_rate_limit_says_when_to_come_back_and_a_full_quota_that_a_place_must_come_free(tmp_path: Path) -> None:
    with staged(tmp_path, habits=Habits(when_full="refuse", concurrent_jobs=1)) as stage:
        trainer = stage.trainer()
        plan = trainer.plan(recipe())
        files = {file.purpose: trainer.upload(file) for file in plan.files}
        stage.emulator.faults.once(Limited(retry_after_s=7.0), on=CREATE)
        with pytest.raises(RateLimited) as limited:
            trainer.create(plan, "a" * 32, files)
        assert limited.value.retry_after_s == 7.0
        trainer.create(plan, "a" * 32, files)
        with pytest.raises(QuotaExceeded) as full:
            trainer.create(plan, "b" * 32, files)
        assert full.value.concurrent


def test_following_many_jobs_asks_by_pages(tmp_path: Path) -> None:
    with staged(tmp_path, habits=Habits(concurrent_jobs=1000)) as stage:
        trainer = stage.trainer()
        plan = trainer.plan(recipe())
        files = {file.purpose: trainer.upload(file) for file in plan.files}
        jobs = [trainer.create(plan, f"{number:032x}", files).provider_id for number in range(250)]
        before = stage.emulator.log.count()
        assert trainer.fetch(jobs).keys() == set(jobs)
        assert stage.emulator.log.count() - before == 3
        assert len(list(trainer.list())) == 250


def test_a_single_job_is_asked_for_by_its_name(stage: Stage) -> None:
    trainer = stage.trainer()
    job = make(trainer, recipe())
    before = stage.emulator.log.count(LIST)
    assert list(trainer.fetch([job.id])) == [job.id]
    assert stage.emulator.log.count(LIST) == before


def test_a_page_that_comes_again_is_unreadable_and_no_endless_list(stage: Stage) -> None:
    from tuneport_vertex.adapter import jobs
    from tuneport_vertex.adapter.connection import Connection
    from tuneport_vertex.adapter.signing_in import signed_in_place

    class Again(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json={"tuningJobs": [{"name": "projects/1/locations/l/tuningJobs/1"}], "nextPageToken": "same"})

    connection = Connection(signed_in_place(stage.settings()), clock=stage.clock, http_client=httpx.Client(transport=Again()))
    with pytest.raises(Unreachable, match="cannot be read"):
        list(jobs.pages(connection))


# --- finding ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("honours", [True, False])
def test_a_job_is_found_by_its_label_whatever_is_thought_of_filters(tmp_path: Path, honours: bool) -> None:
    with staged(tmp_path, habits=Habits(honours_filters=honours, concurrent_jobs=50, default_page=2, largest_page=2)) as stage:
        trainer = stage.trainer()
        wanted = make(trainer, recipe(), client_id="a" * 32)
        for number in range(5):
            make(trainer, recipe(about=f"thing{number}"))
        found = trainer.find("a" * 32)
        assert found is not None
        assert (found.provider_id, found.plan_fingerprint) == (wanted.id, wanted.plan.fingerprint)
        assert trainer.find("b" * 32) is None


def test_a_marked_job_is_found_though_only_older_ones_seem_to_follow(tmp_path: Path) -> None:
    with staged(tmp_path, habits=Habits(honours_filters=False, default_page=2, largest_page=2)) as stage:
        trainer = stage.trainer()
        wanted = make(trainer, recipe(), client_id="a" * 32)
        found = trainer.find("a" * 32, since=stage.clock.now() + timedelta(days=30))
    assert found is not None
    assert found.provider_id == wanted.id


def test_a_filter_that_is_refused_is_done_without(stage: Stage) -> None:
    trainer = stage.trainer()
    wanted = make(trainer, recipe(), client_id="a" * 32)
    stage.emulator.faults.once(ServerError(400), on=LIST)
    found = trainer.find("a" * 32)
    assert found is not None
    assert found.provider_id == wanted.id


# --- states and what came of it -----------------------------------------------------------------------------------------------------------


def test_a_job_goes_through_the_words_of_the_service(stage: Stage) -> None:
    trainer = stage.trainer()
    job = make(trainer, recipe())
    seen = [job.snapshot.state]
    for _ in range(40):
        stage.clock.sleep(60)
        now = trainer.fetch([job.id])[job.id]
        if now.state is not seen[-1]:
            seen.append(now.state)
    states = [JobState.STARTING, JobState.VALIDATING, JobState.QUEUED, JobState.RUNNING, JobState.FINALIZING, JobState.SUCCEEDED]
    assert seen == states


def test_a_job_beyond_the_quota_waits_and_says_for_what(tmp_path: Path) -> None:
    with staged(tmp_path, habits=Habits(concurrent_jobs=1)) as stage:
        trainer = stage.trainer()
        make(trainer, recipe())
        second = make(trainer, recipe(about="parcel"))
        now = trainer.fetch([second.id])[second.id]
        assert (now.state, now.detail) == (JobState.QUEUED, "WAITING_FOR_QUOTA: waits until the project's quota of tuning jobs has room")


def test_a_part_of_success_is_flagged_and_has_a_model(tmp_path: Path) -> None:
    with staged(tmp_path, course=Course(ending="partly")) as stage:
        trainer, job = ended(stage)
        now = trainer.fetch([job])[job]
        assert (now.state, now.partial) == (JobState.SUCCEEDED, True)
        assert trainer.result(job).id == now.model


def test_a_failed_job_keeps_the_services_reason_and_has_no_model(tmp_path: Path) -> None:
    with staged(tmp_path, course=Course(ending="fails", error="The dataset could not be read.")) as stage:
        trainer, job = ended(stage)
        now = trainer.fetch([job])[job]
        assert (now.state, now.error, now.model) == (JobState.FAILED, "The dataset could not be read.", None)
        assert [event.level for event in trainer.events(job)][-1] == "error"
        with pytest.raises(NotFound, match="has no tuned model: it is JOB_STATE_FAILED"):
            trainer.result(job)
        with pytest.raises(NotFound, match="has nothing to fetch"):
            trainer.download(job, tmp_path / "x")


def test_a_word_that_the_sdk_does_not_know_is_unknown_and_warns_of_nothing(stage: Stage) -> None:
    class Tomorrow(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            name = "projects/1/locations/us-central1/tuningJobs/7"
            return httpx.Response(200, json={"name": name, "state": "JOB_STATE_OF_TOMORROW", "tuningJobState": "NEW", "new": {"a": 1}})

    trainer = VertexTrainer(stage.settings(), http_client=httpx.Client(transport=Tomorrow()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        now = trainer.fetch(["7"])["7"]
    assert (now.state, now.provider_state) == (JobState.UNKNOWN, "JOB_STATE_OF_TOMORROW")


def test_a_model_has_its_lineage_its_checkpoints_and_their_order(stage: Stage) -> None:
    trainer, job = ended(stage)
    model = trainer.result(job)
    assert (model.base, model.job_uri) == (GEMINI, f"vertex:{job}")
    assert model.recipe_fingerprint == recipe().fingerprint
    assert [name.rpartition("#")[2] for name in model.checkpoints] == ["1", "2"]
    assert model.details["data"] == [next(event.message for event in trainer.events(job) if event.id.startswith("90-data"))]


def test_rows_that_the_service_left_out_are_told_with_their_lines(stage: Stage) -> None:
    rows = [*chats(24)]
    rows[4] = ChatExample((Message("user", "word " * 200_000), Message("assistant", "long")))
    chosen = Recipe(base=GEMINI, train=Dataset.from_examples(rows, name="long"), method=SFT(epochs=1, too_long="drop"))
    trainer, job = ended(stage, chosen)
    assert trainer.fetch([job])[job].detail == "1 of 24 rows was left out or cut by Vertex AI"
    assert [event.message for event in trainer.events(job) if event.data.get("line")] == [
        next(each for each in trainer.result(job).details["data"] if each.startswith("line 5: the row was left out or cut: "))
    ]


def test_what_a_job_measured_is_read_from_the_file_that_it_names(stage: Stage) -> None:
    uri = stage.emulator.put("metrics/steps.jsonl", b'{"step": 2, "train_total_loss": 1.5}\n{"step": 4, "train_total_loss": 1.25}\n')

    class Naming(Heard):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = super().handle_request(request)
            return httpx.Response(200, json={**json.loads(answer.read()), "gcsMetricsUri": uri.rpartition("/")[0]})

    _, job = ended(stage)
    with Naming() as named:
        trainer = VertexTrainer(stage.settings(), http_client=httpx.Client(transport=named))
        assert [(each.step, each.values) for each in trainer.metrics(job)] == [(2, {"loss": 1.5}), (4, {"loss": 1.25})]
    assert [each.values for each in stage.trainer().metrics(job)] == [{"epoch": 1.0}, {"epoch": 2.0}]


def test_what_was_billed_is_within_what_was_quoted(stage: Stage) -> None:
    trainer = stage.trainer()
    chosen = Recipe(base=GEMINI, train=chats(400))
    quote = trainer.estimate(chosen)
    job = make(trainer, chosen)
    stage.clock.sleep(DAY)
    billed = trainer.billed(job.id)
    assert quote.once is not None
    assert billed is not None
    assert Decimal(0) < billed <= quote.once.high


def test_a_job_is_cancelled_once_and_asking_again_is_no_error(stage: Stage) -> None:
    trainer = stage.trainer()
    job = make(trainer, recipe())
    assert trainer.cancel(job.id).state in (JobState.CANCELLING, JobState.CANCELLED)
    stage.clock.sleep(DAY)
    assert trainer.cancel(job.id).state is JobState.CANCELLED


def test_a_finished_job_cannot_be_cancelled_and_the_refusal_says_what_it_is(stage: Stage) -> None:
    trainer, job = ended(stage)
    with pytest.raises(Refused, match="is JOB_STATE_SUCCEEDED, and cannot be cancelled"):
        trainer.cancel(job)


@pytest.mark.parametrize("change", ["pause", "resume"])
def test_what_the_service_cannot_is_refused_without_a_request(stage: Stage, change: str) -> None:
    with pytest.raises(Unsupported, match="Vertex AI cannot pause"):
        getattr(stage.trainer(), change)("77")
    assert stage.emulator.log.count() == 0


def test_deleting_ends_the_model_and_leaves_the_record_of_the_job(stage: Stage) -> None:
    trainer, job = ended(stage)
    trainer.delete(job)
    assert job in trainer.fetch([job])
    with pytest.raises(NotFound):
        trainer.delete(job)


def test_the_weights_of_an_open_model_are_fetched_from_the_bucket(stage: Stage, tmp_path: Path) -> None:
    trainer, job = ended(stage, recipe(GEMMA), **EUROPE)
    where = trainer.download(job, tmp_path / "weights")
    names = {path.name for path in where.rglob("*") if path.is_file()}
    assert "job.json" in names
    assert any(name.endswith(".safetensors") for name in names)
    assert json.loads((where / "job.json").read_text("utf-8"))["state"] == "JOB_STATE_SUCCEEDED"


def test_of_a_gemini_the_record_is_fetched_and_no_weights(stage: Stage, tmp_path: Path) -> None:
    trainer, job = ended(stage)
    assert [path.name for path in trainer.download(job, tmp_path / "record").iterdir()] == ["job.json"]


# --- who asks -----------------------------------------------------------------------------------------------------------------------------


def test_credentials_that_end_in_the_middle_of_a_wait_are_renewed(stage: Stage) -> None:
    settings = stage.settings(environ={"GOOGLE_OAUTH_ACCESS_TOKEN": ""})
    trainer = VertexTrainer(settings, default=lambda: (Identity(stage), None))
    job = make(trainer, recipe())
    stage.clock.sleep(DAY)
    assert trainer.fetch([job.id])[job.id].state is JobState.SUCCEEDED


def test_a_token_that_has_ended_says_how_to_get_another(stage: Stage) -> None:
    token = stage.emulator.token(role="tuner", life_s=600)
    trainer = stage.trainer(environ={"GOOGLE_OAUTH_ACCESS_TOKEN": token})
    job = make(trainer, recipe())
    stage.clock.sleep(DAY)
    with pytest.raises(CredentialsRefused, match="gcloud auth print-access-token") as refused:
        trainer.fetch([job.id])
    assert token not in str(refused.value)


def test_application_default_credentials_never_go_to_this_machine(stage: Stage) -> None:
    trainer = stage.trainer(environ={"GOOGLE_OAUTH_ACCESS_TOKEN": ""})
    with pytest.raises(CredentialsRefused):
        list(trainer.list())
    assert any(finding.rule == "credentials" and "no credentials" in finding.message for finding in trainer.check())
    assert trainer._connection.sign_in.credentials(stage.emulator.url).token == NOBODY


def test_the_project_of_the_credentials_is_taken_where_nobody_names_one(stage: Stage) -> None:
    environ = {"GOOGLE_CLOUD_PROJECT": "", "GOOGLE_OAUTH_ACCESS_TOKEN": ""}
    trainer = VertexTrainer(stage.settings(environ=environ), default=lambda: (Identity(stage), "tune-main"))
    assert trainer.scope() == "tune-main/us-central1"
    with pytest.raises(ConfigError, match="no project is named"):
        VertexTrainer(stage.settings(environ=environ), default=lambda: (Identity(stage), None))


def test_a_role_that_may_only_look_is_told_what_it_lacks(stage: Stage) -> None:
    trainer = stage.trainer(environ={"GOOGLE_OAUTH_ACCESS_TOKEN": stage.emulator.token(role="viewer")})
    plan = trainer.plan(recipe())
    with pytest.raises(CredentialsRefused, match=r"storage\.objects"):
        trainer.upload(plan.files[0])


# --- checks -------------------------------------------------------------------------------------------------------------------------------


def found(trainer: VertexTrainer) -> dict[str, list[tuple[str, str]]]:
    by_rule: dict[str, list[tuple[str, str]]] = {}
    for finding in trainer.check():
        by_rule.setdefault(finding.rule, []).append((finding.severity, finding.message))
    return by_rule


def test_a_check_says_where_jobs_run_what_is_tuned_there_and_until_when(stage: Stage) -> None:
    said = found(stage.trainer(service_account="t@tune-main.iam.gserviceaccount.com"))
    assert said["project"] == [("info", "jobs run in the project tune-main, in us-central1.")]
    assert "jobs run as t@tune-main" in said["service-account"][0][1]
    assert GEMINI in said["bases"][0][1]
    assert any("not before 2027-05-19" in message for _, message in said["retirement"])
    assert said["bucket"][0][0] == "info"
    assert all(severity != "error" for each in said.values() for severity, _ in each)


def test_a_check_warns_of_a_job_that_is_not_done(stage: Stage) -> None:
    trainer = stage.trainer()
    job = make(trainer, recipe())
    assert found(trainer)["quota"] == [
        ("warning", f"a project tunes 1 Gemini at a time, unless Google raised that: 1 is not done here ({job.id.rpartition('/')[2]}).")
    ]


@pytest.mark.parametrize(
    ("profile", "environ", "rule", "said"),
    [
        ({"bucket": EUROPEAN_BUCKET}, {}, "bucket", "lies in europe-west4"),
        ({"bucket": "no-such-bucket-anywhere"}, {}, "bucket", "there is no such bucket"),
        ({}, {"GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.ended"}, "reach", "while listing jobs"),
        ({"project": "no-such-project"}, {}, "reach", "no-such-project"),
    ],
)
def test_a_check_finds_what_a_submit_would_run_into(
    stage: Stage, profile: dict[str, Any], environ: dict[str, str], rule: str, said: str
) -> None:
    severity, message = found(stage.trainer(environ=environ, **profile))[rule][0]
    assert (severity, said in message) == ("error", True)


def test_an_api_that_is_off_says_how_to_turn_it_on(stage: Stage) -> None:
    stage.emulator.project_called().services.discard("aiplatform.googleapis.com")
    (finding,) = [finding for finding in stage.trainer().check() if finding.rule == "reach"]
    assert finding.severity == "error"
    assert "aiplatform.googleapis.com" in finding.message + finding.remedy


def test_what_can_be_tuned_there_is_the_catalogue_without_what_is_closed(stage: Stage) -> None:
    names = {base.id for base in stage.trainer().catalogue()}
    assert GEMINI in names
    assert "gemini-2.5-flash" not in names
    assert all(
        "@" in name or not name.startswith("gemini") for name in {base.id for base in stage.trainer(location="asia-southeast1").catalogue()}
    )


@pytest.mark.parametrize(
    ("capability", "how", "reason"),
    [
        (Capability.SEED, {}, "takes no seed"),
        (Capability.TRAIN, {"method": "kto"}, "not by kto"),
        (Capability.TRAIN, {"method": "dpo", "base": GEMINI}, "is trained by"),
        (Capability.IMAGES, {"base": GEMMA}, "is not trained on images"),
        (Capability.DEPLOY, {"base": GEMINI}, "answers without a deployment"),
        (Capability.CONTINUE, {"base": GEMMA}, "custom_base_model"),
    ],
)
def test_what_is_not_supported_has_a_reason(stage: Stage, capability: Capability, how: dict[str, str], reason: str) -> None:
    answer = stage.trainer().support(capability, **how)
    assert not answer
    assert reason in answer.reason
