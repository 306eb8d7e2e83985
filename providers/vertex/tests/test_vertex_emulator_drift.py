"""Everything the emulator says and takes is in the vendor's own types; and the faults and switches that it has for what is not settled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
from google.api_core import exceptions
from google.genai import errors, types
from tuneport_vertex.emulator import AT_ONCE, PREFERRED, SERVED_AT_ONCE, START, VertexEmulator
from tuneport_vertex.emulator.bases import KNOWN
from tuneport_vertex.emulator.messages import message
from tuneport_vertex.emulator.reading import camel, read
from tuneport_vertex.emulator.refusals import out_of_quota, too_many_requests
from tuneport_vertex.emulator.tuning_requests import LACKING

from tuneport.testing.emulator import FaultPlan, SteppedClock
from tuneport.testing.emulator.faultplan import EVERY
from tuneport.testing.emulator.faults import (
    ExtraField,
    LaggingList,
    MissingField,
    PartKept,
    RateLimited,
    Reset,
    Says,
    ServerError,
    SlowBody,
    Truncated,
    UnknownWord,
)

from .vertex_emulated import (
    BETA,
    CREATE,
    GEMINI,
    GEMMA,
    LIST,
    REGION,
    RETRIEVE,
    capitals,
    chats,
    close_clients,
    example,
    gapic,
    gcs,
    gen,
    looked_at,
    place,
    posted,
    preferences,
    quiet,
    refused,
    stored,
    tune,
    tuned,
)

HTTP_PROBLEMS = (httpx.HTTPError, requests.RequestException, errors.APIError, exceptions.GoogleAPICallError, json.JSONDecodeError)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(start=START)


@pytest.fixture
def emulator(clock: SteppedClock) -> Iterator[VertexEmulator]:
    with VertexEmulator(clock=clock, course=AT_ONCE, serving=SERVED_AT_ONCE, bases=(*KNOWN, PREFERRED)) as running:
        yield running
    close_clients()


def populated(emulator: VertexEmulator) -> None:
    """A job of every kind, with all that they leave behind."""
    client, config, method = gen(emulator), types.CreateTuningJobConfig, types.TuningMethod
    prompts = [{"contents": row["contents"][:1], "references": {"answer": "x"}} for row in capitals()]
    reward = types.SingleReinforcementTuningRewardConfig(
        reward_name="r", string_match_reward_scorer=types.ReinforcementTuningStringMatchRewardScorer()
    )
    preferring = config(method=method.PREFERENCE_TUNING, beta=0.2)
    reinforcing = config(method=method.REINFORCEMENT_TUNING, reward_config=reward)
    distilling = config(method=method.DISTILLATION, base_teacher_model="gemini-3.5-flash")
    tune(client, stored(emulator, [*capitals(), example("x", "")]), config=config(epoch_count=2))
    tune(client, stored(emulator, preferences(), "data/p.jsonl"), base=PREFERRED.name, config=preferring)
    tune(client, stored(emulator, prompts, "data/r.jsonl"), config=reinforcing)
    tune(client, stored(emulator, capitals(), "data/d.jsonl"), config=distilling)
    tune(client, stored(emulator, chats(), "data/o.jsonl"), base=GEMMA, config=config(output_uri=f"gs://{emulator.bucket}/o"))
    tune(client, stored(emulator, ["{"], "data/bad.jsonl"))


# --- drift ------------------------------------------------------------------------------------------------------------------------------


def test_every_field_of_a_job_is_in_the_vendors_types(emulator: VertexEmulator) -> None:
    populated(emulator)
    for version, model in LACKING.items():
        for job in posted(emulator, f"/{version}/{place(emulator)}/tuningJobs", b"", method="GET")[1]["tuningJobs"]:
            assert read(job, message(version, "TuningJob"), model, root="job") == job
    names = {camel(name) for name in types.TuningJob.model_fields}
    seen = {name for job in posted(emulator, f"/v1beta1/{place(emulator)}/tuningJobs", b"", method="GET")[1]["tuningJobs"] for name in job}
    assert seen <= names
    assert {"tuningDataStats", "tunedModel", "error", "startTime", "endTime", "experiment"} <= seen


def test_google_genai_reads_every_job_without_a_warning(emulator: VertexEmulator) -> None:
    populated(emulator)
    jobs = list(gen(emulator).tunings.list())
    assert len(jobs) == 6
    for job in jobs:
        assert job.model_dump(exclude_none=True)["name"] == job.name


def test_every_field_of_models_and_endpoints_is_in_the_vendors_types(emulator: VertexEmulator) -> None:
    populated(emulator)
    for version in ("v1", "v1beta1"):
        for rows, name in (("models", "Model"), ("endpoints", "Endpoint")):
            listed = posted(emulator, f"/{version}/{place(emulator, 'us')}/{rows}", b"", method="GET")[1][rows]
            assert listed
            for value in listed:
                assert read(value, message(version, name), root=rows) == value


def test_answers_by_number_are_the_answers_by_name(emulator: VertexEmulator) -> None:
    populated(emulator)
    where = f"/v1beta1/{place(emulator)}/tuningJobs"
    numbered = posted(emulator, f"{where}?%24alt=json%3Benum-encoding%3Dint", b"", method="GET")[1]["tuningJobs"]
    assert {type(job["state"]) for job in numbered} == {int}
    named = posted(emulator, where, b"", method="GET")[1]["tuningJobs"]
    assert [BETA.JobState(job["state"]).name for job in numbered] == [job["state"] for job in named]
    assert {job.state.name for job in gapic(emulator, "GenAiTuning").list_tuning_jobs(parent=place(emulator))} == {
        "JOB_STATE_SUCCEEDED",
        "JOB_STATE_FAILED",
    }


def test_every_setting_that_google_genai_can_send_is_taken_by_some_job(emulator: VertexEmulator) -> None:
    """The settings that its converter sends; new ones in a new release show up here."""
    local = {"http_options", "method", "tuned_model_display_name", "validation_dataset_uri"}
    known = {
        "validation_dataset",
        "description",
        "epoch_count",
        "learning_rate_multiplier",
        "export_last_checkpoint_only",
        "pre_tuned_model_checkpoint_id",
        "adapter_size",
        "tuning_mode",
        "custom_base_model",
        "batch_size",
        "learning_rate",
        "evaluation_config",
        "labels",
        "beta",
        "base_teacher_model",
        "tuned_teacher_model_source",
        "sft_loss_weight_multiplier",
        "output_uri",
        "encryption_spec",
        "reward_config",
        "composite_reward_config",
        "samples_per_prompt",
        "evaluate_interval",
        "checkpoint_interval",
        "max_output_tokens",
        "thinking_level",
    }
    assert set(types.CreateTuningJobConfig.model_fields) == known | local
    config = types.CreateTuningJobConfig(
        method=types.TuningMethod.DISTILLATION, base_teacher_model=GEMINI, sft_loss_weight_multiplier=0.5, learning_rate_multiplier=1.0
    )
    assert tune(gen(emulator), stored(emulator, capitals()), config=config).distillation_spec


# --- faults -----------------------------------------------------------------------------------------------------------------------------


def test_a_job_is_made_though_nobody_hears_of_it(emulator: VertexEmulator) -> None:
    client, uri = gen(emulator), stored(emulator, capitals())
    for fault, effects in ((Reset(after_effect=True), 1), (Reset(), 1), (ServerError(503, after_effect=True), 2), (ServerError(500), 2)):
        emulator.faults.once(fault, on=CREATE)
        with pytest.raises(HTTP_PROBLEMS):
            tune(client, uri)
        assert emulator.log.effects(CREATE) == effects
    with quiet():
        assert len(list(client.tunings.list())) == 2


def test_too_many_requests_are_told_with_and_without_a_time(emulator: VertexEmulator) -> None:
    client, uri = gen(emulator), stored(emulator, capitals())
    emulator.faults.once(RateLimited(7.0), on=CREATE)
    assert refused(lambda: tune(client, uri))["status"] == "RESOURCE_EXHAUSTED"
    emulator.faults.once(Says(too_many_requests(12.5)), on=CREATE)
    told = refused(lambda: tune(client, uri))
    assert told["details"] == [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}]
    emulator.faults.once(Says(out_of_quota("aiplatform.googleapis.com/generate_content_requests").answer), on=CREATE)
    assert "quota metrics" in refused(lambda: tune(client, uri))["message"]
    assert emulator.log.effects(CREATE) == 0


def test_a_word_that_nobody_knows_reaches_the_client(emulator: VertexEmulator) -> None:
    client = gen(emulator)
    job = tune(client, stored(emulator, capitals()))
    emulator.faults.once(UnknownWord("JOB_STATE_DREAMING"), on=RETRIEVE)
    assert str(getattr(looked_at(client, job).state, "value", None)) == "JOB_STATE_DREAMING"


def test_a_listing_lags_lacks_a_field_or_breaks_off(emulator: VertexEmulator, clock: SteppedClock) -> None:
    client = gen(emulator)
    tune(client, stored(emulator, capitals()))
    for fault in (LaggingList(120), MissingField("state"), ExtraField(), SlowBody(3, 0.001)):
        emulator.faults.once(fault, on=LIST)
        with quiet():
            listed = list(client.tunings.list())
        assert len(listed) == (0 if isinstance(fault, LaggingList) else 1)
    for admitted in (False, True):
        emulator.faults.once(Truncated(admitted=admitted), on=LIST)
        with pytest.raises(HTTP_PROBLEMS), quiet():
            list(client.tunings.list())


@pytest.mark.parametrize("seed", range(20))
def test_under_any_seed_the_state_is_what_took_effect(clock: SteppedClock, seed: int) -> None:
    faults = FaultPlan(seed=seed, share=0.4, among=(*EVERY, PartKept()))
    with VertexEmulator(clock=clock, course=AT_ONCE, faults=faults, seed=seed) as emulator:
        client, storing = gen(emulator), gcs(emulator).bucket(emulator.bucket)
        uri = stored(emulator, capitals())
        for number in range(6):
            for call in (
                lambda: tune(client, uri),
                lambda: list(client.tunings.list()),
                lambda number=number: storing.blob(f"b{number}").upload_from_string(b"x" * 100, retry=None, timeout=5),
            ):
                try:
                    with quiet():
                        call()
                except (*HTTP_PROBLEMS, AttributeError, TypeError, KeyError, ValueError):
                    continue
        faults.calm()
        with quiet():
            assert len(list(client.tunings.list())) == emulator.log.effects(CREATE)
        kept = [blob.name for blob in storing.list_blobs() if blob.name.startswith("b")]
        assert len(kept) <= emulator.log.effects("POST /upload/storage/v1/b/{bucket}/o")
    close_clients()


# --- as a command ----------------------------------------------------------------------------------------------------------------------


def test_the_command_says_what_to_export_and_serves_until_it_is_interrupted() -> None:
    command = [sys.executable, "-m", "tuneport_vertex.emulator", "--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"}) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(9)]
        exports = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if line.startswith("export "))
        headers = {"authorization": f"Bearer {exports['GOOGLE_OAUTH_ACCESS_TOKEN']}"}
        where = f"{exports['GOOGLE_VERTEX_BASE_URL']}/v1/projects/{exports['GOOGLE_CLOUD_PROJECT']}/locations/{REGION}/tuningJobs"
        assert requests.get(where, headers=headers, timeout=10).json() == {}
        bucket = f"{exports['STORAGE_EMULATOR_HOST']}/storage/v1/b/{exports['TUNEPORT_VERTEX_BUCKET']}"
        assert requests.get(bucket, headers=headers, timeout=10).json()["location"] == "US-CENTRAL1"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_many_jobs_are_listed_by_pages(clock: SteppedClock) -> None:
    with VertexEmulator(clock=clock, course=AT_ONCE) as emulator:
        job = tuned(emulator)
        template = emulator.world.jobs[(job.name or "").rpartition("/")[2]]
        emulator.add_jobs(600, like=template)
        emulator.log.clear()
        names = [one.name for one in gapic(emulator, "GenAiTuning").list_tuning_jobs({"parent": place(emulator), "page_size": 250})]
        assert len(set(names)) == 601
        assert len(emulator.log) == 3
    close_clients()


def keys_of(value: Any) -> set[str]:
    return set(value) if isinstance(value, dict) else set()


def test_v1_says_nothing_of_what_only_v1beta1_has(emulator: VertexEmulator) -> None:
    tune(gen(emulator), stored(emulator, chats()), base=GEMMA, config={"output_uri": f"gs://{emulator.bucket}/o"})
    seen = [posted(emulator, f"/{version}/{place(emulator)}/tuningJobs", b"", method="GET")[1] for version in ("v1", "v1beta1")]
    assert ["outputUri" in keys_of(one["tuningJobs"][0]) for one in seen] == [False, True]
