"""What Azure answers when it refuses, and what becomes of it. The exceptions are the SDK's own, over a transport in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from tuneport_azure.adapter.connection import AzureConnection
from tuneport_azure.profile import resource_of

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
from tuneport.provider import ProviderSettings
from tuneport.testing import SimulatedClock

KEY = "0123456789abcdef0123456789abcdef"
CREATE = "/fine_tuning/jobs"
Answer = Callable[[httpx2.Request], httpx2.Response]


def connection(answer: Answer, *, credential: Any = None, environ: Mapping[str, str] | None = None, **profile: Any) -> AzureConnection:
    given = {"AZURE_OPENAI_ENDPOINT": "https://contoso.openai.azure.com", "AZURE_OPENAI_API_KEY": KEY, **(environ or {})}
    if credential is not None:
        profile["credential"] = "entra"
    settings = ProviderSettings(name="azure", home=Path("nowhere"), environ=given, profile=profile)
    return AzureConnection(
        resource_of(settings),
        clock=SimulatedClock(),
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
        credential=credential,
    )


def refusing(status: int, code: str | None = None, message: str = "no.", **body: Any) -> Answer:
    said = body or {"error": {"code": code, "message": message}}
    return lambda request: httpx2.Response(status, json=said)


def creating(answer: Answer, **how: Any) -> TuneportError:
    with pytest.raises(TuneportError) as caught:
        connection(answer, **how).post("creating a job", CREATE, {}, creating=True)
    return caught.value


def reading(answer: Answer, **how: Any) -> TuneportError:
    with pytest.raises(TuneportError) as caught:
        connection(answer, **how).get("asking for a job", f"{CREATE}/ftjob-1")
    return caught.value


WRONG_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription."
)
NO_TUNING = "The specified base model does not support fine-tuning."


@pytest.mark.parametrize("version", [None, "2025-04-01-preview"])
def test_a_refused_key_may_be_that_of_another_resource_and_is_never_shown(version: str | None) -> None:
    profile = {"api_version": version} if version else {}
    error = reading(lambda request: httpx2.Response(401, json={"error": {"code": "401", "message": f"{WRONG_KEY} {KEY}"}}), **profile)
    assert isinstance(error, CredentialsRefused)
    assert "contoso refused the key in AZURE_OPENAI_API_KEY" in error.message
    assert "key of another resource" in error.remedy
    assert KEY not in str(error) + error.reason
    assert error.__cause__ is None


def test_an_identity_without_a_role_is_told_which_to_ask_for() -> None:
    said = "The principal `6f1` lacks the required data action `Microsoft.CognitiveServices/accounts/OpenAI/fine-tunes/write`."
    error = creating(refusing(401, "PermissionDenied", said))
    assert isinstance(error, CredentialsRefused)
    assert "may not do that" in error.message
    assert "Foundry User" in error.remedy
    assert "lacks the required data action" in error.reason


def test_a_resource_that_takes_no_keys_says_to_use_entra() -> None:
    error = reading(refusing(403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource."))
    assert isinstance(error, CredentialsRefused)
    assert 'credential = "entra"' in error.remedy


def test_a_network_that_is_not_let_in_is_no_matter_of_credentials() -> None:
    error = reading(refusing(403, "403", "Access denied due to Virtual Network/Firewall rules."))
    assert type(error) is Refused
    assert "network" in error.message


@pytest.mark.parametrize("said", [NO_TUNING, "The specified base model gpt-4.1 does not support fine-tuning with Standard TrainingType."])
def test_a_base_that_is_not_trained_there_is_told_in_all_that_it_may_mean(said: str) -> None:
    error = creating(refusing(400, "invalidPayload", said))
    assert isinstance(error, Refused)
    assert "unknown, retired, or not offered in its region" in error.message
    assert "training_type" in error.remedy
    assert error.reason == said


def test_a_file_that_is_not_there_any_more_is_uploaded_anew() -> None:
    said = "The specified file reference must point to a completed file import."
    assert isinstance(creating(refusing(400, "invalidPayload", said)), FileGone)


@pytest.mark.parametrize("status", [400, 403, 429])
def test_a_full_resource_is_a_quota_whatever_its_status(status: int) -> None:
    error = creating(refusing(status, "quotaExceeded", "The resource has reached its limit of 100 jobs."))
    assert isinstance(error, QuotaExceeded)
    assert "providers check azure" in error.remedy


@pytest.mark.parametrize(("status", "code"), [(400, "unexpectedEntityState"), (409, "unexpectedEntityState"), (409, "conflict")])
def test_a_state_that_forbids_it_is_a_refusal_and_no_silence(status: int, code: str) -> None:
    error = reading(refusing(status, code, "The job is in the state 'succeeded'."))
    assert type(error) is Refused


def test_a_conflict_of_a_create_is_not_taken_for_a_refusal() -> None:
    assert isinstance(creating(refusing(409, "conflict", "The job exists.")), Ambiguous)


def test_an_unknown_id_is_not_found_and_a_wrong_path_says_where_to_look() -> None:
    assert isinstance(reading(refusing(404, "notFound", "No such job.")), NotFound)
    error = reading(refusing(404, "404", "Resource not found"), api_version="2025-04-01-preview")
    assert isinstance(error, NotFound)
    assert "api_version 2025-04-01-preview" in error.remedy


def test_a_deployment_that_does_not_answer_yet_is_asked_again() -> None:
    assert isinstance(reading(refusing(404, "DeploymentNotFound", "The API deployment does not exist.")), NotFound)
    assert type(reading(refusing(400, "DeploymentNotReady", "Not ready."))) is Unreachable


def test_what_the_gateway_asks_to_wait_is_waited() -> None:
    def busy(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(429, json={"error": {"code": "429", "message": "Slow down."}}, headers={"retry-after": "17"})

    error = creating(busy)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 17.0


# --- tokens -----------------------------------------------------------------------------------------------------------------------------


class Chain:
    """A chain of azure-identity, which gives a new token each time it is made. `broken` is what it raises instead."""

    def __init__(self, broken: Exception | None = None) -> None:
        self.made = 0
        self._broken = broken

    def __call__(self) -> Any:
        self.made += 1
        return _Credential(f"token-{self.made}-of-somebody", self._broken)


class _Credential:
    def __init__(self, token: str, broken: Exception | None) -> None:
        self._token, self._broken = token, broken

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        if self._broken is not None:
            raise self._broken
        assert scopes == ("https://cognitiveservices.azure.com/.default",)
        return AccessToken(self._token, 4_000_000_000)


EXPIRED = {"statusCode": 401, "message": "Unauthorized. Access token is missing, invalid, audience is incorrect, or have expired."}


@pytest.mark.parametrize("version", [None, "2025-04-01-preview"])
def test_a_token_that_ends_in_the_middle_is_fetched_anew_once(version: str | None) -> None:
    chain, seen = Chain(), []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        good = request.headers["authorization"] == "Bearer token-2-of-somebody"
        return httpx2.Response(200, json={"id": "ftjob-1"}) if good else httpx2.Response(401, json=EXPIRED)

    profile = {"api_version": version} if version else {}
    link = connection(answer, credential=chain, **profile)
    assert link.get("asking for a job", f"{CREATE}/ftjob-1") == {"id": "ftjob-1"}
    assert link.post("creating a job", CREATE, {}, creating=True) == {"id": "ftjob-1"}
    assert seen == ["Bearer token-1-of-somebody", "Bearer token-2-of-somebody", "Bearer token-2-of-somebody"]


def test_a_new_token_that_is_refused_as_well_is_the_end_of_it() -> None:
    chain, asked = Chain(), []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        return httpx2.Response(401, json=EXPIRED)

    error = reading(answer, credential=chain)
    assert type(error) is CredentialsRefused
    assert (len(asked), chain.made) == (2, 2)
    assert "of-somebody" not in str(error)
    assert "az login" in error.remedy


def test_a_token_given_by_hand_is_not_renewed_but_told_by_its_variable() -> None:
    error = reading(
        lambda request: httpx2.Response(401, json=EXPIRED), environ={"AZURE_OPENAI_API_KEY": "", "AZURE_OPENAI_AD_TOKEN": "a-token-by-hand"}
    )
    assert isinstance(error, CredentialsRefused)
    assert "AZURE_OPENAI_AD_TOKEN" in error.message
    assert "az account get-access-token" in error.remedy


def test_nobody_signed_in_is_one_sentence_before_anything_is_sent() -> None:
    chain = Chain(ClientAuthenticationError(message="DefaultAzureCredential failed to retrieve a token from the included credentials."))
    error = creating(refusing(500), credential=chain)
    assert isinstance(error, CredentialsRefused)
    assert "az login" in error.remedy


def test_a_create_without_a_token_to_be_had_was_not_sent() -> None:
    error = creating(refusing(500), credential=Chain(ServiceRequestError("login.microsoftonline.com cannot be resolved")))
    assert isinstance(error, RateLimited)
    assert not isinstance(error, Ambiguous)
