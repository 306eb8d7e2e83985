"""What deploying a model would send and cost: only reads, and refuses what would change somebody else's deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneport.errors import NotFound, QuotaExceeded, RecipeError, Refused, Unreachable, Unsupported
from tuneport.model import DeploymentPlan, Model
from tuneport.plan import PlannedRequest
from tuneport_azure.adapter import hosting
from tuneport_azure.adapter.deployments import Deployments
from tuneport_azure.adapter.usage import LastUse
from tuneport_azure.wire import ids
from tuneport_azure.wire.deployments import Standing, Wanted, base_of, is_tuned, put_body, wanted
from tuneport_azure.wire.skus import USUAL_CAPACITY, Quota, Sku, format_of, quota_of, sku_of

API_VERSION = "2025-09-01"
"""What azure-mgmt-cognitiveservices 14.1.0 sends."""


def plan_of(deployments: Deployments, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
    """Raises Refused where the name is taken, QuotaExceeded where there is no room, RecipeError for options, Unsupported for a base."""
    bare = _bare(deployments, model, source=options.get("source"))
    asked = wanted(options, model=bare, usual="standard" if deployments.resource.training_type == "standard" else "global")
    before = _before(deployments, asked, bare)
    base, rows = base_of(bare) or model.base, deployments.models()
    sku = sku_of(rows, base=base, name=asked.sku)
    capacity, why = (before.capacity or 1, "as it stands") if before else _capacity(deployments, asked, sku)
    at = deployments.management.account
    body = put_body(bare, asked, capacity=capacity, model_format=format_of(rows, base=base))
    return DeploymentPlan(
        uri=deployments.uri(asked.name),
        provider=deployments.resource.name,
        id=deployments.id(asked.name),
        model=deployments.model_id(bare, source=asked.source),
        requests=(PlannedRequest(f"PUT {at.id}/deployments/{asked.name}?api-version={API_VERSION}", body),),
        costs=hosting.costs(asked.kind, base or bare, on=deployments.clock.now().date()),
        rules=hosting.rules(asked.kind, capacity=capacity, why=why, sku=sku),
        stands=None if before is None else deployments.deployment(before, LastUse(unknown=f"not looked at; see: {deployments.look_again}")),
    )


def _bare(deployments: Deployments, model: Model, *, source: Any) -> str:
    """The vendor's own id; a model of another resource needs a `source`."""
    bare = model.id.partition("/")[2] if source is not None and "/" in model.id else _of_here(deployments, model)
    if bare.startswith(f"{ids.DEPLOYMENTS}/"):
        raise Unsupported(f"{model.uri} is a deployment already.", remedy=f"See: {deployments.look_again}")
    if not is_tuned(bare):
        raise Unsupported(
            f"{model.uri} is no tuned model: Tuneport deploys tuned models and their checkpoints only, so far.",
            remedy="Deploy a base in the portal, or with: az cognitiveservices account deployment create",
        )
    return bare


def _of_here(deployments: Deployments, model: Model) -> str:
    try:
        return ids.bare(deployments.resource.resource, model.id, profile=deployments.resource.name)
    except NotFound as error:
        with_source = "Or deploy it here by the id of the account that it was trained in: --set source=/subscriptions/…"
        raise NotFound(error.message, reason=error.reason, remedy=f"{error.remedy}. {with_source}") from None


def _before(deployments: Deployments, asked: Wanted, model: str) -> Standing | None:
    """What stands under that name and goes on standing. One that failed or ends is made again. Raises Refused for another's."""
    try:
        found = deployments.look(asked.name)
    except NotFound:
        return None
    if found.model.casefold() != model.casefold():
        raise Refused(
            f"{deployments.resource.name}: the name {asked.name} is taken: a deployment of {found.model} stands there.",
            remedy="Give another: --name NAME",
        )
    if found.phase in ("failed", "ending"):
        return None
    if (asked.kind_given and found.kind != asked.kind) or asked.capacity not in (None, found.capacity):
        raise Refused(
            f"{deployments.resource.name}: {asked.name} stands already, as {found.sku} with capacity {found.capacity}.",
            remedy=f"End it first: tuneport models undeploy {deployments.uri(asked.name)}; or give another name: --name NAME",
        )
    return found


def _capacity(deployments: Deployments, asked: Wanted, sku: Sku | None) -> tuple[int, str]:
    """How much, and why so much. Raises RecipeError for more than a deployment takes, QuotaExceeded for more than there is."""
    most, step = (sku.most, sku.step) if sku else (None, 1)
    if asked.capacity and most and asked.capacity > most:
        raise RecipeError(f"capacity is {asked.capacity}; a {asked.sku} deployment of this base takes at most {most}.")
    quota, least = _quota(deployments, sku), asked.capacity or step
    if quota is not None and quota.free < least:
        raise QuotaExceeded(
            f"{deployments.resource.name}: {quota.used} of {quota.limit} of the quota {quota.name} are in use; {least} more do not fit.",
            remedy="Give a smaller capacity, end another deployment, or ask for more quota in the portal.",
        )
    if asked.capacity:
        return asked.capacity, "as asked"
    usual = sku.usual if sku else USUAL_CAPACITY
    if quota is not None and quota.free < usual:
        return quota.free // step * step, "all that is left of the quota"
    return usual, "what Azure gives where nobody says" if sku else "as in Microsoft's samples; Azure names no default here"


def _quota(deployments: Deployments, sku: Sku | None) -> Quota | None:
    """None where nobody says: a region's quota takes a role of its own."""
    if sku is None or not sku.quota:
        return None
    management = deployments.management
    try:
        region = management.location
        rows = management.rows("looking at the quota", lambda client: client.usages.list, region) if region else []
    except (Refused, Unreachable):
        return None
    return quota_of(rows, sku.quota)
