"""Managed online endpoints on the management plane (2024-10-01-preview), each with its deployments on machines by the hour."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from tuneport.testing.emulator import Answer, Fields, Request, Routes, json_answer
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.job_routes import WORKSPACE, check_version
from tuneport_azureml.emulator.refusals import moment, refuse
from tuneport_azureml.emulator.registered import shelf_of
from tuneport_azureml.emulator.shelf import OnlineDeployment, OnlineEndpoint, Registered
from tuneport_azureml.emulator.world import SIZES, World

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
MODEL = re.compile(r"/models/([\w.-]+)/versions/([\w.-]+)")
ONE = f"{WORKSPACE}/onlineEndpoints/{{endpoint}}"
INNER = f"{ONE}/deployments/{{deployment}}"
_PROBE = ("initialDelay", "period", "timeout")


class Online:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add(f"GET {WORKSPACE}/onlineEndpoints", self.list)
        routes.add(f"PUT {ONE}", self.put)
        routes.add(f"GET {ONE}", self.get)
        routes.add(f"DELETE {ONE}", self.delete)
        routes.add(f"POST {ONE}/listKeys", self.keys, changes=False)
        routes.add(f"PUT {INNER}", self.put_deployment)
        routes.add(f"GET {INNER}", self.get_deployment)
        routes.add(f"GET {ONE}/deployments", self.deployments)
        routes.add(f"GET {WORKSPACE}/onlineOperations/{{operation}}", self.operation)

    # --- endpoints -------------------------------------------------------------------------------------------------------------------

    def put(self, request: Request) -> Answer:
        """Under a name that is there it changes what stands."""
        check_version(request)
        world, name = self._world, request.params["endpoint"]
        if not NAME.fullmatch(name):
            raise refusals.user_error(f"The name {name} is no name of an endpoint.")
        fields = request.fields(refuse=refuse)
        location, tags = self._about(fields)
        properties = fields.nested("properties", required=True)
        assert properties is not None
        fields.done()
        said: dict[str, Any] = {"authMode": properties.text("authMode", required=True, words=("Key", "AMLToken", "AADToken"))}
        for each in ("description", "compute", "publicNetworkAccess"):
            properties.text(each, nullable=True)
        said["traffic"] = properties.raw("traffic") or {}
        said["properties"] = properties.strings("properties", pairs=50, longest_name=256, longest_value=1024) or {}
        properties.raw("mirrorTraffic")
        properties.done()
        standing = online_of(world, name)
        if standing is not None and standing.state(world.now()) == "Deleting":
            raise refusals.error(409, "Conflict", f"The endpoint {name} is being deleted.")
        if standing is None:
            keys = (world.word("", 32), world.word("", 32))
            standing = OnlineEndpoint(name, said, location, tags, keys, world.now(), world.serving)
            world.shelf.online[name] = standing
            return self._begun(self.json(standing), name, status=201)
        standing.properties, standing.tags = said, tags
        standing.puts += 1
        return self._begun(self.json(standing), name, status=200)

    def get(self, request: Request) -> Answer:
        check_version(request)
        return json_answer(self.json(self._endpoint(request)))

    def list(self, request: Request) -> Answer:
        check_version(request)
        world, size = self._world, self._world.habits.page
        start = request.asked_whole("$skip", refuse=refuse, otherwise=0, least=0, most=10**9)
        found = [each for name in world.shelf.online if (each := online_of(world, name)) is not None]
        page: dict[str, Any] = {"value": [self.json(each) for each in found[start : start + size]]}
        if start + size < len(found):
            page["nextLink"] = f"{world.address}{request.path}?api-version=2024-10-01-preview&$skip={start + size}"
        return json_answer(page)

    def delete(self, request: Request) -> Answer:
        """With all its deployments."""
        check_version(request)
        name = request.params["endpoint"]
        endpoint = online_of(self._world, name)
        if endpoint is None:
            return Answer(204, data=b"")
        if endpoint.deleted_at is None:
            endpoint.deleted_at = self._world.now()
        return Answer(202, data=b"", headers={"Location": self._operation(name), "Retry-After": "0"})

    def keys(self, request: Request) -> Answer:
        check_version(request)
        first, second = self._endpoint(request).keys
        return json_answer({"primaryKey": first, "secondaryKey": second})

    def operation(self, request: Request) -> Answer:
        """How what was begun stands. One that is gone has been deleted."""
        name, _, inner = request.params["operation"].partition(".")
        endpoint, now = online_of(self._world, name), self._world.now()
        if endpoint is None:
            return json_answer({"status": "Succeeded"})
        state = endpoint.deployment_state(endpoint.deployments[inner], now) if inner else endpoint.state(now) or "Succeeded"
        return json_answer({"status": {"Creating": "InProgress", "Updating": "InProgress", "Deleting": "InProgress"}.get(state, state)})

    # --- deployments -----------------------------------------------------------------------------------------------------------------

    def put_deployment(self, request: Request) -> Answer:
        check_version(request)
        world, endpoint, name = self._world, self._endpoint(request), request.params["deployment"]
        if endpoint.state(world.now()) != "Succeeded":
            raise refusals.user_error(f"The endpoint {endpoint.name} is not in the state Succeeded.")
        fields = request.fields(refuse=refuse)
        _, tags = self._about(fields)
        sku = fields.nested("sku", required=True)
        properties = fields.nested("properties", required=True)
        assert sku is not None
        assert properties is not None
        fields.done()
        sku.text("name", required=True, words=("Default",))
        capacity = sku.whole("capacity", least=1) or 1
        sku.done()
        said = _deployment(properties)
        self._look_up(said, capacity)
        standing = endpoint.deployments.get(name)
        if standing is None:
            standing = endpoint.deployments[name] = OnlineDeployment(name, said, capacity, tags, world.now())
        else:
            standing.properties, standing.capacity, standing.begun_at = said, capacity, world.now()
            standing.puts += 1
        body = self.deployment_json(endpoint, standing)
        return self._begun(body, f"{endpoint.name}.{name}", status=201 if standing.puts == 1 else 200)

    def get_deployment(self, request: Request) -> Answer:
        check_version(request)
        endpoint = self._endpoint(request)
        deployment = endpoint.deployments.get(request.params["deployment"])
        if deployment is None:
            raise refusals.error(404, "UserError", f"The deployment {request.params['deployment']} was not found.")
        return json_answer(self.deployment_json(endpoint, deployment))

    def deployments(self, request: Request) -> Answer:
        check_version(request)
        endpoint = self._endpoint(request)
        return json_answer({"value": [self.deployment_json(endpoint, each) for each in endpoint.deployments.values()]})

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def json(self, endpoint: OnlineEndpoint) -> dict[str, Any]:
        world = self._world
        told = {
            "provisioningState": endpoint.state(world.now()) or "Deleting",
            "scoringUri": f"{world.address}/online/{endpoint.name}/score",
            "swaggerUri": f"{world.address}/online/{endpoint.name}/swagger.json",
        }
        return {
            "id": f"{world.place.id}/onlineEndpoints/{endpoint.name}",
            "name": endpoint.name,
            "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
            "location": endpoint.location,
            "kind": "Managed",
            "tags": endpoint.tags,
            "identity": {"type": "SystemAssigned"},
            "systemData": _system(endpoint.created_at),
            "properties": {**endpoint.properties, **told},
        }

    def deployment_json(self, endpoint: OnlineEndpoint, deployment: OnlineDeployment) -> dict[str, Any]:
        world = self._world
        state = endpoint.deployment_state(deployment, world.now())
        return {
            "id": f"{world.place.id}/onlineEndpoints/{endpoint.name}/deployments/{deployment.name}",
            "name": deployment.name,
            "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
            "location": endpoint.location,
            "tags": deployment.tags,
            "systemData": _system(deployment.begun_at),
            "sku": {"name": "Default", "capacity": deployment.capacity},
            "properties": {**deployment.properties, "provisioningState": state},
        }

    def _about(self, fields: Fields) -> tuple[str, dict[str, str]]:
        location = fields.text("location", required=True) or ""
        tags = fields.strings("tags", pairs=50, longest_name=512, longest_value=256) or {}
        fields.text("kind", nullable=True)
        if (identity := fields.nested("identity", nullable=True)) is not None:
            identity.text("type", required=True, words=("SystemAssigned", "UserAssigned", "None"))
            identity.raw("userAssignedIdentities")
            identity.done()
        if location.casefold() != self._world.region:
            raise refusals.user_error(f"The location {location} is not that of the workspace, {self._world.region}.")
        return location, tags

    def _look_up(self, said: dict[str, Any], capacity: int) -> None:
        if deployed_model(self._world, said["model"]) is None:
            raise refusals.user_error(f"The model {said['model']} could not be found.")
        family, cores, *_ = SIZES.get(said["instanceType"], ("", 0, 0, 0.0))
        if not family:
            raise refusals.user_error(f"The instance type {said['instanceType']} is not available.")
        limit = self._world.quotas.get(family, 0)
        if limit < cores * capacity:
            raise refusals.error(400, "OutOfQuota", f"There is not enough quota of {family}: the limit is {limit} cores.")

    def _begun(self, body: dict[str, Any], operation: str, *, status: int) -> Answer:
        return json_answer(body, status=status, headers={"Azure-AsyncOperation": self._operation(operation), "Retry-After": "0"})

    def _operation(self, name: str) -> str:
        return f"{self._world.address}{self._world.place.id}/onlineOperations/{name}?api-version=2024-10-01-preview"

    def _endpoint(self, request: Request) -> OnlineEndpoint:
        endpoint = online_of(self._world, request.params["endpoint"])
        if endpoint is None:
            raise refusals.error(404, "UserError", f"The endpoint {request.params['endpoint']} was not found.")
        return endpoint


def _system(at: datetime) -> dict[str, str]:
    return {"createdAt": moment(at), "createdBy": "Emulated User", "createdByType": "User", "lastModifiedAt": moment(at)}


def online_of(world: World, name: str) -> OnlineEndpoint | None:
    """One that is there."""
    endpoint = world.shelf.online.get(name)
    return None if endpoint is None or endpoint.state(world.now()) is None else endpoint


def deployed_model(world: World, model: str) -> Registered | None:
    """The registered model of this workspace that an id names."""
    found = MODEL.fullmatch(model.removeprefix("azureml:").removeprefix(world.place.id))
    return None if found is None else shelf_of(world).models.get((found[1], found[2]))


def _deployment(properties: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {"endpointComputeType": properties.text("endpointComputeType", required=True, words=("Managed",))}
    for name in ("model", "instanceType"):
        found[name] = properties.text(name, required=True)
    for name in ("description", "environmentId", "modelMountPath", "egressPublicNetworkAccess"):
        properties.text(name, nullable=True)
    properties.flag("appInsightsEnabled", nullable=True)
    for name in ("properties", "environmentVariables"):
        properties.strings(name, pairs=50, longest_name=256, longest_value=1024)
    for name in ("livenessProbe", "readinessProbe"):
        if (probe := properties.nested(name, nullable=True)) is not None:
            found[name] = {key: text for key in _PROBE if (text := probe.text(key, nullable=True)) is not None}
            for key in ("failureThreshold", "successThreshold"):
                probe.whole(key, nullable=True)
            probe.done()
    if (settings := properties.nested("requestSettings", nullable=True)) is not None:
        found["requestSettings"] = {"requestTimeout": settings.text("requestTimeout", nullable=True)}
        settings.whole("maxConcurrentRequestsPerInstance", nullable=True)
        settings.text("maxQueueWait", nullable=True)
        settings.done()
    if (scale := properties.nested("scaleSettings", nullable=True)) is not None:
        scale.text("scaleType", words=("Default",))
        scale.done()
    properties.done()
    return found | {"scaleSettings": {"scaleType": "Default"}}
