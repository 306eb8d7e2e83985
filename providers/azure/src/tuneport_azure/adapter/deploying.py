"""Making and ending deployments: once, whatever is lost on the way.

A PUT is an update by name: what is sent twice makes no second deployment, but it would change another's. So the name is looked at before,
and again after a reply that was lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from tuneport.clock import Clock
from tuneport.errors import Ambiguous, NotFound, RateLimited, Refused, TuneportError, Unreachable
from tuneport.model import Deployment, DeploymentPlan, Model
from tuneport.redaction import warn
from tuneport.retry import wait_s
from tuneport_azure.adapter.deployment_plans import plan_of
from tuneport_azure.adapter.deployments import Deployments
from tuneport_azure.adapter.management import changed
from tuneport_azure.adapter.usage import LastUse
from tuneport_azure.errors import translated
from tuneport_azure.wire.deployments import Standing, standing_of

T = TypeVar("T")

BUSY_S, BUSY_PAUSE_S = 900.0, 10.0
"""How long a change waits for another one in the same account, or as Azure asks, and the time between two tries."""
PUTS = 3
"""How often the same PUT is sent while its replies are lost and nothing is there."""
GONE_S, GONE_PAUSE_S = 600.0, 3.0
"""How long an end is followed, and the time between two looks."""


def begin(deployments: Deployments, model: Model, *, options: Mapping[str, Any]) -> Deployment:
    """Begins to deploy, unless it stands. Raises as `plan_of` does, and Ambiguous where it cannot be told whether it was begun."""
    plan = plan_of(deployments, model, options=options)
    if plan.stands is not None:
        return plan.stands
    name, body = deployments.name(plan.id), plan.requests[0].body
    found: Standing | None = None
    lost: Ambiguous | None = None
    for _ in range(PUTS):
        try:
            found = _when_free(lambda: _put(deployments, name, body), clock=deployments.clock)
        except Ambiguous as error:
            lost = error
            found = _after_a_lost_reply(deployments, name, plan, lost=lost)
            if found is None or found.phase in ("failed", "ending"):  # nothing, or what was there before
                continue
        except TuneportError as error:
            if lost is None:
                raise
            raise _perhaps_begun(deployments, lost, error) from None
        break
    if found is None:
        raise Ambiguous(
            f"{deployments.resource.name}: {PUTS} times no clear answer came to the deployment {name}, and it is not there.",
            remedy=f"If it comes after all, it costs. Look: {deployments.look_again}",
        )
    return deployments.deployment(found, LastUse())


def _after_a_lost_reply(deployments: Deployments, name: str, plan: DeploymentPlan, *, lost: Ambiguous) -> Standing | None:
    """What stands under the name now; None where nothing does. Raises Ambiguous where that cannot be seen."""
    try:
        found = deployments.look(name)
    except NotFound:
        deployments.clock.sleep(BUSY_PAUSE_S)
        return None
    except TuneportError as error:
        raise _perhaps_begun(deployments, lost, error) from None
    if deployments.model_id(found.model, source=found.source).casefold() != plan.model.casefold():
        raise Refused(
            f"{deployments.resource.name}: meanwhile the name {name} was taken by a deployment of {found.model}.",
            remedy="Give another: --name NAME",
        )
    return found


def _perhaps_begun(deployments: Deployments, lost: Ambiguous, then: TuneportError) -> Ambiguous:
    """Whatever came then says nothing of the request whose reply was lost: what it has begun stands and costs."""
    return Ambiguous(
        f"{lost.message.rstrip('.')}; and then: {then.message}",
        remedy=f"If it was begun, it costs. Look: {deployments.look_again} {then.remedy}".rstrip(),
    )


def _put(deployments: Deployments, name: str, body: Mapping[str, Any]) -> Standing:
    at, content, doing = deployments.management.account, json.dumps(body).encode(), f"deploying as {name}"
    row, headers = deployments.management.ask(
        doing,
        lambda client: changed(client.deployments.begin_create_or_update, at.group, at.name, quote(name, safe=""), content),
        changing=True,
    )
    address = next((value for key, value in headers.items() if key.casefold() == "azure-asyncoperation"), None)
    if address:
        deployments.operations[name] = address
    try:
        return standing_of(row)
    except ValueError as error:
        raise translated(error, doing=doing, creating=True) from None


def end(deployments: Deployments, given: str) -> None:
    """Ends a deployment and sees it gone. Raises NotFound when it is not there, Unreachable where it does not go."""
    name, clock = deployments.name(given), deployments.clock
    deployments.look(name)
    began = clock.monotonic()
    while clock.monotonic() - began <= GONE_S:
        try:
            _when_free(lambda: _delete(deployments, name), clock=clock)
        except Ambiguous:
            pass  # deleting again is harmless: a look tells
        except NotFound:
            return
        if _goes(deployments, name, until=began + GONE_S):
            return
    raise Unreachable(
        f"{deployments.resource.name}: {name} is not gone after {GONE_S / 60:.0f} minutes; as long as it stands, it may cost.",
        remedy=f"Look: {deployments.look_again}",
    )


def _delete(deployments: Deployments, name: str) -> None:
    at = deployments.management.account
    deployments.management.ask(
        f"ending the deployment {name}",
        lambda client: changed(client.deployments.begin_delete, at.group, at.name, quote(name, safe="")),
        changing=True,
    )


def _goes(deployments: Deployments, name: str, *, until: float) -> bool:
    """Looks as long as it ends: whether it is gone. False where it stands as before, or the time is over."""
    ending = True
    while ending and deployments.clock.monotonic() <= until:
        try:
            ending = deployments.look(name).phase == "ending"
        except NotFound:
            return True
        deployments.clock.sleep(GONE_PAUSE_S)
    return False


def _when_free(change: Callable[[], T], *, clock: Clock) -> T:
    """The same change again while another is under way, or Azure asks to wait; neither has begun it."""
    began, said = clock.monotonic(), False
    while True:
        try:
            return change()
        except RateLimited as error:
            pause_s = wait_s(error, otherwise_s=BUSY_PAUSE_S)
            if clock.monotonic() - began + pause_s > BUSY_S:
                raise
            if not said:
                warn(f"{error.message} Waiting, up to {BUSY_S / 60:.0f} minutes.")
            said = True
            clock.sleep(pause_s)
