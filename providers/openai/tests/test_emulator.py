"""OpenAI's emulator, driven by the real SDK: files, uploads, and the course of jobs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob
from tuneport_openai.emulator import UNSAFE, Course, Habits, OpenAIEmulator
from tuneport_openai.emulator.tokens import row_tokens, tokens_of

from tuneport.testing.emulator import SteppedClock

from .emulated import sdk

MINI = "gpt-4.1-mini-2025-04-14"
CREATE = "POST /v1/fine_tuning/jobs"
TOKENS_AT_HAND = tokens_of("o200k_base") is not None


def chat_rows(count: int = 20) -> list[dict[str, Any]]:
    words = ("lost", "stolen", "expired", "blocked")
    return [
        {"messages": [{"role": "user", "content": f"Card {n} is {words[n % 4]}"}, {"role": "assistant", "content": words[n % 4]}]}
        for n in range(count)
    ]


def pair_rows(count: int = 12) -> list[dict[str, Any]]:
    def said(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    question = {"messages": [{"role": "user", "content": "Hello"}]}
    return [{"input": question, "preferred_output": said(f"Hi {n}"), "non_preferred_output": said("Go away")} for n in range(count)]


def prompt_rows(count: int = 12) -> list[dict[str, Any]]:
    return [{"messages": [{"role": "user", "content": f"{n} + 1?"}], "answer": str(n + 1)} for n in range(count)]


def lines(rows: list[Any]) -> bytes:
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()


def upload(client: OpenAI, clock: SteppedClock, rows: list[Any] | bytes | None = None) -> str:
    """The id of a processed training file."""
    data = rows if isinstance(rows, bytes) else lines(chat_rows() if rows is None else rows)
    file = client.files.create(file=("rows.jsonl", data), purpose="fine-tune")
    clock.advance(5)
    return file.id


def tuned(client: OpenAI, clock: SteppedClock, rows: list[Any] | None = None, **asked: Any) -> FineTuningJob:
    """A job that has run its course."""
    job = client.fine_tuning.jobs.create(**{"model": MINI, "training_file": upload(client, clock, rows), **asked})
    clock.advance(10_000)
    return client.fine_tuning.jobs.retrieve(job.id)


# --- files ------------------------------------------------------------------------------------------------------------------------------


def test_a_file_is_kept_byte_for_byte_and_processed_after_a_while(client: OpenAI, clock: SteppedClock) -> None:
    data = lines(chat_rows())
    file = client.files.create(file=("rows.jsonl", data), purpose="fine-tune")
    assert (file.object, file.bytes, file.filename, file.purpose, file.status) == ("file", len(data), "rows.jsonl", "fine-tune", "uploaded")
    clock.advance(5)
    assert client.files.retrieve(file.id).status == "processed"
    assert client.files.content(file.id).read() == data


@pytest.mark.parametrize("data", [b"", b"\xff\xfe{", b"not json\n"], ids=["empty", "not UTF-8", "not JSON"])
def test_a_file_that_cannot_be_json_lines_ends_in_error_and_no_job_is_made_from_it(
    client: OpenAI, clock: SteppedClock, data: bytes
) -> None:
    file = client.files.retrieve(upload(client, clock, data))
    assert file.status == "error"
    assert file.status_details is not None
    with pytest.raises(openai.BadRequestError, match="error state"):
        client.fine_tuning.jobs.create(model=MINI, training_file=file.id)


def test_the_sdk_waits_for_processing_by_its_own_clock(emulator: OpenAIEmulator) -> None:
    with OpenAIEmulator(habits=Habits(processing_s=0)) as quick:
        client = sdk(quick)
        file = client.files.create(file=("rows.jsonl", b"{}"), purpose="fine-tune")
        assert client.files.wait_for_processing(file.id).status == "processed"


def test_a_fine_tuning_file_must_be_named_jsonl(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"Must be \.jsonl"):
        client.files.create(file=("rows.csv", b"a,b"), purpose="fine-tune")
    assert client.files.create(file=("notes.txt", b"a"), purpose="user_data").status == "uploaded"


def test_a_file_that_is_too_large_is_refused(clock: SteppedClock) -> None:
    with OpenAIEmulator(clock=clock, habits=Habits(largest_file_bytes=1000)) as emulator:
        client = sdk(emulator)
        with pytest.raises(openai.APIStatusError) as refused:
            client.files.create(file=("rows.jsonl", b"x" * 1001), purpose="fine-tune")
        assert (refused.value.status_code, type(refused.value)) == (413, openai.APIStatusError)
        assert client.files.create(file=("rows.jsonl", b"x" * 1000), purpose="fine-tune").bytes == 1000


@pytest.mark.parametrize("asked", [{"purpose": "training"}, {"purpose": "fine-tune", "extra_body": {"colour": "red"}}], ids=str)
def test_an_upload_with_unknown_words_or_fields_is_refused(client: OpenAI, asked: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("rows.jsonl", b"{}"), **asked)


def test_a_file_can_expire(client: OpenAI, clock: SteppedClock) -> None:
    policy: Any = {"anchor": "created_at", "seconds": 3600}
    file = client.files.create(file=("rows.jsonl", b"{}"), purpose="fine-tune", expires_after=policy)
    assert file.expires_at == file.created_at + 3600
    clock.advance(3600)
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_files_are_listed_newest_first_in_pages_and_by_purpose(client: OpenAI, clock: SteppedClock) -> None:
    for n in range(5):
        client.files.create(file=(f"{n}.jsonl", b"{}"), purpose="fine-tune" if n % 2 else "user_data")
        clock.advance(1)
    assert [file.filename for file in client.files.list(limit=2)] == [f"{n}.jsonl" for n in (4, 3, 2, 1, 0)]
    assert [file.filename for file in client.files.list(order="asc", purpose="fine-tune")] == ["1.jsonl", "3.jsonl"]


def test_a_deleted_file_is_gone(client: OpenAI, clock: SteppedClock) -> None:
    file_id = upload(client, clock)
    assert client.files.delete(file_id).deleted
    with pytest.raises(openai.NotFoundError) as gone:
        client.files.content(file_id)
    assert gone.value.param == "id"
    assert list(client.files.list()) == []


# --- uploads ----------------------------------------------------------------------------------------------------------------------------


def test_the_sdk_uploads_a_file_in_parts(client: OpenAI, clock: SteppedClock, tmp_path: Path) -> None:
    data = lines(chat_rows(500))
    (tmp_path / "rows.jsonl").write_bytes(data)
    done = client.uploads.upload_file_chunked(
        file=tmp_path / "rows.jsonl", mime_type="text/jsonl", purpose="fine-tune", part_size=10_000, md5=hashlib.md5(data).hexdigest()
    )
    assert (done.status, done.bytes) == ("completed", len(data))
    assert done.file is not None
    clock.advance(5)
    assert client.files.content(done.file.id).read() == data


def two_parts(client: OpenAI) -> tuple[str, str, str]:
    started = client.uploads.create(bytes=6, filename="rows.jsonl", mime_type="text/jsonl", purpose="fine-tune")
    one, two = (client.uploads.parts.create(started.id, data=data).id for data in (b"abc", b"def"))
    return started.id, one, two


def test_parts_are_joined_in_the_order_that_completion_names(client: OpenAI) -> None:
    upload_id, one, two = two_parts(client)
    file = client.uploads.complete(upload_id, part_ids=[two, one]).file
    assert file is not None
    assert client.files.content(file.id).read() == b"defabc"


@pytest.mark.parametrize(
    "ask",
    [
        lambda one, two: {"part_ids": [one]},
        lambda one, two: {"part_ids": [one, one]},
        lambda one, two: {"part_ids": [one, "part_unknown"]},
        lambda one, two: {"part_ids": [one, two], "md5": "0" * 32},
    ],
    ids=["too few bytes", "a part twice", "an unknown part", "another checksum"],
)
def test_a_completion_that_does_not_fit_is_refused_and_can_be_tried_again(client: OpenAI, ask: Callable[..., Any]) -> None:
    upload_id, one, two = two_parts(client)
    with pytest.raises(openai.BadRequestError):
        client.uploads.complete(upload_id, **ask(one, two))
    assert client.uploads.complete(upload_id, part_ids=[one, two]).status == "completed"


def test_an_upload_that_is_over_accepts_nothing(client: OpenAI, clock: SteppedClock) -> None:
    cancelled, completed, expired = two_parts(client), two_parts(client), two_parts(client)
    assert client.uploads.cancel(cancelled[0]).status == "cancelled"
    client.uploads.complete(completed[0], part_ids=completed[1:])
    clock.advance(3600)
    for upload_id, *_ in (cancelled, completed, expired):
        with pytest.raises(openai.BadRequestError):
            client.uploads.parts.create(upload_id, data=b"x")
        with pytest.raises(openai.BadRequestError):
            client.uploads.complete(upload_id, part_ids=[])


def test_the_parts_of_an_upload_are_not_kept_twice(client: OpenAI, emulator: OpenAIEmulator) -> None:
    upload_id, one, two = two_parts(client)
    client.uploads.complete(upload_id, part_ids=[one, two])
    (file,) = emulator.world.files.values()
    assert [path.read_bytes() for path in file.blob.path.parent.iterdir()] == [b"abcdef"]


# --- the course of a job ----------------------------------------------------------------------------------------------------------------


def test_a_job_runs_its_course_by_the_clock(client: OpenAI, clock: SteppedClock, emulator: OpenAIEmulator) -> None:
    file_id = upload(client, clock)
    job = client.fine_tuning.jobs.create(model=MINI, training_file=file_id)
    seen = [job.status]
    for seconds in (30, 60, 300, 320):
        clock.advance(seconds)
        seen.append(client.fine_tuning.jobs.retrieve(job.id).status)
    assert seen == ["validating_files", "queued", "running", "running", "succeeded"]
    assert emulator.log.effects(CREATE) == 1


def test_a_finished_job_names_its_model_results_and_hyperparameters(client: OpenAI, clock: SteppedClock) -> None:
    job = tuned(client, clock, suffix="cards", seed=7)
    assert job.fine_tuned_model is not None
    assert job.fine_tuned_model.startswith(f"ft:{MINI}:acme:cards:")
    assert (job.seed, job.object, job.model, len(job.result_files)) == (7, "fine_tuning.job", MINI, 1)
    assert job.hyperparameters.model_dump() == {"batch_size": 1, "learning_rate_multiplier": 2.0, "n_epochs": 5}
    assert job.finished_at == job.created_at + 710


def test_results_are_a_csv_in_base64(client: OpenAI, clock: SteppedClock) -> None:
    job = tuned(client, clock)
    file = client.files.retrieve(job.result_files[0])
    rows = base64.b64decode(client.files.content(file.id).read()).decode().splitlines()
    assert (file.purpose, file.filename) == ("fine-tune-results", "step_metrics.csv")
    assert rows[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert [row.split(",")[0] for row in rows[1:]] == [str(step) for step in range(1, 101)]


@pytest.mark.skipif(not TOKENS_AT_HAND, reason="bpe-openai and tokenizers count the tokens")
def test_billed_tokens_are_those_of_the_file_times_the_epochs(client: OpenAI, clock: SteppedClock) -> None:
    tokens = tokens_of("o200k_base")
    assert tokens is not None
    each = sum(row_tokens(row, tokens) for row in chat_rows())
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4}}}
    assert tuned(client, clock, method=method).trained_tokens == 4 * each


@pytest.mark.skipif(not TOKENS_AT_HAND, reason="bpe-openai and tokenizers count the tokens")
@pytest.mark.filterwarnings("ignore:open_binary is deprecated")
@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
def test_the_vendors_tokenizer_agrees_with_the_one_that_tuneport_counts_with(encoding: str) -> None:
    import bpe_openai

    tokens = tokens_of(encoding)
    assert tokens is not None
    for text in ("", "It's 12345 o'clock\n\n  naïve", "日本語テキスト 🎉🎉", "DON'T\t\n ABCdef" + "a" * 300):
        assert tokens.count(text) == len(bpe_openai.get_encoding(encoding).encode(text))
        assert b"".join(tokens.split(text)) == text.encode()


def test_a_rolling_name_stands_for_a_snapshot(client: OpenAI, clock: SteppedClock) -> None:
    assert client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=upload(client, clock)).model == "gpt-4o-mini-2024-07-18"


def test_a_tuned_model_and_a_checkpoint_can_be_trained_on(client: OpenAI, clock: SteppedClock) -> None:
    first = tuned(client, clock)
    checkpoint = client.fine_tuning.jobs.checkpoints.list(first.id).data[-1].fine_tuned_model_checkpoint
    for model in (first.fine_tuned_model, checkpoint):
        job = tuned(client, clock, model=model)
        assert (job.status, job.model) == ("succeeded", model)
        assert (job.fine_tuned_model or "").startswith(f"ft:{MINI}:acme::")


def test_a_step_is_an_event_and_events_come_newest_first(client: OpenAI, clock: SteppedClock) -> None:
    file_id = upload(client, clock)
    job = tuned(client, clock, validation_file=file_id)
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=30))
    assert len({event.id for event in events}) == len(events)
    assert [event.created_at for event in events] == sorted((event.created_at for event in events), reverse=True)
    steps: list[Any] = [event.data for event in reversed(events) if event.type == "metrics"]
    assert [step["step"] for step in steps] == list(range(1, 101))
    assert steps[0]["train_loss"] > steps[-1]["train_loss"]
    assert {"valid_loss", "full_valid_loss", "total_steps"} <= steps[-1].keys()
    said = [event.message for event in reversed(events) if event.type == "message"]
    assert [text.split(":")[0] for text in said[:4]] == [
        "Created fine-tuning job",
        "Validating training file",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
    ]
    assert said[-1] == "The job has successfully completed"
    assert [event.type for event in events if event.type not in ("message", "metrics")] == ["moderation_checks"]


def test_paging_through_events_while_a_job_runs_sees_each_once(client: OpenAI, clock: SteppedClock) -> None:
    job = client.fine_tuning.jobs.create(model=MINI, training_file=upload(client, clock))
    clock.advance(300)
    seen = []
    for event in client.fine_tuning.jobs.list_events(job.id, limit=5):
        seen.append(event.id)
        clock.advance(1)
    assert len(seen) == len(set(seen)) > 30


def test_the_last_three_epochs_leave_checkpoints_and_the_last_is_the_model(client: OpenAI, clock: SteppedClock) -> None:
    job = tuned(client, clock, suffix="c")
    found = list(client.fine_tuning.jobs.checkpoints.list(job.id, limit=2))
    assert [one.step_number for one in found] == [100, 80, 60]
    assert found[0].fine_tuned_model_checkpoint == job.fine_tuned_model
    assert found[1].fine_tuned_model_checkpoint.endswith(":ckpt-step-80")
    assert (found[1].metrics.step, found[1].fine_tuning_job_id) == (80, job.id)


def test_checkpoints_appear_as_epochs_end(client: OpenAI, clock: SteppedClock) -> None:
    job = client.fine_tuning.jobs.create(model=MINI, training_file=upload(client, clock))
    clock.advance(90 + 250)
    assert [one.step_number for one in client.fine_tuning.jobs.checkpoints.list(job.id)] == [40, 20]


def test_a_cancelled_job_stays_cancelled(client: OpenAI, clock: SteppedClock) -> None:
    job = client.fine_tuning.jobs.create(model=MINI, training_file=upload(client, clock))
    clock.advance(200)
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    clock.advance(10_000)
    after = client.fine_tuning.jobs.retrieve(job.id)
    assert (after.status, after.fine_tuned_model, after.finished_at, after.trained_tokens) == ("cancelled", None, None, None)
    for act in (client.fine_tuning.jobs.cancel, client.fine_tuning.jobs.pause, client.fine_tuning.jobs.resume):
        with pytest.raises(openai.BadRequestError, match="its status is cancelled"):
            act(job.id)


def test_a_pause_stops_the_work_and_a_resumed_job_queues_again(client: OpenAI, clock: SteppedClock) -> None:
    job = client.fine_tuning.jobs.create(model=MINI, training_file=upload(client, clock))
    clock.advance(90 + 300)
    paused: str = client.fine_tuning.jobs.pause(job.id).status
    assert paused == "paused"
    clock.advance(100_000)
    with pytest.raises(openai.BadRequestError, match="its status is paused"):
        client.fine_tuning.jobs.pause(job.id)
    assert client.fine_tuning.jobs.resume(job.id).status == "queued"
    clock.advance(15)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "running"
    clock.advance(320)
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert (done.status, done.finished_at) == ("succeeded", job.created_at + 710 + 100_015)
    steps = [event for event in client.fine_tuning.jobs.list_events(job.id, limit=200) if event.type == "metrics"]
    assert max(a.created_at - b.created_at for a, b in pairwise(steps)) == 100_021


def test_a_job_can_be_made_to_fail_in_the_middle(clock: SteppedClock) -> None:
    with OpenAIEmulator(clock=clock, course=Course(ends="failed", failure=("server_error", "It broke."))) as emulator:
        client = sdk(emulator)
        job = tuned(client, clock)
        assert job.error is not None
        assert (job.status, job.error.code, job.error.message, job.finished_at) == ("failed", "server_error", "It broke.", None)
        assert client.fine_tuning.jobs.list_events(job.id).data[0].level == "error"


def test_every_job_can_have_a_course_of_its_own(clock: SteppedClock) -> None:
    with OpenAIEmulator(clock=clock, course=lambda number: Course(ends="failed" if number == 2 else "succeeded")) as emulator:
        assert [tuned(sdk(emulator), clock).status for _ in range(3)] == ["succeeded", "failed", "succeeded"]


def test_dpo_and_reinforcement_jobs_run_their_course_too(clock: SteppedClock) -> None:
    clock = SteppedClock(start=datetime(2026, 9, 1, tzinfo=UTC))
    with OpenAIEmulator(clock=clock) as emulator:
        client = sdk(emulator)
        pairs = tuned(client, clock, pair_rows(), method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}})
        assert pairs.method is not None
        assert pairs.method.dpo is not None
        assert (pairs.status, pairs.method.dpo.hyperparameters and pairs.method.dpo.hyperparameters.beta) == ("succeeded", 0.2)
        grader = {
            "type": "string_check",
            "name": "same",
            "operation": "eq",
            "input": "{{sample.output_text}}",
            "reference": "{{item.answer}}",
        }
        method = {"type": "reinforcement", "reinforcement": {"grader": grader, "hyperparameters": {"reasoning_effort": "low"}}}
        validation = upload(client, clock, prompt_rows())
        rewarded = tuned(client, clock, prompt_rows(), model="o4-mini-2025-04-16", method=method, validation_file=validation)
        assert (rewarded.status, rewarded.trained_tokens) == ("succeeded", None)
        events: list[Any] = [event.data for event in client.fine_tuning.jobs.list_events(rewarded.id) if event.type == "metrics"]
        assert all("train_reward_mean" in data for data in events)


# --- listing ----------------------------------------------------------------------------------------------------------------------------


def test_jobs_are_listed_newest_first_in_pages_and_by_metadata(client: OpenAI, clock: SteppedClock) -> None:
    file_id = upload(client, clock)
    for n in range(5):
        client.fine_tuning.jobs.create(model=MINI, training_file=file_id, suffix=str(n), metadata={"n": str(n), "even": str(n % 2 == 0)})
        clock.advance(1)
    client.fine_tuning.jobs.create(model=MINI, training_file=file_id)

    def listed(**asked: Any) -> list[Any]:
        return [(job.metadata or {}).get("n") for job in client.fine_tuning.jobs.list(**asked)]

    assert listed(limit=2) == [None, "4", "3", "2", "1", "0"]
    assert listed(metadata={"even": "True"}) == ["4", "2", "0"]
    assert listed(metadata={"even": "True", "n": "2"}) == ["2"]
    assert listed(metadata={"even": "maybe"}) == []
    assert listed(extra_query={"metadata": "null"}) == [None]


def test_a_listing_may_lag_and_filters_may_be_ignored(clock: SteppedClock) -> None:
    with OpenAIEmulator(clock=clock, habits=Habits(listing_lag_s=60, filters_by_metadata=False)) as emulator:
        client = sdk(emulator)
        job = client.fine_tuning.jobs.create(model=MINI, training_file=upload(client, clock), metadata={"a": "b"})
        assert client.fine_tuning.jobs.list().data == []
        assert client.fine_tuning.jobs.retrieve(job.id).id == job.id
        clock.advance(60)
        assert [one.id for one in client.fine_tuning.jobs.list(metadata={"a": "c"})] == [job.id]


def test_a_server_may_drop_metadata_and_say_null_where_openai_says_an_empty_error(clock: SteppedClock) -> None:
    with OpenAIEmulator(clock=clock, habits=Habits(keeps_metadata=False, absent_error="null", results_in_base64=False)) as emulator:
        client = sdk(emulator)
        job = tuned(client, clock, metadata={"a": "b"})
        assert (job.metadata, job.error) == (None, None)
        assert client.files.content(job.result_files[0]).read().startswith(b"step,")


def test_a_job_without_an_error_has_an_empty_one(client: OpenAI, clock: SteppedClock) -> None:
    error: Any = tuned(client, clock).error
    assert (error.code, error.message, error.param) == (None, None, None)


# --- validation: the file is really read ------------------------------------------------------------------------------------------------


def failure(client: OpenAI, clock: SteppedClock, rows: list[Any], **asked: Any) -> tuple[str, str, str | None]:
    """Code, message and parameter of the error with which a job fails before it trains."""
    job = tuned(client, clock, rows, **asked)
    assert job.status == "failed"
    assert job.error is not None
    assert job.fine_tuned_model is None
    return job.error.code, job.error.message, job.error.param


def changed(**message: Any) -> list[Any]:
    """Twenty rows, the third with a message of its own at the end."""
    rows = chat_rows()
    rows[2]["messages"].append({"role": "assistant", "content": "x", **message})
    return rows


@pytest.mark.parametrize(
    ("rows", "code", "words"),
    [
        (chat_rows(9), "invalid_n_examples", "Training file has 9 example(s), but must have at least 10 examples"),
        ([*chat_rows(), "{broken"], "invalid_file_format", "Example 21 cannot be parsed"),
        ([*chat_rows(), [1]], "invalid_file_format", "Example 21 is not a JSON object"),
        ([*chat_rows(), {"text": "x"}], "invalid_file_format", "Example 21 is missing key 'messages'"),
        ([*chat_rows(), {**chat_rows(1)[0], "label": 1}], "invalid_file_format", 'Example 21 contains an extra "label"'),
        ([{"text": "x"}] * 20, "invalid_training_file", "Unexpected file format"),
        (pair_rows(), "invalid_training_file", "is in the fine-tune-preference format"),
        (changed(role="bot"), "invalid_file_format", "Example 3, message 3 Input tag 'bot' found using 'role'"),
        (changed(role="user"), "invalid_file_format", "Example 3, the last message must be from the assistant"),
        (changed(content=None), "invalid_file_format", "Example 3, message 3 is missing key 'content'"),
        (changed(content=7), "invalid_file_format", "neither a string nor a list of parts"),
        (changed(weight=2), "invalid_file_format", "has a weight"),
        (changed(colour="red"), "invalid_file_format", 'message 3 contains an extra "colour"'),
        (changed(tool_calls=[{"id": "1", "type": "function"}]), "invalid_file_format", "tool call without"),
        (changed(content=[{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]), "invalid_file_format", "holds an image"),
        (changed(content=f"please {UNSAFE}"), "unsafe_file", "blocked because too many examples were flagged"),
        (
            [{"messages": [{"content": "b"}]}] * 20,
            "invalid_file_format",
            "Discriminator 'role' is missing",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_chat_file_fails_the_job_in_the_vendors_words(
    client: OpenAI, clock: SteppedClock, rows: list[Any], code: str, words: str
) -> None:
    said = failure(client, clock, rows)
    assert (said[0], said[2]) == (code, "training_file")
    assert words in said[1]


def test_a_bad_validation_file_is_named(client: OpenAI, clock: SteppedClock) -> None:
    bad = upload(client, clock, [*chat_rows(), "{broken"])
    code, message, param = failure(client, clock, chat_rows(), validation_file=bad)
    assert (code, param) == ("invalid_file_format", "validation_file")
    assert "validation file" in message


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda row: row.pop("preferred_output"), "is missing key 'preferred_output'"),
        (lambda row: row["preferred_output"].append({"role": "assistant", "content": "x"}), "exactly one message"),
        (lambda row: row["non_preferred_output"][0].update(role="user"), "exactly one message"),
        (lambda row: row.update(input="Hello"), "'input' must be an object"),
        (lambda row: row.update(score=1), 'contains an extra "score"'),
    ],
)
def test_a_bad_preference_file_fails_the_job(client: OpenAI, clock: SteppedClock, spoil: Callable[[Any], object], words: str) -> None:
    rows = pair_rows()
    spoil(rows[4])
    assert words in failure(client, clock, rows, method={"type": "dpo"})[1]


def test_chat_rows_are_no_preference_file(client: OpenAI, clock: SteppedClock) -> None:
    code, message, _ = failure(client, clock, chat_rows(), method={"type": "dpo"})
    assert code == "invalid_training_file"
    assert "is not using 'supervised' as the training method (provided method=dpo)" in message


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (chat_rows(), "the last message must be from the user"),
        (pair_rows(), "is in the fine-tune-preference format"),
        ([*prompt_rows(), {"messages": prompt_rows(1)[0]["messages"]}], "refers to item.answer, which example 13 does not have"),
    ],
)
def test_a_bad_prompt_file_or_a_grader_that_asks_for_more_fails_the_job(rows: list[Any], words: str) -> None:
    clock = SteppedClock(start=datetime(2026, 9, 1, tzinfo=UTC))
    with OpenAIEmulator(clock=clock) as emulator:
        client = sdk(emulator)
        grader = {"type": "text_similarity", "name": "near", "evaluation_metric": "bleu", "input": "x", "reference": "{{ item.answer }}"}
        asked = {"model": "o4-mini", "method": {"type": "reinforcement", "reinforcement": {"grader": grader}}}
        assert words in failure(client, clock, rows, validation_file=upload(client, clock, prompt_rows()), **asked)[1]


def test_images_are_read_where_the_base_sees_them(client: OpenAI, clock: SteppedClock) -> None:
    picture = "data:image/png;base64," + base64.b64encode(b"x" * 100).decode()

    def rows(url: str, count: int = 1) -> list[Any]:
        parts = [{"type": "text", "text": "What is this?"}, *[{"type": "image_url", "image_url": {"url": url, "detail": "low"}}] * count]
        return [{"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "A cat"}]}] * 10

    assert tuned(client, clock, rows(picture), model="gpt-4o-2024-08-06").status == "succeeded"
    assert "holds an image" in failure(client, clock, rows(picture))[1]
    assert "11 images" in failure(client, clock, rows(picture, 11), model="gpt-4o-2024-08-06")[1]
    assert "base64" in failure(client, clock, rows("data:image/png;base64,%"), model="gpt-4o-2024-08-06")[1]


@pytest.mark.skipif(not TOKENS_AT_HAND, reason="bpe-openai and tokenizers count the tokens")
def test_rows_that_are_too_long_are_cut_and_said_so(client: OpenAI, clock: SteppedClock) -> None:
    rows = chat_rows()
    rows[0]["messages"][0]["content"] = "word " * 70_000
    job = tuned(client, clock, rows, method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}})
    assert (job.status, 65_536 < (job.trained_tokens or 0) < 67_000) == ("succeeded", True)
    assert [event.message for event in client.fine_tuning.jobs.list_events(job.id, limit=100) if event.level == "warn"] == [
        "1 example(s) exceed the limit of 65536 tokens and were truncated"
    ]


def test_a_training_file_deleted_after_the_job_was_made_does_not_stop_it(client: OpenAI, clock: SteppedClock) -> None:
    file_id = upload(client, clock)
    job = client.fine_tuning.jobs.create(model=MINI, training_file=file_id)
    client.files.delete(file_id)
    clock.advance(10_000)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"


def test_time_is_read_when_it_is_asked_for_and_moments_are_right_however_late_that_is(clock: SteppedClock) -> None:
    with OpenAIEmulator(clock=clock) as emulator:
        client = sdk(emulator)
        job = tuned(client, clock)
        clock.advance(timedelta(days=3).total_seconds())
        assert client.fine_tuning.jobs.retrieve(job.id).finished_at == job.created_at + 710
