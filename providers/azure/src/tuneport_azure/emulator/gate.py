"""How Azure's servers speak, and whom they let in: keys and tokens on the data plane, tokens alone on the management plane."""

from __future__ import annotations

from collections.abc import Mapping

from tuneport_openai.emulator.ids import derived

from tuneport.testing.emulator import Request
from tuneport.testing.emulator.keys import bearer
from tuneport_azure.emulator import arm, refusals
from tuneport_azure.emulator.entra import DATA, LOOK, LOOKS_LIKE_A_TOKEN, MANAGEMENT, TRAIN
from tuneport_azure.emulator.resources import Resource
from tuneport_azure.emulator.versions import is_v1
from tuneport_azure.emulator.world import AzureWorld

CODES = {404: "404", 405: "405", 429: "429", 500: "InternalServerError"}


class Gate:
    """Azure as the toolkit's `Vendor`. Both planes spell errors {"error": {"code", "message"}}."""

    words = ("status", "level", "type", "purpose", "finish_reason", "provisioningState")

    def __init__(self, world: AzureWorld) -> None:
        self._world = world

    def error(self, status: int, message: str, *, code: str | None = None) -> object:
        if status == 404:
            message = "Resource not found"
        return refusals.body(CODES.get(status, code or str(status)), message)

    def headers(self, request_number: int) -> Mapping[str, str]:
        said = derived("", request_number, length=32)
        request_id = f"{said[:8]}-{said[8:12]}-{said[12:16]}-{said[16:20]}-{said[20:]}"
        return {"x-ms-request-id": request_id, "apim-request-id": request_id, "x-ms-region": "Emulated"}

    def admit(self, request: Request) -> None:
        if "subscription" in request.params:
            self._admit_to_management(request)
        elif "resource" in request.params:
            self._admit_to_data(request, self._world.resource(request))

    def _admit_to_management(self, request: Request) -> None:
        """What the token may do there is asked by the routes, which know the action."""
        value, directory, now = bearer(request.headers), self._world.directory, self._world.now()
        if value is None:
            raise arm.not_signed_in()
        if directory.expired(value, now=now):
            raise arm.token_expired()
        if directory.find(value, audience=MANAGEMENT, now=now) is None:
            raise arm.token_invalid()

    def _admit_to_data(self, request: Request, resource: Resource) -> None:
        if resource.network_closed:
            raise refusals.network_closed()
        key, said = request.headers.get("api-key"), bearer(request.headers)
        if key is None and said is not None and (said.startswith(LOOKS_LIKE_A_TOKEN) or not is_v1(request)):
            self._admit_token(request, resource, said)
            return
        if (key or said) not in resource.keys:
            raise refusals.wrong_key()
        if resource.keys_disabled:
            raise refusals.keys_disabled()

    def _admit_token(self, request: Request, resource: Resource, value: str) -> None:
        token = self._world.directory.find(value, audience=DATA, now=self._world.now())
        if token is None:
            raise refusals.bad_token()
        asks = request.method == "GET" or request.path.endswith("/chat/completions")
        if not token.allows(LOOK if asks else TRAIN, resource.name):
            raise refusals.no_data_action(token.principal, request.method, request.path.partition(f"/{resource.name}")[2])
