"""How OpenAI's servers speak, and whom they let in."""

from __future__ import annotations

from collections.abc import Mapping

from tuneport.testing.emulator import Request
from tuneport.testing.emulator.keys import bearer
from tuneport_openai.emulator import refusals
from tuneport_openai.emulator.ids import derived
from tuneport_openai.emulator.world import World

SCOPES = (
    ("/v1/fine_tuning", "api.fine_tuning.jobs.write", "api.fine_tuning.jobs.read"),
    ("/v1/files", "api.files.write", "api.files.read"),
    ("/v1/uploads", "api.files.write", "api.files.write"),
    ("/v1/models", "api.model.write", "api.model.read"),
    ("/v1/chat", "model.request", "model.request"),
)
"""Path, and the scope that changing and reading there needs."""


class Gate:
    """OpenAI as the toolkit's `Vendor`."""

    words = ("status", "level", "type", "purpose", "finish_reason")

    def __init__(self, world: World) -> None:
        self._world = world

    def error(self, status: int, message: str, *, code: str | None = None) -> object:
        kind = "requests" if status == 429 else "server_error" if status >= 500 else refusals.INVALID
        return refusals.body(message, kind=kind, code=code)

    def headers(self, request_number: int) -> Mapping[str, str]:
        return {"x-request-id": derived("req_", request_number), "openai-version": "2020-10-01", "openai-processing-ms": "12"}

    def admit(self, request: Request) -> None:
        key = bearer(request.headers)
        if key is None:
            raise refusals.no_key()
        account = self._world.keys.account(key)
        if account is None:
            raise refusals.wrong_key(key)
        if request.headers.get("openai-organization", account.organisation) != account.organisation:
            raise refusals.other_organisation()
        if request.headers.get("openai-project", account.project) != account.project:
            raise refusals.other_project()
        scope = _scope(request)
        if not account.may(scope):
            raise refusals.no_scope(scope)


def _scope(request: Request) -> str:
    for prefix, changing, reading in SCOPES:
        if request.path.startswith(prefix):
            return reading if request.method == "GET" else changing
    return "api.all"
