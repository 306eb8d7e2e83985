"""The one way to the vendor: every request goes through a `Connection`, and every exception of the SDK through its table of errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import finalize

from tuneport.clock import Clock
from tuneport.errors import CredentialsRefused, TuneportError
from tuneport.retry import reading
from tuneport_openai.errors import translated
from tuneport_openai.failure import Closing
from tuneport_openai.profile import Endpoint, Quirk
from tuneport_openai.wire.dialect import FileRules

if TYPE_CHECKING:
    import httpx2
    import openai

T = TypeVar("T")
Reply = dict[str, Any]
"""A JSON object as the vendor sent it. The SDK's own types would drop nothing, but complete what is missing."""

TIMEOUT_S = 120.0
"""How long to wait for the next piece of an answer (or for room to send one): also a poll that hangs ends."""
CONNECT_S = 20.0


class Raw(Protocol):
    """What the SDK's `with_raw_response` gives: the answer, unread."""

    @property
    def http_response(self) -> Any: ...


def connect(
    endpoint: Endpoint, *, retries: int = 0, timeout_s: float = TIMEOUT_S, http_client: httpx2.Client | None = None
) -> openai.OpenAI:
    """A client for that endpoint, which sends nothing yet. Raises CredentialsRefused where there is no key.

    `retries` are the SDK's own. They are off unless asked for: it would repeat a create whose answer was lost, and wait by a clock that is
    not ours. Everything is given, so that the SDK need not look into the environment of the process.
    """
    import httpx2
    import openai

    if not endpoint.key:
        raise CredentialsRefused(
            f"{endpoint.name}: the environment variable {endpoint.key_source} holds no key.",
            remedy=f"Set it: export {endpoint.key_source}=…  Then: tuneport providers check {endpoint.name}",
        )
    client = openai.OpenAI(
        api_key=endpoint.key,
        admin_api_key="",
        base_url=endpoint.base_url,
        organization=endpoint.organization or "",
        project=endpoint.project or "",
        webhook_secret="",
        timeout=httpx2.Timeout(timeout_s, connect=CONNECT_S),
        max_retries=retries,
        http_client=http_client,
    )
    client.organization, client.project = endpoint.organization, endpoint.project  # an empty one would be sent as an empty header
    return client


_CHUNK_BYTES = 1 << 16


class Address(Protocol):
    """What is to be known of an account, whoever answers there. `name` is the first part of its URIs."""

    @property
    def name(self) -> str: ...

    @property
    def scope(self) -> str: ...

    @property
    def quirks(self) -> frozenset[Quirk]: ...

    @property
    def requests_at_once(self) -> int: ...


