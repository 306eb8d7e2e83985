"""Azure's emulator, driven by the real clients: files, jobs and their course, on v1 and on dated versions."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx2
import openai
import pytest
from openai import AzureOpenAI, OpenAI
from tuneport_azure.emulator import UNLIMITED, AzureCourse, AzureEmulator, AzureHabits
from tuneport_openai.emulator.tokens import row_tokens, tokens_of

from tuneport.testing.emulator import SteppedClock

from .azure_emulated import GA, GPT, PREVIEW, begun, chat_rows, dated, lines, tuned, upload, v1

TOKENS_AT_HAND = tokens_of("o200k_base") is not None


def pair_rows(count: int = 12) -> list[dict[str, Any]]:
    def said(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    question = {"messages": [{"role": "user", "content": "Hello"}]}
    return [{"input": question, "preferred_output": said(f"Hi {n}"), "non_preferred_output": said("Go away")} for n in range(count)]


def words_of(client: OpenAI, clock: SteppedClock, job_id: str, *steps_s: float) -> list[str]:
    """What the job is called after each of these waits."""
    seen: list[str] = []
    for step_s in steps_s:
        clock.advance(step_s)
        seen.append(client.fine_tuning.jobs.retrieve(job_id).status)
    return seen


# --- files ------------------------------------------------------------------------------------------------------------------------------


def test_a_file_is_pending_and_running_before_it_is_processed(client: OpenAI, clock: SteppedClock) -> None:
    data = lines(chat_rows())
    file = client.files.create(file=("rows.jsonl", data), purpose="fine-tune")
    seen: list[tuple[str, int | None]] = [(file.status, file.bytes)]
    for _ in range(2):
        clock.advance(2.5)
        seen.append(((now := client.files.retrieve(file.id)).status, now.bytes))
    assert seen == [("pending", None), ("running", len(data)), ("processed", len(data))]
    assert client.files.content(file.id).read() == data
    assert len(file.id) == len("file-") + 32


def test_an_upload_is_answered_with_201_and_the_place_of_the_file(client: OpenAI, emulator: AzureEmulator) -> None:
    raw = client.files.with_raw_response.create(file=("rows.jsonl", b"{}"), purpose="fine-tune")
    assert (raw.status_code, raw.headers["location"]) == (201, f"{emulator.v1_url()}files/{raw.parse().id}")


def test_files_come_on_one_page_whatever_limit_is_asked_for(client: OpenAI, clock: SteppedClock) -> None:
    for n in range(3):
        client.files.create(file=(f"{n}.jsonl", b"{}"), purpose="fine-tune" if n else "batch")
        clock.advance(1)
    assert [file.filename for file in client.files.list(limit=1).data] == ["2.jsonl", "1.jsonl", "0.jsonl"]
    assert [file.filename for file in client.files.list(purpose="batch").data] == ["0.jsonl"]


def test_a_deleted_file_is_gone(client: OpenAI, clock: SteppedClock) -> None:
    file_id = upload(client, clock)
    assert client.files.delete(file_id).deleted
    with pytest.raises(openai.NotFoundError) as gone:
        client.files.retrieve(file_id)
    assert (gone.value.code, gone.value.type, gone.value.param) == ("notFound", None, None)


def load(client: OpenAI, url: str, **more: Any) -> Any:
    body = {"purpose": "fine-tune", "filename": "rows.jsonl", "content_url": url, **more}
    return client.post("/files/import", cast_to=openai.types.FileObject, body=body)


@pytest.mark.parametrize("version", [None, GA, PREVIEW])
def test_a_file_is_imported_from_a_url(emulator: AzureEmulator, clock: SteppedClock, version: str | None) -> None:
    client, data = v1(emulator) if version is None else dated(emulator, version), lines(chat_rows())
    file = load(client, emulator.publish("train", data))
    assert (file.status, file.bytes) == ("pending", None)
    clock.advance(5)
    assert (client.files.retrieve(file.id).status, client.files.content(file.id).read()) == ("processed", data)


def test_an_import_from_a_url_that_cannot_be_read_ends_in_error(emulator: AzureEmulator, client: OpenAI, clock: SteppedClock) -> None:
    file = load(client, emulator.publish("train", b"{}") + "forged")
    clock.advance(5)
    file = client.files.retrieve(file.id)
    assert (file.status, (file.status_details or "").partition(":")[0]) == ("error", "fileImportFailed")


def test_what_is_laid_out_for_import_is_read_with_its_signature_only(emulator: AzureEmulator) -> None:
    url = emulator.publish("train", b"{}")
    assert httpx2.get(url).content == b"{}"
    assert httpx2.get(url.partition("?")[0]).status_code == 403


def test_an_import_has_exactly_three_fields(emulator: AzureEmulator, client: OpenAI) -> None:
    url = emulator.publish("train", b"{}")
    for wrong in ({"filename": None}, {"colour": "red"}):
        with pytest.raises(openai.BadRequestError) as refused:
            load(client, url, **wrong)
        assert refused.value.code == "invalidPayload"


@pytest.mark.parametrize("version", [None, GA, PREVIEW])
def test_a_large_file_is_uploaded_in_parts(emulator: AzureEmulator, clock: SteppedClock, version: str | None) -> None:
    client, data = v1(emulator) if version is None else dated(emulator, version), lines(chat_rows(300))
    started = client.uploads.create(bytes=len(data), filename="rows.jsonl", mime_type="text/jsonl", purpose="fine-tune")
    parts = [client.uploads.parts.create(started.id, data=part).id for part in (data[:1000], data[1000:])]
    done = client.uploads.complete(started.id, part_ids=parts)
    assert done.file is not None
    status: str = done.file.status
    assert status == "pending"
    clock.advance(5)
    assert client.files.content(done.file.id).read() == data


# --- the course of a job ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, PREVIEW])
def test_a_job_is_pending_until_it_runs(emulator: AzureEmulator, clock: SteppedClock, version: str | None) -> None:
    client = v1(emulator) if version is None else dated(emulator, version)
    job = begun(client, clock)
    assert (job.status, job.organization_id, job.result_files, job.fine_tuned_model, job.error) == ("pending", None, None, None, None)
    assert words_of(client, clock, job.id, 30, 30, 30, 600, 20) == ["pending", "pending", "running", "running", "succeeded"]


def test_a_create_is_answered_with_201_and_the_place_of_the_job(client: OpenAI, clock: SteppedClock, emulator: AzureEmulator) -> None:
    raw = client.fine_tuning.jobs.with_raw_response.create(
        model="gpt-4.1-mini", training_file=upload(client, clock), extra_body={"trainingType": "GlobalStandard"}
    )
    job = raw.parse()
    assert (raw.status_code, raw.headers["location"]) == (201, f"{emulator.v1_url()}fine_tuning/jobs/{job.id}")
    assert (job.model, job.id.partition("-")[0], len(job.id)) == (GPT, "ftjob", 38)


def test_a_model_is_named_after_its_job_and_suffix(client: OpenAI, clock: SteppedClock) -> None:
    job: Any = tuned(client, clock, suffix="cards_2-a")
    assert job.fine_tuned_model == f"{GPT}.ft-{job.id.removeprefix('ftjob-')}-cards_2-a"
    assert (job.suffix, job.trainingType, job.seed is not None) == ("cards_2-a", "GlobalStandard", True)
    assert job.hyperparameters.model_dump() == {"batch_size": 1, "learning_rate_multiplier": 2.0, "n_epochs": 5}


@pytest.mark.skipif(not TOKENS_AT_HAND, reason="bpe-openai and tokenizers count the tokens")
def test_billed_tokens_are_those_of_the_file_times_the_epochs(client: OpenAI, clock: SteppedClock) -> None:
    tokens = tokens_of("o200k_base")
    assert tokens is not None
    each = sum(row_tokens(row, tokens) for row in chat_rows())
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4}}}
    assert tuned(client, clock, method=method).trained_tokens == 4 * each


@pytest.mark.skipif(not TOKENS_AT_HAND, reason="bpe-openai and tokenizers count the tokens")
def test_a_job_cancelled_while_it_trains_is_billed_for_the_part_that_was_done(client: OpenAI, clock: SteppedClock) -> None:
    whole = tuned(client, clock).trained_tokens or 0
    early, late = begun(client, clock), begun(client, clock)
    assert client.fine_tuning.jobs.cancel(early.id).trained_tokens is None
    clock.advance(90 + 300)
    cancelled = client.fine_tuning.jobs.cancel(late.id)
    assert (cancelled.status, cancelled.trained_tokens) == ("cancelled", whole // 2)
    assert client.fine_tuning.jobs.retrieve(late.id).status == "cancelled"


def test_the_results_are_a_csv_with_azures_columns(client: OpenAI, clock: SteppedClock) -> None:
    job = tuned(client, clock)
    file = client.files.retrieve((job.result_files or [])[0])
    rows = client.files.content(file.id).read().decode().splitlines()
    assert (file.filename, file.purpose) == ("results.csv", "fine-tune-results")
    assert rows[0] == (
        "step,train_loss,train_mean_token_accuracy,valid_loss,validation_mean_token_accuracy,full_valid_loss,full_valid_mean_token_accuracy"
    )
    assert [row.split(",")[0] for row in rows[1:]] == [str(step) for step in range(1, 101)]


def test_events_come_newest_first_and_have_two_types(client: OpenAI, clock: SteppedClock) -> None:
    job = tuned(client, clock)
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=30))
    assert [event.created_at for event in events] == sorted((event.created_at for event in events), reverse=True)
    assert {event.type for event in events} == {"message", "metrics"}
    said = [event.message for event in reversed(events) if event.type == "message"]
    assert (said[0], said[-1]) == ("Job enqueued. Waiting for jobs ahead to complete.", "Job succeeded.")
    assert len([event for event in events if event.type == "metrics"]) == 100


@pytest.mark.skipif(not TOKENS_AT_HAND, reason="bpe-openai and tokenizers count the tokens")
def test_a_warning_is_called_so(client: OpenAI, clock: SteppedClock) -> None:
    rows = chat_rows()
    rows[0]["messages"][0]["content"] = "word " * 70_000
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}}
    job = tuned(client, clock, rows, method=method)
    levels: list[str] = [event.level for event in client.fine_tuning.jobs.list_events(job.id, limit=100)]
    assert levels.count("warning") == 1


def test_checkpoints_have_ids_of_their_own(client: OpenAI, clock: SteppedClock) -> None:
    job = tuned(client, clock)
    found = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [one.step_number for one in found] == [100, 80, 60]
    assert all(one.id.startswith("ftchkpt-") and len(one.id) == 40 for one in found)
    assert [one.fine_tuned_model_checkpoint for one in found] == [
        job.fine_tuned_model,
        f"{job.fine_tuned_model}:ckpt-step-80",
        f"{job.fine_tuned_model}:ckpt-step-60",
    ]


def test_a_pause_leaves_a_checkpoint(client: OpenAI, clock: SteppedClock) -> None:
    jobs, job = client.fine_tuning.jobs, begun(client, clock)

    def steps() -> list[int]:
        return [one.step_number for one in jobs.checkpoints.list(job.id)]

    clock.advance(90 + 300)
    assert steps() == [40, 20]
    jobs.pause(job.id)
    assert steps() == [50, 40, 20]
    clock.advance(10)
    jobs.resume(job.id)
    clock.advance(10_000)
    assert steps() == [100, 80, 60]


def test_a_tuned_model_and_a_checkpoint_can_be_trained_on(client: OpenAI, clock: SteppedClock) -> None:
    first = tuned(client, clock)
    checkpoint = client.fine_tuning.jobs.checkpoints.list(first.id).data[-1].id
    for model in (first.fine_tuned_model, checkpoint):
        job = tuned(client, clock, model=model)
        assert (job.status, job.fine_tuned_model) == ("succeeded", f"{GPT}.ft-{job.id.removeprefix('ftjob-')}")


def test_a_bad_row_fails_the_job_not_the_file(client: OpenAI, clock: SteppedClock) -> None:
    job = tuned(client, clock, [*chat_rows(), "{broken"])
    assert job.error is not None
    assert (job.status, job.error.code, job.fine_tuned_model) == ("failed", "jsonlValidationFailed", None)
    assert "Example 21 cannot be parsed" in job.error.message
    assert client.files.retrieve(job.training_file).status == "processed"
    assert client.fine_tuning.jobs.list_events(job.id).data[0].level == "error"


def test_dpo_and_reinforcement_run_where_the_base_has_them(client: OpenAI, clock: SteppedClock) -> None:
    assert tuned(client, clock, pair_rows(), method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}}).status == "succeeded"
    rows = [{"messages": [{"role": "user", "content": f"{n} + 1?"}], "answer": str(n + 1)} for n in range(12)]
    same = {"type": "string_check", "name": "same", "operation": "eq", "input": "{{sample.output_text}}", "reference": "{{item.answer}}"}
    method = {"type": "reinforcement", "reinforcement": {"grader": same}}
    rewarded = tuned(client, clock, rows, model="o4-mini", method=method, validation_file=upload(client, clock, rows))
    assert (rewarded.status, rewarded.trained_tokens) == ("succeeded", None)


@pytest.mark.parametrize("version", [None, PREVIEW])
def test_a_job_is_paused_and_resumed_in_azures_words(emulator: AzureEmulator, clock: SteppedClock, version: str | None) -> None:
    client = v1(emulator) if version is None else dated(emulator, version)
    job = begun(client, clock)
    clock.advance(90 + 300)
    jobs: Any = client.fine_tuning.jobs
    assert jobs.pause(job.id).status == "pausing"
    assert words_of(client, clock, job.id, 9, 1, 100_000) == ["pausing", "paused", "paused"]
    assert jobs.resume(job.id).status == "resuming"
    assert words_of(client, clock, job.id, 14, 1, 299, 21) == ["resuming", "running", "running", "succeeded"]


def test_only_a_job_that_trains_can_be_paused_and_only_a_paused_one_resumed(client: OpenAI, clock: SteppedClock) -> None:
    job, jobs = begun(client, clock), client.fine_tuning.jobs
    for early in (jobs.pause, jobs.resume):
        with pytest.raises(openai.BadRequestError) as refused:
            early(job.id)
        assert refused.value.code == "unexpectedEntityState"
    clock.advance(90 + 5)
    with pytest.raises(openai.BadRequestError, match="its status is 'running'"):
        jobs.pause(job.id)
    clock.advance(295)
    jobs.pause(job.id)
    with pytest.raises(openai.BadRequestError, match="its status is 'pausing'"):
        jobs.resume(job.id)
    clock.advance(10_000)
    jobs.resume(job.id)
    clock.advance(10_000)
    for late in (jobs.pause, jobs.resume, jobs.cancel):
        with pytest.raises(openai.BadRequestError, match="its status is 'succeeded'"):
            late(job.id)


def test_a_developer_job_pauses_and_resumes_by_itself(client: OpenAI, clock: SteppedClock) -> None:
    job = begun(client, clock, tier="developerTier")
    seen = words_of(client, clock, job.id, 90 + 239, 2, 20, 870, 10, 340, 60)
    assert seen == ["running", "pausing", "paused", "resuming", "running", "running", "succeeded"]
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert done.finished_at == job.created_at + 710 + 900
    assert sum("paused by the service" in event.message for event in client.fine_tuning.jobs.list_events(job.id)) == 1


def test_what_the_service_paused_its_user_does_not_resume(client: OpenAI, clock: SteppedClock) -> None:
    job = begun(client, clock, tier="developerTier")
    assert words_of(client, clock, job.id, 90 + 240 + 100) == ["paused"]
    for ask in (client.fine_tuning.jobs.resume, client.fine_tuning.jobs.pause):
        with pytest.raises(openai.BadRequestError, match="its status is 'paused'"):
            ask(job.id)


def test_a_job_of_another_tier_does_not_pause_by_itself(client: OpenAI, clock: SteppedClock) -> None:
    job = tuned(client, clock)
    assert job.finished_at == job.created_at + 710


def test_a_job_that_got_too_dear_waits_for_its_user(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, course=AzureCourse(stops_at=0.5)) as emulator:
        client = v1(emulator)
        job = begun(client, clock)
        assert words_of(client, clock, job.id, 90 + 299, 1_000_000) == ["running", "paused"]
        client.fine_tuning.jobs.resume(job.id)
        assert words_of(client, clock, job.id, 10_000) == ["succeeded"]


@pytest.mark.parametrize("version", [GA, PREVIEW])
def test_an_ended_job_can_be_deleted_on_dated_versions(emulator: AzureEmulator, clock: SteppedClock, version: str) -> None:
    client = dated(emulator, version)
    job = tuned(v1(emulator), clock)
    assert client.delete(f"/fine_tuning/jobs/{job.id}", cast_to=type(None)) is None
    assert emulator.log.of()[-1].status == 204
    assert client.fine_tuning.jobs.list().data == []


def test_a_running_job_is_not_deleted(preview: AzureOpenAI, client: OpenAI, clock: SteppedClock) -> None:
    job = begun(preview, clock)
    with pytest.raises(openai.BadRequestError) as refused:
        preview.delete(f"/fine_tuning/jobs/{job.id}", cast_to=type(None))
    assert refused.value.code == "unexpectedEntityState"
    with pytest.raises(openai.NotFoundError):
        client.delete(f"/fine_tuning/jobs/{job.id}", cast_to=type(None))


def test_one_job_runs_at_a_time_and_the_next_starts_when_it_is_over(client: OpenAI, clock: SteppedClock) -> None:
    first, second = begun(client, clock), begun(client, clock)
    assert words_of(client, clock, second.id, 90 + 600) == ["pending"]
    clock.advance(100_000)
    done = [client.fine_tuning.jobs.retrieve(job.id).finished_at for job in (first, second)]
    assert done == [first.created_at + 710, first.created_at + 710 + 620]


def test_a_job_that_waits_starts_when_the_one_before_is_cancelled(client: OpenAI, clock: SteppedClock) -> None:
    first, second = begun(client, clock), begun(client, clock)
    clock.advance(300)
    client.fine_tuning.jobs.cancel(first.id)
    assert words_of(client, clock, second.id, 0, 619, 1) == ["running", "running", "succeeded"]


# --- listing ----------------------------------------------------------------------------------------------------------------------------


def test_jobs_are_listed_in_pages_and_filters_and_metadata_are_passed_over(client: OpenAI, clock: SteppedClock) -> None:
    for n in range(5):
        job = begun(client, clock, suffix=str(n), metadata={"n": str(n)})
        assert job.metadata is None
    for asked in ({"limit": 2}, {"limit": 2, "metadata": {"n": "3"}}, {"extra_query": {"status": "failed"}}):
        jobs: list[Any] = list(client.fine_tuning.jobs.list(**asked))
        assert [job.suffix for job in jobs] == ["4", "3", "2", "1", "0"]


def test_tuned_models_stand_among_the_models(client: OpenAI, clock: SteppedClock) -> None:
    job = tuned(client, clock)
    models: dict[str, Any] = {model.id: model for model in client.models.list()}
    assert (models[str(job.fine_tuned_model)].model, models[str(job.fine_tuned_model)].fine_tune) == (GPT, job.id)
    assert models[GPT].capabilities["fine_tune"] is True
    assert models["gpt-oss-20b"].capabilities["fine_tune"] is False
    assert not any(":" in name for name in models)
    mini: Any = client.models.retrieve(GPT)
    assert (mini.deprecation["inference"], mini.lifecycle_status) == (1807660800, "generally-available")


# --- several resources, and versions ----------------------------------------------------------------------------------------------------


def test_two_resources_share_neither_files_nor_jobs_nor_models(emulator: AzureEmulator, client: OpenAI, clock: SteppedClock) -> None:
    job, other = tuned(client, clock), v1(emulator, resource="nordic")
    assert other.fine_tuning.jobs.list().data == []
    assert job.fine_tuned_model not in [model.id for model in other.models.list()]
    for ask in (
        lambda: other.fine_tuning.jobs.retrieve(job.id),
        lambda: other.fine_tuning.jobs.list_events(job.id),
        lambda: other.files.retrieve(job.training_file),
    ):
        with pytest.raises(openai.NotFoundError) as refused:
            ask()
        assert refused.value.code == "notFound"


def test_the_same_resource_answers_through_all_its_urls(emulator: AzureEmulator, client: OpenAI, clock: SteppedClock) -> None:
    job = begun(client, clock)
    project = OpenAI(base_url=f"{emulator.endpoint()}/api/projects/tuning/openai/v1/", api_key=emulator.key(), max_retries=0)
    with project:
        assert project.fine_tuning.jobs.retrieve(job.id).id == job.id
    assert dated(emulator, GA).fine_tuning.jobs.retrieve(job.id).id == job.id


def test_the_ga_version_knows_neither_methods_nor_training_types(emulator: AzureEmulator, clock: SteppedClock) -> None:
    contoso, nordic = dated(emulator, GA), dated(emulator, GA, resource="nordic")
    with pytest.raises(openai.BadRequestError, match="does not support fine-tuning"):
        begun(contoso, clock)
    job: Any = begun(nordic, clock, pair_rows(), method={"type": "dpo"})
    shown = job.model_dump()
    assert not {"method", "trainingType", "integrations"} & {name for name, value in shown.items() if value is not None}
    seen: Any = v1(emulator, resource="nordic").fine_tuning.jobs.retrieve(job.id)
    assert (seen.method.type, seen.trainingType) == ("supervised", "Standard")
    with pytest.raises(openai.NotFoundError):
        nordic.fine_tuning.jobs.pause(job.id)


def test_every_job_can_have_a_course_of_its_own(clock: SteppedClock) -> None:
    course = lambda number: AzureCourse(ends="failed" if number == 2 else "succeeded")  # noqa: E731
    with AzureEmulator(clock=clock, course=course, quotas=UNLIMITED, habits=AzureHabits(processing_s=0)) as emulator:
        assert [tuned(v1(emulator), clock).status for _ in range(3)] == ["succeeded", "failed", "succeeded"]


def test_the_same_seed_gives_the_same_ids(clock: SteppedClock) -> None:
    def job_id(seed: int) -> str:
        with AzureEmulator(seed=seed, clock=clock) as emulator:
            return str(begun(v1(emulator), clock).id)

    assert job_id(1) == job_id(1) != job_id(2)


def test_the_command_says_what_to_export() -> None:
    command = [sys.executable, "-m", "tuneport_azure.emulator", "--speed", "1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(12)]
        process.terminate()
    values = dict(line.removeprefix("export ").split("#")[0].strip().split("=", 1) for line in said if line.startswith("export "))
    assert set(values) == {
        "AZURE_OPENAI_ENDPOINT",
        "AZURE_OPENAI_API_KEY",
        "AZURE_SUBSCRIPTION_ID",
        "AZURE_RESOURCE_GROUP",
        "AZURE_MANAGEMENT_TOKEN",
    }
    assert values["AZURE_OPENAI_ENDPOINT"].endswith("/contoso")
    assert said[-1].startswith('management_url = "http://127.0.0.1:')
