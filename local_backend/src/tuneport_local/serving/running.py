"""The socket, the signals, the end. uvicorn does the HTTP."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from tuneport.clock import Clock
from tuneport.serving import Open, Served, Service, url_at
from tuneport_local.bases.residents import Residents
from tuneport_local.quiet import quiet
from tuneport_local.serving.address import bound
from tuneport_local.serving.app import build
from tuneport_local.serving.engine import Engine
from tuneport_local.serving.menu import load
from tuneport_local.serving.request import Refusal

_LAST_WORDS_S = 5.0
"""How long connections may take to be closed once their answers have been ended."""
_STOPPED = Refusal("The server was stopped before the answer was whole.", status=503, code="server_stopped")


def serve(models: Sequence[Served], service: Service, *, home: Path, clock: Clock, ready: Callable[[Open], object]) -> None:
    """Loads, answers, and returns once it has been told to stop and the last answer is out. Raises ConfigError for the address."""
    with quiet(), bound(service) as listening:
        bases = {served.model.base or served.model.id for served in models}
        residents = Residents(home, bases_kept=len(bases))
        menu, voices = load(models, residents, now=clock.now().timestamp())
        engine = Engine(voices)
        app = build(menu, engine, key=service.key, clock=clock)
        server = _Server(_config(app, service), engine, grace_s=service.grace_s, ready=lambda: ready(Open(_url(listening), "torch")))
        engine.start()
        try:
            asyncio.run(server.serve(sockets=[listening]))
        finally:
            engine.stop(_STOPPED)
            engine.join(_LAST_WORDS_S)


class _Server(uvicorn.Server):
    """Told to stop, it takes no more requests, lets answers end for `grace_s` seconds, then ends them. Told twice, it ends them at once."""

    def __init__(self, config: uvicorn.Config, engine: Engine, *, grace_s: float, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._engine = engine
        self._grace_s = grace_s
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's own, without raising the signal again at the end: to have been stopped is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, self._told, loop)
        try:
            yield
        finally:
            for each in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(each)

    def _told(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.should_exit:
            self._engine.stop(_STOPPED)
            return
        self.should_exit = True
        loop.call_later(self._grace_s, self._engine.stop, _STOPPED)


def _config(app: object, service: Service) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=int(service.grace_s + _LAST_WORDS_S) + 1,
    )


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return url_at(host, port)
