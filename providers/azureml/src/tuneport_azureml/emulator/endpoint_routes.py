"""Serverless endpoints on the management plane (2024-10-01-preview): PUT, GET, DELETE, and their keys."""

from __future__ import annotations

import re
from typing import Any

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.job_routes import WORKSPACE, check_version
from tuneport_azureml.emulator.refusals import moment, refuse
from tuneport_azureml.emulator.registered import shelf_of
from tuneport_azureml.emulator.shelf import Endpoint, Registered
from tuneport_azureml.emulator.world import WORKSPACE_ID, World

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,51}")
MODEL = re.compile(r"azureml://locations/([\w-]+)/workspaces/([\w-]+)/models/([\w.-]+)/versions/([\w.-]+)")
BASE = re.compile(r"azureml://registries/[\w-]+/models/[\w.-]+")
ONE = f"{WORKSPACE}/serverlessEndpoints/{{endpoint}}"
MODES = ("Key", "AAD", "KeyAndAAD")


class Endpoints:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add(f"GET {WORKSPACE}/serverlessEndpoints", self.list)
        routes.add(f"PUT {ONE}", self.put)
        routes.add(f"GET {ONE}", self.get)
        routes.add(f"DELETE {ONE}", self.delete)
        routes.add(f"POST {ONE}/listKeys", self.keys, changes=False)
        routes.add(f"GET {WORKSPACE}/endpointOperations/{{operation}}", self.operation)

    def put(self, request: Request) -> Answer:
        """Under a name that is there it changes what stands."""
        check_version(request)
        world, name = self._world, request.params["endpoint"]
        if not NAME.fullmatch(name):
            raise refusals.user_error(f"The name {name} is no name of an endpoint.")
        location, tags, properties = self._read(request)
        standing = endpoint_of(world, name)
        if standing is not None and standing.state(world.now()) == "Deleting":
            raise refusals.error(409, "Conflict", f"The endpoint {name} is being deleted.")
        self._look_up(name, properties["modelSettings"]["modelId"])
        if standing is None:
            keys = (world.word("", 32), world.word("", 32))
            standing = Endpoint(name, properties, location, tags, keys, world.now(), world.serving, world.now())
            world.shelf.endpoints[name] = standing
            return self._begun(standing, status=201)
        if standing.properties["modelSettings"] != properties["modelSettings"]:
            raise refusals.user_error("The model of a serverless endpoint cannot be changed.")
        standing.properties, standing.tags, standing.begun_at = properties, tags, world.now()
        standing.puts += 1
        return self._begun(standing, status=200)

    def get(self, request: Request) -> Answer:
        check_version(request)
        return json_answer(self.json(self._endpoint(request)))

    def list(self, request: Request) -> Answer:
        check_version(request)
        request.only_asks("api-version", "$skip", refuse=refuse)
        world, size = self._world, self._world.habits.page
        start = request.asked_whole("$skip", refuse=refuse, otherwise=0, least=0, most=10**9)
        found = [each for name in world.shelf.endpoints if (each := endpoint_of(world, name)) is not None]
        page: dict[str, Any] = {"value": [self.json(each) for each in found[start : start + size]]}
        if start + size < len(found):
            page["nextLink"] = f"{world.address}{request.path}?api-version=2024-10-01-preview&$skip={start + size}"
        return json_answer(page)

    def delete(self, request: Request) -> Answer:
        check_version(request)
        name = request.params["endpoint"]
        endpoint = endpoint_of(self._world, name)
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
        endpoint = endpoint_of(self._world, request.params["operation"])
        state = "Succeeded" if endpoint is None else endpoint.state(self._world.now()) or "Succeeded"
        status = {"Creating": "InProgress", "Updating": "InProgress", "Deleting": "InProgress"}.get(state, state)
        return json_answer({"status": status} | ({"error": _FAILED} if status == "Failed" else {}))

    def json(self, endpoint: Endpoint) -> dict[str, Any]:
        world = self._world
        state = endpoint.state(world.now()) or "Deleting"
        told: dict[str, Any] = {"provisioningState": state, "endpointState": _state(endpoint, state)}
        if state in ("Succeeded", "Updating"):
            told["inferenceEndpoint"] = {"uri": f"{world.address}/serverless/{endpoint.name}", "headers": {}}
        return {
            "id": f"{world.place.id}/serverlessEndpoints/{endpoint.name}",
            "name": endpoint.name,
            "type": "Microsoft.MachineLearningServices/workspaces/serverlessEndpoints",
            "location": endpoint.location,
            "tags": endpoint.tags,
            "sku": {"name": "Consumption"},
            "systemData": {"createdAt": moment(endpoint.created_at), "createdBy": "Emulated User", "createdByType": "User"},
            "properties": {**endpoint.properties, **told},
        }

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def _read(self, request: Request) -> tuple[str, dict[str, str], dict[str, Any]]:
        fields = request.fields(refuse=refuse)
        location = fields.text("location", required=True) or ""
        tags = fields.strings("tags", pairs=50, longest_name=512, longest_value=256) or {}
        fields.text("kind", nullable=True)
        if (sku := fields.nested("sku", nullable=True)) is not None:
            sku.text("name", required=True, words=("Consumption",))
            sku.done()
        properties = fields.nested("properties", required=True)
        assert properties is not None
        fields.done()
        settings = properties.nested("modelSettings", required=True)
        assert settings is not None
        found: dict[str, Any] = {
            "authMode": properties.text("authMode", words=MODES) or "Key",
            "modelSettings": {"modelId": settings.text("modelId", required=True)},
        }
        settings.done()
        if (safety := properties.nested("contentSafety", nullable=True)) is not None:
            found["contentSafety"] = {"contentSafetyStatus": safety.text("contentSafetyStatus", words=("Enabled", "Disabled"))}
            safety.done()
        properties.done()
        if location.casefold() != self._world.region:
            raise refusals.user_error(f"The location {location} is not that of the workspace, {self._world.region}.")
        return location, tags, found

    def _look_up(self, name: str, model_id: str) -> None:
        world = self._world
        served = model_of(world, model_id)
        if served is None and not BASE.fullmatch(model_id):
            raise refusals.user_error(f"The model {model_id} could not be found.")
        if served is not None and not served.serverless:
            raise refusals.user_error(f"The model {served.name} cannot be deployed to a serverless endpoint.")
        if world.served_regions is not None and world.region not in world.served_regions:
            raise refusals.user_error(f"Serverless endpoints of this model are not supported in the region {world.region}.")
        others = (endpoint_of(world, each) for each in world.shelf.endpoints if each != name)
        if any(each is not None and each.properties["modelSettings"]["modelId"] == model_id for each in others):
            raise refusals.user_error("There is an endpoint of this model in the project already.")

    def _begun(self, endpoint: Endpoint, *, status: int) -> Answer:
        headers = {"Azure-AsyncOperation": self._operation(endpoint.name), "Retry-After": "0"}
        return json_answer(self.json(endpoint), status=status, headers=headers)

    def _operation(self, name: str) -> str:
        return f"{self._world.address}{self._world.place.id}/endpointOperations/{name}?api-version=2024-10-01-preview"

    def _endpoint(self, request: Request) -> Endpoint:
        endpoint = endpoint_of(self._world, request.params["endpoint"])
        if endpoint is None:
            raise refusals.error(404, "UserError", f"The endpoint {request.params['endpoint']} was not found.")
        return endpoint


_FAILED = {"code": "DeploymentFailed", "message": "There is no capacity for this model now."}


def endpoint_of(world: World, name: str) -> Endpoint | None:
    """One that is there: of a name that is gone the record goes too."""
    endpoint = world.shelf.endpoints.get(name)
    if endpoint is not None and endpoint.state(world.now()) is None:
        return None
    return endpoint


def model_of(world: World, model_id: str) -> Registered | None:
    """The registered model that an endpoint's model id names, in this very workspace."""
    found = MODEL.fullmatch(model_id)
    if found is None or (found[1], found[2]) != (world.region, WORKSPACE_ID):
        return None
    return shelf_of(world).models.get((found[3], found[4]))


def _state(endpoint: Endpoint, provisioning: str) -> str:
    if endpoint.suspended:
        return "Suspended"
    return {"Succeeded": "Online", "Updating": "Online", "Failed": "CreationFailed", "Canceled": "CreationFailed"}.get(
        provisioning, provisioning
    )
