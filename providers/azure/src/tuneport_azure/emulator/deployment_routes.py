"""Deployments on the management plane: PUT, GET, DELETE, and the operations that they begin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tuneport_openai.emulator.world import TunedModel

from tuneport.testing.emulator import Account, Answer, Fields, Request, json_answer
from tuneport.testing.emulator.paging import visible
from tuneport_azure.emulator.arm import ACCOUNT, LOCATION, ArmRoutes, account_of, error, moment, refuse, token_of
from tuneport_azure.emulator.bases import SKU_OF, AzureBase
from tuneport_azure.emulator.courses import AzureCourse
from tuneport_azure.emulator.deployments import UNDER_WAY, Deployment, busy, current, limit, used
from tuneport_azure.emulator.entra import READ
from tuneport_azure.emulator.job_json import checkpoint_model
from tuneport_azure.emulator.jobs import jobs_of, settle
from tuneport_azure.emulator.resources import Resource
from tuneport_azure.emulator.world import AzureWorld

DEPLOYMENTS = f"{ACCOUNT}/deployments"
ONE = f"{DEPLOYMENTS}/{{deployment}}"
SKUS = {sku.lower(): sku for sku in SKU_OF.values()}
"""A sku is compared without regard to capitals."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,63}")
PASSED_OVER = ("raiPolicyName", "versionUpgradeOption", "dynamicThrottlingEnabled", "scaleSettings", "capacitySettings")


@dataclass(frozen=True, slots=True)
class Put:
    """The body of a PUT."""

    model: dict[str, str]
    sku: str
    capacity: int
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class Operation:
    """What a PUT or a DELETE has begun."""

    resource: Resource
    deployment: Deployment
    deletes: bool


