"""A management plane that answers what a test says, on loopback, for the vendor's own unmodified client."""

from __future__ import annotations

from typing import Any

from azure.core.credentials import AccessToken
from tuneport_azure.adapter.management import Management
from tuneport_azure.profile import Resource

from tuneport.testing import SimulatedClock
from tuneport.testing.loopback import SILENT, Asked, Said, answering

__all__ = [
    "ACCOUNT",
    "GROUP",
    "PLACE",
    "SILENT",
    "SUBSCRIPTION",
    "TOKEN",
    "Asked",
    "Credential",
    "Said",
    "answering",
    "management",
    "refusal",
    "resource",
]

SUBSCRIPTION, GROUP, ACCOUNT = "11111111-2222-3333-4444-555555555555", "tuning", "contoso"
PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.CognitiveServices/accounts/{ACCOUNT}"
TOKEN = "opaque-token-0123456789"


def refusal(status: int, code: str, message: str = "No.", **headers: str) -> Said:
    """An error in the management plane's shape; `Retry_After` is spelled with a hyphen."""
    return Said(status, {"error": {"code": code, "message": message}}, {name.replace("_", "-"): value for name, value in headers.items()})


class Credential:
    """Gives one token after another, and raises those of its values that are errors."""

    def __init__(self, *tokens: str | Exception) -> None:
        self._tokens = list(tokens)
        self.asked_for: list[str] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked_for += scopes
        token = self._tokens.pop(0) if len(self._tokens) > 1 else self._tokens[0]
        if isinstance(token, Exception):
            raise token
        return AccessToken(token, 4_000_000_000)


def resource(url: str, **changes: Any) -> Resource:
    """`contoso`, whose management plane is at that address."""
    place = {"subscription": SUBSCRIPTION, "resource_group": GROUP, "account": ACCOUNT}
    known = {"name": "azure", "resource": "contoso", "endpoint": f"{url}/contoso", "key_source": "AZURE_OPENAI_API_KEY"}
    return Resource(**{**known, "credential": "key", "key": "k" * 32, "management_url": url, **place, **changes})


def management(url: str, *, token: str | None = TOKEN, credential: Credential | None = None, **changes: Any) -> Management:
    """The management plane at that address, on a clock of its own."""
    made = None if credential is None else lambda: credential
    return Management(resource(url, **changes), clock=SimulatedClock(), token=token, credential=made)
