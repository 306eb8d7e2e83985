"""The one way to the management plane: every request goes through a `Management`, and every exception of Azure's SDKs through our table."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from weakref import finalize

from tuneport.clock import Clock
from tuneport.errors import ConfigError, CredentialsRefused, NotFound, TuneportError
from tuneport.provider import ProviderSettings
from tuneport.retry import reading
from tuneport_azure.adapter.identity import default_credential
from tuneport_azure.errors import translated
from tuneport_azure.profile import Resource
from tuneport_azure.refusals import TokenRefused
from tuneport_azure.wire.clouds import management_scope

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential
    from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient

T = TypeVar("T")
Row = dict[str, Any]
"""A JSON object as Azure sent it: the SDK's models drop what they do not know."""

TOKEN = "AZURE_MANAGEMENT_TOKEN"
CONNECT_S, ANSWER_S = 20, 120
_NEVER = 253_402_300_799
"""When a token given by hand ends, as far as we know: the last second of the year 9999."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where a resource stands: its account in a resource group of a subscription."""

    subscription: str
    group: str
    name: str

    @property
    def id(self) -> str:
        """As the management plane names it."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/providers/Microsoft.CognitiveServices/accounts/{self.name}"


class Management:
    """The management plane as far as one resource goes. `token` is one given by hand; `credential` makes that of Entra, where it is not to
    be the vendor's own chain."""

    def __init__(
        self, resource: Resource, *, clock: Clock, token: str | None = None, credential: Callable[[], TokenCredential] | None = None
    ) -> None:
        self.resource = resource
        self.clock = clock
        self._token = token
        self._credential = credential

    @cached_property
    def client(self) -> CognitiveServicesManagementClient:
        """The SDK's client, made when it is first needed. It repeats nothing: that would go by a clock that is not ours."""
        from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient

        log = logging.getLogger("azure")
        if log.level == logging.NOTSET:
            log.setLevel(logging.ERROR)  # what is warned of comes as an error, in a sentence
        scope, credential = management_scope(self.resource.management_url), self._token_source()
        local = {} if self._encrypted else {"authentication_policy": _on_loopback(credential, scope), "use_env_settings": False}
        client = CognitiveServicesManagementClient(
            credential,
            self.subscription,
            base_url=self.resource.management_url,
            credential_scopes=[scope],
            retry_total=0,
            permit_redirects=False,
            connection_timeout=CONNECT_S,
            read_timeout=ANSWER_S,
            user_agent="tuneport",
            **local,
        )
        finalize(self, client.close)
        return client

    @property
    def subscription(self) -> str:
        """Raises ConfigError where none is named."""
        if self.resource.subscription is None:
            raise ConfigError(
                f"{self.resource.name}: deployments are made in Azure's management plane, and the subscription of {self.resource.resource} "
                "is not named.",
                remedy=f"Set subscription (and resource_group) in [providers.{self.resource.name}], or AZURE_SUBSCRIPTION_ID and "
                "AZURE_RESOURCE_GROUP. See: az account show --query id",
            )
        return self.resource.subscription

    @cached_property
    def account(self) -> Account:
        """Where the resource stands: as the settings say, else looked for, in the group that they name. Raises ConfigError."""
        group, name = self.resource.resource_group, self.resource.account
        if group is None:
            return self._found()
        if name or self._is_named_so(group):
            return Account(self.subscription, group, name or self.resource.resource)
        return self._found()

    @cached_property
    def location(self) -> str:
        """The region of the account."""
        at = self.account
        row = self.read("looking at the account", lambda client: one(client.accounts.get, at.group, at.name))
        return str(row.get("location") or "")

    # --- asking --------------------------------------------------------------------------------------------------------------------

    def ask(self, doing: str, send: Callable[[CognitiveServicesManagementClient], T], *, changing: bool = False) -> T:
        """What `send` brings, sent once. Raises our errors; `changing`: the request may have taken effect.

        A token may end in the middle of a wait. One that was refused has changed nothing: another is fetched, once.
        """
        try:
            return self._once(doing, send, changing=changing)
        except TokenRefused:
            if self._token and self._credential is None:
                raise
            self.__dict__.pop("client", None)
            return self._once(doing, send, changing=changing)

    def _once(self, doing: str, send: Callable[[CognitiveServicesManagementClient], T], *, changing: bool) -> T:
        client = self.client
        try:
            return send(client)
        except TuneportError:
            raise
        except (AttributeError, KeyError, TypeError):  # how the SDK's models meet JSON of another shape
            raise translated(ValueError("another shape"), doing=doing, creating=changing) from None
        except Exception as error:
            raise translated(error, doing=doing, creating=changing) from None

    def read(self, doing: str, send: Callable[[CognitiveServicesManagementClient], T]) -> T:
        """What `send` brings, asked for again while there is no answer, by our own clock."""
        return reading(lambda: self.ask(doing, send), clock=self.clock)

    def get(self, doing: str, url: str, *, params: Mapping[str, str] | None = None) -> Row:
        """One read of a path, or of an address that the management plane itself has given: of a part of it that the SDK has no call for."""
        from azure.core.rest import HttpRequest

        if urlsplit(url).netloc and not self._is_here(url):
            raise translated(ValueError("an address elsewhere"), doing=doing)
        request = HttpRequest("GET", url, params=dict(params or {}))
        return self.read(doing, lambda client: _answered(client._send_request(request)))

    def rows(self, doing: str, listing: Callable[[CognitiveServicesManagementClient], Callable[..., Any]], *where: str) -> list[Row]:
        """All rows of a list, page after page."""

        def pages(client: CognitiveServicesManagementClient) -> list[Row]:
            found: list[Row] = []
            pager = listing(client)(*where, raw_response_hook=lambda page: found.extend(_rows(page)), raw_request_hook=self._stay_here)
            for _ in pager.by_page():
                pass
            return found

        return self.read(doing, pages)

    # --- inside --------------------------------------------------------------------------------------------------------------------

    @property
    def _encrypted(self) -> bool:
        return self.resource.management_url.startswith("https://")

    def _is_here(self, url: str) -> bool:
        ours, theirs = urlsplit(self.resource.management_url), urlsplit(url)
        return (ours.scheme, ours.netloc.casefold()) == (theirs.scheme, theirs.netloc.casefold())

    def _stay_here(self, request: Any) -> None:
        """The next page of a list is at an address that the answer names: the token is for this one only."""
        if not self._is_here(request.http_request.url):
            raise ValueError("a page elsewhere")

    def _token_source(self) -> TokenCredential:
        """The credential. On this machine a token is only sent where somebody gave one: anybody can listen at a port."""
        if self._credential is not None:
            return self._credential()
        if self._token:
            return _Given(self._token)
        if not self._encrypted:
            raise CredentialsRefused(
                f"{self.resource.name}: {self.resource.management_url} is on this machine, and gets no token of Microsoft Entra.",
                remedy=f"Give one by hand: export {TOKEN}=…",
            )
        return _signed_in(self.resource)

    def _is_named_so(self, group: str) -> bool:
        """Whether the account has the name of its address, as most have. A role that may not look leaves it at that."""
        try:
            row = self.read(_LOOKING, lambda client: one(client.accounts.get, group, self.resource.resource))
        except NotFound:
            return False
        except CredentialsRefused:
            return True
        return _subdomain(row) in ("", self.resource.resource.casefold())

    def _found(self) -> Account:
        group, wanted = self.resource.resource_group, self.resource.account or self.resource.resource
        if group is None:
            rows = self.rows(_LOOKING, lambda client: client.accounts.list)
        else:
            rows = self.rows(_LOOKING, lambda client: client.accounts.list_by_resource_group, group)
        fitting = [row for row in rows if _is_account(row, self.resource)]
        exact = [row for row in fitting if _subdomain(row) == self.resource.resource.casefold()] or fitting
        places = [place for place in map(_place, exact) if place is not None]
        if len(places) != 1:
            what = f"has {'several accounts' if places else 'no account'} {wanted}"
            where = f"the subscription {self.subscription}" if group is None else f"the resource group {group} of {self.subscription}"
            raise ConfigError(
                f"{self.resource.name}: {where} {what} that this identity can see.",
                remedy=f"Set resource_group and account in [providers.{self.resource.name}], or AZURE_RESOURCE_GROUP. "
                "See: az cognitiveservices account list",
            )
        return places[0]


