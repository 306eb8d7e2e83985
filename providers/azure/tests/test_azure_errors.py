"""What Azure's SDKs raise, and what becomes of it. The exceptions are the SDKs' own: the management client, unmodified, on loopback."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from azure.core import exceptions as core
from azure.identity import CredentialUnavailableError
from tuneport_azure.adapter.management import changed, one
from tuneport_azure.errors import TABLE, recognised, translated

from tuneport.errors import (
    Ambiguous,
    CredentialsRefused,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    TuneportError,
    Unreachable,
)

from .azure_loopback import ACCOUNT, GROUP, SILENT, TOKEN, Credential, Said, answering, management, refusal

CHAIN = (
    "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
    "\tEnvironmentCredential: EnvironmentCredential authentication unavailable. Environment variables are not fully configured.\n"
    "Visit https://aka.ms/azsdk/python/identity/environmentcredential/troubleshoot to troubleshoot this issue.\n"
    "\tManagedIdentityCredential: ManagedIdentityCredential authentication unavailable, no response from the IMDS endpoint.\n"
    "\tAzureCliCredential: Please run 'az login' to set up an account\n"
    "\tAzurePowerShellCredential: PowerShell is not installed\n"
    "To mitigate this issue, please refer to the troubleshooting guidelines here at https://aka.ms/azsdk/x/troubleshoot."
)


def reading(said: Said) -> TuneportError:
    """What becomes of a read that is answered so."""
    with answering(lambda _: said) as (url, _), pytest.raises(TuneportError) as caught:
        management(url).ask("looking at the deployment d", lambda client: one(client.deployments.get, GROUP, ACCOUNT, "d"))
    return caught.value


def changing(said: Said) -> TuneportError:
    """What becomes of a change that is answered so."""
    with answering(lambda _: said) as (url, _), pytest.raises(TuneportError) as caught:
        management(url).ask(
            "deploying as d",
            lambda client: changed(client.deployments.begin_create_or_update, GROUP, ACCOUNT, "d", b"{}"),
            changing=True,
        )
    return caught.value


# --- the table --------------------------------------------------------------------------------------------------------------------------


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
        for module in modules("azure.core", "azure.identity", "azure.mgmt.core", "azure.mgmt.cognitiveservices.operations", "msal")
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, Exception) and kind.__module__.partition(".")[0] in ("azure", "msal")
    }
    assert len(kinds) > 25
    assert sorted(kind.__name__ for kind in kinds if kind.__name__ not in TABLE and not kind.__name__.startswith("_")) == []


def test_an_exception_class_that_a_later_sdk_adds_counts_as_its_nearest_known_one() -> None:
    later = type("TokenStaleError", (core.ClientAuthenticationError,), {"__module__": "azure.core.exceptions"})
    assert type(translated(later("stale"), doing="x")) is CredentialsRefused


def test_an_error_of_ours_stays_as_it_is_and_a_mistake_of_ours_stays_a_mistake() -> None:
    ours = NotFound("no such deployment")
    assert translated(ours, doing="x") is ours
    with pytest.raises(TypeError, match="a slip"):
        translated(TypeError("a slip"), doing="x", creating=True)


def test_only_what_azures_own_classes_tell_is_recognised_elsewhere() -> None:
    assert isinstance(recognised(core.ClientAuthenticationError("no"), doing="x"), CredentialsRefused)
    assert recognised(ValueError("another's"), doing="x") is None
    assert recognised(OSError("another's"), doing="x") is None


# --- credentials ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [core.ClientAuthenticationError, CredentialUnavailableError])
def test_a_credential_that_fails_before_any_answer_is_no_answer_of_the_service(kind: Callable[[str], Exception]) -> None:
    """Both are HttpResponseError by class, with neither status nor response."""
    with answering(lambda _: Said()) as (url, asked), pytest.raises(CredentialsRefused) as caught:
        management(url, credential=Credential(kind(CHAIN))).ask("listing", lambda client: one(client.accounts.get, GROUP, ACCOUNT))
    assert asked == []
    assert "az login" in caught.value.remedy


def test_the_pages_of_a_chain_of_credentials_are_told_in_a_sentence() -> None:
    error = translated(core.ClientAuthenticationError(CHAIN), doing="listing the deployments")
    assert "tried Environment, ManagedIdentity, AzureCli, AzurePowerShell" in error.message
    assert "AzureCli said: Please run 'az login'" in error.message
    assert "\n" not in error.message
    assert "aka.ms" not in error.message
    assert len(error.message) < 300


def test_the_traces_of_a_refused_sign_in_are_left_out() -> None:
    said = "AADSTS7000215: Invalid client secret provided. Trace ID: 1234 Correlation ID: 5678 Timestamp: 2026-11-21 09:00:00Z"
    error = translated(core.ClientAuthenticationError(f"Authentication failed: {said}"), doing="x")
    assert "AADSTS7000215" in error.message
    assert "Trace ID" not in error.message


@pytest.mark.parametrize("code", ["ExpiredAuthenticationToken", "InvalidAuthenticationToken", "AuthenticationFailed"])
def test_a_refused_token_is_a_matter_of_credentials(code: str) -> None:
    error = reading(refusal(401, code, "The access token is not valid."))
    assert isinstance(error, CredentialsRefused)
    assert "Sign in again" in error.remedy
    assert ("expired" in error.message) == code.startswith("Expired")


def test_a_role_that_may_train_but_not_deploy_gets_that_sentence() -> None:
    action = "Microsoft.CognitiveServices/accounts/deployments/write"
    words = f"The client 'c' with object id 'o' does not have authorization to perform action '{action}' over scope '/subscriptions/s'."
    error = changing(refusal(403, "AuthorizationFailed", words))
    assert type(error) is CredentialsRefused
    assert "may not deploy" in error.message
    assert "train" in error.message
    assert action in error.message
    assert "Foundry Owner" in error.remedy
    assert error.reason == words


def test_a_role_that_may_not_read_is_told_what_it_lacks() -> None:
    words = "The client 'c' does not have authorization to perform action 'Microsoft.CognitiveServices/accounts/read' over scope '/s'."
    error = reading(refusal(403, "AuthorizationFailed", words))
    assert type(error) is CredentialsRefused
    assert "deploy" not in error.remedy
    assert "Microsoft.CognitiveServices/accounts/read" in error.remedy


# --- answers ----------------------------------------------------------------------------------------------------------------------------


def test_capacity_that_is_refused_is_a_quota_with_the_vendors_words() -> None:
    words = "This operation require 50 new capacity in quota Q, which is bigger than the current available capacity 10."
    error = changing(refusal(400, "InsufficientQuota", words))
    assert type(error) is QuotaExceeded
    assert error.reason == words
    assert words.rstrip(".") in error.message


def test_another_change_under_way_means_that_this_one_was_not_begun() -> None:
    error = changing(refusal(409, "RequestConflict", "Another operation is being performed.", Retry_After="7"))
    assert type(error) is RateLimited
    assert error.retry_after_s == 7.0


@pytest.mark.parametrize("code", ["ScopeLocked", "ReadOnlyDisabledSubscription", "SomethingNew"])
def test_a_conflict_with_a_code_of_its_own_is_a_refusal(code: str) -> None:
    assert type(changing(refusal(409, code))) is Refused


def test_a_429_says_how_long_to_wait() -> None:
    error = reading(refusal(429, "TooManyRequests", Retry_After="17"))
    assert type(error) is RateLimited
    assert error.retry_after_s == 17.0
    assert type(changing(Said(429, b"", {"Retry-After": "3"}))) is RateLimited


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_status_that_says_nothing_of_the_effect_is_ambiguous_for_a_change(status: int) -> None:
    said = refusal(status, "InternalServerError", "overloaded")
    assert type(reading(said)) is Unreachable
    assert type(changing(said)) is Ambiguous
    assert "overloaded" in changing(said).message


def test_a_lost_answer_is_ambiguous_for_a_change_and_no_answer_for_a_read() -> None:
    assert type(reading(SILENT)) is Unreachable
    assert type(changing(SILENT)) is Ambiguous


def test_a_change_that_never_left_was_not_made() -> None:
    with answering(lambda _: Said()) as (url, _):
        pass
    with pytest.raises(Unreachable) as caught:
        management(url).ask("deploying", lambda client: changed(client.deployments.begin_delete, GROUP, ACCOUNT, "d"), changing=True)
    assert type(caught.value) is Unreachable
    assert "nothing could be sent" in caught.value.message
    assert "0x" not in caught.value.message


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"id": "ftj', b"<html>rows of a customer</html>"])
def test_an_error_that_is_no_json_object_is_known_by_its_status_alone(body: bytes) -> None:
    error = reading(Said(404, body))
    assert type(error) is NotFound
    assert "customer" not in str(error)


@pytest.mark.parametrize(
    "body", [b"[]", b'{"properties": {"model": ', b'"text"', b'{"properties": 7}', b'{"systemData": {"createdAt": "soon"}}']
)
def test_a_2xx_that_cannot_be_read_is_told_as_such_and_its_content_stays_out(body: bytes) -> None:
    error = reading(Said(200, body))
    assert type(error) is Unreachable
    assert "cannot be read" in error.message
    assert "properties" not in str(error)


def test_a_page_in_place_of_an_answer_is_unreadable() -> None:
    assert type(reading(Said(200, b"<html>customer</html>", media_type="text/html"))) is Unreachable


@pytest.mark.parametrize("code", ["SubscriptionNotFound", "ResourceGroupNotFound"])
def test_a_wrong_place_names_the_settings(code: str) -> None:
    error = reading(refusal(404, code, "It could not be found."))
    assert type(error) is NotFound
    assert "AZURE_RESOURCE_GROUP" in error.remedy


def test_a_refusal_keeps_the_vendors_words_its_code_and_the_first_detail() -> None:
    body = {
        "error": {"code": "InvalidResourceProperties", "message": "Not valid.", "details": [{"code": "Sku", "message": "No such\n sku."}]}
    }
    error = changing(Said(400, body))
    assert type(error) is Refused
    assert error.reason == "Not valid.: No such sku."
    assert "InvalidResourceProperties" in error.message


def test_the_token_never_shows_even_where_the_answer_repeats_it() -> None:
    error = changing(refusal(400, "Odd", f"You sent {TOKEN}, and sig=abcdef?sig=secretsecret, eyJhbGciOiJ.eyJzdWIi.abc"))
    assert TOKEN not in str(error)
    assert "eyJhbGciOiJ" not in str(error)
    assert "[hidden]" in str(error)


def test_long_words_are_cut() -> None:
    error = changing(refusal(400, "Odd", "x" * 5000))
    assert isinstance(error, Refused)
    assert len(error.reason) == 500


def test_errors_of_the_operation_poller_are_no_answer() -> None:
    from azure.core.polling.base_polling import BadResponse, BadStatus, OperationFailed

    kinds: list[Any] = [BadStatus, BadResponse, OperationFailed]
    assert {type(translated(kind("x"), doing="x")) for kind in kinds} == {Unreachable}
