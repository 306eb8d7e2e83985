"""The one way to the API: google-genai's client with its own retries off, and every exception of an SDK through the table of errors."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import finalize

from tuneport.clock import Clock
from tuneport.errors import NotFound, TuneportError
from tuneport.retry import reading
from tuneport_vertex.adapter.signing_in import DefaultCredentials, SignIn, default_credentials, unlogged
from tuneport_vertex.errors import vertex_error
from tuneport_vertex.profile import Place

if TYPE_CHECKING:
    import httpx
    from google.auth.transport.requests import AuthorizedSession
    from google.genai import Client

T = TypeVar("T")
Reply = dict[str, Any]
"""A resource in the API's own spelling (camelCase), as JSON."""

TIMEOUT_S = 120.0
"""How long to wait for an answer: also a poll that hangs ends."""
MULTI_REGIONS = frozenset({"us", "eu"})
UNAUTHENTICATED = 401
_LOCATION = re.compile(r"[a-z0-9-]+")


def api_address(place: Place, location: str) -> str:
    """Scheme and host that answer for a location: the profile's, else Google's, as google-genai 2.34 has them.

    Raises NotFound for what is no location: it becomes a part of the host that tokens are sent to.
    """
    if place.endpoint is not None:
        return place.endpoint
    if not _LOCATION.fullmatch(location):
        raise NotFound(f"{location!r} is no location of Google's.", remedy="It looks like us-central1.")
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


class Connection:
    """A place that can be asked. `http_client` is the transport of google-genai's clients, where they are not to make their own."""

    def __init__(
        self,
        place: Place,
        *,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
        http_client: httpx.Client | None = None,
        default: DefaultCredentials = default_credentials,
    ) -> None:
        self.place = place
        self.clock = clock
        self.sign_in = SignIn(place, default=default)
        self.timeout_s = timeout_s
        self._http_client = http_client
        self._clients: dict[str, Client] = {}

    # --- clients ---------------------------------------------------------------------------------------------------------------------

    def address(self, location: str | None = None) -> str:
        """Where a location is asked; the place's own without one."""
        return api_address(self.place, location or self.place.location)

    def client(self, location: str | None = None) -> Client:
        """google-genai's client for a location, which repeats nothing by itself. Raises CredentialsRefused where nobody is signed in."""
        where = location or self.place.location
        if where not in self._clients:
            self._clients[where] = self._connected(where)
        return self._clients[where]

    def session(self) -> AuthorizedSession:
        """Signed requests to addresses that no client has a call for. Raises CredentialsRefused."""
        from google.auth.transport.requests import AuthorizedSession

        session = AuthorizedSession(self.sign_in.credentials(self.address()))
        finalize(self, session.close)
        return session

    def _connected(self, location: str) -> Client:
        """Everything is given, so that the SDK need not look into the environment of the process."""
        from google import genai
        from google.genai.types import HttpOptions, HttpRetryOptions

        options = HttpOptions(
            base_url=self.place.endpoint,
            api_version="v1beta1",
            timeout=int(self.timeout_s * 1000),
            retry_options=HttpRetryOptions(attempts=1),
            httpx_client=self._http_client,
            **self._without_certificates(),
        )
        credentials = self.sign_in.credentials(self.address(location))
        unlogged("google_genai")
        with self.translating("connecting"):
            client = genai.Client(
                enterprise=True, project=self.place.project, location=location, credentials=credentials, http_options=options
            )
        if self._http_client is None:
            finalize(self, client.close)
        return client

    def _without_certificates(self) -> dict[str, Any]:
        """Reading the machine's certificates takes the SDK 40 ms, which are spared where it encrypts nothing itself."""
        if self._http_client is None and not self.address().startswith("http://"):
            return {}
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return {"client_args": {"verify": context}, "async_client_args": {"verify": context, "ssl": context}}

    # --- asking ----------------------------------------------------------------------------------------------------------------------

    def ask(self, doing: str, send: Callable[[Client], T], *, creating: bool = False, location: str | None = None) -> T:
        """What `send` brings from the client of a location. Sent once; where a token has ended in the middle of a wait, once more with a
        new one: a request without a valid token was not carried out."""
        client = self.client(location)
        return self.sent(doing, lambda: send(client), creating=creating)

    def sent(self, doing: str, send: Callable[[], T], *, creating: bool = False) -> T:
        """Likewise, by whatever client `send` holds that was signed in here."""
        try:
            with quietly():
                return send()
        except TuneportError:
            raise
        except Exception as error:
            if not (self.sign_in.renewable and _status(error) == UNAUTHENTICATED):
                raise self.translated(error, doing=doing, creating=creating) from None
        self.sign_in.renew()
        with self.translating(doing, creating=creating), quietly():
            return send()

    @contextmanager
    def translating(self, doing: str, *, creating: bool = False) -> Iterator[None]:
        """Turns whatever an SDK raises in the block into an error of ours. `doing` completes "while …"; `creating`: it may have taken
        effect. The SDK's exception is not chained: its text may hold a part of the token or of a row."""
        try:
            yield
        except TuneportError:
            raise
        except Exception as error:
            raise self.translated(error, doing=doing, creating=creating) from None

    def translated(self, error: Exception, *, doing: str, creating: bool = False) -> TuneportError:
        """The error of ours for one of an SDK's. Raises it again where it is a mistake of ours."""
        return vertex_error(error, doing=doing, creating=creating)

    def patiently(self, read: Callable[[], T]) -> T:
        """`read`, again if there is no answer, by our own clock: for what nobody else repeats."""
        return reading(read, clock=self.clock)

    def unreadable(self, doing: str, what: str, *, creating: bool = False) -> TuneportError:
        """An answer that cannot be used, though it came with a 2xx."""
        return self.translated(ValueError(what), doing=doing, creating=creating)


class _Quiet:
    """Without warnings as long as anybody wants it so. `warnings` keeps one list for all threads: the first one in puts it aside, the last
    one out puts it back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._aside = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._aside = warnings.catch_warnings()
                self._aside.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._aside.__exit__(None, None, None)


_QUIET = _Quiet()


def quietly() -> _Quiet:
    """Without the SDK's warnings: that its tuning is experimental, and that it does not know a word which arrives as it is."""
    return _QUIET


def _status(error: Exception) -> Any:
    """The HTTP status that an exception of any of the SDKs carries."""
    return getattr(error, "code", None)
