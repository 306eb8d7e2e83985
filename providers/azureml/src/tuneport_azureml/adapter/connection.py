"""The one way to Azure: azure-core's pipeline without retries and redirections, and every exception through our table.

Requests are made by hand and not by azure-ai-ml's MLClient: that adds the git remote of the current folder to each job, prints progress,
discards what a call says of retries, and stumbles over answers that lack a field. It is what the emulator and our bodies are tested with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from weakref import finalize

from tuneport.clock import Clock
from tuneport.errors import NotFound, TuneportError
from tuneport.replies import Json
from tuneport.retry import reading
from tuneport_azureml.adapter.signing_in import SignIn
from tuneport_azureml.errors import TokenRefused, translated
from tuneport_azureml.failure import without_question
from tuneport_azureml.profile import Workspace
from tuneport_azureml.wire.datastores import api_url

if TYPE_CHECKING:
    import requests
    from azure.core import PipelineClient
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import HttpTransport

T = TypeVar("T")
Reply = dict[str, Any]
"""A JSON object as Azure sent it."""

VERSION = "2024-10-01-preview"
"""The API's, which azure-ai-ml 1.35.2 creates fine-tuning jobs by."""
CONNECT_S, ANSWER_S, THINKS_S = 20, 120, 600
"""Seconds: to a connection, to an answer, and to what a model says."""
MOST_BYTES = 4 << 20
"""Of a log."""


