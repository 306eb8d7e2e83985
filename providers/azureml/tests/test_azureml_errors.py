"""What Azure's SDKs raise, and what becomes of it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from azure.core import exceptions as core
from tuneport_azureml.errors import TABLE, TokenRefused, translated
from tuneport_azureml.failure import retry_after_s

from tuneport.errors import (
    Ambiguous,
    CredentialsRefused,
    FileGone,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    TuneportError,
    Unreachable,
)
from tuneport.testing.emulator import json_answer
from tuneport.testing.emulator.faults import Reset, Says, ServerError, Truncated

from .azureml_stage import GET_JOB, PUT_JOB, recipe, staged


def modules(*names: str) -> Iterator[ModuleType]:
    for name in names:
        package = importlib.import_module(name)
        yield package
        for found in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{name}."):
            if not found.name.endswith("__main__"):
                try:
                    yield importlib.import_module(found.name)
                except (ImportError, OSError, AttributeError):
                    continue  # parts for other systems, and for packages that are not here


def test_every_exception_class_of_the_sdks_is_in_the_table() -> None:
    kinds = {
        kind
        for module in modules("azure.core", "azure.identity", "azure.storage.blob", "msal")
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, Exception) and kind.__module__.partition(".")[0] in ("azure", "msal")
    }
    assert len(kinds) > 25
    assert sorted(kind.__name__ for kind in kinds if kind.__name__ not in TABLE and not kind.__name__.startswith("_")) == []


def test_an_exception_class_that_a_later_sdk_adds_counts_as_its_nearest_known_one() -> None:
    later = type("TokenStaleError", (core.ClientAuthenticationError,), {"__module__": "azure.core.exceptions"})
    assert type(translated(later("stale"), doing="x")) is CredentialsRefused


def test_a_mistake_of_ours_stays_a_mistake() -> None:
    with pytest.raises(TypeError, match="a slip"):
        translated(TypeError("a slip"), doing="x", creating=True)


def refusal(status: int, code: str, message: str, **headers: str) -> Says:
    body = {"error": {"code": code, "message": message, "details": []}}
    return Says(json_answer(body, status=status, headers={key.replace("_", "-"): value for key, value in headers.items()}))


REFUSALS = {
    "an expired token": (refusal(401, "ExpiredAuthenticationToken", "The access token has expired."), TokenRefused, "has expired"),
    "another tenant": (refusal(401, "InvalidAuthenticationTokenTenant", "The wrong issuer."), TokenRefused, "another tenant"),
    "a role": (
        refusal(403, "AuthorizationFailed", "X does not have authorization to perform action 'Microsoft.ML/jobs/write' over scope 'y'."),
        CredentialsRefused,
        "does not allow Microsoft.ML/jobs/write",
    ),
    "quota": (refusal(400, "UserError", "The specified subscription has insufficient quota."), QuotaExceeded, "not enough quota"),
    "no model": (refusal(400, "UserError", "The model azureml://x could not be found."), Refused, "no such model"),
    "no compute": (refusal(400, "UserError", "The compute gpu does not exist."), Refused, "no such compute"),
    "a region": (refusal(400, "UserError", "This is not supported, since the region x is not supported."), Refused, "region"),
    "data": (refusal(404, "NotFound", f"The data asset tuneport-{'0' * 32} could not be found."), FileGone, "data asset"),
    "throttled": (refusal(429, "TooManyRequests", "slow", Retry_After="7"), RateLimited, "asked to wait"),
    "a conflict": (refusal(409, "Conflict", "it is being changed"), Ambiguous, "no clear answer"),
    "broken": (ServerError(500), Ambiguous, "no clear answer"),
    "a page": (ServerError(502, "html"), Ambiguous, "no clear answer"),
    "cut off": (Truncated(admitted=True), Ambiguous, "cannot be read"),
    "reset": (Reset(), Ambiguous, "no clear answer"),
    "no place": (refusal(404, "ResourceGroupNotFound", "Resource group 'x' could not be found."), Refused, "no such place"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_of_a_create_is_one_sentence_that_says_what_to_do(tmp_path: Path, name: str) -> None:
    fault, kind, words = REFUSALS[name]
    with staged(tmp_path) as stage:
        trainer = stage.trainer()
        plan = trainer.plan(recipe())
        files = {file.purpose: trainer.upload(file) for file in plan.files}
        stage.emulator.faults.once(fault, on=PUT_JOB)
        with pytest.raises(TuneportError) as caught:
            trainer.create(plan, "a" * 32, files)
    error = caught.value
    assert type(error) is kind
    assert words in error.message
    assert "\n" not in error.message
    assert error.remedy or isinstance(error, FileGone)


@pytest.mark.parametrize("fault", [ServerError(503, "empty"), Reset(), Truncated(), ServerError(504, "html")])
def test_a_read_without_an_answer_is_no_news_of_the_job(tmp_path: Path, fault: ServerError | Reset | Truncated) -> None:
    with staged(tmp_path) as stage:
        trainer = stage.trainer()
        stage.emulator.faults.once(fault, on=GET_JOB)
        with pytest.raises(Unreachable):
            trainer.find("a" * 32)


def test_a_job_that_is_not_there_is_not_found() -> None:
    error = translated(core.ResourceNotFoundError("gone"), doing="asking for a job")
    assert isinstance(error, Unreachable | NotFound)


def test_the_token_never_shows_even_where_the_answer_repeats_it(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        trainer = stage.trainer()
        token = trainer._place.token or ""
        stage.emulator.faults.once(refusal(400, "UserError", f"You sent {token}, and sig=abcdef&sig=secretsecret"), on=GET_JOB)
        with pytest.raises(Refused) as caught:
            trainer.find("a" * 32)
    assert token not in str(caught.value)
    assert "[hidden]" in str(caught.value)


def test_how_long_to_wait_is_read_as_seconds_or_as_a_date() -> None:
    date = {"date": "Sat, 21 Nov 2026 09:00:00 GMT", "retry-after": "Sat, 21 Nov 2026 09:00:20 GMT"}
    assert (retry_after_s({"retry-after": "7"}), retry_after_s(date), retry_after_s({}), retry_after_s({"retry-after": "soon"})) == (
        7.0,
        20.0,
        None,
        None,
    )
