"""Whose credentials go where: a token that somebody fetched, application default credentials, or nothing worth having on this machine."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from tuneport.errors import CredentialsRefused
from tuneport.provider import ProviderSettings
from tuneport_vertex import at_hand
from tuneport_vertex.errors import vertex_error
from tuneport_vertex.profile import Place, is_loopback, place_of
from tuneport_vertex.refusals import SIGN_IN

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
NOBODY = "nobody"
"""What is sent as a token to this machine, where there is none: google-genai sends nothing without one."""

DefaultCredentials = Callable[[], "tuple[Credentials, str | None]"]


def default_credentials() -> tuple[Credentials, str | None]:
    """Whoever is signed in here by Google's own chain (GOOGLE_APPLICATION_CREDENTIALS, gcloud, the metadata server of Google's machines),
    with the project that it belongs to. Asks for no token yet. Raises CredentialsRefused, at once, where nobody is."""
    if not at_hand.is_signed_in():
        raise CredentialsRefused("nobody is signed in at Google Cloud here: there are no application default credentials.", remedy=SIGN_IN)
    import google.auth

    unlogged("google.auth")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a user's credentials without a quota project: told by `providers check`
            credentials, project = google.auth.default(scopes=[SCOPE])
    except Exception as error:
        raise vertex_error(error, doing="signing in") from None
    return credentials, project


def unlogged(sdk: str) -> None:
    """Keeps what an SDK logs from the terminal: it comes as an error, or is about keys that are not used here. Whoever set a level keeps
    it."""
    log = logging.getLogger(sdk)
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)


def signed_in_place(settings: ProviderSettings, *, default: DefaultCredentials = default_credentials) -> Place:
    """The place of a profile; where nobody names a project, that of the credentials. Raises ConfigError.

    On other machines than Google's files say which, and nothing is asked: a provider that was never set up is opened and passed over.
    """

    def own_project(place: Place) -> str | None:
        if _needs_none(place, place.endpoint or "", default):
            return None
        return default()[1] if default is not default_credentials or at_hand.is_googles() else at_hand.project()

    return place_of(settings, own_project=own_project)


class SignIn:
    """The credentials of one place, for the clients of all three SDKs. `default` stands for Google's own chain."""

    def __init__(self, place: Place, *, default: DefaultCredentials = default_credentials) -> None:
        self.place = place
        self._default = default
        self._kept: dict[bool, Credentials] = {}

    @property
    def renewable(self) -> bool:
        """Whether another token can be had when one is refused."""
        return False in self._kept and self.place.token is None

    def credentials(self, address: str) -> Credentials:
        """What signs requests to `address` (scheme and host). Application default credentials never go to an address on this machine.

        Raises CredentialsRefused where nobody is signed in.
        """
        bare = _needs_none(self.place, address, self._default)
        if bare not in self._kept:
            self._kept[bare] = self._made(bare)
        return self._kept[bare]

    def renew(self) -> None:
        """Fetches a new token. Raises CredentialsRefused or Unreachable."""
        from google.auth.transport.requests import Request

        try:
            self._kept[False].refresh(Request())
        except Exception as error:
            raise vertex_error(error, doing="renewing the token") from None

    def _made(self, bare: bool) -> Credentials:
        if not bare and self.place.token is None:
            return self._default()[0]
        from google.oauth2.credentials import Credentials

        return Credentials(token=self.place.token or NOBODY)


def _needs_none(place: Place, address: str, default: DefaultCredentials) -> bool:
    """Whether there is nothing to send, and nobody to send it to: an emulator, unless a program handed credentials for it."""
    return place.token is None and default is default_credentials and is_loopback(address)