class Connection:
    """A workspace that can be asked. `session` is the transport's, where it is not to make its own; `credential` likewise."""

    def __init__(
        self,
        place: Workspace,
        *,
        clock: Clock,
        session: requests.Session | None = None,
        credential: Callable[[], TokenCredential] | None = None,
    ) -> None:
        self.place = place
        self.clock = clock
        self.sign_in = SignIn(place, clock=clock, credential=credential)
        self._session = session
        self._transport: HttpTransport[Any, Any] | None = None
        self._client: PipelineClient[Any, Any] | None = None
        self._api: str | None = None
        self._making = RLock()

    # --- asking --------------------------------------------------------------------------------------------------------------------

    def arm(self, method: str, path: str, *, doing: str, body: Json | None = None, creating: bool = False) -> Reply:
        """One request about something below the workspace, or about the workspace itself (''). The JSON object of the answer, {} for none.

        `creating`: it may take effect although no answer comes.
        """
        url = f"{self.place.management_url}{self.place.id}{path}"
        return self.send(method, url, doing=doing, body=body, creating=creating, query={"api-version": VERSION})

    def rows(self, path: str, *, doing: str, query: Mapping[str, str] | None = None) -> Iterator[list[Reply]]:
        """All pages of a list below the workspace, or at a path of its own (`/subscriptions/…`)."""
        below = "" if path.startswith("/subscriptions/") else self.place.id
        url, asked = f"{self.place.management_url}{below}{path}", {"api-version": VERSION, **(query or {})}
        seen: set[str] = set()
        while True:
            page = self.send("GET", url, doing=doing, query=asked)
            found = page.get("value")
            if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
                raise translated(ValueError("a list without rows"), doing=doing)
            yield found
            following = page.get("nextLink")
            if not following:
                return
            if not isinstance(following, str) or following in seen or not self._is_here(following):
                raise translated(ValueError("no next page"), doing=doing)
            seen.add(following)
            url, asked = following, {}

    def api(self, path: str, *, doing: str, query: Mapping[str, str] | None = None) -> Reply:
        """One read of the workspace's run history or MLflow: SERVICE//PATH, with the workspace's id between the two."""
        service, _, rest = path.partition("//")
        return self.send("GET", f"{self._api_url()}/{service}{self.place.id}/{rest}", doing=doing, query=query)

    def registry(self, name: str) -> Reply:
        """Where a registry of models is, as it is told to this workspace's region. Raises NotFound."""
        url = f"{self._api_url()}/registrymanagement/v1.0/registries/{name}/discovery"
        return self.send("GET", url, doing=f"looking for the registry {name}")

    def send(
        self,
        method: str,
        url: str,
        *,
        doing: str,
        body: Json | None = None,
        creating: bool = False,
        query: Mapping[str, str] | None = None,
    ) -> Reply:
        """Sent once; where a token has ended in the middle of a wait, once more with a new one: what was refused so was not carried out."""

        def once() -> Reply:
            return _object(self._sent(method, url, body=body, query=query or {}))

        return self.trying(once, doing=doing, creating=creating)

    def trying(self, call: Callable[[], T], *, doing: str, creating: bool = False) -> T:
        """What the call brings. Raises our errors; a refused token is renewed once."""
        try:
            return self._translating(call, doing=doing, creating=creating)
        except TokenRefused:
            if not self.sign_in.renewable:
                raise
        self.sign_in.renew()
        return self._translating(call, doing=doing, creating=creating)

    def text(self, url: str, *, doing: str) -> str:
        """The beginning of what lies at a signed address, which gets no token."""

        def once() -> str:
            return str(self._sent("GET", url, signed=True).text())

        return self._translating(once, doing=doing, creating=False)

    def patiently(self, read: Callable[[], T]) -> T:
        """`read`, again if there is no answer, by our own clock: for what nobody else repeats."""
        return reading(read, clock=self.clock)

    def asked(self, url: str, *, body: Json, headers: Mapping[str, str], doing: str, stream: bool = False) -> Any:
        """One question to an endpoint, which has keys of its own: its answer, that of a stream still to be read. A refusal that repeats a
        part of the question loses its words."""
        from azure.core.rest import HttpRequest

        request = HttpRequest("POST", url, headers={"User-Agent": "tuneport", **headers}, json=body)

        def once() -> Any:
            try:
                return self._answered(request, stream=stream, read_timeout=THINKS_S)
            except Exception as error:
                raise without_question(error, body) from None

        return self._translating(once, doing=doing, creating=False)

    def telling(self, parts: Iterator[T], *, doing: str) -> Iterator[T]:
        """The parts of an answer that is read as it comes, with what breaks it off in our words."""
        while True:
            part = self._translating(lambda: next(parts, None), doing=doing, creating=False)
            if part is None:
                return
            yield part

    @property
    def transport(self) -> HttpTransport[Any, Any]:
        """What all requests go through; it repeats nothing."""
        with self._making:
            if self._transport is None:
                self._transport = self._made()
            return self._transport

    # --- inside --------------------------------------------------------------------------------------------------------------------

    def _translating(self, call: Callable[[], T], *, doing: str, creating: bool) -> T:
        """The SDK's exception is not chained: its text may hold a part of a token or of a row."""
        try:
            return call()
        except TuneportError:
            raise
        except Exception as error:
            raise translated(error, doing=doing, creating=creating) from None

    def _sent(
        self, method: str, url: str, *, body: Json | None = None, query: Mapping[str, str] | None = None, signed: bool = False
    ) -> Any:
        from azure.core.rest import HttpRequest

        headers = {"Accept": "application/json", "User-Agent": "tuneport"}
        if signed:
            headers["Range"] = f"bytes=0-{MOST_BYTES - 1}"
        else:
            headers["Authorization"] = f"Bearer {self.sign_in.token(self.place.cloud.scope)}"
        return self._answered(HttpRequest(method, url, params=dict(query or {}), headers=headers, json=body))

    def _answered(self, request: Any, **how: Any) -> Any:
        response = self._pipeline().send_request(request, **how)
        if response.status_code >= 300 and how.get("stream"):
            response.read()  # a refusal is short
        if 300 <= response.status_code < 400:
            raise ValueError("an answer was expected")  # nobody follows a redirection, since the token would go along
        response.raise_for_status()
        return response

    def _pipeline(self) -> PipelineClient[Any, Any]:
        with self._making:
            if self._client is None:
                from azure.core import PipelineClient

                self._client = PipelineClient(base_url=self.place.management_url, policies=[], transport=self.transport)
            return self._client

    def _made(self) -> HttpTransport[Any, Any]:
        from azure.core.pipeline.transport import RequestsTransport

        quiet = logging.getLogger("azure")
        if quiet.level == logging.NOTSET:
            quiet.setLevel(logging.CRITICAL + 1)  # what it says comes as an error, in a sentence
        own = {} if self._session is None else {"session": self._session, "session_owner": False}
        made: HttpTransport[Any, Any] = RequestsTransport(
            connection_timeout=CONNECT_S, read_timeout=ANSWER_S, use_env_settings=not self.place.local, **own
        )
        if self._session is None:
            finalize(self, made.close)
        return made

    def _is_here(self, url: str) -> bool:
        """Whether the next page of a list is where the token may go."""
        ours, theirs = urlsplit(self.place.management_url), urlsplit(url)
        return (ours.scheme, ours.netloc.casefold()) == (theirs.scheme, theirs.netloc.casefold())

    def _api_url(self) -> str:
        """Where the run history is told, as the workspace says; asked for once."""
        if self._api is None:
            workspace = self.patiently(lambda: self.arm("GET", "", doing="looking at the workspace"))
            self._api = api_url(self.place, workspace)
        return self._api


def _object(response: Any) -> Reply:
    """The JSON object of an answer; an empty one where there is none. Raises ValueError for anything else."""
    import json

    text = response.text()
    found = json.loads(text) if text.strip() else {}
    if not isinstance(found, dict):
        raise ValueError("a JSON object was expected")  # noqa: TRY004 - unreadable, like JSON that is none
    return found


def found_or_none(read: Callable[[], T]) -> T | None:
    """None where Azure knows nothing of it."""
    try:
        return read()
    except NotFound:
        return None