class DialectConnection(ABC):
    """An account that can be asked in OpenAI's dialect, through `http_client` if one is given. How its client is made, subclasses say."""

    def __init__(self, address: Address, *, clock: Clock, http_client: httpx2.Client | None) -> None:
        self.address = address
        self.clock = clock
        self.file_rules = FileRules()
        self._http_client = http_client

    @abstractmethod
    def _connect(self) -> openai.OpenAI:
        """A client of the SDK, which sends nothing yet and repeats nothing. Raises CredentialsRefused where there are none."""

    def _translated(self, error: Exception, *, doing: str, creating: bool, closing: Callable[[], Closing]) -> TuneportError:
        """The error of ours for one of the SDK's. Raises it again where it is a mistake of ours."""
        return translated(error, doing=doing, creating=creating, closing=closing())

    def authorized(self, send: Callable[[], T]) -> T:
        """What `send` brings; with other credentials once more where there are such."""
        return send()

    @cached_property
    def client(self) -> openai.OpenAI:
        """The SDK's client, made when it is first needed. Its own sockets are closed when nobody holds this connection any more."""
        client = self._connect()
        if self._http_client is None:
            finalize(self, client.close)
        return client

    @contextmanager
    def translating(self, doing: str, *, creating: bool = False, closing: Callable[[], Closing] = Closing) -> Iterator[None]:
        """Turns whatever the SDK raises in the block into an error of ours. `doing` completes "while …"; `creating`: may have taken effect;
        `closing` tells what to say where a refusal means that the platform is closed.

        The SDK's exception is not chained: its text may hold a part of the key.
        """
        try:
            yield
        except TuneportError:
            raise
        except Exception as error:
            raise self._translated(error, doing=doing, creating=creating, closing=closing) from None

    def ask(
        self, doing: str, send: Callable[[openai.OpenAI], Raw], *, creating: bool = False, closing: Callable[[], Closing] = Closing
    ) -> Reply:
        """One request, sent once, and the JSON object that it is answered with; see `translating`."""
        client = self.client

        def once() -> Reply:
            with self.translating(doing, creating=creating, closing=closing):
                return _object(send(client).http_response)

        return self.authorized(once)

    def ask_bytes(self, doing: str, send: Callable[[openai.OpenAI], Raw]) -> bytes:
        """One read, and the bytes that it is answered with."""
        client = self.client

        def once() -> bytes:
            with self.translating(doing):
                return bytes(send(client).http_response.content)

        return self.authorized(once)

    def stream_bytes(self, doing: str, send: Callable[[openai.OpenAI], Any]) -> Iterator[bytes]:
        """One read, and the bytes that it is answered with as they come; `send` asks for the SDK's streaming response."""
        client = self.client

        def begin() -> tuple[ExitStack, Any]:
            with self.translating(doing), ExitStack() as stack:
                response = stack.enter_context(send(client))
                return stack.pop_all(), response

        stack, response = self.authorized(begin)
        with stack, self.translating(doing):
            yield from response.iter_bytes(_CHUNK_BYTES)

    def get(self, doing: str, path: str) -> Reply:
        """One read of a path that the SDK has no call for."""
        import httpx2

        return self.ask(doing, lambda client: _Unparsed(client.get(path, cast_to=httpx2.Response)))

    def post(self, doing: str, path: str, body: Reply, *, creating: bool = False) -> Reply:
        """One request to a path that the SDK has no call for."""
        import httpx2

        return self.ask(doing, lambda client: _Unparsed(client.post(path, cast_to=httpx2.Response, body=body)), creating=creating)

    def delete(self, doing: str, path: str) -> None:
        """Likewise a DELETE, whose answer may be empty."""
        import httpx2

        self.ask_bytes(doing, lambda client: _Unparsed(client.delete(path, cast_to=httpx2.Response)))

    def pages(self, doing: str, send: Callable[[openai.OpenAI, str | openai.Omit], Raw], *, whole: bool = False) -> Iterator[list[Reply]]:
        """The pages of a list, one request each: `send` gets the cursor. Ends where the vendor says so, or with an empty page; a list that
        is `whole` also where the vendor does not say that there is more.

        Raises Unreachable for a page that cannot be read, also for one that comes again.
        """
        from openai import omit

        after: str | openai.Omit = omit
        seen: set[str] = set()
        while True:
            page = self.ask(doing, partial(_with_cursor, send, after))
            rows = self._rows(page, doing)
            if rows and page.get("has_more") is None and rows[-1]["id"] in seen:
                return  # an endpoint that knows no cursors sends the same page for ever
            yield rows
            if not rows or page.get("has_more") is False or (whole and page.get("has_more") is not True):
                return
            after = str(rows[-1]["id"])
            if after in seen:
                raise self.unreadable(doing, "a page of the list came twice")
            seen.add(after)

    def rows(self, doing: str, send: Callable[[openai.OpenAI], Raw]) -> list[Reply]:
        """The rows of a list that comes in one answer."""
        return self._rows(self.ask(doing, send), doing)

    def patiently(self, read: Callable[[], T]) -> T:
        """`read`, again if there is no answer, by our own clock: for what nobody else repeats."""
        return reading(read, clock=self.clock)

    def unreadable(self, doing: str, what: str, *, creating: bool = False) -> TuneportError:
        """An answer that cannot be used, though it came with a 2xx."""
        return translated(ValueError(what), doing=doing, creating=creating)

    def _rows(self, page: Reply, doing: str) -> list[Reply]:
        rows = page.get("data")
        if not isinstance(rows, list) or not all(isinstance(row, dict) and isinstance(row.get("id"), str) for row in rows):
            raise self.unreadable(doing, "a list without rows, or with one that has no id")
        return rows


class Connection(DialectConnection):
    """An endpoint of OpenAI's, or of one compatible with it."""

    def __init__(self, endpoint: Endpoint, *, clock: Clock, timeout_s: float = TIMEOUT_S, http_client: httpx2.Client | None = None) -> None:
        super().__init__(endpoint, clock=clock, http_client=http_client)
        self.endpoint = endpoint
        self._timeout_s = timeout_s

    def _connect(self) -> openai.OpenAI:
        return connect(self.endpoint, timeout_s=self._timeout_s, http_client=self._http_client)


@dataclass(frozen=True, slots=True)
class _Unparsed:
    http_response: Any


def _with_cursor(send: Callable[[openai.OpenAI, str | openai.Omit], Raw], after: str | openai.Omit, client: openai.OpenAI) -> Raw:
    return send(client, after)


def _object(response: Any) -> Reply:
    """The JSON object of an answer. Raises ValueError for anything else."""
    found = response.json()
    if not isinstance(found, dict):
        raise ValueError(f"a JSON object was expected, not a {type(found).__name__}")  # noqa: TRY004 - unreadable, like JSON that is none
    return found
