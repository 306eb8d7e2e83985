"""Deployments: a model onto an endpoint and off again, and a model out of the garden onto an endpoint of its own in one go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.endpoint_routes import endpoint_of, new_endpoint
from tuneport_vertex.emulator.endpoints import Deployed, Endpoint
from tuneport_vertex.emulator.machines import accelerators, machine_problems
from tuneport_vertex.emulator.messages import message
from tuneport_vertex.emulator.models import Model, add_version, version_called
from tuneport_vertex.emulator.operations import begin, operation_json
from tuneport_vertex.emulator.reading import Json, read
from tuneport_vertex.emulator.tuning_requests import NEEDED
from tuneport_vertex.emulator.versions import VERSIONS, only_asks, versioned
from tuneport_vertex.emulator.world import Place, World

RESOURCES = ("dedicatedResources", "automaticResources", "sharedResources")
SAID = (*RESOURCES, "serviceAccount", "enableAccessLogging", "disableContainerLogging", "fasterDeploymentConfig")


class Deployments:
    """Serves deployModel, undeployModel and the garden's deploy."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        versioned(routes, "POST /endpoints/{endpoint}:deployModel", self.deploy)
        versioned(routes, "POST /endpoints/{endpoint}:undeployModel", self.undeploy)
        for version in VERSIONS:
            routes.add(f"POST /{version}/projects/{{project}}/locations/{{location}}:deploy", self.from_garden)

    def deploy(self, request: Request) -> Answer:
        only_asks(request)
        world, version = self._world, request.params["version"]
        endpoint = endpoint_of(request, world, "aiplatform.endpoints.deploy")
        body = read(request.json(refuse=refusals.refuse), message(version, "DeployModelRequest"), root="deploy_model_request")
        said = body.get("deployedModel") or {}
        if not said.get("model"):
            raise refusals.found_errors([("deployed_model.model", NEEDED)])
        model = version_called(said["model"], endpoint.place, world)
        _check_resources(said, endpoint.place, world)
        deployed_id = said.get("id") or world.ids.new()
        traffic = {deployed_id if key == "0" else key: int(share) for key, share in (body.get("trafficSplit") or {}).items()}
        if traffic and sum(traffic.values()) != 100:
            raise refusals.found_errors([("traffic_split", "The traffic split must add up to 100.")])
        display = said.get("displayName") or model.display_name
        kept = {name: said[name] for name in SAID if name in said}

        def done() -> Json:
            _fails(world)
            deployed = Deployed(deployed_id, model, display, world.now(), said=kept)
            _put_on(endpoint, deployed, traffic, world)
            return {"deployedModel": {"id": deployed.id, "model": model.model.name, "modelVersionId": model.id, "displayName": display}}

        operation = begin(
            world,
            endpoint.place,
            version=request.params["version"],
            kind="DeployModelOperationMetadata",
            takes_s=world.serving.deploy_s,
            act=done,
            response_type="DeployModelResponse",
            parent=endpoint.name,
        )
        return json_answer(operation_json(operation))

    def undeploy(self, request: Request) -> Answer:
        only_asks(request)
        world, version = self._world, request.params["version"]
        endpoint = endpoint_of(request, world, "aiplatform.endpoints.undeploy")
        body = read(request.json(refuse=refusals.refuse), message(version, "UndeployModelRequest"), root="undeploy_model_request")
        deployed_id = body.get("deployedModelId")
        if not deployed_id:
            raise refusals.found_errors([("deployed_model_id", NEEDED)])
        if deployed_id not in endpoint.deployed:
            raise refusals.refusal("NOT_FOUND", f"DeployedModel `{deployed_id}` not found on the endpoint {endpoint.name}.")
        traffic = {key: int(share) for key, share in (body.get("trafficSplit") or endpoint.traffic).items()}
        if traffic.get(deployed_id) and len(endpoint.deployed) > 1:
            raise refusals.refusal("FAILED_PRECONDITION", f"DeployedModel `{deployed_id}` has {traffic[deployed_id]}% of the traffic.")

        def done() -> Json:
            endpoint.deployed.pop(deployed_id, None)
            endpoint.traffic = {one: share for one, share in traffic.items() if one in endpoint.deployed}
            endpoint.updated_at = world.now()
            return {}

        operation = begin(
            world,
            endpoint.place,
            version=request.params["version"],
            kind="UndeployModelOperationMetadata",
            takes_s=world.serving.undeploy_s,
            act=done,
            response_type="UndeployModelResponse",
            parent=endpoint.name,
        )
        return json_answer(operation_json(operation))

    def from_garden(self, request: Request) -> Answer:
        """The garden's own way: model, endpoint and deployment in one operation."""
        only_asks(request)
        world, version = self._world, request.path.strip("/").partition("/")[0]
        place = world.place(request, "aiplatform.endpoints.create")
        body = read(request.json(refuse=refusals.refuse), message(version, "DeployRequest"), root="deploy_request")
        source = _source_of(body)
        resources = (body.get("deployConfig") or {}).get("dedicatedResources")
        said = {"dedicatedResources": resources} if resources else {}
        if resources:
            _check_resources(said, place, world)
        model, endpoint, name = _named_in(body, place, world)
        uploaded = add_version(model, display_name=name, at=world.now())
        uploaded.described = {"artifactUri": body[source]["gcsUri"]} if source == "customModel" else {}

        def placed() -> Json:
            """Model and endpoint come up first; where deploying fails, they stay there empty."""
            world.models[model.name], world.endpoints[endpoint.name] = model, endpoint
            return {}

        def up() -> Json:
            _fails(world)
            return {}

        def done() -> Json:
            placed()
            _fails(world)
            _put_on(endpoint, Deployed(world.ids.new(), uploaded, name, world.now(), said=said), {}, world)
            return {"publisherModel": body.get("publisherModelName", ""), "endpoint": endpoint.name, "model": model.name}

        shown_s = world.serving.upload_s + world.serving.create_s
        lasts_s = max(shown_s, world.serving.deploy_s)
        kinds = (
            ("CreateEndpointOperationMetadata", shown_s, placed, "Endpoint", endpoint.name),
            ("DeployModelOperationMetadata", lasts_s, up, "DeployModelResponse", endpoint.name),
        )
        for kind, takes_s, act, response, parent in kinds:
            begin(world, place, version=version, kind=kind, takes_s=takes_s, act=act, response_type=response, parent=parent)
        operation = begin(
            world, place, version=version, kind="DeployOperationMetadata", takes_s=lasts_s, act=done, response_type="DeployResponse"
        )
        return json_answer(operation_json(operation))


