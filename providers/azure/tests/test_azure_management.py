"""The way to the management plane: with which token, to which account, and never anywhere else."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from azure.core import AzureClouds
from azure.identity import AzureAuthorityHosts
from azure.mgmt.core.tools import get_arm_endpoints
from tuneport_azure.adapter.management import Account, Management, one
from tuneport_azure.adapter.usage import LastUse, last_uses, use_of
from tuneport_azure.wire.clouds import cloud_of

from tuneport.errors import ConfigError, CredentialsRefused, NotFound, TuneportError, Unreachable
from tuneport.testing import SimulatedClock

from .azure_loopback import (
    ACCOUNT,
    GROUP,
    PLACE,
    SILENT,
    SUBSCRIPTION,
    TOKEN,
    Asked,
    Credential,
    Said,
    answering,
    management,
    refusal,
    resource,
)

LIST = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/accounts"


def account(name: str, *, group: str = GROUP, subdomain: str | None = None) -> dict[str, Any]:
    place = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.CognitiveServices/accounts/{name}"
    return {"id": place, "name": name, "location": "eastus2", "properties": {"customSubDomainName": subdomain or name}}


def location(plane: Management) -> str:
    return plane.location


# --- credentials ------------------------------------------------------------------------------------------------------------------------


def test_a_token_given_by_hand_is_sent_as_it_is() -> None:
    with answering(lambda _: Said(body=account(ACCOUNT))) as (url, asked):
        assert location(management(url)) == "eastus2"
    assert asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked[0].query["api-version"] == "2025-09-01"


def test_a_credential_is_asked_for_a_token_of_the_management_plane_at_each_request() -> None:
    credential = Credential("first", "second")
    with answering(lambda _: Said(body=account(ACCOUNT))) as (url, asked):
        plane = management(url, token=None, credential=credential)
        for _ in range(2):
            plane.read("looking", lambda client: one(client.accounts.get, GROUP, ACCOUNT))
    assert [each.headers["Authorization"] for each in asked] == ["Bearer first", "Bearer second"]
    assert credential.asked_for == [f"{url}/.default"] * 2


def test_on_this_machine_nobodys_sign_in_is_sent_along() -> None:
    """Anybody may listen at a port: a token goes there only where it was given by hand."""
    with answering(lambda _: Said()) as (url, asked):
        with pytest.raises(CredentialsRefused, match="on this machine"):
            _ = management(url, token=None).location
        assert asked == []


def test_a_token_that_ends_in_the_middle_of_a_wait_is_fetched_anew_once() -> None:
    def script(asked: Asked) -> Said:
        good = asked.headers["Authorization"] == "Bearer second"
        return Said(body=account(ACCOUNT)) if good else refusal(401, "ExpiredAuthenticationToken", "The access token has expired.")

    with answering(script) as (url, asked):
        assert location(management(url, credential=Credential("first", "second"))) == "eastus2"
        assert len(asked) == 2
        with pytest.raises(CredentialsRefused, match="expired"):
            _ = management(url, credential=Credential("first")).location
        assert len(asked) == 4


def test_whoever_signed_in_anew_is_asked_again_after_a_refused_token() -> None:
    """The SDK keeps the token that was refused as long as it looks valid, and a chain keeps the one who gave it."""
    signed_in = iter([Credential("first"), Credential("second")])

    def script(asked: Asked) -> Said:
        good = asked.headers["Authorization"] == "Bearer second"
        return Said(body=account(ACCOUNT)) if good else refusal(401, "InvalidAuthenticationToken")

    with answering(script) as (url, _):
        plane = Management(resource(url), clock=SimulatedClock(), credential=lambda: next(signed_in))
        assert location(plane) == "eastus2"


def test_a_token_given_by_hand_that_has_expired_says_so_and_is_not_tried_again() -> None:
    with answering(lambda _: refusal(401, "ExpiredAuthenticationToken")) as (url, asked):
        with pytest.raises(CredentialsRefused) as caught:
            _ = management(url).location
        assert len(asked) == 1
    assert "AZURE_MANAGEMENT_TOKEN" in caught.value.remedy


def test_a_token_is_in_no_repr() -> None:
    with answering(lambda _: Said()) as (url, _):
        plane = management(url)
        assert TOKEN not in repr(plane._token_source())
        assert TOKEN not in repr(plane.resource)


def test_the_chain_of_credentials_sends_nothing_before_it_is_used_and_is_quiet() -> None:
    plane = Management(resource("https://management.azure.com"), clock=SimulatedClock())
    assert plane.client is not None
    assert logging.getLogger("azure.identity").level > logging.WARNING


def test_a_chain_that_is_set_up_wrongly_is_a_matter_of_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "no-such-credential")
    with pytest.raises(ConfigError, match="azure-identity"):
        _ = Management(resource("https://management.azure.com"), clock=SimulatedClock()).client


# --- where the resource stands ----------------------------------------------------------------------------------------------------------


def test_a_missing_subscription_is_told_with_the_settings_that_name_it() -> None:
    with answering(lambda _: Said()) as (url, asked):
        with pytest.raises(ConfigError) as caught:
            _ = management(url, subscription=None).location
        assert asked == []
    said = str(caught.value)
    assert all(
        word in said for word in ("subscription", "resource_group", "[providers.azure]", "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP")
    )


def test_without_a_resource_group_the_account_is_looked_for_in_the_subscription_once() -> None:
    rows = [account("other"), account("Contoso", group="west")]

    with answering(lambda _: Said(body={"value": rows})) as (url, asked):
        plane = management(url, resource_group=None)
        assert plane.account == Account(SUBSCRIPTION, "west", "Contoso")
        assert plane.account.id == rows[1]["id"]
        assert [each.path for each in asked] == [LIST]


def test_an_account_is_also_known_by_the_name_in_its_address() -> None:
    rows = [account("contoso-account", subdomain="contoso"), account("other")]
    with answering(lambda _: Said(body={"value": rows})) as (url, _):
        assert management(url, resource_group=None).account.name == "contoso-account"


def test_of_two_accounts_of_one_name_the_one_with_the_address_is_meant() -> None:
    rows = [account("contoso", group="a", subdomain="contoso-2"), account("contoso", group="b")]
    with answering(lambda _: Said(body={"value": rows})) as (url, _):
        assert management(url, resource_group=None).account.group == "b"


def test_accounts_are_read_page_after_page() -> None:
    def script(asked: Asked) -> Said:
        if "page" in asked.query:
            return Said(body={"value": [account("contoso")]})
        return Said(body={"value": [account("other")], "nextLink": f"http://{asked.headers['Host']}{LIST}?page=2"})

    with answering(script) as (url, asked):
        assert management(url, resource_group=None).account.name == "contoso"
    assert len(asked) == 2


@pytest.mark.parametrize("rows", [[], [account("other")], [account("contoso", group="a"), account("contoso", group="b")]])
def test_an_account_that_cannot_be_told_is_asked_for(rows: list[dict[str, Any]]) -> None:
    with answering(lambda _: Said(body={"value": rows})) as (url, _), pytest.raises(ConfigError) as caught:
        _ = management(url, resource_group=None).account
    assert "resource_group" in caught.value.remedy


def test_a_wrong_resource_group_is_told_with_the_settings_that_name_it() -> None:
    said = refusal(404, "ResourceGroupNotFound", "Resource group 'x' could not be found.")
    with answering(lambda _: said) as (url, _), pytest.raises(NotFound) as caught:
        _ = management(url, resource_group="x").location
    assert "AZURE_RESOURCE_GROUP" in caught.value.remedy


def test_an_account_named_otherwise_than_its_address_is_found_in_its_group() -> None:
    rows = [account("contoso-account", subdomain="contoso"), account("other")]

    def script(asked: Asked) -> Said:
        return Said(body={"value": rows}) if asked.path.endswith("/accounts") else refusal(404, "ResourceNotFound")

    with answering(script) as (url, asked):
        plane = management(url, account="")
        assert plane.account == Account(SUBSCRIPTION, GROUP, "contoso-account")
        assert [each.path for each in asked] == [PLACE, PLACE.rpartition("/")[0]]


def test_a_group_without_the_account_is_named() -> None:
    def script(asked: Asked) -> Said:
        return Said(body={"value": []}) if asked.path.endswith("/accounts") else refusal(404, "ResourceNotFound")

    with answering(script) as (url, _), pytest.raises(ConfigError, match=f"the resource group {GROUP}"):
        _ = management(url, account="").account


def test_an_account_that_has_the_name_but_another_address_is_not_taken() -> None:
    rows = [account("contoso", subdomain="fabrikam"), account("renamed", subdomain="contoso")]
    with answering(lambda asked: Said(body={"value": rows} if asked.path.endswith("/accounts") else rows[0])) as (url, _):
        assert management(url, account="").account.name == "renamed"
        assert management(url, account="", resource_group=None).account.name == "renamed"


def test_an_account_that_is_named_or_may_not_be_looked_at_is_not_looked_for() -> None:
    with answering(lambda _: refusal(403, "AuthorizationFailed")) as (url, asked):
        assert management(url).account.name == ACCOUNT
        assert asked == []
        assert management(url, account="").account.name == "contoso"


def test_each_cloud_is_as_the_sdks_have_it() -> None:
    ends = {
        AzureClouds.AZURE_PUBLIC_CLOUD: ("azure.com", AzureAuthorityHosts.AZURE_PUBLIC_CLOUD),
        AzureClouds.AZURE_US_GOVERNMENT: ("azure.us", AzureAuthorityHosts.AZURE_GOVERNMENT),
        AzureClouds.AZURE_CHINA_CLOUD: ("azure.cn", AzureAuthorityHosts.AZURE_CHINA),
    }
    for cloud, (domain, authority) in ends.items():
        found, theirs = cloud_of(f"contoso.openai.{domain}"), get_arm_endpoints(cloud)
        assert (found.domain, found.authority) == (domain, authority)
        assert found.management_url == theirs["resource_manager"].rstrip("/")
        assert [found.management_scope] == theirs["credential_scopes"]
        assert found.resource_scope == f"https://cognitiveservices.{domain}/.default"
    assert cloud_of("contoso.example.com").domain == "azure.com"


@pytest.mark.parametrize(
    ("url", "scope"),
    [
        ("https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net/.default"),
        ("https://management.local.azurestack.external", "https://management.local.azurestack.external/.default"),
    ],
)
def test_a_token_of_the_management_plane_is_for_that_of_its_cloud(url: str, scope: str) -> None:
    assert management(url, credential=Credential("t")).client._config.credential_scopes == [scope]


# --- reading ----------------------------------------------------------------------------------------------------------------------------


def test_a_read_without_an_answer_is_repeated_by_our_own_clock_and_as_the_service_asks() -> None:
    answers = [SILENT, refusal(503, "ServiceUnavailable"), refusal(429, "TooManyRequests", Retry_After="30"), Said(body=account(ACCOUNT))]
    with answering(lambda _: answers.pop(0)) as (url, asked):
        plane = management(url)
        assert location(plane) == "eastus2"
    assert len(asked) == 4
    assert plane.clock.monotonic() >= 30


def test_a_service_that_never_answers_is_unreachable_after_a_few_tries() -> None:
    with answering(lambda _: refusal(500, "InternalServerError")) as (url, asked):
        with pytest.raises(Unreachable):
            _ = management(url).location
        assert 2 <= len(asked) <= 5


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": {}}, {"value": [3]}, [], b"{", {"value": [{"properties": 3}]}])
def test_a_list_of_another_shape_is_unreadable_and_no_mistake_of_ours(body: Any) -> None:
    with answering(lambda _: Said(body=body)) as (url, _), pytest.raises(TuneportError) as caught:
        management(url).rows("listing deployments", lambda client: client.deployments.list, GROUP, ACCOUNT)
    assert type(caught.value) is Unreachable


def test_a_page_elsewhere_does_not_get_the_token() -> None:
    with answering(lambda _: Said(body={"value": []})) as (other, elsewhere):
        with answering(lambda _: Said(body={"value": [], "nextLink": f"{other}{LIST}?page=2"})) as (url, _):
            with pytest.raises(Unreachable):
                management(url).rows("listing", lambda client: client.accounts.list)
            with pytest.raises(Unreachable):
                management(url).get("asking", f"{other}/operations/1")
        assert elsewhere == []


def test_a_redirect_is_not_followed() -> None:
    with answering(lambda _: Said()) as (other, elsewhere):
        with answering(lambda _: Said(307, b"", {"Location": f"{other}/x"})) as (url, _), pytest.raises(Unreachable):
            _ = management(url).location
        assert elsewhere == []


# --- when deployments were asked --------------------------------------------------------------------------------------------------------


def metrics(*series: tuple[str, list[dict[str, Any]]]) -> Said:
    rows = [{"metadatavalues": [{"name": {"value": "modeldeploymentname"}, "value": name}], "data": data} for name, data in series]
    return Said(body={"value": [{"name": {"value": "AzureOpenAIRequests"}, "timeseries": rows}]})


def test_a_metric_without_a_series_says_nothing_of_any_deployment() -> None:
    with answering(lambda _: metrics()) as (url, _):
        assert "not known" in use_of("tickets", last_uses(management(url))).unknown


def test_the_last_hour_with_a_request_is_the_last_use() -> None:
    hours = [
        {"timeStamp": "2026-02-10T08:00:00Z", "total": 2.0},
        {"timeStamp": "2026-02-12T09:00:00Z", "total": 1.0},
        {"timeStamp": "2026-02-13T09:00:00Z", "total": 0.0},
        {"timeStamp": "2026-02-14T09:00:00Z"},
    ]
    with answering(lambda _: metrics(("Tickets", hours), ("idle", [{"timeStamp": "2026-02-10T08:00:00Z", "total": 0.0}]))) as (url, asked):
        uses = last_uses(management(url))
    assert str(use_of("tickets", uses).at) == "2026-02-12 09:00:00+00:00"
    assert use_of("idle", uses) == LastUse()
    assert asked[0].path == f"{PLACE}/providers/Microsoft.Insights/metrics"
    assert asked[0].query["$filter"] == "ModelDeploymentName eq '*'"
    assert asked[0].query["metricnames"] == "AzureOpenAIRequests"


@pytest.mark.parametrize(
    "said", [refusal(403, "AuthorizationFailed"), refusal(404, "ResourceNotFound"), refusal(500, "InternalServerError")]
)
def test_where_metrics_cannot_be_read_the_last_use_is_not_known_which_is_not_never(said: Said) -> None:
    with answering(lambda _: said) as (url, _):
        use = use_of("tickets", last_uses(management(url)))
    assert use.at is None
    assert "not known" in use.unknown


@pytest.mark.parametrize(
    "body", [{}, {"value": 3}, {"value": [{"timeseries": [3]}]}, {"value": [{"timeseries": [{"data": [{"total": "many"}]}]}]}]
)
def test_metrics_of_another_shape_say_nothing(body: Any) -> None:
    with answering(lambda _: Said(body=body)) as (url, _):
        assert use_of("tickets", last_uses(management(url))).at is None
