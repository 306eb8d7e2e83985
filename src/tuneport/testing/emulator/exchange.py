"""One request and its answer, from the first byte to the last, with whatever the fault plan has in store for it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.client import parse_headers
from io import BufferedIOBase
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from tuneport.testing.emulator.answers import Answer, Refusal, json_answer
from tuneport.testing.emulator.arriving import Arriving, CutOff, EnoughArrived, TooLong
from tuneport.testing.emulator.blobs import BLOCK_BYTES, Blob
from tuneport.testing.emulator.faults import (
    ExtraField,
    Fault,
    IgnoredFilters,
    LaggingList,
    MissingField,
    PartKept,
    RateLimited,
    Reset,
    Says,
    ServerError,
    Silence,
    UnknownWord,
)
from tuneport.testing.emulator.multipart import BadForm, boundary_of, read_form
from tuneport.testing.emulator.request import Form, Request, Weather
from tuneport.testing.emulator.requestlog import Entry, without_keys
from tuneport.testing.emulator.sending import Sending
from tuneport.testing.emulator.spoiling import spoiled

if TYPE_CHECKING:
    from tuneport.testing.emulator.routing import Route
    from tuneport.testing.emulator.server import EmulatorServer

LONGEST_LINE = 64 * 1024
PROXY_PAGE = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center><hr><center>proxy</center></body></html>"
RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""struct linger: on, 0 seconds."""


class _NoAnswer(Exception):
    """The connection ends here, without an answer; `late`: only when the client has given up, or silence is released."""

    def __init__(self, *, late: bool = False) -> None:
        super().__init__()
        self.late = late