_LOOKING = "looking for the account of the resource"


def management_of(resource: Resource, settings: ProviderSettings, *, credential: Callable[[], TokenCredential] | None = None) -> Management:
    """With the token in AZURE_MANAGEMENT_TOKEN, where there is one."""
    token = settings.environ.get(TOKEN, "").strip() or None
    return Management(resource, clock=settings.clock, token=token, credential=credential)


def _signed_in(resource: Resource) -> TokenCredential:
    """Whoever is signed in here. Raises ConfigError where AZURE_TOKEN_CREDENTIALS names no credential."""
    try:
        return default_credential(resource.cloud)
    except ValueError as error:
        raise ConfigError(f"{resource.name}: azure-identity cannot be used as it is set up: {' '.join(str(error).split())[:200]}") from None


@dataclass(frozen=True, slots=True)
class _Given:
    """A token that somebody else fetched, for as long as it lasts."""

    token: str = field(repr=False)

    def get_token(
        self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, enable_cae: bool = False, **more: Any
    ) -> AccessToken:
        from azure.core.credentials import AccessToken

        return AccessToken(self.token, _NEVER)


def _on_loopback(credential: TokenCredential, scope: str) -> Any:
    """The SDK's own policy refuses to send a token unencrypted, also to this machine. The address was checked with the profile."""
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class Bearer(SansIOHTTPPolicy[Any, Any]):
        def on_request(self, request: Any) -> None:
            request.http_request.headers["Authorization"] = f"Bearer {credential.get_token(scope).token}"

    return Bearer()


