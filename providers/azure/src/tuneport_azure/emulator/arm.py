"""Azure Resource Manager: how it spells paths and errors, and what stands before every operation there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tuneport.testing.emulator import Answer, Problem, Refusal, Request, Routes
from tuneport.testing.emulator.keys import bearer
from tuneport_azure.emulator import refusals
from tuneport_azure.emulator.entra import DEPLOY, MANAGEMENT, METRICS, READ, Token
from tuneport_azure.emulator.resources import Resource
from tuneport_azure.emulator.world import AzureWorld

Serve = Callable[[Request], Answer]
PROVIDER = "Microsoft.CognitiveServices"
SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}/providers/{PROVIDER}/accounts"
ACCOUNT = f"{GROUP}/{{account}}"
LOCATION = f"{SUBSCRIPTION}/providers/{PROVIDER}/locations/{{location}}"
VERSIONS: Final = frozenset(
    {"2023-05-01", "2024-10-01", "2024-10-21", "2025-04-01-preview", "2025-06-01", "2025-07-01-preview", "2025-09-01", "2026-09-15-preview"}
)
METRIC_VERSIONS: Final = frozenset({"2018-01-01", "2019-07-01", "2021-05-01", "2023-10-01", "2024-02-01"})
NEEDED: Final = {"read": READ, "write": DEPLOY, "delete": DEPLOY, "action": DEPLOY}
"""What somebody must be allowed to do, by the last word of an operation's name."""


class ArmRoutes:
    """Adds an operation; before it is served, the version and the caller's role are asked for."""

    def __init__(self, world: AzureWorld, routes: Routes) -> None:
        self._world = world
        self._routes = routes

    def add(self, name: str, serve: Serve, *, action: str, changes: bool | None = None) -> None:
        """`action`: the operation's name among permissions, such as accounts/deployments/write or Microsoft.Insights/metrics/read."""

        def served(request: Request) -> Answer:
            self._check(request, action)
            return serve(request)

        self._routes.add(name, served, changes=changes)

    def _check(self, request: Request, action: str) -> None:
        metrics = action.startswith("Microsoft.Insights")
        check_version(request, METRIC_VERSIONS if metrics else VERSIONS)
        token = token_of(request, self._world)
        if not token.allows(METRICS if metrics else NEEDED[action.rpartition("/")[2]], request.params.get("account")):
            raise not_authorized(token.principal, action if metrics else f"{PROVIDER}/{action}", request.path)
        subscription, group = request.params["subscription"], request.params.get("group")
        there = [one for one in self._world.resources.values() if one.subscription == subscription]
        if not there:
            raise error(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")
        if group is not None and group.lower() not in {one.group.lower() for one in there}:
            raise error(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def token_of(request: Request, world: AzureWorld) -> Token:
    """Whom the caller's token stands for: the gate has let it in."""
    token = world.directory.find(bearer(request.headers) or "", audience=MANAGEMENT, now=world.now())
    assert token is not None
    return token


def account_of(request: Request, world: AzureWorld) -> Resource:
    """The account that the path names."""
    asked = request.params
    found = next((one for one in world.resources.values() if one.name.lower() == asked["account"].lower()), None)
    if found is None or (found.subscription, found.group.lower()) != (asked["subscription"], asked["group"].lower()):
        path = f"{PROVIDER}/accounts/{asked['account']}"
        message = f"The Resource '{path}' under resource group '{asked['group']}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        raise error(404, "ResourceNotFound", message)
    return found


def check_version(request: Request, known: frozenset[str]) -> None:
    version = next((value for name, value in request.query if name == "api-version"), None)
    if version is None:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise error(400, "MissingApiVersionParameter", message)
    if version not in known:
        listed = ", ".join(sorted(known))
        message = f"No registered resource provider found for API version '{version}'. The supported api-versions are '{listed}'."
        raise error(400, "NoRegisteredProviderFound", message)


def moment(at: datetime) -> str:
    """A time as ARM writes it, with seven digits of a second."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def error(status: int, code: str, message: str) -> Refusal:
    return refusals.refusal(status, code, message)


def refuse(problem: Problem) -> Refusal:
    """A body that is not what the operation's schema says."""
    where = f" at '{problem.path}'" if problem.path else ""
    return error(400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: {problem.kind}{where}.")


def not_signed_in() -> Refusal:
    return error(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")


def token_expired() -> Refusal:
    return error(401, "ExpiredAuthenticationToken", "The access token has expired.")


def token_invalid() -> Refusal:
    return error(401, "InvalidAuthenticationToken", "The access token is invalid, or it was issued for another audience.")


def not_authorized(principal: str, action: str, scope: str) -> Refusal:
    message = (
        f"The client '{principal}' with object id '{principal}' does not have authorization to perform action '{action}' over scope "
        f"'{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
    )
    return error(403, "AuthorizationFailed", message)