class Deployments:
    """Serves accounts/…/deployments and the operations."""

    def __init__(self, world: AzureWorld, routes: ArmRoutes) -> None:
        self._world = world
        self._operations: dict[str, Operation] = {}
        what = "accounts/deployments"
        routes.add(f"GET {DEPLOYMENTS}", self.page, action=f"{what}/read")
        routes.add(f"GET {ONE}", self.retrieve, action=f"{what}/read")
        routes.add(f"PUT {ONE}", self.put, action=f"{what}/write")
        routes.add(f"DELETE {ONE}", self.delete, action=f"{what}/delete")
        routes.add(f"GET {LOCATION}/operationResults/{{operation}}", self.operation, action="locations/operationResults/read")

    def page(self, request: Request) -> Answer:
        world, resource = self._world, account_of(request, self._world)
        there = list(current(resource, world).values())
        there = visible(there, made_at=lambda one: one.created_at, now=world.now(), lag_s=request.weather.lag_s)
        return json_answer({"value": [self._json(one, resource) for one in there]})

    def retrieve(self, request: Request) -> Answer:
        resource, name = account_of(request, self._world), request.params["deployment"]
        found = current(resource, self._world).get(name)
        if found is None:
            raise error(404, "ResourceNotFound", f"The deployment '{name}' of the account '{resource.name}' was not found.")
        return json_answer(self._json(found, resource))

    def put(self, request: Request) -> Answer:
        """A new deployment, or a change of the one of that name: nothing is said against another model under an old name."""
        world, now, resource = self._world, self._world.now(), account_of(request, self._world)
        name, asked = request.params["deployment"], _read(request)
        if not NAME.fullmatch(name):
            raise error(400, "InvalidResourceName", "The name of a deployment has 2 to 64 letters, digits, hyphens, underscores and dots.")
        there = current(resource, world)
        if busy(resource, world):
            raise _conflict()
        base, tuned = self._model(request, resource, asked)
        old = there.get(name)
        who = token_of(request, world).principal
        new = Deployment(name, asked.model, asked.sku, asked.capacity, base, tuned, self._course(), who, now, now, asked.tags)
        if old is not None:
            new.created_at, new.created_by, new.used_at = old.created_at, old.created_by, old.used_at
        self._check_room(resource, new, old)
        there[name] = new
        return self._begun(request, resource, new, status=201 if old is None else 200)

    def delete(self, request: Request) -> Answer:
        world, resource = self._world, account_of(request, self._world)
        found = current(resource, world).get(request.params["deployment"])
        if found is None:
            return Answer(204, data=b"", media_type="text/plain")
        if busy(resource, world):
            raise _conflict()
        found.deleting_since = world.now()
        return self._begun(request, resource, found, status=202)

    def operation(self, request: Request) -> Answer:
        operation_id = request.params["operation"]
        operation = self._operations.get(operation_id)
        if operation is None:
            raise error(404, "OperationNotFound", f"The operation '{operation_id}' was not found.")
        current(operation.resource, self._world)
        status = self._status(operation)
        value: dict[str, Any] = {"id": request.path, "name": operation_id, "status": status}
        if status == "Failed":
            value["error"] = {"code": "DeploymentFailed", "message": "The deployment could not be created; delete it and try again."}
        return json_answer(value)

    def _status(self, operation: Operation) -> str:
        state = operation.deployment.state(self._world.now())
        if operation.deletes or operation.deployment.removed_at is not None:
            return "Succeeded" if operation.deployment.removed_at is not None else "InProgress"
        return "InProgress" if state in UNDER_WAY else state

    def _begun(self, request: Request, resource: Resource, deployment: Deployment, *, status: int) -> Answer:
        """A GET of the resource tells how it goes; the operation's own URL too, where it is announced."""
        headers, deletes = {}, request.method == "DELETE"
        if self._world.habits.announces_operations:
            operation_id = self._world.ids.new("")
            self._operations[operation_id] = Operation(resource, deployment, deletes)
            host, place = request.headers.get("host", "127.0.0.1"), f"locations/{resource.location}/operationResults/{operation_id}"
            version = next(value for key, value in request.query if key == "api-version")
            path = f"/subscriptions/{resource.subscription}/providers/Microsoft.CognitiveServices/{place}?api-version={version}"
            headers["azure-asyncoperation"] = f"http://{host}{path}"
        if deletes:
            return Answer(status, data=b"", media_type="text/plain", headers=headers)
        return json_answer(self._json(deployment, resource), status=status, headers=headers)

    # what a PUT is about

    def _course(self) -> Any:
        self._world.deployments_made += 1
        return self._world.deployment_course_of(self._world.deployments_made)

    def _model(self, request: Request, resource: Resource, asked: Put) -> tuple[AzureBase, TunedModel | None]:
        """The base, and the tuned model of this account or of the one that `source` names."""
        world, model = self._world, asked.model
        tuned = self._tuned(self._source(request, resource, model.get("source")), model["name"])
        base = world.base(tuned.job.root.name if tuned else self._base_name(model))
        if base is None or (tuned is not None and model.get("version", "1") != "1"):
            raise _unsupported(model)
        if model["format"] != base.format:
            raise error(500, "InternalServerError", "An internal server error occurred.")
        until = base.tuned_until if tuned else base.answers_until
        if world.now().date() >= until:
            raise error(400, "ServiceModelDeprecated", f"The model '{model['name']}' has been deprecated since {until.isoformat()}.")
        if tuned is not None and isinstance(tuned.job.course, AzureCourse) and tuned.job.course.harmful:
            message = "The fine-tuned model scores above acceptable thresholds for [Hate/Fairness] and cannot be deployed."
            raise error(400, "InvalidResourceProperties", message)
        if asked.sku not in _skus(base, resource.location, tuned=tuned is not None):
            message = (
                f"The specified SKU '{asked.sku}' of account deployment is not supported by the model '{model['name']}' in this region."
            )
            raise error(400, "InvalidResourceProperties", message)
        return base, tuned

    def _base_name(self, model: dict[str, str]) -> str:
        return model["name"] if "version" not in model else f"{model['name']}-{model['version']}"

    def _source(self, request: Request, resource: Resource, source: str | None) -> Resource:
        if source is None:
            return resource
        found = next((one for one in self._world.resources.values() if one.arm_id.lower() == source.lower()), None)
        if found is None or not token_of(request, self._world).allows(READ, found.name):
            raise error(400, "InvalidResourceProperties", f"The source account '{source}' was not found, or access to it is not granted.")
        return found

    def _tuned(self, resource: Resource, name: str) -> TunedModel | None:
        """By the name of a model, or by the id of a checkpoint; the name of a checkpoint's model is none of both."""
        world, account = self._world, Account(resource.name, resource.name)
        settle(account, world)
        if name.startswith("ftchkpt-"):
            return next((model for job in jobs_of(account, world) if (model := checkpoint_model(job, world, name))), None)
        return None if ":" in name else world.tuned(account, name)

    def _check_room(self, resource: Resource, new: Deployment, old: Deployment | None) -> None:
        world, pool, most = self._world, new.pool, self._world.quotas.deployments
        tuned = [one for one in current(resource, world).values() if one.tuned is not None and one is not old]
        if new.tuned is not None and most is not None and len(tuned) >= most:
            raise error(400, "InsufficientQuota", f"The account has reached its quota of {most} fine-tuned deployments.")
        held = used(pool, resource, world) - (old.capacity if old is not None and old.pool == pool else 0)
        free = limit(pool, world) - held
        if new.capacity > free:
            message = (
                f"This operation require {new.capacity} new capacity in quota {pool}, which is bigger than the current available capacity "
                f"{free}. The current quota usage is {held} and the quota limit is {limit(pool, world)} for quota {pool}."
            )
            raise error(400, "InsufficientQuota", message)

    def _json(self, deployment: Deployment, resource: Resource) -> dict[str, Any]:
        created, modified = moment(deployment.created_at), moment(deployment.begun_at)
        by = {"createdBy": deployment.created_by, "createdByType": "User", "lastModifiedBy": deployment.created_by}
        return {
            "id": f"{resource.arm_id}/deployments/{deployment.name}",
            "type": "Microsoft.CognitiveServices/accounts/deployments",
            "name": deployment.name,
            "sku": {"name": deployment.sku, "capacity": deployment.capacity},
            "properties": {
                "model": dict(deployment.model),
                "versionUpgradeOption": "NoAutoUpgrade",
                "currentCapacity": deployment.capacity,
                "capabilities": {"chatCompletion": "true"},
                "provisioningState": deployment.state(self._world.now()),
                "rateLimits": _rate_limits(deployment.capacity),
            },
            "systemData": {**by, "createdAt": created, "lastModifiedByType": "User", "lastModifiedAt": modified},
            "etag": f'"{deployment.begun_at.timestamp():.0f}"',
            **({"tags": deployment.tags} if deployment.tags else {}),
        }


