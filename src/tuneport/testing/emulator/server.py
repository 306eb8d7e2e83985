"""The loopback server of every emulator: HTTP/1.1 on 127.0.0.1, one thread per connection, faults where the plan wants them."""

from __future__ import annotations

import socket
import socketserver
import threading
import traceback
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from tuneport.testing.emulator.blobs import BlobStore
from tuneport.testing.emulator.clocks import SteppedClock, Timepiece
from tuneport.testing.emulator.exchange import exchange
from tuneport.testing.emulator.faultplan import FaultPlan
from tuneport.testing.emulator.request import Request
from tuneport.testing.emulator.requestlog import RequestLog
from tuneport.testing.emulator.routing import Routes

POLL_S = 0.02


class EmulatorCrashed(AssertionError):
    """The emulator itself is wrong: serving a request raised something that is no refusal."""


class Vendor(Protocol):
    """How one vendor spells what the toolkit says on its behalf."""

    @property
    def words(self) -> Collection[str]:
        """Names of the fields that hold one of a few documented words (`status`, `level`, …): where an unknown word may turn up."""

    def error(self, status: int, message: str, *, code: str | None = None) -> object:
        """The JSON body of an error."""

    def headers(self, request_number: int) -> Mapping[str, str]:
        """What every answer carries, errors too."""

    def admit(self, request: Request) -> None:
        """Raises Refusal for a request whose key may not come in. Called before a route serves it."""


class EmulatorServer:
    """Serves `routes` until closed; use it in a `with`.

    Requests are served one at a time (state needs no locks), bodies are read and answers sent side by side. A bug in a route is
    answered with 500 and raised again, with its traceback, when the `with` ends.
    """

    def __init__(
        self,
        routes: Routes,
        vendor: Vendor,
        *,
        clock: Timepiece | None = None,
        blobs: BlobStore | None = None,
        faults: FaultPlan | None = None,
        port: int = 0,
    ) -> None:
        self.routes = routes
        self.vendor = vendor
        self.clock: Timepiece = clock or SteppedClock()
        self.blobs = blobs or BlobStore()
        self.faults = faults or FaultPlan()
        self.log = RequestLog()
        self.turn = threading.RLock()
        self.closing = threading.Event()
        self.crashes: list[str] = []
        self._released = threading.Event()
        self._listening = _Listening(self, port)
        self._thread = threading.Thread(target=self._listening.serve_forever, args=(POLL_S,), name="emulator", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listening.server_address[1])

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def release(self) -> None:
        """Drops the connections of all requests that are being met with silence."""
        released, self._released = self._released, threading.Event()
        released.set()

    def hold(self, connection: socket.socket) -> None:
        """Waits until released, closed, or the client gives up."""
        released = self._released
        while not (released.wait(POLL_S) or self.closing.is_set() or _gone(connection)):
            pass

    def crashed(self) -> None:
        """Notes what is being handled right now: called while an exception is."""
        self.crashes.append(traceback.format_exc())

    def close(self) -> None:
        """Stops at once; connections are cut."""
        if self.closing.is_set():
            return
        self.closing.set()
        self._listening.shutdown()
        self._listening.cut()
        self._listening.server_close()
        self._thread.join()
        self.blobs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        if self.crashes and kind is None:
            raise EmulatorCrashed(self.crashes[0])


def _gone(connection: socket.socket) -> bool:
    try:
        connection.setblocking(False)
        try:
            return connection.recv(1, socket.MSG_PEEK) == b""
        finally:
            connection.setblocking(True)
    except BlockingIOError:
        return False
    except OSError:
        return True


class _Listening(socketserver.ThreadingTCPServer):
    """The accepting socket, and all connections that are open."""

    daemon_threads = False
    allow_reuse_address = True
    block_on_close = True
    request_queue_size = 128

    def __init__(self, emulator: EmulatorServer, port: int) -> None:
        self.emulator = emulator
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        """Ends every connection, so that the threads that read from them end too."""
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.emulator.crashed()


class _Connection(socketserver.StreamRequestHandler):
    """One client's connection: exchanges, one after the other."""

    disable_nagle_algorithm = True
    server: _Listening

    def handle(self) -> None:
        emulator = self.server.emulator
        while not emulator.closing.is_set():
            try:
                if not exchange(emulator, self.connection, self.rfile):
                    return
            except (ConnectionError, ValueError, OSError):
                return

    def finish(self) -> None:
        try:
            super().finish()
        except (ConnectionError, ValueError, OSError):
            return