def one(call: Callable[..., Any], *where: str) -> Row:
    """The JSON object that one of the SDK's reads is answered with."""
    row: Row = call(*where, cls=lambda response, *_: _object(response.http_response))
    return row


def changed(call: Callable[..., Any], *what: Any) -> tuple[Row, Mapping[str, str]]:
    """What one of the SDK's changes is answered with at once, and the headers: they are followed by ourselves, not by the SDK."""
    poller = call(*what, polling=False, cls=lambda response, *_: (_object(response.http_response), dict(response.http_response.headers)))
    found: tuple[Row, Mapping[str, str]] = poller.result()
    return found


def _object(response: Any) -> Row:
    """The JSON object of an answer; an empty one where there is none. Raises ValueError for anything else."""
    text = response.text()
    found = json.loads(text) if text.strip() else {}
    if not isinstance(found, dict):
        raise ValueError("a JSON object was expected")  # noqa: TRY004 - unreadable, like JSON that is none
    return found


def _answered(response: Any) -> Row:
    response.raise_for_status()
    return _object(response)


def _rows(page: Any) -> Sequence[Row]:
    """The rows of a page; none of an answer that is an error's, which the SDK raises."""
    if page.http_response.status_code != 200:
        return ()
    rows = _object(page.http_response).get("value")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("a list without rows")
    return rows


def _is_account(row: Row, resource: Resource) -> bool:
    """By the name that was given; else by that of the address, which is another's where its account has one of its own."""
    named, subdomain = str(row.get("name")).casefold(), _subdomain(row)
    if subdomain == resource.resource.casefold() or (resource.account and named == resource.account.casefold()):
        return True
    return not resource.account and not subdomain and named == resource.resource.casefold()


def _subdomain(row: Row) -> str:
    properties = row.get("properties")
    return str(properties.get("customSubDomainName") or "").casefold() if isinstance(properties, dict) else ""


def _place(row: Row) -> Account | None:
    """The account in a row's id, `/subscriptions/S/resourceGroups/G/providers/Microsoft.CognitiveServices/accounts/A`."""
    parts = str(row.get("id") or "").strip("/").split("/")
    return Account(parts[1], parts[3], parts[-1]) if len(parts) == 8 and all(parts) else None
