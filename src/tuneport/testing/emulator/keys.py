"""Who is asking: bearer keys, each of one project of one organisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """What a key stands for. `scopes` None: everything the project may do."""

    organisation: str
    project: str
    scopes: frozenset[str] | None = None

    def may(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes


class KeyRing:
    """The keys that work, until they are revoked."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def admit(self, key: str, account: Account) -> str:
        """Makes the key work from now on; the key again."""
        self._accounts[key] = account
        return key

    def revoke(self, key: str) -> None:
        self._accounts.pop(key, None)

    def account(self, key: str) -> Account | None:
        return self._accounts.get(key)


def bearer(headers: Mapping[str, str]) -> str | None:
    """The key of `Authorization: Bearer …`; None without one. Header names are lower-case."""
    kind, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() or None if kind.lower() == "bearer" else None


def masked(key: str) -> str:
    """A key as a vendor quotes it back: its ends, the middle hidden."""
    return f"{key[:7]}{'*' * max(4, len(key) - 11)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