def _read(request: Request) -> Put:
    """Refuses what the operation's schema does not have."""
    said = request.fields(refuse=refuse)
    sku, properties = said.nested("sku", required=True), said.nested("properties", required=True)
    tags = said.strings("tags", pairs=50, longest_name=512, longest_value=256) or {}
    said.done()
    assert sku is not None
    assert properties is not None
    given = sku.text("name", required=True) or ""
    capacity = sku.whole("capacity", least=1)
    sku.done()
    model = properties.nested("model", required=True)
    for name in PASSED_OVER:
        properties.raw(name)
    properties.done()
    assert model is not None
    if given.lower() not in SKUS:
        raise error(400, "InvalidResourceProperties", f"The specified SKU '{given}' of account deployment is not supported.")
    return Put(_model(model), SKUS[given.lower()], capacity or 1, tags)


def _model(said: Fields) -> dict[str, str]:
    read = {name: said.text(name, required=name in ("format", "name")) for name in ("format", "name", "version", "source")}
    said.done()
    return {name: value for name, value in read.items() if value is not None}


def _skus(base: AzureBase, location: str, *, tuned: bool) -> tuple[str, ...]:
    """What can be deployed there: a tuned model where it could have been trained, a base everywhere."""
    if tuned:
        return tuple(SKU_OF[kind] for kind in base.training_types(location))
    return ("GlobalStandard", *(("Standard",) if location in base.regional else ()))


def _rate_limits(capacity: int) -> list[dict[str, Any]]:
    return [
        {"key": "request", "renewalPeriod": 60, "count": capacity},
        {"key": "token", "renewalPeriod": 60, "count": 1000 * capacity},
    ]


def _conflict() -> Exception:
    message = "Another operation is being performed on the parent resource. Please try again later."
    return error(409, "RequestConflict", message)


def _unsupported(model: dict[str, str]) -> Exception:
    named = f"Format:{model['format']},Name:{model['name']},Version:{model.get('version', '')}"
    return error(400, "DeploymentModelNotSupported", f"The model '{named}' of account deployment is not supported.")
