"""Vertex AI's emulator, driven by Google's own clients: jobs from their creation to what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import aiplatform_v1
from google.genai import errors, types
from tuneport_vertex.emulator import AT_ONCE, PREFERRED, START, Course, Habits, VertexEmulator
from tuneport_vertex.emulator.bases import KNOWN

from tuneport.testing.emulator import SteppedClock

from .vertex_emulated import (
    BETA,
    EUROPE,
    GEMINI,
    GEMMA,
    REGION,
    capitals,
    chats,
    close_clients,
    example,
    gapic,
    gen,
    lines,
    looked_at,
    place,
    preferences,
    quiet,
    refused,
    stored,
    tune,
    tuned,
)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(start=START)


@pytest.fixture
def emulator(clock: SteppedClock) -> Iterator[VertexEmulator]:
    with VertexEmulator(clock=clock) as running:
        yield running
    close_clients()


def starting(clock: SteppedClock, **options: Any) -> VertexEmulator:
    return VertexEmulator(clock=clock, **options)


# --- a job's course ---------------------------------------------------------------------------------------------------------------------


def test_a_job_runs_through_its_states_with_their_detail(emulator: VertexEmulator, clock: SteppedClock) -> None:
    client = gen(emulator)
    job = tune(client, stored(emulator, capitals()))
    seen = [(job.state, job.tuning_job_state)]
    for seconds in (30, 90, 60, 1800, 120):
        clock.advance(seconds)
        job = looked_at(client, job)
        seen.append((job.state, job.tuning_job_state))
    detail = types.TuningJobState
    running = types.JobState.JOB_STATE_RUNNING
    assert seen == [
        (types.JobState.JOB_STATE_PENDING, None),
        (running, detail.TUNING_JOB_STATE_PROCESSING_DATASET),
        (running, detail.TUNING_JOB_STATE_WAITING_FOR_CAPACITY),
        (running, detail.TUNING_JOB_STATE_TUNING),
        (running, detail.TUNING_JOB_STATE_POST_PROCESSING),
        (types.JobState.JOB_STATE_SUCCEEDED, None),
    ]
    assert job.create_time
    assert job.start_time
    assert job.end_time
    assert (job.start_time - job.create_time).total_seconds() == 30
    assert (job.end_time - job.create_time).total_seconds() == 2100


def test_a_job_is_named_with_the_projects_number(emulator: VertexEmulator) -> None:
    client = gen(emulator)
    job = tune(client, stored(emulator, capitals()))
    assert job.name
    assert job.name.startswith("projects/100000000001/locations/us-central1/tuningJobs/")
    by_id = client.tunings.get(name=f"projects/tune-main/locations/us-central1/tuningJobs/{job.name.rpartition('/')[2]}")
    assert by_id.name == job.name


def test_a_job_keeps_what_it_was_asked(emulator: VertexEmulator) -> None:
    config = types.CreateTuningJobConfig(
        epoch_count=2,
        learning_rate_multiplier=0.5,
        adapter_size=types.AdapterSize.ADAPTER_SIZE_EIGHT,
        labels={"tuneport-client": "abc"},
        tuned_model_display_name="capitals",
        description="a try",
        validation_dataset=types.TuningValidationDataset(gcs_uri=stored(emulator, capitals(5), "data/valid.jsonl")),
    )
    job = tune(gen(emulator), stored(emulator, capitals()), config=config)
    spec = job.supervised_tuning_spec
    assert spec
    assert spec.hyper_parameters
    assert spec.validation_dataset_uri == f"gs://{emulator.bucket}/data/valid.jsonl"
    assert (spec.hyper_parameters.epoch_count, spec.hyper_parameters.learning_rate_multiplier) == (2, 0.5)
    assert spec.hyper_parameters.adapter_size is types.AdapterSize.ADAPTER_SIZE_EIGHT
    assert (job.labels, job.tuned_model_display_name, job.description) == ({"tuneport-client": "abc"}, "capitals", "a try")
    assert job.base_model == GEMINI


def test_progress_is_told_in_steps_while_it_tunes(emulator: VertexEmulator, clock: SteppedClock) -> None:
    client = gen(emulator)
    job = tune(client, stored(emulator, capitals(64)), config={"epoch_count": 4})
    clock.advance(180 + 900)
    metadata = looked_at(client, job).tuning_job_metadata
    assert metadata
    assert (metadata.completed_epoch_count, metadata.completed_step_count) == (2, 8)


def test_a_job_leaves_a_model_and_an_endpoint_for_each_epoch(emulator: VertexEmulator) -> None:
    job = tuned(emulator, config={"epoch_count": 3, "tuned_model_display_name": "capitals"})
    assert job.tuned_model
    assert job.tuned_model.checkpoints
    assert job.tuned_model.model
    assert job.tuned_model.model.endswith("@1")
    assert [(one.checkpoint_id, one.epoch) for one in job.tuned_model.checkpoints] == [("1", 1), ("2", 2), ("3", 3)]
    assert len({one.endpoint for one in job.tuned_model.checkpoints}) == 3
    assert job.tuned_model.endpoint == job.tuned_model.checkpoints[-1].endpoint
    model = gapic(emulator, "Model").get_model(name=job.tuned_model.model)
    assert (model.display_name, model.version_id, model.default_checkpoint_id) == ("capitals", "1", "3")
    endpoint = gapic(emulator, "Endpoint").get_endpoint(name=job.tuned_model.endpoint)
    assert [(one.model, one.checkpoint_id) for one in endpoint.deployed_models] == [(model.name, "3")]


def test_only_the_last_checkpoint_is_exported_if_asked(emulator: VertexEmulator) -> None:
    job = tuned(emulator, config={"epoch_count": 3, "export_last_checkpoint_only": True})
    assert job.tuned_model
    assert job.tuned_model.endpoint
    assert not job.tuned_model.checkpoints
    assert len(emulator.world.endpoints) == 1


def test_a_job_is_cancelled_in_two_steps_and_not_twice(emulator: VertexEmulator, clock: SteppedClock) -> None:
    client = gen(emulator)
    job = tune(client, stored(emulator, capitals()))
    clock.advance(600)
    client.tunings.cancel(name=job.name or "")
    assert looked_at(client, job).state is types.JobState.JOB_STATE_CANCELLING
    clock.advance(15)
    ended = looked_at(client, job)
    assert ended.state is types.JobState.JOB_STATE_CANCELLED
    assert ended.error
    assert ended.error.code == 1
    assert refused(lambda: client.tunings.cancel(name=job.name or ""))["status"] == "FAILED_PRECONDITION"


@pytest.mark.parametrize(("ending", "state"), [("fails", "JOB_STATE_FAILED"), ("expires", "JOB_STATE_EXPIRED")])
def test_a_job_may_end_badly_by_itself(clock: SteppedClock, ending: Any, state: str) -> None:
    with starting(clock, course=Course(ending=ending, error="Out of chips.")) as emulator:
        job = tuned(emulator)
        assert job.state == state
        assert job.tuned_model is None
        assert (job.error.message if job.error else None) == ("Out of chips." if ending == "fails" else None)
    close_clients()


def test_a_job_that_succeeds_in_part_has_its_model_and_says_what_is_missing(clock: SteppedClock) -> None:
    with starting(clock, course=Course(ending="partly")) as emulator:
        job = tuned(emulator, config={"epoch_count": 3})
        assert job.state is types.JobState.JOB_STATE_PARTIALLY_SUCCEEDED
        assert job.tuned_model
        assert job.tuned_model.endpoint
        assert job.error
        assert [one.checkpoint_id for one in job.tuned_model.checkpoints or []] == ["3"]
    close_clients()


# --- one at a time ----------------------------------------------------------------------------------------------------------------------


def test_a_second_job_waits_for_quota_until_the_first_has_ended(emulator: VertexEmulator, clock: SteppedClock) -> None:
    client, european = gen(emulator), gen(emulator, EUROPE)
    first = tune(client, stored(emulator, capitals()))
    second = tune(european, stored(emulator, capitals(), bucket="tune-main-eu"))
    assert (second.state, second.tuning_job_state) == ("JOB_STATE_QUEUED", "TUNING_JOB_STATE_WAITING_FOR_QUOTA")
    clock.advance(2100 + 30)
    assert looked_at(client, first).state is types.JobState.JOB_STATE_SUCCEEDED
    running = looked_at(european, second)
    assert running.state is types.JobState.JOB_STATE_RUNNING
    assert running.start_time == clock.now()


def test_jobs_that_wait_begin_in_order_and_at_the_moment_a_place_is_free(emulator: VertexEmulator, clock: SteppedClock) -> None:
    client, uri = gen(emulator), stored(emulator, capitals())
    jobs = [tune(client, uri) for _ in range(3)]
    begun = jobs[0].create_time
    assert begun
    clock.advance(3 * 2100)
    ends = [looked_at(client, job).end_time for job in jobs]
    assert [(end - begun).total_seconds() for end in ends if end] == [2100, 4200, 6300]


def test_a_job_beyond_the_quota_may_be_refused_instead(clock: SteppedClock) -> None:
    with starting(clock, habits=Habits(when_full="refuse")) as emulator:
        client, uri = gen(emulator), stored(emulator, capitals())
        tune(client, uri)
        status = refused(lambda: tune(client, uri))
        assert (status["code"], status["status"]) == (429, "RESOURCE_EXHAUSTED")
        assert "global_concurrent_tuning_jobs" in status["message"]
        clock.advance(2100)
        assert tune(client, uri).state is types.JobState.JOB_STATE_PENDING
    close_clients()


def test_a_waiting_job_is_cancelled_at_once(emulator: VertexEmulator) -> None:
    client, uri = gen(emulator), stored(emulator, capitals())
    _, waiting = tune(client, uri), tune(client, uri)
    client.tunings.cancel(name=waiting.name or "")
    assert looked_at(client, waiting).state is types.JobState.JOB_STATE_CANCELLED


def test_projects_have_quotas_of_their_own(emulator: VertexEmulator) -> None:
    emulator.add_bucket("other-us", location="us-central1", project="tune-other")
    tune(gen(emulator), stored(emulator, capitals()))
    other = tune(gen(emulator, project="tune-other"), stored(emulator, capitals(), bucket="other-us"))
    assert other.state is types.JobState.JOB_STATE_PENDING


# --- listings ---------------------------------------------------------------------------------------------------------------------------


def test_jobs_are_listed_newest_first_in_pages_by_both_clients(clock: SteppedClock) -> None:
    with starting(clock, course=AT_ONCE) as emulator:
        client, uri = gen(emulator), stored(emulator, capitals())
        made = []
        for _ in range(7):
            made.append(tune(client, uri).name)
            clock.advance(1)
        with quiet():
            listed = [job.name for job in client.tunings.list(config={"page_size": 3})]
        assert listed == made[::-1]
        for version in (aiplatform_v1, BETA):
            pager = gapic(emulator, "GenAiTuning", version=version).list_tuning_jobs({"parent": place(emulator), "page_size": 3})
            assert [job.name for job in pager] == listed
        with quiet():
            assert list(gen(emulator, EUROPE).tunings.list()) == []
    close_clients()


def test_a_filter_is_ignored_unless_the_habit_says_otherwise(clock: SteppedClock) -> None:
    for honours in (False, True):
        with starting(clock, course=AT_ONCE, habits=Habits(honours_filters=honours)) as emulator:
            client, uri = gen(emulator), stored(emulator, capitals())
            for label in ("a", "b"):
                tune(client, uri, config={"labels": {"tuneport-client": label}})
            with quiet():
                listed = list(client.tunings.list(config={"filter": 'labels.tuneport-client="a"'}))
            assert len(listed) == (1 if honours else 2)
    close_clients()


def test_a_listing_may_lag(clock: SteppedClock) -> None:
    with starting(clock, habits=Habits(listing_lag_s=60)) as emulator, quiet():
        client = gen(emulator)
        job = tune(client, stored(emulator, capitals()))
        assert list(client.tunings.list()) == []
        clock.advance(60)
        assert [one.name for one in client.tunings.list()] == [job.name]
    close_clients()


# --- methods and bases ------------------------------------------------------------------------------------------------------------------


def test_a_tuned_model_is_tuned_further_into_its_next_version(emulator: VertexEmulator, clock: SteppedClock) -> None:
    client = gen(emulator)
    first = tuned(emulator, client, config={"epoch_count": 2})
    assert first.tuned_model
    assert first.tuned_model.model
    config = types.CreateTuningJobConfig(pre_tuned_model_checkpoint_id="1")
    job = tune(client, stored(emulator, capitals(30), "data/more.jsonl"), base=first.tuned_model.model, config=config)
    assert job.pre_tuned_model
    assert job.pre_tuned_model.checkpoint_id == "1"
    assert (job.pre_tuned_model.tuned_model_name, job.pre_tuned_model.base_model) == (first.tuned_model.model, GEMINI)
    assert job.base_model is None
    clock.advance(3600)
    again = looked_at(client, job)
    assert again.tuned_model
    assert again.tuned_model.model == first.tuned_model.model.replace("@1", "@2")


def test_a_name_of_its_own_makes_a_model_of_its_own(emulator: VertexEmulator, clock: SteppedClock) -> None:
    client = gen(emulator)
    first = tuned(emulator, client)
    assert first.tuned_model
    assert first.tuned_model.model
    job = tune(client, stored(emulator, capitals()), base=first.tuned_model.model, config={"tuned_model_display_name": "another"})
    clock.advance(3600)
    again = looked_at(client, job)
    assert again.tuned_model
    assert again.tuned_model.model
    assert again.tuned_model.model.partition("@")[0] != first.tuned_model.model.partition("@")[0]


def test_an_open_model_leaves_its_weights_in_the_bucket_and_no_endpoint(emulator: VertexEmulator) -> None:
    config = types.CreateTuningJobConfig(
        output_uri=f"gs://{emulator.bucket}/out", learning_rate=1e-4, tuning_mode=types.TuningMode.TUNING_MODE_PEFT_ADAPTER, batch_size=4
    )
    job = tuned(emulator, rows=chats(), base=GEMMA, config=config)
    assert job.state is types.JobState.JOB_STATE_SUCCEEDED
    assert (job.output_uri, job.tuned_model) == (f"gs://{emulator.bucket}/out", None)
    assert "out/postprocess/node-0/checkpoints/final/adapter_model.safetensors" in emulator.objects()


def test_an_open_model_may_be_registered_too(clock: SteppedClock) -> None:
    with starting(clock, habits=Habits(registers_open_models=True)) as emulator:
        job = tuned(emulator, rows=chats(), base=GEMMA, config={"output_uri": f"gs://{emulator.bucket}/out"})
        assert job.tuned_model
        assert job.tuned_model.model
    close_clients()


def test_preference_tuning_reads_pairs(clock: SteppedClock) -> None:
    with starting(clock, bases=(*KNOWN, PREFERRED)) as emulator:
        config = types.CreateTuningJobConfig(method=types.TuningMethod.PREFERENCE_TUNING, beta=0.1, epoch_count=1)
        job = tuned(emulator, rows=preferences(), base=PREFERRED.name, config=config)
        assert job.state is types.JobState.JOB_STATE_SUCCEEDED
        assert job.preference_optimization_spec
        assert job.preference_optimization_spec.hyper_parameters
        assert job.preference_optimization_spec.hyper_parameters.beta == 0.1
        stats = job.tuning_data_stats and job.tuning_data_stats.preference_optimization_data_stats
        assert stats
        assert stats.tuning_dataset_example_count == 20
        assert stats.scores_distribution
        assert stats.scores_distribution.mean == 0.5
    close_clients()


def test_reinforcement_tuning_takes_each_documented_kind_of_reward(clock: SteppedClock) -> None:
    rows = [{"contents": [{"role": "user", "parts": [{"text": f"{n}+1?"}]}], "references": {"answer": str(n + 1)}} for n in range(20)]
    kinds: list[dict[str, Any]] = [
        {"string_match_reward_scorer": {"correct_answer_reward": 1.0, "wrong_answer_reward": 0.0}},
        {"code_execution_reward_scorer": {"python_code_snippet": "def evaluate(example, response):\n    return 1.0\n"}},
        {"cloud_run_reward_scorer": {"cloud_run_uri": "https://reward-abc.a.run.app"}},
    ]
    with starting(clock, course=AT_ONCE) as emulator:
        for kind in kinds:
            config = types.CreateTuningJobConfig(
                method=types.TuningMethod.REINFORCEMENT_TUNING,
                reward_config=types.SingleReinforcementTuningRewardConfig(reward_name="right", **kind),
                samples_per_prompt=4,
            )
            job = tune(gen(emulator), stored(emulator, rows), config=config)
            assert job.state is types.JobState.JOB_STATE_SUCCEEDED
            assert job.reinforcement_tuning_spec
            assert job.reinforcement_tuning_spec.single_reward_config
            assert job.reinforcement_tuning_spec.single_reward_config.reward_name == "right"
            assert job.tuning_data_stats
            assert job.tuning_data_stats.reinforcement_tuning_data_stats
    close_clients()


def test_distillation_takes_prompts_and_a_teacher(emulator: VertexEmulator) -> None:
    config = types.CreateTuningJobConfig(method=types.TuningMethod.DISTILLATION, base_teacher_model="gemini-3.1-pro-preview")
    job = tuned(emulator, config=config)
    assert job.state is types.JobState.JOB_STATE_SUCCEEDED
    assert job.distillation_spec
    assert job.distillation_spec.base_teacher_model == "gemini-3.1-pro-preview"
    assert job.tuning_data_stats
    assert job.tuning_data_stats.distillation_data_stats


def test_a_tuned_model_is_rebased_onto_a_newer_base_by_an_operation(emulator: VertexEmulator, clock: SteppedClock) -> None:
    job = tuned(emulator, base="gemini-3.1-flash-lite", config={"epoch_count": 1})
    assert job.tuned_model
    assert job.tuned_model.model
    service = gapic(emulator, "GenAiTuning")
    ref = aiplatform_v1.TunedModelRef(tuned_model=job.tuned_model.model)
    operation = service.rebase_tuned_model({"parent": place(emulator), "tuned_model_ref": ref})
    assert not operation.done()
    clock.advance(30)
    rebased = operation.result(timeout=1)
    assert (rebased.base_model, rebased.supervised_tuning_spec.hyper_parameters.epoch_count) == (GEMINI, 1)
    assert rebased.name != job.name


# --- data -------------------------------------------------------------------------------------------------------------------------------


def failure(emulator: VertexEmulator, rows: Any, **options: Any) -> str:
    job = tuned(emulator, rows=rows, **options)
    assert job.state is types.JobState.JOB_STATE_FAILED
    assert job.error
    assert job.error.message
    return job.error.message


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["{not json\n"], "Line 1 cannot be parsed"),
        ([*capitals(2), '"text"\n'], "Line 3: the line is not a JSON object"),
        ([{"contents": []}], "'contents' is missing or empty"),
        ([{"messages": [{"role": "user", "content": "hi"}]}], "'contents' is missing or empty"),
        ([example("a", "b") | {"surprise": 1}], 'Unknown name "surprise"'),
        ([{"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "assistant", "parts": [{"text": "b"}]}]}], "'assistant'"),
        ([{"contents": [{"role": "user", "parts": [{"text": "a"}]}]}], "it must be from 'model'"),
        (["\n"], "is empty"),
    ],
)
def test_data_that_are_wrong_fail_the_job_when_they_are_read(emulator: VertexEmulator, rows: list[Any], said: str) -> None:
    assert said in failure(emulator, rows)


def test_data_that_are_gone_or_elsewhere_fail_the_job(emulator: VertexEmulator, clock: SteppedClock) -> None:
    client = gen(emulator)
    for uri, code in (
        (f"gs://{emulator.bucket}/nothing.jsonl", 5),
        ("gs://no-such-bucket/train.jsonl", 5),
        (stored(emulator, capitals(), bucket="tune-main-eu"), 9),
    ):
        job = tune(client, uri)
        clock.advance(3600)
        failed = looked_at(client, job)
        assert failed.state is types.JobState.JOB_STATE_FAILED
        assert failed.error
        assert failed.error.code == code
        assert uri in (failed.error.message or "")


def test_rows_that_cannot_be_used_are_dropped_and_counted_with_their_reasons(emulator: VertexEmulator) -> None:
    image = {"role": "user", "parts": [{"fileData": {"mimeType": "image/png", "fileUri": f"gs://{emulator.bucket}/no.png"}}]}
    lost = {"contents": [image, {"role": "model", "parts": [{"text": "a cat"}]}]}
    rows = [*capitals(10), example("x " * 400_000, "too long"), lost, example("unsafe", "EMULATOR-UNSAFE")]
    job = tuned(emulator, rows=rows)
    stats = job.tuning_data_stats and job.tuning_data_stats.supervised_tuning_data_stats
    assert job.state is types.JobState.JOB_STATE_SUCCEEDED
    assert stats
    assert stats.tuning_dataset_example_count == 13
    assert (stats.total_truncated_example_count, stats.truncated_example_indices) == (3, [11, 12, 13])
    reasons = stats.dropped_example_reasons or []
    assert "131072" in reasons[0]
    assert "no.png" in reasons[1]
    assert "safety" in reasons[2]


def test_an_image_that_is_in_a_bucket_is_used(emulator: VertexEmulator) -> None:
    uri = emulator.put("media/cat.png", b"png", content_type="image/png")
    image = {"role": "user", "parts": [{"text": "What?"}, {"fileData": {"mimeType": "image/png", "fileUri": uri}}]}
    job = tuned(emulator, rows=[{"contents": [image, {"role": "model", "parts": [{"text": "a cat"}]}]}] * 10)
    stats = job.tuning_data_stats and job.tuning_data_stats.supervised_tuning_data_stats
    assert stats
    assert stats.user_input_token_distribution
    assert (stats.user_input_token_distribution.max or 0) > 258


def test_a_file_of_which_nothing_is_left_fails(emulator: VertexEmulator) -> None:
    assert "all 3 were dropped" in failure(emulator, [example("x", "")] * 3)


def test_a_validation_set_that_is_too_large_fails(emulator: VertexEmulator) -> None:
    uri = stored(emulator, capitals(5001), "data/valid.jsonl")
    config = types.CreateTuningJobConfig(validation_dataset=types.TuningValidationDataset(gcs_uri=uri))
    assert "more than the 5000" in failure(emulator, None, config=config)


def test_statistics_count_what_the_file_holds(emulator: VertexEmulator) -> None:
    job = tuned(emulator, rows=capitals(40), config={"epoch_count": 2})
    stats = job.tuning_data_stats and job.tuning_data_stats.supervised_tuning_data_stats
    assert stats
    assert stats.tuning_dataset_example_count == 40
    assert stats.tuning_step_count == 2 * 4
    assert stats.user_message_per_example_distribution
    assert stats.user_message_per_example_distribution.mean == 2
    characters = len(lines(capitals(40))) - 40 * (len(lines([example("", "")])))
    assert stats.total_billable_character_count == characters


def test_a_job_may_name_a_file_of_its_metrics(clock: SteppedClock) -> None:
    with starting(clock, habits=Habits(writes_metrics=True)) as emulator:
        job = tuned(emulator, config={"epoch_count": 2})
        name = (job.gcs_metrics_uri or "").removeprefix(f"gs://{emulator.bucket}/")
        rows = [json.loads(line) for line in emulator.objects()[name].blob.read().splitlines()]
        assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]
        assert rows[-1]["/train_total_loss"] < rows[0]["/train_total_loss"]
    close_clients()


# --- clients ----------------------------------------------------------------------------------------------------------------------------


def test_gapics_clients_see_enums_by_number_and_create_by_them(emulator: VertexEmulator, clock: SteppedClock) -> None:
    for version in (aiplatform_v1, BETA):
        service = gapic(emulator, "GenAiTuning", version=version)
        spec = {
            "training_dataset_uri": stored(emulator, capitals()),
            "hyper_parameters": {"epoch_count": 1, "adapter_size": version.SupervisedHyperParameters.AdapterSize.ADAPTER_SIZE_FOUR},
        }
        job = version.TuningJob(base_model=GEMINI, supervised_tuning_spec=spec, labels={"a": "b"})
        made = service.create_tuning_job(parent=place(emulator), tuning_job=job)
        assert made.state == version.JobState.JOB_STATE_PENDING
        assert made.supervised_tuning_spec.hyper_parameters.adapter_size.name == "ADAPTER_SIZE_FOUR"
        clock.advance(3600)
        ended = service.get_tuning_job(name=made.name)
        assert ended.state == version.JobState.JOB_STATE_SUCCEEDED
        assert ended.tuned_model.endpoint
        assert ended.tuning_data_stats.supervised_tuning_data_stats.tuning_dataset_example_count == 20


def test_what_the_version_1_of_the_api_lacks_it_refuses(emulator: VertexEmulator) -> None:
    client = gen(emulator, version="v1")
    status = refused(lambda: tune(client, stored(emulator, chats()), base=GEMMA, config={"output_uri": f"gs://{emulator.bucket}/o"}))
    assert "output_uri" in status["message"].replace("outputUri", "output_uri")
    assert tune(client, stored(emulator, capitals())).tuning_job_state is None


def test_a_job_of_another_place_is_not_found(emulator: VertexEmulator) -> None:
    job = tune(gen(emulator), stored(emulator, capitals()))
    elsewhere = (job.name or "").replace(REGION, EUROPE)
    with pytest.raises(errors.ClientError) as caught:
        gen(emulator).tunings.get(name=elsewhere)
    assert caught.value.code == 404
