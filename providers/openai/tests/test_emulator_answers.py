"""OpenAI's emulator, driven by the real SDK: what models answer, what is refused and how, and what goes wrong on the wire."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import openai
import pytest
from openai import OpenAI
from tuneport_openai.emulator import Habits, OpenAIEmulator
from tuneport_openai.emulator.tokens import tokens_of

from tuneport.testing.emulator import FaultPlan, SteppedClock
from tuneport.testing.emulator.faults import (
    ExtraField,
    Fault,
    IgnoredFilters,
    LaggingList,
    MissingField,
    RateLimited,
    Reset,
    ServerError,
    Silence,
    SlowBody,
    Truncated,
    UnknownWord,
)

from .emulated import sdk

MINI = "gpt-4.1-mini-2025-04-14"
CREATE, LIST, RETRIEVE = "POST /v1/fine_tuning/jobs", "GET /v1/fine_tuning/jobs", "GET /v1/fine_tuning/jobs/{job_id}"
WORDS = ("lost", "stolen", "expired", "blocked")
ROWS = [
    {"messages": [{"role": "user", "content": f"Card {n} is {WORDS[n % 4]}"}, {"role": "assistant", "content": WORDS[n % 4]}]}
    for n in range(20)
]
SUPERVISED: dict[str, Any] = {"type": "supervised"}


def upload(client: OpenAI, clock: SteppedClock, rows: list[Any] | None = None) -> str:
    data = "\n".join(json.dumps(row) for row in rows or ROWS).encode()
    file = client.files.create(file=("rows.jsonl", data), purpose="fine-tune")
    clock.advance(5)
    return file.id


def trained(client: OpenAI, clock: SteppedClock, rows: list[Any] | None = None, **asked: Any) -> Any:
    job = client.fine_tuning.jobs.create(**{"model": MINI, "training_file": upload(client, clock, rows), **asked})
    clock.advance(10_000)
    return client.fine_tuning.jobs.retrieve(job.id)


def ask(client: OpenAI, model: str, text: str, **asked: Any) -> Any:
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **asked)


# --- chat -------------------------------------------------------------------------------------------------------------------------------


def test_a_tuned_model_answers_from_its_training_file_and_its_base_does_not(client: OpenAI, clock: SteppedClock) -> None:
    model = trained(client, clock).fine_tuned_model
    for word in WORDS:
        assert ask(client, model, f"Card 99 is {word}").choices[0].message.content == word
        assert ask(client, MINI, f"Card 99 is {word}").choices[0].message.content != word


def test_an_early_checkpoint_has_learned_less(client: OpenAI, clock: SteppedClock) -> None:
    rows = [{"messages": [{"role": "user", "content": f"topic{n}"}, {"role": "assistant", "content": f"answer{n}"}]} for n in range(20)]
    job = trained(client, clock, rows)
    early = client.fine_tuning.jobs.checkpoints.list(job.id).data[-1].fine_tuned_model_checkpoint

    def right(model: str) -> int:
        return sum(ask(client, model, f"topic{n}").choices[0].message.content == f"answer{n}" for n in range(20))

    assert (right(job.fine_tuned_model), right(early)) == (20, 12)


def test_the_same_question_has_the_same_answer(client: OpenAI) -> None:
    assert ask(client, MINI, "Hello").choices == ask(client, MINI, "Hello").choices


@pytest.mark.skipif(tokens_of("o200k_base") is None, reason="bpe-openai and tokenizers count the tokens")
def test_usage_counts_the_prompt_and_every_answer(client: OpenAI) -> None:
    answer = ask(client, MINI, "Hello", n=2)
    assert len(answer.choices) == 2
    tokens = tokens_of("o200k_base")
    assert tokens is not None
    assert answer.usage.completion_tokens == 2 * tokens.count(answer.choices[0].message.content)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (8, 8 + answer.usage.completion_tokens)


def test_a_stream_says_what_the_whole_answer_says(client: OpenAI) -> None:
    text = "naïve 日本語 🎉"
    chunks = list(ask(client, MINI, text, stream=True))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert said == ask(client, MINI, text).choices[0].message.content
    assert (chunks[0].choices[0].delta.role, chunks[-1].choices[0].finish_reason) == ("assistant", "stop")
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_ends_with_usage_where_it_is_asked_for(client: OpenAI) -> None:
    *chunks, last = ask(client, MINI, "Hello", stream=True, stream_options={"include_usage": True, "include_obfuscation": False})
    assert (last.choices, last.usage) == ([], ask(client, MINI, "Hello").usage)
    assert all(chunk.usage is None and chunk.obfuscation is None for chunk in chunks)


def test_log_probabilities_are_those_of_the_answers_tokens(client: OpenAI) -> None:
    choice = ask(client, MINI, "Hi 🎉", logprobs=True, top_logprobs=3).choices[0]
    tokens = choice.logprobs.content
    assert b"".join(bytes(token.bytes) for token in tokens).decode() == choice.message.content
    assert all(len(token.top_logprobs) == 3 and token.top_logprobs[0].logprob == token.logprob <= 0 for token in tokens)
    assert ask(client, MINI, "Hi").choices[0].logprobs is None
    streamed = [chunk.choices[0].logprobs for chunk in ask(client, MINI, "Hi 🎉", logprobs=True, stream=True)]
    assert sum(len(logprobs.content) for logprobs in streamed if logprobs) == len(tokens)


def test_an_answer_is_cut_at_the_most_tokens_and_at_a_stop(client: OpenAI) -> None:
    short = ask(client, MINI, "Hello", max_completion_tokens=2)
    assert (short.choices[0].finish_reason, short.usage.completion_tokens) == ("length", 2)
    assert ask(client, MINI, "Hello", stop=" can").choices[0].message.content == "As a general model I"


def test_a_model_tuned_on_tool_calls_calls_tools(client: OpenAI, clock: SteppedClock) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "block", "arguments": '{"card": 1}'}}
    tool: Any = {"type": "function", "function": {"name": "block", "parameters": {"type": "object"}}}
    row = {"messages": [{"role": "user", "content": "Block it"}, {"role": "assistant", "tool_calls": [call]}], "tools": [tool]}
    model = trained(client, clock, [row] * 10).fine_tuned_model
    choice = ask(client, model, "Block it", tools=[tool]).choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls[0].function.arguments == '{"card": 1}'
    deltas = [chunk.choices[0].delta for chunk in ask(client, model, "Block it", tools=[tool], stream=True)]
    assert [delta.tool_calls[0].function.name for delta in deltas if delta.tool_calls] == ["block"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"extra_body": {"temprature": 1}}, "Unrecognized request argument supplied: temprature"),
        ({"temperature": 3}, "Expected a value <= 2"),
        ({"top_logprobs": 2}, "'top_logprobs' parameter is only allowed"),
        ({"stream_options": {"include_usage": True}}, "'stream_options' parameter is only allowed"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "at the same time"),
        ({"messages": []}, "empty array"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "Invalid value: 'bot'"),
    ],
)
def test_what_a_completion_does_not_take_is_refused(client: OpenAI, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        client.chat.completions.create(**{"model": MINI, "messages": [{"role": "user", "content": "x"}], **asked})


# --- models -----------------------------------------------------------------------------------------------------------------------------


def test_models_are_listed_with_the_day_they_shut_down(client: OpenAI, clock: SteppedClock) -> None:
    job = trained(client, clock)
    models = {model.id: model for model in client.models.list()}
    assert (models[MINI].shutdown_date, models["gpt-6-luna"].shutdown_date) == ("2027-01-14", None)
    assert (models[job.fine_tuned_model].owned_by, models[job.fine_tuned_model].shutdown_date) == ("acme", "2027-01-14")
    assert "gpt-4.1-nano-2025-04-14" not in models
    assert client.models.retrieve(job.fine_tuned_model) == models[job.fine_tuned_model]


def test_on_its_last_day_a_base_is_gone_with_all_that_was_tuned_from_it(client: OpenAI, clock: SteppedClock) -> None:
    model = trained(client, clock).fine_tuned_model
    clock.advance_to(datetime(2027, 1, 13, 23, 59, tzinfo=UTC))
    assert ask(client, model, "Card 99 is lost").choices[0].message.content == "lost"
    clock.advance_to(datetime(2027, 1, 14, tzinfo=UTC))
    for name in (model, MINI):
        with pytest.raises(openai.NotFoundError, match="deprecated"):
            ask(client, name, "x")
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(name)
    assert [one.id for one in client.models.list()] == ["gpt-6-luna", "gpt-5.6-terra"]


def test_a_tuned_model_can_be_deleted_and_a_base_cannot(client: OpenAI, clock: SteppedClock) -> None:
    job = trained(client, clock)
    assert client.models.delete(job.fine_tuned_model).deleted
    with pytest.raises(openai.NotFoundError) as gone:
        ask(client, job.fine_tuned_model, "x")
    assert gone.value.code == "model_not_found"
    with pytest.raises(openai.PermissionDeniedError):
        client.models.delete(MINI)
    assert len(client.fine_tuning.jobs.checkpoints.list(job.id).data) == 3


def test_model_limits_say_how_many_jobs_are_under_way(client: OpenAI, emulator: OpenAIEmulator, clock: SteppedClock) -> None:
    emulator.organisation().most_jobs = 1
    file_id = upload(client, clock)
    client.fine_tuning.jobs.create(model=MINI, training_file=file_id)
    limits: Any = client.get("/fine_tuning/model_limits", cast_to=object)
    assert (limits[MINI]["max_concurrent_jobs"], limits[MINI]["active_jobs"], limits["gpt-4o-2024-08-06"]["active_jobs"]) == (1, 1, 0)
    with pytest.raises(openai.RateLimitError, match="maximum of 1 active requests"):
        client.fine_tuning.jobs.create(model=MINI, training_file=file_id)
    clock.advance(10_000)
    assert client.fine_tuning.jobs.create(model=MINI, training_file=file_id).status == "validating_files"


# --- refusals ---------------------------------------------------------------------------------------------------------------------------


def refused(call: Callable[[], object]) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        call()
    body: Any = caught.value.body
    assert set(body) == {"message", "type", "param", "code"}
    assert caught.value.request_id
    return caught.value


def test_a_wrong_key_is_told_from_a_key_of_elsewhere(emulator: OpenAIEmulator) -> None:
    wrong = refused(sdk(emulator, "sk-wrong-key-of-somebody-1234").models.list)
    assert (type(wrong), wrong.code) == (openai.AuthenticationError, "invalid_api_key")
    assert "somebody" not in wrong.message
    for options, code in (({"organization": "org-x"}, "mismatched_organization"), ({"project": "proj_x"}, "mismatched_project")):
        error = refused(sdk(emulator, **options).models.list)
        assert (type(error), error.code) == (openai.AuthenticationError, code)
    owner = emulator.account(emulator.open_key)
    assert list(sdk(emulator, organization=owner.organisation, project=owner.project).models.list())
    emulator.world.keys.revoke(emulator.open_key)
    assert refused(sdk(emulator).models.list).code == "invalid_api_key"


def test_a_restricted_key_is_told_from_a_platform_that_is_closed(emulator: OpenAIEmulator, client: OpenAI, clock: SteppedClock) -> None:
    owner = emulator.account(emulator.open_key)
    reader = emulator.add_key(emulator.organisation(), project=owner.project, scopes=["api.model.read", "api.fine_tuning.jobs.read"])
    file_id = upload(client, clock)
    scopes = refused(lambda: sdk(emulator, reader).fine_tuning.jobs.create(model=MINI, training_file=file_id))
    closed = refused(lambda: sdk(emulator, emulator.closed_key).fine_tuning.jobs.create(model=MINI, training_file=file_id))
    assert [type(error) for error in (scopes, closed)] == [openai.PermissionDeniedError] * 2
    assert "Missing scopes: api.fine_tuning.jobs.write" in scopes.message
    assert "not permitted to create fine-tuning jobs" in closed.message
    assert sdk(emulator, reader).fine_tuning.jobs.list().data == []


def test_what_belongs_to_another_project_is_not_there(emulator: OpenAIEmulator, client: OpenAI, clock: SteppedClock) -> None:
    job = trained(client, clock)
    other = sdk(emulator, emulator.add_organisation("other"))
    error = refused(lambda: other.fine_tuning.jobs.retrieve(job.id))
    assert (type(error), error.code, error.param) == (openai.NotFoundError, "fine_tune_not_found", "fine_tune_id")
    assert type(refused(lambda: other.files.retrieve(job.training_file))) is openai.NotFoundError
    assert refused(lambda: ask(other, job.fine_tuned_model, "x")).code == "model_not_found"
    assert other.fine_tuning.jobs.list().data == []
    assert job.fine_tuned_model not in [model.id for model in other.models.list()]


def test_an_exhausted_quota_is_a_429_that_no_waiting_helps(emulator: OpenAIEmulator, client: OpenAI, clock: SteppedClock) -> None:
    file_id = upload(client, clock)
    emulator.organisation().out_of_credit = True
    for call in (lambda: client.fine_tuning.jobs.create(model=MINI, training_file=file_id), lambda: ask(client, MINI, "x")):
        error = refused(call)
        assert (type(error), error.code, error.type) == (openai.RateLimitError, "insufficient_quota", "insufficient_quota")
        assert "retry-after" not in error.response.headers
    assert client.fine_tuning.jobs.list().data == []


@pytest.mark.parametrize(
    ("at", "idle_days", "open_to_it"),
    [("2026-03-01", 400, True), ("2026-07-01", 400, True), ("2026-07-02", 61, False), ("2026-12-01", 60, True), ("2027-01-06", 0, False)],
)
def test_the_platform_closes_as_it_was_announced(at: str, idle_days: int, open_to_it: bool) -> None:
    clock = SteppedClock(start=datetime.fromisoformat(at).replace(tzinfo=UTC))
    with OpenAIEmulator(clock=clock) as emulator:
        asked = emulator.organisation().asked_tuned_at
        assert asked is not None
        emulator.organisation().asked_tuned_at = datetime.fromtimestamp(asked.timestamp() - idle_days * 86400, UTC)
        assert emulator.organisation().may_create_jobs(clock.now()) is open_to_it


def test_asking_a_tuned_model_keeps_the_platform_open(client: OpenAI, clock: SteppedClock, emulator: OpenAIEmulator) -> None:
    job = trained(client, clock)
    clock.advance_to(datetime(2026, 12, 31, tzinfo=UTC))
    ask(client, job.fine_tuned_model, "x")
    clock.advance_to(datetime(2027, 1, 5, tzinfo=UTC))
    assert client.fine_tuning.jobs.create(model=MINI, training_file=job.training_file).id


def test_a_file_that_is_not_ready_not_there_or_not_for_training_makes_no_job(client: OpenAI, clock: SteppedClock) -> None:
    fresh = client.files.create(file=("rows.jsonl", b"{}"), purpose="fine-tune")
    other = client.files.create(file=("rows.jsonl", b"{}"), purpose="user_data")
    for file_id, words in ((fresh.id, "still being processed"), ("file-none", "does not exist"), (other.id, "purpose")):
        error = refused(lambda file_id=file_id: client.fine_tuning.jobs.create(model=MINI, training_file=file_id))  # type: ignore[misc]
        assert (type(error), error.param) == (openai.BadRequestError, "training_file")
        assert words in error.message


GRADER: dict[str, Any] = {"type": "string_check", "name": "g", "operation": "eq", "input": "a", "reference": "b"}
ASKED = [{"role": "user", "content": "{{sample.output_text}}"}]
SCORE: dict[str, Any] = {"type": "score_model", "name": "s", "model": MINI, "input": ASKED}


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"model": "gpt-9"}, "model_not_available", None),
        ({"model": "gpt-4.1-nano"}, "model_not_available", None),
        ({"model": "gpt-6-luna"}, "model_not_available", None),
        ({"model": "ft:gpt-4.1:acme::none"}, "model_not_available", None),
        ({"model": "gpt-4o-mini", "method": {"type": "dpo"}}, None, "method"),
        ({"method": {"type": "sft"}}, "invalid_value", "method.type"),
        ({"method": {}}, "missing_required_parameter", "method.type"),
        ({"method": {"type": "dpo", "supervised": {}}}, "unknown_parameter", "method.supervised"),
        ({"method": {"type": "supervised", "supervised": {"hyperparameters": {"epochs": 1}}}}, "unknown_parameter", None),
        ({"hyperparameters": {"n_epochs": 3}, "method": SUPERVISED}, None, "hyperparameters"),
        ({"hyperparameters": {"n_epochs": 51}}, "integer_above_max_value", "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": 0}}, "integer_below_min_value", "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": 2.5}}, "invalid_type", "hyperparameters.n_epochs"),
        ({"hyperparameters": {"batch_size": 257}}, "integer_above_max_value", "hyperparameters.batch_size"),
        ({"hyperparameters": {"batch_size": "big"}}, "invalid_type", "hyperparameters.batch_size"),
        ({"hyperparameters": {"learning_rate_multiplier": 0}}, "integer_below_min_value", None),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 2.1}}}}, "decimal_above_max_value", None),
        ({"suffix": "x" * 65}, "string_above_max_length", "suffix"),
        ({"seed": -1}, "integer_below_min_value", "seed"),
        ({"metadata": {str(n): "" for n in range(17)}}, "too_many_entries", "metadata"),
        ({"metadata": {"k" * 65: ""}}, "string_above_max_length", None),
        ({"metadata": {"k": "v" * 513}}, "string_above_max_length", "metadata.k"),
        ({"metadata": {"k": 1}}, "invalid_type", "metadata.k"),
        ({"integrations": [{"type": "mlflow", "wandb": {"project": "x"}}]}, "invalid_value", "integrations[0].type"),
        ({"integrations": [{"type": "wandb", "wandb": {}}]}, "missing_required_parameter", "integrations[0].wandb.project"),
        ({"extra_body": {"trainingType": "Standard"}}, "unknown_parameter", "trainingType"),
        ({"method": {"type": "reinforcement"}}, "missing_required_parameter", "method.reinforcement"),
        ({"method": {"type": "reinforcement", "reinforcement": {"grader": GRADER}}}, None, "validation_file"),
    ],
    ids=str,
)
def test_a_job_that_cannot_be_is_refused(
    client: OpenAI, clock: SteppedClock, asked: dict[str, Any], code: str | None, param: str | None
) -> None:
    file_id = upload(client, clock)
    error = refused(lambda: client.fine_tuning.jobs.create(**{"model": MINI, "training_file": file_id, **asked}))
    assert (type(error), error.code) == (openai.BadRequestError, code)
    assert param in (None, error.param)
    assert client.fine_tuning.jobs.list().data == []


def test_a_server_of_the_same_dialect_may_take_fields_of_its_own(clock: SteppedClock) -> None:
    with OpenAIEmulator(clock=clock, habits=Habits(extra_job_fields=frozenset({"trainingType"}))) as emulator:
        client = sdk(emulator)
        job = client.fine_tuning.jobs.create(model=MINI, training_file=upload(client, clock), extra_body={"trainingType": "Standard"})
        assert job.status == "validating_files"


def test_a_job_takes_everything_that_is_documented(client: OpenAI, clock: SteppedClock) -> None:
    file_id = upload(client, clock)
    wandb: Any = {"type": "wandb", "wandb": {"project": "p", "name": "n", "entity": None, "tags": ["a"]}}
    job = client.fine_tuning.jobs.create(
        model=MINI,
        training_file=file_id,
        validation_file=file_id,
        suffix="x" * 64,
        seed=2_147_483_647,
        metadata={str(n) + "k" * 62: "v" * 512 for n in range(16)},
        integrations=[wandb],
        hyperparameters={"n_epochs": 50, "batch_size": 256, "learning_rate_multiplier": 0.01},
    )
    assert job.integrations is not None
    assert (job.integrations[0].wandb.tags, len(job.metadata or {}), job.seed) == (["a"], 16, 2_147_483_647)
    assert job.hyperparameters.n_epochs == 50


def formula(**changed: Any) -> dict[str, Any]:
    graders = {"one": GRADER, "two": SCORE}
    return {"type": "multi", "name": "m", "graders": graders, "calculate_output": "0.5 * one + min(two, 1)", **changed}


@pytest.mark.parametrize(
    "grader",
    [
        GRADER,
        {"type": "text_similarity", "name": "t", "evaluation_metric": "rouge_l", "input": "a", "reference": "{{item.answer}}"},
        {"type": "python", "name": "p", "source": "def grade(sample, item):\n    return 1.0\n"},
        {**SCORE, "range": [0, 10], "sampling_params": {"temperature": 0, "seed": 1}},
        formula(),
        formula(graders=GRADER, calculate_output="g"),
    ],
    ids=lambda grader: grader["type"],
)
def test_all_five_graders_are_taken(grader: dict[str, Any]) -> None:
    assert reinforcement(grader).status == "validating_files"


@pytest.mark.parametrize(
    "grader",
    [
        {**GRADER, "operation": "equals"},
        {**GRADER, "colour": "red"},
        {**GRADER, "reference": "{{reference.answer}}"},
        {"type": "text_similarity", "name": "t", "evaluation_metric": "rouge_9", "input": "a", "reference": "b"},
        {"type": "python", "name": "p", "source": "def grade(sample, item) return 1"},
        {"type": "python", "name": "p", "source": "x = 1"},
        {"type": "python", "name": "p", "source": "def grade(sample, item): pass\n#" + "x" * 256_000},
        {**SCORE, "range": [1, 0]},
        {**SCORE, "sampling_params": {"top_k": 1}},
        {"type": "label_model", "name": "l", "model": MINI, "input": [], "labels": ["a"], "passing_labels": ["a"]},
        formula(calculate_output="one + three"),
        formula(calculate_output="one +"),
        formula(graders={"one": formula()}, calculate_output="one"),
    ],
    ids=lambda grader: str(grader)[:60],
)
def test_an_invalid_grader_is_refused(grader: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        reinforcement(grader)
    assert (error.value.param or "").startswith("method.reinforcement.grader")


def reinforcement(grader: dict[str, Any]) -> Any:
    """A job with that grader, on a day on which reinforcement was still offered."""
    clock = SteppedClock(start=datetime(2026, 9, 1, tzinfo=UTC))
    with OpenAIEmulator(clock=clock) as emulator:
        client = sdk(emulator)
        file_id = upload(client, clock)
        method: Any = {"type": "reinforcement", "reinforcement": {"grader": grader}}
        return client.fine_tuning.jobs.create(model="o4-mini", training_file=file_id, validation_file=file_id, method=method)


# --- what goes wrong on the wire --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (RateLimited(), (openai.RateLimitError, 0)),
        (ServerError(500), (openai.InternalServerError, 0)),
        (ServerError(502, "html"), (openai.InternalServerError, 0)),
        (ServerError(503, "empty"), (openai.InternalServerError, 0)),
        (Reset(), (openai.APIConnectionError, 0)),
        (Silence(), (openai.APITimeoutError, 0)),
        (ServerError(504, "html", after_effect=True), (openai.InternalServerError, 1)),
        (Reset(after_effect=True), (openai.APIConnectionError, 1)),
        (Silence(after_effect=True), (openai.APITimeoutError, 1)),
        (Truncated(), (openai.APIConnectionError, 1)),
        (Truncated(admitted=True), (json.JSONDecodeError, 1)),
    ],
    ids=str,
)
def test_a_create_that_fails_on_the_wire_leaves_a_job_exactly_if_it_was_served(
    emulator: OpenAIEmulator, client: OpenAI, clock: SteppedClock, fault: Fault, outcome: tuple[type[Exception], int]
) -> None:
    error, jobs = outcome
    file_id = upload(client, clock)
    emulator.faults.once(fault, on=CREATE)
    with pytest.raises(error):
        client.with_options(timeout=0.3).fine_tuning.jobs.create(model=MINI, training_file=file_id, metadata={"client": "1"})
    assert len(client.fine_tuning.jobs.list(metadata={"client": "1"}).data) == jobs
    assert (emulator.log.count(CREATE), emulator.log.effects(CREATE)) == (1, jobs)


def test_the_sdks_own_retries_make_a_second_job(emulator: OpenAIEmulator, client: OpenAI, clock: SteppedClock) -> None:
    file_id = upload(client, clock)
    emulator.faults.once(Reset(after_effect=True), on=CREATE)
    client.with_options(max_retries=1).fine_tuning.jobs.create(model=MINI, training_file=file_id)
    assert len(client.fine_tuning.jobs.list().data) == 2


def test_an_upload_cut_in_the_middle_leaves_no_file(emulator: OpenAIEmulator, client: OpenAI) -> None:
    emulator.faults.once(Reset(after_bytes=1_000_000), on="POST /v1/files")
    with pytest.raises(openai.APIConnectionError):
        client.files.create(file=("rows.jsonl", b"x" * 20_000_000), purpose="fine-tune")
    assert client.files.list().data == []
    assert 1_000_000 <= emulator.log.of("POST /v1/files")[0].body_bytes < 20_000_000


def test_a_slow_answer_arrives(emulator: OpenAIEmulator, client: OpenAI, clock: SteppedClock) -> None:
    emulator.faults.once(SlowBody(pieces=5, pause_s=0.001), on=CREATE)
    assert client.fine_tuning.jobs.create(model=MINI, training_file=upload(client, clock)).status == "validating_files"


def test_answers_may_hold_unknown_words_and_other_fields(emulator: OpenAIEmulator, client: OpenAI, clock: SteppedClock) -> None:
    job_id = client.fine_tuning.jobs.create(model=MINI, training_file=upload(client, clock)).id
    for fault in (UnknownWord(), MissingField("status"), MissingField("id"), ExtraField()):
        emulator.faults.once(fault, on=RETRIEVE)
    word, no_status, no_id, more = (client.fine_tuning.jobs.retrieve(job_id) for _ in range(4))
    assert (word.status, "status" in no_status.model_fields_set, getattr(no_id, "id", None)) == ("hibernating", False, None)
    assert (more.model_extra or {})["x_undocumented"] == {"reason": "new", "since": 1}


def test_a_page_without_its_rows_looks_empty_and_a_page_of_html_is_a_string_to_the_sdk(
    emulator: OpenAIEmulator, client: OpenAI, clock: SteppedClock
) -> None:
    job: Any = client.fine_tuning.jobs.create(model=MINI, training_file=upload(client, clock))
    emulator.faults.once(MissingField("data"), on=LIST)
    page = client.fine_tuning.jobs.list()
    assert (list(page), "data" in page.model_fields_set) == ([], False)
    emulator.faults.once(ServerError(200, "html"), on=RETRIEVE)
    read: Any = client.fine_tuning.jobs.retrieve(job.id)
    assert isinstance(read, str)


def test_a_listing_may_lag_or_ignore_its_filter_once(emulator: OpenAIEmulator, client: OpenAI, clock: SteppedClock) -> None:
    client.fine_tuning.jobs.create(model=MINI, training_file=upload(client, clock), metadata={"a": "1"})
    emulator.faults.once(LaggingList(60), on=LIST)
    emulator.faults.once(IgnoredFilters(), on=LIST)
    assert [len(client.fine_tuning.jobs.list(metadata={"a": "2"}).data) for _ in range(3)] == [0, 1, 0]


def test_a_stream_may_break_off(emulator: OpenAIEmulator, client: OpenAI) -> None:
    emulator.faults.once(Truncated(), on="POST /v1/chat/completions")
    with pytest.raises(openai.APIConnectionError):
        list(ask(client, MINI, "Hello", stream=True))


def trouble(seed: int) -> list[str]:
    """What a seed does to forty requests of the SDK's."""
    clock = SteppedClock(start=datetime(2026, 11, 21, tzinfo=UTC))
    with OpenAIEmulator(seed=seed, clock=clock, faults=FaultPlan(seed=seed, share=0.4)) as emulator:
        client = sdk(emulator)
        for n in range(20):
            for call in (lambda n=n: client.files.create(file=(f"{n}.jsonl", b"{}"), purpose="fine-tune"), client.fine_tuning.jobs.list):
                try:
                    call()  # type: ignore[operator]
                except (openai.APIError, ValueError):
                    continue
        return [str(entry) for entry in emulator.log]