def _source_of(body: Json) -> str:
    """Where the weights are said to come from. Raises Refusal where that is nowhere, or in two places."""
    sources = [name for name in ("publisherModelName", "huggingFaceModelId", "customModel") if body.get(name)]
    if len(sources) != 1:
        raise refusals.found_errors([("artifacts", NEEDED)])
    return sources[0]


def _named_in(body: Json, place: Place, world: World) -> tuple[Model, Endpoint, str]:
    """The model and the endpoint that there will be, and what the model is called. Raises Refusal for an id that is taken."""
    config, at = body.get("modelConfig") or {}, body.get("endpointConfig") or {}
    model = Model(place, config.get("modelUserId") or world.ids.new(), world.now())
    name = config.get("modelDisplayName") or f"model-{model.id[-6:]}"
    wanted = {"displayName": at.get("endpointDisplayName") or name, "dedicatedEndpointEnabled": not at.get("dedicatedEndpointDisabled")}
    endpoint = new_endpoint(place, at.get("endpointUserId") or world.ids.new(), wanted, world)
    for there, what in ((world.models, model), (world.endpoints, endpoint)):
        if what.name in there:
            raise refusals.refusal("ALREADY_EXISTS", f"{type(what).__name__} `{what.name}` already exists.")
    return model, endpoint, name


def _check_resources(said: Mapping[str, Any], place: Place, world: World) -> None:
    """Exactly one kind of resources, and of machines one that exists and that the quota has room for. Raises Refusal."""
    kinds = [name for name in RESOURCES if name in said]
    if len(kinds) != 1:
        raise refusals.found_errors([("deployed_model.prediction_resources", NEEDED)])
    if kinds[0] != "dedicatedResources":
        return
    problems = list(machine_problems(said["dedicatedResources"], "deployed_model.dedicated_resources"))
    if problems:
        raise refusals.found_errors(problems)
    accelerator, count = accelerators(said["dedicatedResources"])
    if accelerator and count + _in_use(accelerator, place, world) > place.project.gpus.get(accelerator, 0):
        raise refusals.out_of_quota(f"aiplatform.googleapis.com/custom_model_serving_{accelerator.lower()}_gpus")


def _in_use(accelerator: str, place: Place, world: World) -> int:
    taken = (
        accelerators(one.said["dedicatedResources"])
        for endpoint in world.endpoints.values()
        if endpoint.place == place
        for one in endpoint.deployed.values()
        if "dedicatedResources" in one.said
    )
    return sum(count for kind, count in taken if kind == accelerator)


def _put_on(endpoint: Endpoint, deployed: Deployed, traffic: Mapping[str, int], world: World) -> None:
    endpoint.deployed[deployed.id] = deployed
    endpoint.traffic = dict(traffic) or {**dict.fromkeys(endpoint.traffic, 0), deployed.id: 100}
    endpoint.updated_at = world.now()


def _fails(world: World) -> None:
    if world.serving.error is not None:
        raise refusals.refusal("INTERNAL", world.serving.error)
