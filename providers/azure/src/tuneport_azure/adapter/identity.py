"""Tokens of Microsoft Entra for the data plane: cached by azure-identity, and fetched anew when one was refused."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from tuneport.errors import ConfigError
from tuneport_azure.wire.clouds import PUBLIC, Cloud

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

AUTHORITY = "AZURE_AUTHORITY_HOST"


def default_credential(cloud: Cloud = PUBLIC) -> TokenCredential:
    """Whoever is signed in here, by the vendor's own chain: environment, workload, managed identity, az, azd … Sends nothing yet. Its log
    is quiet, for what it says comes as an error. Raises ConfigError where AZURE_TOKEN_CREDENTIALS names no credential.

    Tokens come from the authority of the cloud, unless AZURE_AUTHORITY_HOST names another.
    """
    from azure.identity import DefaultAzureCredential

    log = logging.getLogger("azure.identity")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)
    try:
        return DefaultAzureCredential(authority=os.environ.get(AUTHORITY) or cloud.authority)
    except ValueError as error:
        raise ConfigError(f"azure-identity cannot be used as it is set up: {' '.join(str(error).split())[:200]}") from None


class Tokens:
    """Gives a token that holds now. The credential is made when it is first needed."""

    def __init__(self, credential: Callable[[], TokenCredential], *, scope: str) -> None:
        self._credential = credential
        self._scope = scope
        self._provide: Callable[[], str] | None = None

    def __call__(self) -> str:
        """Raises whatever azure-identity raises."""
        provide = self._provide
        if provide is None:
            from azure.identity import get_bearer_token_provider

            provide = self._provide = get_bearer_token_provider(self._credential(), self._scope)
        return provide()

    def renew(self) -> None:
        """Forgets the token and who was signed in: the next one is fetched."""
        self._provide = None