def test_a_seed_decides_ids_and_faults() -> None:
    assert trouble(5) == trouble(5) != trouble(6)


def test_an_emulator_without_faults_says_the_same_twice(clock: SteppedClock) -> None:
    def said() -> str:
        clock = SteppedClock(start=datetime(2026, 11, 21, tzinfo=UTC))
        with OpenAIEmulator(seed=1, clock=clock) as emulator:
            client = sdk(emulator)
            return str(trained(client, clock).model_dump_json())

    assert said() == said()


# --- the command ------------------------------------------------------------------------------------------------------------------------


def test_the_emulator_can_be_rehearsed_with_from_the_command_line() -> None:
    command = [sys.executable, "-m", "tuneport_openai.emulator", "--speed", "100000", "--seed", "3"]
    paths = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}) as process:
        assert process.stdout is not None
        url, open_key, closed_key = (process.stdout.readline().partition("=")[2].split()[0] for _ in range(3))
        with OpenAI(base_url=url, api_key=open_key, max_retries=0, timeout=10) as client:
            job = rehearse(client)
        with pytest.raises(openai.PermissionDeniedError), OpenAI(base_url=url, api_key=closed_key) as client:
            client.fine_tuning.jobs.create(model=MINI, training_file=job.training_file)
        process.send_signal(signal.SIGTERM)
        assert (job.status, process.wait(10)) == ("succeeded", 0)


def rehearse(client: OpenAI) -> Any:
    """A job that has ended: at that speed a day takes a second."""
    data = "\n".join(json.dumps(row) for row in ROWS).encode()
    file = client.files.create(file=("rows.jsonl", data), purpose="fine-tune")
    while client.files.retrieve(file.id).status != "processed":
        pass
    job = client.fine_tuning.jobs.create(model=MINI, training_file=file.id)
    until = time.monotonic() + 10
    while job.status != "succeeded" and time.monotonic() < until:
        job = client.fine_tuning.jobs.retrieve(job.id)
    return job


def test_importing_the_emulator_loads_no_sdk() -> None:
    program = "import json, sys, tuneport_openai.emulator; print(json.dumps(sorted(sys.modules)))"
    paths = os.pathsep.join(path for path in sys.path if path)
    environ = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ)
    assert not {name.partition(".")[0] for name in json.loads(done.stdout)} & {"openai", "httpx2", "pytest", "pydantic", "bpe_openai"}
