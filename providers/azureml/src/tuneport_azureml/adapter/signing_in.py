"""Tokens of Microsoft Entra: kept as long as they hold, and fetched anew when one was refused."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from tuneport.clock import Clock
from tuneport.errors import ConfigError, CredentialsRefused
from tuneport_azureml.errors import translated
from tuneport_azureml.profile import TOKEN, Workspace
from tuneport_azureml.wire.clouds import STORAGE_SCOPE

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

AUTHORITY = "AZURE_AUTHORITY_HOST"
EARLY_S = 300.0
"""How long before its end a token is fetched anew."""
NEVER = float("inf")


class SignIn:
    """Whoever is signed in. `credential` makes that of Entra, where it is not to be the vendor's own chain."""

    def __init__(self, place: Workspace, *, clock: Clock, credential: Callable[[], TokenCredential] | None = None) -> None:
        self._place = place
        self._clock = clock
        self._credential = credential
        self._signed_in: TokenCredential | None = None
        self._kept: dict[str, tuple[str, float]] = {}

    @property
    def renewable(self) -> bool:
        """Whether a token that was refused can be replaced by another."""
        return self._credential is not None or self._place.token is None

    def token(self, scope: str) -> str:
        """One that holds now. Raises CredentialsRefused, ConfigError."""
        if self._place.token is not None and self._credential is None:
            if scope == STORAGE_SCOPE:
                raise _of_management(self._place)
            return self._place.token
        value, ends = self._kept.get(scope, ("", 0.0))
        if not value or ends - EARLY_S < self._clock.now().timestamp():
            value, ends = self._fetched(scope)
            self._kept[scope] = (value, ends)
        return value

    def renew(self) -> None:
        """Forgets the tokens and who was signed in."""
        self._kept.clear()
        self._signed_in = None

    def _fetched(self, scope: str) -> tuple[str, float]:
        if self._signed_in is None:
            self._signed_in = self._credential() if self._credential is not None else self._own()
        try:
            token = self._signed_in.get_token(scope)
        except Exception as error:
            raise translated(error, doing="signing in") from None
        return token.token, float(token.expires_on)

    def _own(self) -> TokenCredential:
        """The vendor's chain. On this machine a token is only sent where somebody gave one: anybody can listen at a port."""
        if self._place.local:
            raise CredentialsRefused(
                f"{self._place.name}: {self._place.management_url} is on this machine, and gets no token of Microsoft Entra.",
                remedy=f"Give one by hand: export {TOKEN}=…",
            )
        return default_credential(self._place)


def _of_management(place: Workspace) -> CredentialsRefused:
    return CredentialsRefused(
        f"{place.name}: the datastore {place.datastore} gives out no signature, and the token in {place.token_source} is of the management "
        "plane, which blob storage does not take.",
        remedy=f"Leave {place.token_source} out and sign in: az login; or set datastore to one with an account key.",
    )


def default_credential(place: Workspace) -> TokenCredential:
    """Whoever is signed in here: environment, workload, managed identity, az, azd … Sends nothing yet. Raises ConfigError where
    AZURE_TOKEN_CREDENTIALS names no credential."""
    from azure.identity import DefaultAzureCredential

    log = logging.getLogger("azure.identity")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)  # what it says comes as an error, in a sentence
    try:
        return DefaultAzureCredential(authority=os.environ.get(AUTHORITY) or place.cloud.authority)
    except ValueError as error:
        raise ConfigError(f"azure-identity cannot be used as it is set up: {' '.join(str(error).split())[:200]}") from None
