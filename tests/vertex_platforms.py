"""Vertex AI beside the other clouds, over its emulator, and the token that its SDK finds by itself on a machine of Google's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from platforms import Platforms, azure_room, openai_room

from tuneport.client import Client
from tuneport.clock import Clock
from tuneport.settings import Settings
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.emulator import SteppedClock

vertex_room = pytest.importorskip("tuneport_vertex.emulator")


@dataclass
class WithVertex(Platforms):
    """Likewise, with Vertex AI on the same clock. `metadata` is the address of the server that gives out its tokens."""

    vertex: Any = None
    metadata: str = ""

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, **self.vertex.exports}

    def client(self, home: Path | None = None) -> Client:
        from tuneport_azure import provider as azure
        from tuneport_local import provider as local
        from tuneport_openai import provider as openai
        from tuneport_vertex import provider as vertex

        tables = {"local": {"calibrate": False}, "azure": {"management_url": self.azure.management_url}}
        clock: Clock | None = None if self.real else self.clock
        settings = Settings(home=home or self.home, environ=self.environ, providers=tables)
        return Client(settings=settings, clock=clock, providers=[openai, azure, vertex, local])

    def runs(self, program: str | Path, question: str, **environ: str) -> str:
        """What a printed program says; Google's SDK finds its credentials as on a machine of Google's."""
        found = {"GCE_METADATA_HOST": self.metadata, "GCE_METADATA_IP": self.metadata, "GOOGLE_APPLICATION_CREDENTIALS": ""}
        return super().runs(program, question, **{**found, **environ})


@contextmanager
def opened_with_vertex(home: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[WithVertex]:
    from tuneport_azure.emulator.platform import START

    clock = SimulatedClock(START)
    openai = openai_room.OpenAIEmulator(clock=SteppedClock(clock))
    azure = azure_room.AzureEmulator(clock=SteppedClock(clock))
    vertex = vertex_room.VertexEmulator(clock=SteppedClock(clock), serving=vertex_room.Serving(deploy_s=300.0))
    with openai, azure, vertex, _metadata(vertex.token(life_s=10**8)) as metadata:
        yield WithVertex(home, openai, azure, clock, capsys, vertex=vertex, metadata=metadata)


@contextmanager
def _metadata(token: str) -> Iterator[str]:
    """The metadata server of a machine of Google's: host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said: Any = {"email": "default", "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
            if "/token" in self.path:
                said = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
            elif self.path.endswith("project-id"):
                said = "tune-main"
            content = (said if isinstance(said, str) else json.dumps(said)).encode()
            self.send_response(200)
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Type", "text/plain" if isinstance(said, str) else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
