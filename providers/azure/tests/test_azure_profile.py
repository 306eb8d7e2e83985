"""Which resource, in which version of the API, with whose credentials."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tuneport_azure.adapter.connection import AzureConnection
from tuneport_azure.profile import Resource, resource_of

from tuneport.errors import ConfigError
from tuneport.provider import ProviderSettings
from tuneport.testing import SimulatedClock

from .azure_loopback import Credential

HOST = "https://contoso.openai.azure.com"
SDKS = {"AZURE_OPENAI_ENDPOINT": HOST, "AZURE_OPENAI_API_KEY": "key-of-contoso"}


def resource(environ: Mapping[str, str] | None = None, *, name: str = "azure", **profile: Any) -> Resource:
    return resource_of(ProviderSettings(name=name, home=Path("nowhere"), environ=SDKS if environ is None else environ, profile=profile))


def test_the_sdks_own_variables_are_enough() -> None:
    found = resource({**SDKS, "OPENAI_API_VERSION": "2025-04-01-preview"})
    assert (found.resource, found.scope, found.key, found.api_version) == (
        "contoso",
        "contoso.openai.azure.com",
        "key-of-contoso",
        "2025-04-01-preview",
    )


def test_without_a_version_it_is_the_v1_api() -> None:
    for version in ("", "v1", "preview", "latest"):
        found = resource({**SDKS, "OPENAI_API_VERSION": version})
        assert (found.api_version, found.base_url) == (None, f"{HOST}/openai/v1/")


@pytest.mark.parametrize("given", [HOST, f"{HOST}/", f"{HOST}/openai", f"{HOST}/openai/", f"{HOST}/openai/v1", f"{HOST}/openai/v1/"])
def test_an_endpoint_is_the_same_however_much_of_it_was_copied(given: str) -> None:
    found = resource({"AZURE_OPENAI_ENDPOINT": given, "AZURE_OPENAI_API_KEY": "k"})
    assert (found.endpoint, found.base_url) == (HOST, f"{HOST}/openai/v1/")


def test_the_other_hosts_of_a_resource_name_it_as_well() -> None:
    for host in ("contoso.services.ai.azure.com", "Contoso.cognitiveservices.azure.com", "contoso.openai.azure.com"):
        found = resource(endpoint=f"https://{host}")
        assert (found.resource, found.scope) == ("contoso", "contoso.openai.azure.com")
    assert resource(endpoint="https://contoso.services.ai.azure.us").scope == "contoso.openai.azure.us"


def test_the_address_of_a_foundry_project_stays_one() -> None:
    found = resource(endpoint="https://contoso.services.ai.azure.com/api/projects/tuning/openai/v1/", api_key_env="AZURE_OPENAI_API_KEY")
    assert found.base_url == "https://contoso.services.ai.azure.com/api/projects/tuning/openai/v1/"
    assert found.scope == "contoso.openai.azure.com"
    with pytest.raises(ConfigError, match="project takes no api_version"):
        resource(endpoint="https://contoso.services.ai.azure.com/api/projects/tuning", api_version="2025-04-01-preview")


def test_on_this_machine_the_path_names_the_resource() -> None:
    found = resource(endpoint="http://127.0.0.1:8400/nordic/openai/v1")
    assert (found.resource, found.scope, found.base_url) == (
        "nordic",
        "127.0.0.1:8400/nordic",
        "http://127.0.0.1:8400/nordic/openai/v1/",
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "no endpoint is named"),
        ("contoso", "no scheme and host"),
        ("contoso.openai.azure.com", "no scheme and host"),
        ("https://contoso", "is a name, not an address"),
        ("http://contoso.openai.azure.com", "not encrypted"),
        ("https://user:pass-1234@contoso.openai.azure.com", "holds a user, a key or a query"),
        (f"{HOST}/openai?api-key=pass-1234", "holds a user, a key or a query"),
        (f"{HOST}/openai/deployments/gpt/chat/completions", "that is none of a resource's"),
        ("https://api.openai.com/v1", "OpenAI's own address"),
        ("https://eastus2.api.cognitive.microsoft.com/", "the address of a region"),
        ("https://ai.azure.com/foundryProject", "the Foundry portal"),
        ("https://management.azure.com", "the management plane"),
        ("http://127.0.0.1:8400", "the first part of the path names the resource"),
        ("http://127.0.0.1:8400/api/projects/p", "the first part of the path names the resource"),
        ("https://[contoso", "no scheme and host"),
        ("https://contoso.openai.azure.com:port", "no scheme and host"),
    ],
)
def test_a_wrong_endpoint_is_refused_in_one_sentence_that_repeats_no_secret(given: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        resource({"AZURE_OPENAI_ENDPOINT": given, "AZURE_OPENAI_API_KEY": "k"})
    assert "pass-1234" not in str(refused.value)
    assert "https://RESOURCE.openai.azure.com" in refused.value.remedy or "127.0.0.1" in refused.value.remedy


@pytest.mark.parametrize("version", ["2025", "v2", "2025-13-01", "2025-04-01-beta", "yesterday"])
def test_a_version_that_is_none_is_refused(version: str) -> None:
    with pytest.raises(ConfigError, match="api_version"):
        resource(api_version=version)


def test_a_misspelt_key_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"end_point.*endpoint"):
        resource(end_point=HOST)


def test_the_key_comes_before_a_token_and_a_token_before_entra() -> None:
    token = {"AZURE_OPENAI_AD_TOKEN": "a-token"}
    assert resource({**SDKS, **token}).credential == "key"
    assert resource({"AZURE_OPENAI_ENDPOINT": HOST, **token}).credential == "token"
    assert resource({"AZURE_OPENAI_ENDPOINT": HOST}).credential == "entra"
    found = resource(credential="entra")
    assert (found.credential, found.key) == ("entra", None)
    assert "Entra" in found.key_source


def test_a_key_that_is_asked_for_and_not_there_is_named_by_its_variable() -> None:
    with pytest.raises(ConfigError, match="WORK_KEY"):
        resource(credential="key", api_key_env="WORK_KEY")


def test_the_key_of_one_resource_is_not_sent_to_another() -> None:
    other = "https://fabrikam.openai.azure.com"
    assert resource(name="work", endpoint=other).key is None
    assert resource({**SDKS, "WORK_KEY": "w"}, name="work", endpoint=other, api_key_env="WORK_KEY").key == "w"
    assert resource({"AZURE_OPENAI_API_KEY": "k"}, name="work", endpoint=other).key == "k"
    assert resource(name="same", endpoint=f"{HOST}/openai/v1").key == "key-of-contoso"


@pytest.mark.parametrize("other", ["https://contoso.openai.azure.us", "https://contoso.evil.example.com", "http://127.0.0.1:8400/contoso"])
def test_a_resource_of_the_same_name_elsewhere_does_not_get_the_key(other: str) -> None:
    written = resource(name="work", endpoint=other, credential="entra")
    assert (written.key, written.credential) == (None, "entra")
    with pytest.raises(ConfigError, match="holds none for this resource"):
        resource(name="work", endpoint=other, credential="key")


@pytest.mark.parametrize("host", ["contoso.services.ai.azure.com", "CONTOSO.cognitiveservices.azure.com", "contoso.openai.azure.com:443"])
def test_each_host_of_a_resource_gets_its_key(host: str) -> None:
    assert resource(name="work", endpoint=f"https://{host}").key == "key-of-contoso"


@pytest.mark.parametrize(
    "host",
    ["contoso.evil.example.com", "openai.azure.com.example.com", "contoso.openai.azure.com.example.com", "vm.eastus.cloudapp.azure.com"],
)
@pytest.mark.parametrize("environ", [{}, {"AZURE_OPENAI_AD_TOKEN": "a-token"}])
def test_a_token_goes_to_azure_alone_unless_the_profile_says_so(host: str, environ: Mapping[str, str]) -> None:
    with pytest.raises(ConfigError, match="a token goes to") as refused:
        resource(environ, endpoint=f"https://{host}")
    assert 'credential = "entra"' in refused.value.remedy
    assert resource(environ, endpoint=f"https://{host}", credential="entra").key is None
    for domain in ("azure.com", "azure.us", "azure.cn"):
        assert resource(environ, endpoint=f"https://contoso.openai.{domain}").ad_token == environ.get("AZURE_OPENAI_AD_TOKEN")


def test_to_this_machine_a_token_goes_that_was_given_and_no_other() -> None:
    given = resource({"AZURE_OPENAI_AD_TOKEN": "a-token"}, endpoint="http://localhost:8400/contoso")
    assert given.ad_token == "a-token"
    with pytest.raises(ConfigError, match="a token goes to"):
        resource({}, endpoint="https://localhost:8400/contoso")


@pytest.mark.parametrize(
    ("host", "scope", "management_url", "authority"),
    [
        (
            "contoso.openai.azure.us",
            "https://cognitiveservices.azure.us/.default",
            "https://management.usgovcloudapi.net",
            "login.microsoftonline.us",
        ),
        (
            "contoso.services.ai.azure.cn",
            "https://cognitiveservices.azure.cn/.default",
            "https://management.chinacloudapi.cn",
            "login.chinacloudapi.cn",
        ),
        (
            "contoso.openai.azure.com",
            "https://cognitiveservices.azure.com/.default",
            "https://management.azure.com",
            "login.microsoftonline.com",
        ),
    ],
)
def test_each_cloud_has_tokens_of_its_own(
    host: str, scope: str, management_url: str, authority: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.setenv(name, "11111111-2222-3333-4444-555555555555")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    monkeypatch.delenv("AZURE_AUTHORITY_HOST", raising=False)
    found, credential = resource({}, endpoint=f"https://{host}"), Credential("t")
    assert found.management_url == management_url
    assert resource({}, endpoint=f"https://{host}", management_url="https://management.test").management_url == "https://management.test"
    AzureConnection(found, clock=SimulatedClock(), credential=lambda: credential)._tokens()
    assert credential.asked_for == [scope]
    assert authority_of(AzureConnection(found, clock=SimulatedClock())._signed_in()) == authority
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "login.elsewhere.test")
    assert authority_of(AzureConnection(found, clock=SimulatedClock())._signed_in()) == "login.elsewhere.test"


def authority_of(chain: Any) -> str:
    """Where the credential that the environment describes would fetch its tokens."""
    (environment,) = chain.credentials
    return str(environment._credential._authority).removeprefix("https://")


def test_nothing_that_is_secret_shows() -> None:
    found = resource({**SDKS, "AZURE_OPENAI_AD_TOKEN": "a-token"})
    assert "key-of-contoso" not in repr(found)
    assert "a-token" not in repr(resource({"AZURE_OPENAI_ENDPOINT": HOST, "AZURE_OPENAI_AD_TOKEN": "a-token"}))


def test_where_it_stands_comes_from_the_profile_or_the_environment() -> None:
    found = resource({**SDKS, "AZURE_SUBSCRIPTION_ID": "s", "AZURE_RESOURCE_GROUP": "g"})
    assert (found.subscription, found.resource_group, found.account) == ("s", "g", "")
    found = resource({**SDKS, "AZURE_SUBSCRIPTION_ID": "s"}, subscription="t", resource_group="h", account="contoso-eu")
    assert (found.subscription, found.resource_group, found.account) == ("t", "h", "contoso-eu")


@pytest.mark.parametrize(
    "url", ["http://management.azure.com", "https://user@management.azure.com", "management.azure.com", "https://m/?q=1"]
)
def test_a_management_plane_that_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="management_url"):
        resource(management_url=url)


@pytest.mark.parametrize("version", [None, "2025-04-01-preview"])
def test_the_environment_of_the_process_adds_nothing_to_a_client(version: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "OPENAI_BASE_URL",
        "AZURE_OPENAI_AD_TOKEN",
        "AZURE_OPENAI_API_KEY",
        "OPENAI_API_KEY",
    ):
        monkeypatch.setenv(name, "https://elsewhere.test" if "URL" in name else "of-somebody")
    monkeypatch.delenv("OPENAI_BASE_URL")
    profile = {"api_version": version} if version else {}
    connection = AzureConnection(resource(**profile), clock=SimulatedClock())
    client = connection.client
    assert (client.organization, client.project, client.max_retries) == (None, None, 0)
    assert str(client.base_url).startswith(HOST)
    assert client.api_key == "key-of-contoso"


@pytest.mark.parametrize("path", ["/openai/v1", "/openai/v1/", "/api/projects/tuning"])
def test_a_version_in_the_environment_does_not_count_for_an_address_of_the_v1_api(path: str) -> None:
    host = "https://contoso.services.ai.azure.com"
    environ = {"AZURE_OPENAI_ENDPOINT": f"{host}{path}", "AZURE_OPENAI_API_KEY": "k", "OPENAI_API_VERSION": "2024-10-21"}
    assert resource(environ).api_version is None
    if "projects" in path:
        with pytest.raises(ConfigError, match="api_version"):
            resource(environ, api_version="2025-04-01-preview")
    else:
        assert resource(environ, api_version="2025-04-01-preview").api_version == "2025-04-01-preview"
