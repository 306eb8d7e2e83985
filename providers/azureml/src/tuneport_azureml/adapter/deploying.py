"""Making and ending endpoints: once, whatever is lost on the way.

A PUT is an update by name: what is sent twice makes no second endpoint, but it would change another's. So the name is looked at before, and
again after a reply that was lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneport.errors import Ambiguous, NotFound, RateLimited, Refused, TuneportError, Unreachable
from tuneport.model import Deployment, DeploymentPlan, Model
from tuneport.replies import Json, object_in, text_in
from tuneport.retry import reading, wait_s
from tuneport_azureml.adapter.connection import found_or_none
from tuneport_azureml.adapter.endpoints import Endpoints, Step
from tuneport_azureml.wire.endpoints import Standing

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
    *first, last = endpoints.steps(name, plan)
    for step in first:
        _settled(endpoints, step, _made(endpoints, step, name, plan))
    _made(endpoints, last, name, plan)
    lost = Ambiguous(f"{endpoints.place.name}: the endpoint {name} was begun.")
    found = _after(endpoints, name, plan, lost=lost)
    if found is None:
        raise _perhaps_begun(endpoints, lost, NotFound("it is not found."))
    return endpoints.deployment(found)


def _made(endpoints: Endpoints, step: Step, name: str, plan: DeploymentPlan) -> Json:
    """What the PUT of a step has made. One whose reply was lost is looked for before it is sent again."""
    lost: Ambiguous | None = None
    for _ in range(PUTS):
        try:
            return _put(endpoints, step, name)
        except Ambiguous as error:
            lost = error
        except TuneportError as error:
            if lost is None:
                raise
            raise _perhaps_begun(endpoints, lost, error) from None
        _after(endpoints, name, plan, lost=lost)
        found = _row(endpoints, step, name, lost=lost)
        if found is not None and _state(found) not in ("failed", "canceled", "deleting"):  # what was there before
            return found
        endpoints.connection.clock.sleep(PAUSE_S)
    raise Ambiguous(
        f"{endpoints.place.name}: {PUTS} times no clear answer came to the endpoint {name}, and it is not there.",
        remedy=f"If it comes after all, it costs. Look: {endpoints.look_again}",
    )


def _put(endpoints: Endpoints, step: Step, name: str) -> Json:
    doing, clock = f"making the endpoint {name}", endpoints.connection.clock
    began = clock.monotonic()
    while True:
        try:
            return endpoints.connection.arm("PUT", step.path, doing=doing, body=step.body, creating=True)
        except RateLimited as error:
            pause_s = wait_s(error, otherwise_s=PAUSE_S)
            if clock.monotonic() - began + pause_s > BUSY_S:
                raise
            clock.sleep(pause_s)


def _settled(endpoints: Endpoints, step: Step, row: Json) -> None:
    """Waits until what the next step stands on is there. Raises Refused where it failed, Unreachable where it takes too long."""
    clock, name = endpoints.connection.clock, step.path.rpartition("/")[2]
    began, doing = clock.monotonic(), f"looking at the endpoint {name}"
    while _state(row) not in ("succeeded", "failed", "canceled"):
        if clock.monotonic() - began > BUSY_S:
            raise Unreachable(
                f"{endpoints.place.name}: the endpoint {name} is not there after {BUSY_S / 60:.0f} minutes.", remedy="Deploy it again."
            )
        clock.sleep(PAUSE_S)
        row = endpoints.connection.patiently(lambda: endpoints.connection.arm("GET", step.path, doing=doing))
    if _state(row) != "succeeded":
        raise Refused(f"{endpoints.place.name}: the endpoint {name} could not be made; the service does not say why.")


def _state(row: Json) -> str:
    return (text_in(object_in(row, "properties"), "provisioningState") or "").casefold()


def _row(endpoints: Endpoints, step: Step, name: str, *, lost: Ambiguous) -> Json | None:
    """What is at the address of a step; None for nothing. Raises Ambiguous where that cannot be seen."""
    doing, connection = f"looking at the endpoint {name}", endpoints.connection
    try:
        return found_or_none(lambda: reading(lambda: connection.arm("GET", step.path, doing=doing), clock=connection.clock))
    except TuneportError as error:
        raise _perhaps_begun(endpoints, lost, error) from None


def _after(endpoints: Endpoints, name: str, plan: DeploymentPlan, *, lost: Ambiguous) -> Standing | None:
    """What stands under the name after a reply was lost; None where nothing does. Raises Ambiguous where that cannot be seen."""
    try:
        found = reading(lambda: endpoints.look(name), clock=endpoints.connection.clock)
    except NotFound:
        return None
    except TuneportError as error:
        raise _perhaps_begun(endpoints, lost, error) from None
    if not found.serves:
        raise _perhaps_begun(endpoints, lost, Unreachable(f"{name} does not say which model it serves."))
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
                endpoints.connection.arm("DELETE", f"/{endpoints.kind}/{name}", doing=f"ending the endpoint {name}")
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
