"""endpoints: create, get, list, delete."""

from __future__ import annotations

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.endpoints import Endpoint, endpoint_json
from tuneport_vertex.emulator.listing import paged
from tuneport_vertex.emulator.messages import message
from tuneport_vertex.emulator.operations import begin, operation_json
from tuneport_vertex.emulator.queueing import advance
from tuneport_vertex.emulator.reading import Json, read, shown
from tuneport_vertex.emulator.tuning_requests import NEEDED
from tuneport_vertex.emulator.versions import only_asks, versioned, wants_numbers
from tuneport_vertex.emulator.world import Place, World

SAID = ("description", "encryptionSpec", "dedicatedEndpointEnabled", "network")


class Endpoints:
    """Serves /{version}/projects/{project}/locations/{location}/endpoints."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        versioned(routes, "POST /endpoints", self.create)
        versioned(routes, "GET /endpoints", self.page)
        versioned(routes, "GET /endpoints/{endpoint}", self.retrieve)
        versioned(routes, "DELETE /endpoints/{endpoint}", self.delete)

    def create(self, request: Request) -> Answer:
        only_asks(request, "endpointId")
        place, version = self._world.place(request, "aiplatform.endpoints.create"), request.params["version"]
        said = read(request.json(refuse=refusals.refuse), message(version, "Endpoint"), root="endpoint")
        if not said.get("displayName"):
            raise refusals.found_errors([("endpoint.display_name", NEEDED)])
        chosen = request.asked("endpointId", refuse=refusals.refuse) or self._world.ids.new()
        endpoint = new_endpoint(place, chosen, said, self._world)
        if endpoint.name in self._world.endpoints:
            raise refusals.refusal("ALREADY_EXISTS", f"The endpoint already exists: {endpoint.name}.")

        def made() -> Json:
            self._world.endpoints[endpoint.name] = endpoint
            return endpoint_json(endpoint)

        operation = begin(
            self._world,
            place,
            version=request.params["version"],
            kind="CreateEndpointOperationMetadata",
            takes_s=self._world.serving.create_s,
            act=made,
            response_type="Endpoint",
            parent=endpoint.name,
        )
        return json_answer(operation_json(operation))

    def retrieve(self, request: Request) -> Answer:
        only_asks(request)
        return json_answer(self._shown(endpoint_of(request, self._world, "aiplatform.endpoints.get"), request))

    def page(self, request: Request) -> Answer:
        only_asks(request, "pageSize", "pageToken", "filter", "orderBy", "readMask")
        place = self._world.place(request, "aiplatform.endpoints.list")
        advance(place.project, self._world)
        return paged(
            [endpoint for endpoint in self._world.endpoints.values() if endpoint.place == place],
            request,
            self._world,
            rows="endpoints",
            made_at=lambda endpoint: endpoint.created_at,
            labels=lambda endpoint: endpoint.labels,
            show=lambda endpoint: self._shown(endpoint, request),
        )

    def delete(self, request: Request) -> Answer:
        only_asks(request)
        endpoint = endpoint_of(request, self._world, "aiplatform.endpoints.delete")
        if endpoint.deployed:
            message = (
                f"Endpoint `{endpoint.name}` has deployed or being-deployed DeployedModel(s) with ID(s): [{', '.join(endpoint.deployed)}], "
                "please undeploy the model(s) before deleting the endpoint."
            )
            raise refusals.refusal("FAILED_PRECONDITION", message)

        def gone() -> Json:
            self._world.endpoints.pop(endpoint.name, None)
            return {}

        operation = begin(
            self._world,
            endpoint.place,
            version=request.params["version"],
            kind="DeleteOperationMetadata",
            takes_s=self._world.serving.delete_s,
            act=gone,
            response_type="google.protobuf.Empty",
        )
        return json_answer(operation_json(operation))

    def _shown(self, endpoint: Endpoint, request: Request) -> Json:
        return shown(endpoint_json(endpoint), message(request.params["version"], "Endpoint"), numbers=wants_numbers(request))


def new_endpoint(place: Place, endpoint_id: str, said: Json, world: World) -> Endpoint:
    """One with an address of its own is reached here like all the others."""
    kept = {name: said[name] for name in SAID if name in said}
    if kept.get("dedicatedEndpointEnabled"):
        kept["dedicatedEndpointDns"] = world.address.partition("://")[2]
    return Endpoint(place, endpoint_id, said["displayName"], world.now(), labels=dict(said.get("labels") or {}), said=kept)


def endpoint_of(request: Request, world: World, permission: str) -> Endpoint:
    """The endpoint of the path. Raises Refusal."""
    place = world.place(request, permission)
    advance(place.project, world)
    name = f"{place.name}/endpoints/{request.params['endpoint']}"
    endpoint = world.endpoints.get(name)
    if endpoint is None:
        raise refusals.refusal("NOT_FOUND", f"Endpoint `{name}` not found.")
    return endpoint
