"""A small stand-in for Microsoft Entra ID: opaque tokens, whom they stand for, what those may do, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

LOOK, TRAIN, READ, DEPLOY, METRICS = "look", "train", "read", "deploy", "metrics"
"""What somebody may do: read and change things on the data plane, read and change them on the management plane, read Azure Monitor."""
ROLES: Final[Mapping[str, frozenset[str]]] = {
    "owner": frozenset({LOOK, TRAIN, READ, DEPLOY, METRICS}),
    "user": frozenset({LOOK, TRAIN, READ, METRICS}),
    "reader": frozenset({LOOK, READ, METRICS}),
    "nobody": frozenset(),
}
"""Foundry Owner, Foundry User, Reader, and an identity without a role."""
DATA, MANAGEMENT = "https://cognitiveservices.azure.com", "https://management.azure.com"
LOOKS_LIKE_A_TOKEN = "eyJ"


@dataclass(frozen=True, slots=True)
class Token:
    """`audience` None: it is accepted by both planes. `resources` None: the role holds for all of them."""

    value: str
    principal: str
    may: frozenset[str]
    expires_at: datetime
    audience: str | None = None
    resources: frozenset[str] | None = None

    def allows(self, action: str, resource: str | None = None) -> bool:
        return action in self.may and (self.resources is None or resource is None or resource in self.resources)


@dataclass(slots=True)
class Directory:
    """The tokens that were issued."""

    tokens: dict[str, Token] = field(default_factory=dict)

    def issue(self, token: Token) -> str:
        self.tokens[token.value] = token
        return token.value

    def find(self, value: str, *, audience: str, now: datetime) -> Token | None:
        """The token, if it is known, not expired, and meant for that audience."""
        token = self.tokens.get(value)
        if token is None or token.expires_at <= now or token.audience not in (None, audience):
            return None
        return token

    def expired(self, value: str, *, now: datetime) -> bool:
        token = self.tokens.get(value)
        return token is not None and token.expires_at <= now


def life(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
