"""Whose key goes where."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tuneport_openai.adapter.connection import connect
from tuneport_openai.profile import Endpoint, endpoint_of

from tuneport.errors import ConfigError, CredentialsRefused
from tuneport.provider import ProviderSettings

NEBIUS = {"provider": "openai", "base_url": "https://api.tokenfactory.nebius.com/v1/", "api_key_env": "NEBIUS_API_KEY"}


def endpoint(environ: Mapping[str, str], *, name: str = "openai", **profile: Any) -> Endpoint:
    return endpoint_of(ProviderSettings(name=name, home=Path("nowhere"), environ=environ, profile=profile))


def test_the_sdks_own_variables_are_enough() -> None:
    found = endpoint(
        {
            "OPENAI_API_KEY": "sk-1",
            "OPENAI_BASE_URL": "https://eu.api.openai.com/v1",
            "OPENAI_ORG_ID": "org-1",
            "OPENAI_PROJECT_ID": "proj_1",
        }
    )
    assert (found.key, found.base_url, found.organization, found.project) == ("sk-1", "https://eu.api.openai.com/v1", "org-1", "proj_1")
    assert found.scope == "eu.api.openai.com/v1/org-1/proj_1"
    assert not found.compatible


def test_without_any_variable_the_address_is_openais_and_there_is_no_key() -> None:
    found = endpoint({"OPENAI_BASE_URL": "", "OPENAI_API_KEY": " "})
    assert (found.base_url, found.key, found.scope) == ("https://api.openai.com/v1", None, "api.openai.com/v1")


def test_another_vendor_gets_nothing_that_belongs_to_openai() -> None:
    environ = {"OPENAI_API_KEY": "sk-1", "OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj_1", "NEBIUS_API_KEY": "n-1"}
    found = endpoint(environ, name="nebius", **NEBIUS)
    assert (found.key, found.organization, found.project, found.compatible) == ("n-1", None, None, True)
    assert found.scope == "api.tokenfactory.nebius.com/v1"


def test_another_vendor_without_a_key_of_its_own_is_refused() -> None:
    with pytest.raises(ConfigError, match="api_key_env"):
        endpoint({"OPENAI_API_KEY": "sk-1"}, name="nebius", base_url="https://api.tokenfactory.nebius.com/v1")


def test_an_account_with_its_own_key_does_not_get_the_organization_of_another() -> None:
    environ = {"OPENAI_API_KEY": "sk-1", "OPENAI_ORG_ID": "org-1", "WORK_KEY": "sk-2"}
    found = endpoint(environ, name="work", api_key_env="WORK_KEY", project="proj_2")
    assert (found.key, found.organization, found.project) == ("sk-2", None, "proj_2")


@pytest.mark.parametrize(
    "address",
    [
        "api.example.com/v1",
        "ftp://example.com",
        "https://someone:secret-word@example.com/v1",
        "https://example.com/v1?key=secret-word",
        "https://[",
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(ConfigError) as refused:
        endpoint({"K": "k"}, name="mine", base_url=address, api_key_env="K")
    assert "secret-word" not in str(refused.value)


@pytest.mark.parametrize(
    ("profile", "said"),
    [({"api_key": "sk-1"}, "api_key_env"), ({"quirks": ["no_metdata"]}, "no_metadata"), ({"requests_at_once": 0}, "requests_at_once")],
)
def test_a_wrong_profile_is_refused_by_its_key(profile: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        endpoint({}, **profile)


def test_a_key_is_not_shown() -> None:
    assert "sk-1" not in repr(endpoint({"OPENAI_API_KEY": "sk-1"}))


def test_only_an_unencrypted_way_through_a_network_is_in_the_clear() -> None:
    ways = {
        "https://example.com/v1": False,
        "http://example.com/v1": True,
        "http://127.0.0.1:8399/v1": False,
        "http://localhost:1/v1": False,
    }
    assert {way: endpoint({}, base_url=way, api_key_env="K").in_the_clear for way in ways} == ways


def test_the_sdk_sends_what_the_endpoint_says_and_not_what_the_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "https://of-the-process.example/v1")
    client = connect(endpoint({"K": "k-1"}, base_url="https://example.com/v1", api_key_env="K"))
    assert (client.api_key, client.organization, client.project) == ("k-1", None, None)
    assert not client.admin_api_key
    assert str(client.base_url) == "https://example.com/v1/"
    assert client.max_retries == 0


def test_without_a_key_the_error_names_the_variable() -> None:
    with pytest.raises(CredentialsRefused, match="NEBIUS_API_KEY"):
        connect(endpoint({}, name="nebius", **NEBIUS))


def test_importing_the_provider_loads_no_sdk_and_is_quick() -> None:
    seen = (
        "import sys, time\nimport tuneport.provider\n"
        "began = time.process_time()\nimport tuneport_openai\nspent = time.process_time() - began\n"
        "assert not {'openai', 'httpx2', 'pydantic', 'msgspec'} & set(sys.modules), 'loaded'\nprint(spent)"
    )
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.05


def test_opening_and_planning_load_no_sdk() -> None:
    seen = (
        "import sys, pathlib\nfrom tuneport.provider import ProviderSettings\nimport tuneport_openai\n"
        "trainer = tuneport_openai.provider.open_trainer(ProviderSettings(name='openai', home=pathlib.Path('x')))\n"
        "trainer.scope(), trainer.catalogue()\n"
        "import sys\nassert not {'openai', 'httpx2'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
