"""Tuned models that answer through deployments: begun once, followed until they answer, and found again after a lost reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuneport.clock import Clock
from tuneport.errors import Ambiguous, TuneportError, Unreachable, Unsupported, WaitTimeout
from tuneport.model import Deployment, DeploymentPlan, Model
from tuneport.provider import Deploys, Server
from tuneport.retry import reading, wait_s

INTERVAL_S = (5.0, 30.0)
"""The shortest and the longest time between two looks; deployments take minutes."""

Hear = Callable[[Deployment], object]


def plan_of(server: Server, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
    """What deploying would send and cost. Raises Unsupported where models answer without a deployment, else what the server raises."""
    return _deploying(server, model.provider).deployment_plan(model, options=options)


def begin(server: Server, model: Model, *, options: Mapping[str, Any], clock: Clock, plan: DeploymentPlan | None = None) -> Deployment:
    """Begins to deploy, unless the model stands already under that name. A reply that is lost is looked for: it makes no second one.

    `plan` is what `plan_of` gave for it. Raises Ambiguous where it cannot be told whether the deployment was made.
    """
    plan = plan or plan_of(server, model, options=options)
    if plan.stands is not None and plan.sends_nothing:
        return plan.stands
    try:
        return server.deploy(model, options=options)
    except Ambiguous as error:
        found = _found(server, plan, clock=clock)
        if found is None:
            raise Ambiguous(error.message, remedy="Look before you try again: tuneport models deployments") from None
        return found


def _found(server: Server, plan: DeploymentPlan, *, clock: Clock) -> Deployment | None:
    """The deployment that a lost reply was about, if it is there."""
    look = _deploying(server, plan.provider)
    try:
        found = reading(lambda: look.deployment(plan.id), clock=clock)
    except TuneportError:  # whatever goes wrong with a look says nothing of the deployment, which may be there and cost
        return None
    return found if found.model == plan.model else None


def follow(
    server: Server, deployment: Deployment, *, clock: Clock, timeout_s: float | None = None, hear: Hear = lambda _: None
) -> Deployment:
    """Looks until it answers, failed or goes; `hear` gets each change. One without an answer changes nothing and is asked again.

    Raises NotFound when it is gone, WaitTimeout when the time is over; both leave the deployment alone.
    """
    look = _deploying(server, deployment.provider)
    began, now = clock.monotonic(), deployment
    while now.phase in ("starting", "unknown"):
        passed = clock.monotonic() - began
        if timeout_s is not None and passed >= timeout_s:
            raise WaitTimeout(
                f"{now.uri} is {now.state or 'in no state that it says'} after {passed:,.0f} s; it goes on by itself.",
                remedy=f"Look again: tuneport models deployments --provider {now.provider}",
            )
        pause_s = min(max(INTERVAL_S[0], passed / 10), INTERVAL_S[1])
        try:
            seen = look.deployment(now.id)
        except Unreachable as error:
            pause_s = wait_s(error, otherwise_s=pause_s)
        else:
            if (seen.state, seen.phase) != (now.state, now.phase):
                hear(seen)
            now = seen
            if now.phase not in ("starting", "unknown"):
                break
        left_s = pause_s if timeout_s is None else max(0.0, timeout_s - (clock.monotonic() - began))
        clock.sleep(min(pause_s, left_s))
    return now


def _deploying(server: Server, provider: str) -> Deploys:
    if not isinstance(server, Deploys):
        raise Unsupported(f"{provider}: a tuned model answers there without a deployment.")
    return server