@dataclass(frozen=True, slots=True)
class _Head:
    """`path` is as sent, percent-encoded."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]

    @property
    def length(self) -> int:
        said = self.headers.get("content-length", "0")
        return int(said) if said.isdecimal() else 0

    @property
    def chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"


def exchange(emulator: EmulatorServer, connection: socket.socket, stream: BufferedIOBase) -> bool:
    """Reads one request from the connection and answers it. Whether another may follow there."""
    head = _head(stream)
    if head is None:
        return False
    if head.headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    found = emulator.routes.match(head.method, head.path)
    route, params = found or (None, {})
    fault = emulator.faults.draw(route) if route else None
    stop_after = fault.after_bytes if isinstance(fault, Reset) else None
    body = Arriving(stream, length=head.length, chunked=head.chunked, stop_after=stop_after)
    return _Serving(emulator, connection, head=head, route=route, body=body, fault=fault).run(params)


def _head(stream: BufferedIOBase) -> _Head | None:
    """None at the end of the connection."""
    line = stream.readline(LONGEST_LINE)
    if not line.strip():
        return None
    method, _, rest = line.decode("latin-1").strip().partition(" ")
    target = urlsplit(rest.rpartition(" ")[0])
    headers = {name.lower(): value for name, value in parse_headers(stream).items()}
    return _Head(method, target.path, tuple(parse_qsl(target.query, keep_blank_values=True)), headers)


class _Serving:
    """What is known of one request while it is being served."""

    def __init__(
        self, emulator: EmulatorServer, connection: socket.socket, *, head: _Head, route: Route | None, body: Arriving, fault: Fault | None
    ) -> None:
        self._emulator = emulator
        self._connection = connection
        self._head = head
        self._route = route
        self._body = body
        self._fault = fault
        self._number = emulator.log.next_number()
        self._at: datetime = emulator.clock.now()
        self._effect = False

    def run(self, params: Mapping[str, str]) -> bool:
        try:
            answer = self._answer(params)
        except (_NoAnswer, EnoughArrived) as end:
            self._note(None)
            if isinstance(end, _NoAnswer) and end.late:
                self._emulator.hold(self._connection)
            self._reset()
            return False
        except CutOff:
            self._note(None)
            return False
        self._note(answer.status)
        return Sending(self._connection, closing=self._emulator.closing, headers=self._headers()).send(answer, fault=self._fault)

    def _answer(self, params: Mapping[str, str]) -> Answer:
        try:
            request = self._request(params, self._read())
        except (BadForm, TooLong) as error:
            self._body.drain()
            return self._error(400, f"The body of the request cannot be read: {error}")
        return self._struck_before() or self._struck_after(self._served(request))

    def _read(self) -> bytes | Form | Blob:
        if self._route is not None and self._route.stores:
            return self._emulator.blobs.write(iter(lambda: self._body.read(BLOCK_BYTES), b""))
        boundary = boundary_of(self._head.headers.get("content-type", ""))
        if boundary is None or self._route is None:
            return self._body.all()
        form = read_form(self._body.read, boundary=boundary, blobs=self._emulator.blobs)
        self._body.drain()
        return form

    def _request(self, params: Mapping[str, str], body: bytes | Form | Blob) -> Request:
        head, fault = self._head, self._fault
        weather = Weather(
            lag_s=fault.lag_s if isinstance(fault, LaggingList) else 0.0,
            ignores_filters=isinstance(fault, IgnoredFilters),
            kept_share=fault.share if isinstance(fault, PartKept) else 1.0,
        )
        return Request(self._number, self._at, head.method, unquote(head.path), head.query, head.headers, params, body, weather)

    # what the fault does

    def _struck_before(self) -> Answer | None:
        """A fault that keeps the request, which has been read, from being served."""
        match self._fault:
            case Silence(after_effect=False):
                raise _NoAnswer(late=True)
            case Reset(after_effect=False):
                raise _NoAnswer
            case RateLimited():
                return self._rate_limited(self._fault)
            case ServerError(after_effect=False):
                return self._server_error(self._fault)
            case Says(after_effect=False):
                return self._fault.answer
        return None

    def _struck_after(self, answer: Answer) -> Answer:
        """A fault that keeps the client from hearing what was done, or from hearing it right."""
        match self._fault:
            case Silence():
                raise _NoAnswer(late=True)
            case Reset():
                raise _NoAnswer
            case ServerError():
                return self._server_error(self._fault)
            case Says():
                return self._fault.answer
            case UnknownWord() | MissingField() | ExtraField() if answer.is_json and answer.status < 300:
                emulator = self._emulator
                value = spoiled(answer.value, self._fault, chance=emulator.faults.chance, words=emulator.vendor.words)
                return replace(answer, value=value)
        return answer

    def _rate_limited(self, fault: RateLimited) -> Answer:
        answer = self._error(429, "Too many requests.", code="rate_limit_exceeded")
        if fault.retry_after_s is None:
            return answer
        until = format_datetime(self._at + timedelta(seconds=fault.retry_after_s), usegmt=True)
        return replace(answer, headers={"retry-after": until if fault.as_date else f"{fault.retry_after_s:g}"})

    def _server_error(self, fault: ServerError) -> Answer:
        if fault.body == "json":
            return self._error(fault.status, "The server had an error while processing your request.", code="server_error")
        page = PROXY_PAGE % (fault.status, fault.status) if fault.body == "html" else b""
        return Answer(fault.status, data=page, media_type="text/html" if page else "text/plain")

    # serving

    def _served(self, request: Request) -> Answer:
        if self._route is None:
            return self._no_route()
        emulator = self._emulator
        with emulator.turn:
            try:
                emulator.vendor.admit(request)
                answer = self._route.serve(request)
            except Refusal as refusal:
                return refusal.answer
            except Exception:
                emulator.crashed()
                return self._error(500, "The emulator crashed; its `with` block raises what happened.", code="emulator_crashed")
        self._effect = self._route.changes and answer.status < 300
        return answer

    def _no_route(self) -> Answer:
        method, path = self._head.method, unquote(self._head.path)
        if self._emulator.routes.methods(self._head.path):
            return self._error(405, f"Not allowed to {method} on {path}.", code="method_not_supported")
        return self._error(404, f"Invalid URL ({method} {path})")

    def _error(self, status: int, message: str, *, code: str | None = None) -> Answer:
        return json_answer(self._emulator.vendor.error(status, message, code=code), status=status)

    # the end

    def _headers(self) -> dict[str, str]:
        return {"date": format_datetime(self._at, usegmt=True), **self._emulator.vendor.headers(self._number)}

    def _note(self, status: int | None) -> None:
        head = self._head
        self._emulator.log.add(
            Entry(
                number=self._number,
                at=self._at,
                method=head.method,
                path=unquote(head.path),
                route=self._route.name if self._route else None,
                query=head.query,
                headers=without_keys(head.headers),
                body_bytes=self._body.size_bytes,
                body_sha256=self._body.sha256,
                status=status,
                effect=self._effect,
                fault=str(self._fault) if self._fault else None,
            )
        )

    def _reset(self) -> None:
        """Closes so that the other side sees a reset, not an end."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._connection.close()
