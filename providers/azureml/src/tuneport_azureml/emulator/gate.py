"""Who may come in, and how what goes wrong on the way is spelled."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tuneport.testing.emulator import Request
from tuneport.testing.emulator.keys import bearer
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.world import ARM, READ, SECRETS, STORAGE, WRITE, Token, World

WORDS = frozenset({"status"})
SERVED = ("/serverless/", "/online/")
"""Endpoints answer at addresses of their own, to keys of their own."""
_CODES = {429: "TooManyRequests", 500: "InternalServerError", 502: "BadGateway", 503: "ServiceUnavailable", 504: "GatewayTimeout"}


class Gate:
    """The toolkit's Vendor for Azure ML."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def words(self) -> Collection[str]:
        return WORDS

    def error(self, status: int, message: str, *, code: str | None = None) -> object:
        return refusals.body(code or _CODES.get(status, "UserError"), message)

    def headers(self, request_number: int) -> Mapping[str, str]:
        return {"x-ms-request-id": f"emulated-{request_number}", "x-ms-version": "2024-11-04"}

    def admit(self, request: Request) -> None:
        if request.path.startswith(f"/{self._world.account}/"):
            self._admit_to_storage(request)
        elif not request.path.startswith(("/discovery", *SERVED)):
            self._admit_to_workspace(request)

    def _admit_to_storage(self, request: Request) -> None:
        signature = next((value for name, value in request.query if name == "sig"), None)
        if signature is not None:
            ends = self._world.signatures.get(signature)
            if ends is None or ends <= self._world.now():
                raise refusals.blob_error(403, "AuthenticationFailed", "Server failed to authenticate the request.")
            return
        token = self._token(request, STORAGE)
        if not token.may >= {READ, WRITE}:
            raise refusals.blob_error(403, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation.")

    def _admit_to_workspace(self, request: Request) -> None:
        token, place = self._token(request, ARM), self._world.place
        action = SECRETS if request.path.endswith(("/listSecrets", "/listKeys")) else READ if request.method == "GET" else WRITE
        parts = request.path.strip("/").split("/")
        at = parts.index("subscriptions") if "subscriptions" in parts else -1
        if at < 0:
            return
        if parts[at + 1] != place.subscription:
            raise refusals.error(404, "SubscriptionNotFound", f"The subscription '{parts[at + 1]}' could not be found.")
        if action not in token.may:
            what = f"Microsoft.MachineLearningServices/workspaces/{parts[-2] if len(parts) > 8 else 'workspaces'}/{action}"
            raise refusals.not_authorized(token.principal, what, place.id)
        named = dict(zip(parts[at::2], parts[at + 1 :: 2], strict=False))
        if "resourceGroups" in named and named["resourceGroups"].casefold() != place.group.casefold():
            raise refusals.error(404, "ResourceGroupNotFound", f"Resource group '{named['resourceGroups']}' could not be found.")
        if "workspaces" in named and named["workspaces"].casefold() != place.workspace.casefold():
            what = f"Microsoft.MachineLearningServices/workspaces/{named['workspaces']}"
            raise refusals.error(404, "ResourceNotFound", f"The Resource '{what}' under resource group '{place.group}' was not found.")

    def _token(self, request: Request, audience: str) -> Token:
        value = bearer(request.headers)
        if value is None:
            raise refusals.not_signed_in()
        token = self._world.tokens.get(value)
        if token is None or token.audience != audience:
            raise refusals.token_invalid()
        if token.expires_at <= self._world.now():
            raise refusals.token_expired()
        if not token.tenant_right:
            raise refusals.wrong_tenant()
        return token
