"""The one way to the data plane of a resource: by the openai package, in the v1 API or a dated one, with a key or a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from tuneport_openai.adapter.connection import CONNECT_S, TIMEOUT_S, DialectConnection
from tuneport_openai.failure import OPEN, Closing, failure_of

from tuneport.clock import Clock
from tuneport.errors import CredentialsRefused, RateLimited, TuneportError, Unreachable
from tuneport_azure.adapter.identity import Tokens, default_credential
from tuneport_azure.errors import recognised
from tuneport_azure.profile import TOKEN, Resource
from tuneport_azure.refusals import Asked, TokenRefused, refusal
from tuneport_azure.wire.dialect import file_rules

if TYPE_CHECKING:
    import httpx2
    import openai
    from azure.core.credentials import TokenCredential

T = TypeVar("T")


class AzureConnection(DialectConnection):
    """A resource that can be asked. `credential` makes the credential of Entra, where it is not to be the vendor's own chain."""

    def __init__(
        self,
        resource: Resource,
        *,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
        http_client: httpx2.Client | None = None,
        credential: Callable[[], TokenCredential] | None = None,
    ) -> None:
        super().__init__(resource, clock=clock, http_client=http_client)
        self.resource = resource
        self.file_rules = file_rules(resource.api_version)
        self._timeout_s = timeout_s
        cloud = resource.cloud
        self._tokens = Tokens(credential or self._signed_in, scope=cloud.project_scope if resource.project else cloud.resource_scope)
        self._asked = Asked(
            profile=resource.name,
            resource=resource.resource,
            credential=resource.credential,
            key_source=resource.key_source,
            version=resource.api_version,
        )

    def authorized(self, send: Callable[[], T]) -> T:
        """A token may end in the middle of a wait: it is fetched anew, once."""
        try:
            return send()
        except TokenRefused as error:
            if self.resource.credential != "entra":
                raise _plain(error) from None
        self._tokens.renew()
        try:
            return send()
        except TokenRefused as error:
            raise _plain(error) from None

    def _connect(self) -> openai.OpenAI:
        """Everything is given, so that the SDK need not look into the environment of the process."""
        import httpx2
        import openai

        settings: dict[str, Any] = {
            "admin_api_key": "",
            "organization": "",
            "project": "",
            "webhook_secret": "",
            "timeout": httpx2.Timeout(self._timeout_s, connect=CONNECT_S),
            "max_retries": 0,
            "http_client": self._http_client,
        }
        version, secret = self.resource.api_version, self._secret()
        if version is None:
            client = openai.OpenAI(base_url=self.resource.base_url, api_key=secret, **settings)
        else:
            settings[self._argument()] = secret
            client = openai.AzureOpenAI(azure_endpoint=self.resource.endpoint, api_version=version, **settings)
        client.organization, client.project = None, None  # an empty one would be sent as an empty header
        return client

    def _signed_in(self) -> TokenCredential:
        """The vendor's chain. On this machine anybody can listen at a port: there a token is only sent where somebody gave one."""
        if self.resource.endpoint.startswith("http://"):
            raise CredentialsRefused(
                f"{self.resource.name}: {self.resource.endpoint} is on this machine, and gets no token of Microsoft Entra.",
                remedy=f"Give one by hand, or a key: export {TOKEN}=…",
            )
        return default_credential(self.resource.cloud)

    def _secret(self) -> str | Callable[[], str]:
        if self.resource.credential == "entra":
            return self._tokens
        return self.resource.key or self.resource.ad_token or ""

    def _argument(self) -> str:
        """What a dated client calls the credential."""
        return {"key": "api_key", "token": "azure_ad_token"}.get(self.resource.credential, "azure_ad_token_provider")

    def _translated(self, error: Exception, *, doing: str, creating: bool, closing: Callable[[], Closing]) -> TuneportError:
        if (unsigned := recognised(error, doing=doing)) is not None:
            return _unsent(unsigned) if creating else unsigned
        found = refusal(failure_of(error, doing=doing, creating=creating, closing=OPEN), self._asked)
        return found or super()._translated(error, doing=doing, creating=creating, closing=closing)


def _plain(error: TokenRefused) -> CredentialsRefused:
    """Outside, nothing more is to be done about it than about other credentials."""
    return CredentialsRefused(error.message, reason=error.reason, remedy=error.remedy)


def _unsent(error: TuneportError) -> TuneportError:
    """Azure's own classes come from the token, before anything was sent: whatever was asked for was not done."""
    if isinstance(error, Unreachable) and not isinstance(error, RateLimited):
        return RateLimited(error.message, remedy=error.remedy)
    return error
