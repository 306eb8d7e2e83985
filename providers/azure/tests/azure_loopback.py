"""A management plane that answers what a test says, on loopback, for the vendor's own unmodified client."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import AccessToken
from tuneport_azure.adapter.management import Management
from tuneport_azure.profile import Resource

from tuneport.testing import SimulatedClock

SUBSCRIPTION, GROUP, ACCOUNT = "11111111-2222-3333-4444-555555555555", "tuning", "contoso"
PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.CognitiveServices/accounts/{ACCOUNT}"
TOKEN = "opaque-token-0123456789"


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Said:
    """An answer. `body` bytes are sent as they are; None closes the connection without one."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


SILENT = Said(body=None)


def refusal(status: int, code: str, message: str = "No.", **headers: str) -> Said:
    """An error in the management plane's shape; `Retry_After` is spelled with a hyphen."""
    return Said(status, {"error": {"code": code, "message": message}}, {name.replace("_", "-"): value for name, value in headers.items()})


Script = Callable[[Asked], Said]


@contextmanager
def answering(script: Script) -> Iterator[tuple[str, list[Asked]]]:
    """The address of a server that answers so, and what it was asked so far."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            request = Asked(self.command, parts.path, query, dict(self.headers), body)
            asked.append(request)
            said = script(request)
            if said.body is None:
                self.close_connection = True
                return
            content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in {"Content-Type": said.media_type, "Content-Length": str(len(content)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_DELETE = do_POST = _serve

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Credential:
    """Gives one token after another, and raises those of its values that are errors."""

    def __init__(self, *tokens: str | Exception) -> None:
        self._tokens = list(tokens)
        self.asked_for: list[str] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked_for += scopes
        token = self._tokens.pop(0) if len(self._tokens) > 1 else self._tokens[0]
        if isinstance(token, Exception):
            raise token
        return AccessToken(token, 4_000_000_000)


def resource(url: str, **changes: Any) -> Resource:
    """`contoso`, whose management plane is at that address."""
    place = {"subscription": SUBSCRIPTION, "resource_group": GROUP, "account": ACCOUNT}
    known = {"name": "azure", "resource": "contoso", "endpoint": f"{url}/contoso", "key_source": "AZURE_OPENAI_API_KEY"}
    return Resource(**{**known, "credential": "key", "key": "k" * 32, "management_url": url, **place, **changes})


def management(url: str, *, token: str | None = TOKEN, credential: Credential | None = None, **changes: Any) -> Management:
    """The management plane at that address, on a clock of its own."""
    made = None if credential is None else lambda: credential
    return Management(resource(url, **changes), clock=SimulatedClock(), token=token, credential=made)
