"""Making and ending serverless endpoints: once, whatever is lost on the way.

A PUT is an update by name: what is sent twice makes no second endpoint, but it would change another's. So the name is looked at before, and
again after a reply that was lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneport.errors import Ambiguous, NotFound, RateLimited, Refused, TuneportError, Unreachable
from tuneport.model import Deployment, DeploymentPlan, Model
from tuneport.retry import reading, wait_s
from tuneport_azureml.adapter.endpoints import Endpoints
from tuneport_azureml.errors import translated
from tuneport_azureml.wire.endpoints import Standing, standing_of
from tuneport_azureml.wire.names import ENDPOINTS

PUTS = 3
"""How often the same PUT is sent while its replies are lost and nothing is there."""
PAUSE_S = 5.0
GONE_S = 900.0
"""How long an end is followed."""
BUSY_S = 900.0
"""How long is waited where Azure asks to wait."""


def begin(endpoints: Endpoints, model: Model, *, options: Mapping[str, Any]) -> Deployment:
    """Begins to deploy, unless it stands. Raises as `Endpoints.plan` does, and Ambiguous where it cannot be told whether it was begun."""
    plan = endpoints.plan(model, options=options)
    if plan.stands is not None and plan.sends_nothing:
        return plan.stands
    if plan.stands is not None and plan.stands.phase == "ending":
        raise Refused(f"{plan.uri} is being ended, and cannot be made again before it is gone.", remedy="Try again in a minute.")
    name = endpoints.name(plan.id)
    lost: Ambiguous | None = None
    for _ in range(PUTS):
        try:
            return endpoints.deployment(_put(endpoints, name, plan.requests[0].body))
        except Ambiguous as error:
            lost = error
        except TuneportError as error:
            if lost is None:
                raise
            raise _perhaps_begun(endpoints, lost, error) from None
        found = _after(endpoints, name, plan, lost=lost)
        if found is not None and found.phase not in ("failed", "ending"):  # what was there before
            return endpoints.deployment(found)
        endpoints.connection.clock.sleep(PAUSE_S)
    raise Ambiguous(
        f"{endpoints.place.name}: {PUTS} times no clear answer came to the endpoint {name}, and it is not there.",
        remedy=f"If it comes after all, it costs. Look: {endpoints.look_again}",
    )


def _put(endpoints: Endpoints, name: str, body: Mapping[str, Any]) -> Standing:
    doing, clock = f"making the endpoint {name}", endpoints.connection.clock
    began = clock.monotonic()
    while True:
        try:
            row = endpoints.connection.arm("PUT", f"/{ENDPOINTS}/{name}", doing=doing, body=body, creating=True)
            break
        except RateLimited as error:
            pause_s = wait_s(error, otherwise_s=PAUSE_S)
            if clock.monotonic() - began + pause_s > BUSY_S:
                raise
            clock.sleep(pause_s)
    try:
        return standing_of(row)
    except ValueError as error:
        raise translated(error, doing=doing, creating=True) from None


def _after(endpoints: Endpoints, name: str, plan: DeploymentPlan, *, lost: Ambiguous) -> Standing | None:
    """What stands under the name after a reply was lost; None where nothing does. Raises Ambiguous where that cannot be seen."""
    try:
        found = reading(lambda: endpoints.look(name), clock=endpoints.connection.clock)
    except NotFound:
        return None
    except TuneportError as error:
        raise _perhaps_begun(endpoints, lost, error) from None
    if found.model(endpoints.region) != plan.model:
        raise Refused(
            f"{endpoints.place.name}: meanwhile the name {name} was taken by an endpoint of {found.model(endpoints.region)}.",
            remedy="Give another: --name NAME",
        )
    return found


def _perhaps_begun(endpoints: Endpoints, lost: Ambiguous, then: TuneportError) -> Ambiguous:
    """Whatever came then says nothing of the request whose reply was lost: what it has begun stands and costs."""
    return Ambiguous(
        f"{lost.message.rstrip('.')}; and then: {then.message}",
        remedy=f"If it was begun, it costs. Look: {endpoints.look_again} {then.remedy}".rstrip(),
    )


def end(endpoints: Endpoints, given: str) -> None:
    """Ends an endpoint and sees it gone. Raises NotFound when it is not there, Unreachable where it does not go."""
    name, clock = endpoints.name(given), endpoints.connection.clock
    endpoints.connection.patiently(lambda: endpoints.look(name))
    began, asked = clock.monotonic(), False
    while clock.monotonic() - began <= GONE_S:
        try:
            phase = endpoints.look(name).phase
            if phase != "ending" or not asked:
                endpoints.connection.arm("DELETE", f"/{ENDPOINTS}/{name}", doing=f"ending the endpoint {name}")
                asked = True
        except NotFound:
            return
        except Unreachable as error:  # deleting again is harmless: a look tells
            clock.sleep(wait_s(error, otherwise_s=PAUSE_S))
        clock.sleep(PAUSE_S)
    raise Unreachable(
        f"{endpoints.place.name}: {name} is not gone after {GONE_S / 60:.0f} minutes; as long as it stands, it may cost.",
        remedy=f"Look: {endpoints.look_again}",
    )
