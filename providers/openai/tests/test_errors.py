"""What the SDK raises, and what becomes of it. The exceptions are the SDK's own: its client, unmodified, over a transport in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

openai = pytest.importorskip("openai")
httpx2 = pytest.importorskip("httpx2")

from tuneport_openai.errors import TABLE, translated  # noqa: E402
from tuneport_openai.failure import OPEN, Closing, retry_after_s  # noqa: E402

from tuneport.errors import (  # noqa: E402 - after the skip
    Ambiguous,
    CredentialsRefused,
    FileGone,
    NotFound,
    PlatformClosed,
    QuotaExceeded,
    RateLimited,
    Refused,
    TuneportError,
    UnknownModel,
    Unreachable,
)

KEY = "test-key-0123456789"
CLOSING = Closing("OpenAI takes no fine-tuning job from this organization (new jobs until 2027-01-06)", "It can go to azure:mini.")
Handler = Callable[[Any], Any]


def client_with(handler: Handler, *, key: str = KEY) -> Any:
    http_client = httpx2.Client(transport=httpx2.MockTransport(handler))
    return openai.OpenAI(api_key=key, base_url="http://vendor.test/v1", max_retries=0, http_client=http_client)


def raised(handler: Handler, *, key: str = KEY) -> Exception:
    """What the SDK raises for a job that is created when the vendor answers so."""
    with client_with(handler, key=key) as client, pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it raises
        client.fine_tuning.jobs.create(model="gpt-4.1-mini-2025-04-14", training_file="file-1")
    assert isinstance(caught.value, Exception)
    return caught.value


def answer(status: int, *, headers: Mapping[str, str] | None = None, **error: Any) -> Handler:
    body = {"error": {"message": "no.", "type": "invalid_request_error", "param": None, "code": None, **error}}
    return lambda request: httpx2.Response(status, json=body, headers=dict(headers or {}))


def creating(handler: Handler, *, closing: Closing = OPEN) -> TuneportError:
    return translated(raised(handler), doing="creating the job", creating=True, closing=closing)


def reading(handler: Handler) -> TuneportError:
    return translated(raised(handler), doing="looking at the job")


def test_every_exception_class_of_the_sdk_is_in_the_table() -> None:
    from openai import _exceptions

    classes = [each for each in vars(_exceptions).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert len(classes) > 15
    assert [each.__name__ for each in classes if each.__name__ not in TABLE] == []


def test_an_exception_class_that_a_later_sdk_adds_counts_as_its_nearest_known_one() -> None:
    error = raised(answer(429, code="rate_limit_exceeded"))
    later = type("TooHotError", (type(error),), {"__module__": "openai"})
    error.__class__ = later
    assert isinstance(translated(error, doing="x"), RateLimited)


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 529])
def test_a_status_that_says_nothing_of_the_effect_is_ambiguous_while_creating_and_unreachable_while_reading(status: int) -> None:
    made, read = creating(answer(status, message="overloaded")), reading(answer(status, message="overloaded"))
    assert type(made) is Ambiguous
    assert "creating the job" in made.message
    assert "overloaded" in made.message
    assert type(read) is Unreachable


@pytest.mark.parametrize("error", [httpx2.ReadTimeout, httpx2.ConnectError, httpx2.RemoteProtocolError, httpx2.ReadError])
def test_a_lost_answer_is_ambiguous_while_creating_and_unreachable_while_reading(error: type[Exception]) -> None:
    def lose(request: Any) -> Any:
        raise error("it broke")

    assert type(creating(lose)) is Ambiguous
    assert type(reading(lose)) is Unreachable


@pytest.mark.parametrize("error", [httpx2.ReadError("reset"), httpx2.ReadTimeout("slow"), ConnectionResetError(104, "reset")])
def test_a_stream_that_breaks_gets_no_answer(error: Exception) -> None:
    """Streams raise the transport's own exceptions, and the system's."""
    assert type(translated(error, doing="chatting")) is Unreachable


def test_a_2xx_that_cannot_be_read_is_ambiguous_while_creating_and_unreachable_while_reading() -> None:
    def half(request: Any) -> Any:
        return httpx2.Response(200, content=b'{"id": "ftj', headers={"content-type": "application/json"})

    assert type(creating(half)) is Ambiguous
    assert type(reading(half)) is Unreachable


def test_a_2xx_that_the_sdk_finds_invalid_is_ambiguous_and_its_content_stays_out_of_the_message() -> None:
    request = httpx2.Request("POST", "http://vendor.test/v1/x")
    response = httpx2.Response(200, request=request, text="the row of a customer")
    error = openai.APIResponseValidationError(response=response, body="the row of a customer")
    made = translated(error, doing="creating the job", creating=True)
    assert type(made) is Ambiguous
    assert "customer" not in str(made)


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached"])
def test_a_429_for_an_empty_account_is_no_reason_to_wait(code: str) -> None:
    error = creating(answer(429, code=code, message="You exceeded your current quota."))
    assert type(error) is QuotaExceeded
    assert error.reason == "You exceeded your current quota."


def test_a_429_says_how_long_to_wait_in_seconds_or_as_a_date() -> None:
    seconds = creating(answer(429, code="rate_limit_exceeded", headers={"retry-after": "17"}))
    date = {"retry-after": "Sat, 21 Nov 2026 10:01:30 GMT", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}
    until = creating(answer(429, headers=date))
    silent = creating(answer(429))
    assert [type(each) for each in (seconds, until, silent)] == [RateLimited] * 3
    assert [each.retry_after_s for each in (seconds, until, silent) if isinstance(each, RateLimited)] == [17.0, 90.0, None]


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:05 GMT"}, 5.0),
        ({"retry-after": "Sat, 21 Nov 2026 09:00:00 GMT"}, 0.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_a_wait_is_read_from_whatever_spelling(headers: dict[str, str], wait: float | None) -> None:
    assert retry_after_s(headers, now=datetime(2026, 11, 21, 10, tzinfo=UTC)) == wait


def test_a_wrong_key_is_refused_and_never_shown() -> None:
    said = f"Incorrect API key provided: {KEY}. You can find your API key in your settings."
    error = creating(answer(401, code="invalid_api_key", message=said))
    assert type(error) is CredentialsRefused
    assert KEY not in str(error)
    assert isinstance(error, Refused)
    assert KEY not in error.reason
    assert "You can find your API key" in error.reason


@pytest.mark.parametrize("shown", ["sk-proj-abcdefghijklmnop", "sk-abcd****************wxyz", KEY, "AbCdEf0123"])
def test_no_spelling_of_a_key_passes_from_the_vendors_words_into_ours(shown: str) -> None:
    for status in (400, 401, 403, 404, 429, 500):
        error = translated(raised(answer(status, message=f"Incorrect API key provided: {shown}"), key=shown), doing="listing the jobs")
        assert shown not in str(error), status
        assert shown not in getattr(error, "reason", ""), status


def test_the_key_of_the_request_is_hidden_wherever_it_stands_and_so_is_one_that_the_vendor_has_masked() -> None:
    own = translated(raised(answer(400, message="Plan Zx81-own-key has no access"), key="Zx81-own-key"), doing="listing the jobs")
    masked = translated(raised(answer(401, message="Key sk-pr*****wxyz is gone")), doing="listing the jobs")
    assert isinstance(own, Refused)
    assert isinstance(masked, Refused)
    assert (own.reason, masked.reason) == ("Plan [hidden] has no access", "Key [hidden] is gone")


def test_an_unpaid_account_is_a_matter_of_quota() -> None:
    assert type(creating(answer(402, message="Payment required"))) is QuotaExceeded


def test_a_refusal_to_create_a_job_by_a_closing_platform_says_until_when_and_where_else() -> None:
    error = creating(answer(403, message="Your organization may not do this.", code="permission_denied"), closing=CLOSING)
    assert type(error) is PlatformClosed
    assert error.message == f"{CLOSING.sentence}: Your organization may not do this."
    assert error.remedy == CLOSING.remedy
    assert error.reason == "Your organization may not do this."
    assert error.exit_code == 3


def test_a_403_for_a_keys_scopes_or_for_a_read_is_about_the_credentials() -> None:
    scopes = answer(403, message="You have insufficient permissions for this operation. Missing scopes: api.fine_tuning.jobs.write")
    assert type(creating(scopes, closing=CLOSING)) is CredentialsRefused
    assert type(reading(answer(403, message="permission denied"))) is CredentialsRefused
    assert type(creating(answer(403, message="permission denied"))) is CredentialsRefused


@pytest.mark.parametrize(
    "words",
    ["Your organization must be verified to use this model.", "You do not have access to this project.", "Your role may not do this."],
)
def test_a_403_about_the_caller_is_not_taken_for_a_closed_platform(words: str) -> None:
    assert type(creating(answer(403, message=words), closing=CLOSING)) is CredentialsRefused


def test_a_quota_is_also_known_by_its_type() -> None:
    assert type(creating(answer(429, type="insufficient_quota", message="You exceeded your current quota."))) is QuotaExceeded
    assert type(creating(answer(429, code="daily_rate_limit_exceeded", message="Too many active jobs."))) is QuotaExceeded


@pytest.mark.parametrize(
    "words", ["Validation file: example 3 key 'role' not found", "Invalid file format. Line 3, column 2: expected a key that was deleted"]
)
def test_what_is_wrong_in_a_file_does_not_mean_that_it_is_gone(words: str) -> None:
    assert type(creating(answer(400, param="training_file", message=words))) is Refused


def test_a_403_for_a_country_is_a_refusal_and_no_matter_of_keys() -> None:
    assert type(creating(answer(403, code="unsupported_country_region_territory"), closing=CLOSING)) is Refused


@pytest.mark.parametrize("status", [400, 403, 410])
def test_a_platform_that_says_that_it_is_closed_is_believed_without_a_catalogue(status: int) -> None:
    error = creating(answer(status, message="Fine-tuning is no longer available."))
    assert type(error) is PlatformClosed


@pytest.mark.parametrize(("status", "code"), [(404, "model_not_found"), (400, "model_not_available"), (403, "model_not_found")])
def test_a_model_that_the_vendor_does_not_know_is_an_unknown_model(status: int, code: str) -> None:
    error = creating(answer(status, code=code, message="The model `gpt-9` does not exist or you do not have access to it."))
    assert type(error) is UnknownModel
    assert "gpt-9" in error.message


def test_a_404_for_a_job_or_file_is_not_found() -> None:
    error = reading(answer(404, message="Could not find fine tune: ftjob-9", param="fine_tune_id"))
    assert type(error) is NotFound
    assert error.reason == "Could not find fine tune: ftjob-9"


@pytest.mark.parametrize(
    ("status", "param", "message"),
    [
        (400, "training_file", "invalid training_file: file-1"),
        (404, "validation_file", "No such File object: file-1"),
        (400, None, "The file file-1 does not exist"),
    ],
)
def test_a_job_whose_file_is_gone_can_be_created_with_a_fresh_upload(status: int, param: str | None, message: str) -> None:
    assert type(creating(answer(status, param=param, message=message))) is FileGone
    assert type(reading(answer(status, param=param, message=message))) is not FileGone


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_clear_refusal_keeps_the_vendors_words_its_code_and_the_parameter(status: int) -> None:
    error = creating(answer(status, code="invalid_value", param="hyperparameters.n_epochs", message="n_epochs must be\n at most 50."))
    assert type(error) is Refused
    assert error.reason == "n_epochs must be at most 50."
    assert "hyperparameters.n_epochs" in error.message
    assert "invalid_value" in error.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"detail": "not allowed"}', "not allowed"),
        (b'{"error": "not allowed"}', "not allowed"),
        (b'{"message": "not allowed"}', "not allowed"),
        (b"not allowed", "not allowed"),
        (b"<html><body>502</body></html>", ""),
        (b'{"rows": ["a customer"]}', ""),
        (b"", None),
    ],
)
def test_errors_of_other_shapes_are_read_as_far_as_they_say_something(content: bytes, words: str | None) -> None:
    error = creating(lambda request: httpx2.Response(422, content=content))
    assert isinstance(error, Refused)
    assert words is None or error.reason == words
    assert "customer" not in str(error)


def test_long_words_are_cut() -> None:
    error = creating(answer(400, message="x" * 5000))
    assert isinstance(error, Refused)
    assert len(error.reason) == 500


def test_an_error_in_the_middle_of_a_stream_is_no_answer() -> None:
    events = b"data: " + json.dumps({"error": {"message": "The server had an error", "code": "server_error"}}).encode() + b"\n\n"
    handler = lambda request: httpx2.Response(200, content=events, headers={"content-type": "text/event-stream"})  # noqa: E731
    with client_with(handler) as client, pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True))
    error = translated(caught.value, doing="chatting")
    assert type(error) is Unreachable
    assert "The server had an error" in error.message


def test_a_client_that_has_no_key_is_refused_before_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)
    with pytest.raises(openai.OpenAIError) as caught:
        openai.OpenAI()
    assert type(translated(caught.value, doing="listing the jobs", creating=True)) is CredentialsRefused


def test_an_error_of_ours_stays_as_it_is_and_a_mistake_of_ours_stays_a_mistake() -> None:
    ours = NotFound("no such job")
    assert translated(ours, doing="x") is ours
    with pytest.raises(TypeError, match="a slip"):
        translated(TypeError("a slip"), doing="x", creating=True)
