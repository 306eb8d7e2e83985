"""models: upload, get, list, change, delete, and their versions and checkpoints."""

from __future__ import annotations

from typing import Any

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.endpoints import deployments_of
from tuneport_vertex.emulator.listing import paged
from tuneport_vertex.emulator.messages import message
from tuneport_vertex.emulator.models import Model, Version, add_version, checkpoint_json, version_called, version_json
from tuneport_vertex.emulator.operations import begin, operation_json
from tuneport_vertex.emulator.queueing import advance
from tuneport_vertex.emulator.reading import Json, read, shown
from tuneport_vertex.emulator.tuning_requests import NEEDED
from tuneport_vertex.emulator.versions import only_asks, versioned, wants_numbers
from tuneport_vertex.emulator.world import Place, World

SAID = ("description", "versionDescription", "containerSpec", "artifactUri", "metadata", "baseModelSource", "encryptionSpec")
EMPTY = "google.protobuf.Empty"


class Models:
    """Serves /{version}/projects/{project}/locations/{location}/models."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        versioned(routes, "POST /models:upload", self.upload)
        versioned(routes, "GET /models/{model}:listVersions", self.versions)
        versioned(routes, "GET /models/{model}:listCheckpoints", self.checkpoints)
        versioned(routes, "DELETE /models/{model}:deleteVersion", self.delete_version)
        versioned(routes, "GET /models", self.page)
        versioned(routes, "GET /models/{model}", self.retrieve)
        versioned(routes, "PATCH /models/{model}", self.change)
        versioned(routes, "DELETE /models/{model}", self.delete)

    def upload(self, request: Request) -> Answer:
        only_asks(request)
        place, version = self._world.place(request, "aiplatform.models.upload"), request.params["version"]
        body = read(request.json(refuse=refusals.refuse), message(version, "UploadModelRequest"), root="upload_model_request")
        said = body.get("model") or {}
        if not said.get("displayName"):
            raise refusals.found_errors([("model.display_name", NEEDED)])
        if not (said.get("containerSpec") or {}).get("imageUri") and "baseModelSource" not in said:
            raise refusals.found_errors([("model.container_spec.image_uri", NEEDED)])
        parent = version_called(body["parentModel"], place, self._world).model if body.get("parentModel") else None
        model = parent or Model(place, body.get("modelId") or self._world.ids.new(), self._world.now())
        if parent is None and model.name in self._world.models:
            raise refusals.refusal("ALREADY_EXISTS", f"The model already exists: {model.name}.")
        operation = begin(
            self._world,
            place,
            version=request.params["version"],
            kind="UploadModelOperationMetadata",
            takes_s=self._world.serving.upload_s,
            act=lambda: _uploaded(model, said, self._world),
            response_type="UploadModelResponse",
            parent=model.name,
        )
        return json_answer(operation_json(operation))

    def retrieve(self, request: Request) -> Answer:
        only_asks(request)
        return json_answer(self._shown(self._version(request, "aiplatform.models.get"), request))

    def versions(self, request: Request) -> Answer:
        only_asks(request, "pageSize", "pageToken", "filter", "orderBy", "readMask")
        model = self._version(request, "aiplatform.models.get").model
        return json_answer({"models": [self._shown(one, request) for one in model.versions.values()]})

    def checkpoints(self, request: Request) -> Answer:
        only_asks(request, "pageSize", "pageToken")
        version = self._version(request, "aiplatform.models.get")
        listed = [checkpoint_json(one) for one in version.checkpoints]
        return json_answer({"checkpoints": listed} if listed else {})

    def page(self, request: Request) -> Answer:
        only_asks(request, "pageSize", "pageToken", "filter", "orderBy", "readMask")
        place = self._world.place(request, "aiplatform.models.list")
        advance(place.project, self._world)
        return paged(
            [model.default for model in self._world.models.values() if model.place == place],
            request,
            self._world,
            rows="models",
            made_at=lambda version: version.model.created_at,
            labels=lambda version: version.labels,
            show=lambda version: self._shown(version, request),
        )

    def change(self, request: Request) -> Answer:
        """Display name, description and labels, as the mask says."""
        only_asks(request, "updateMask")
        version = self._version(request, "aiplatform.models.update")
        body = read(request.json(refuse=refusals.refuse), message(request.params["version"], "Model"), root="model")
        version.display_name = body.get("displayName") or version.display_name
        version.labels = body.get("labels") or version.labels
        return json_answer(self._shown(version, request))

    def delete(self, request: Request) -> Answer:
        only_asks(request)
        model = self._version(request, "aiplatform.models.delete").model
        for version in model.versions.values():
            self._check_undeployed(version)
        return self._deleting(model.place, request, lambda: self._world.models.pop(model.name, None))

    def delete_version(self, request: Request) -> Answer:
        only_asks(request)
        version = self._version(request, "aiplatform.models.delete")
        self._check_undeployed(version)
        if len(version.model.versions) == 1:
            raise refusals.refusal("FAILED_PRECONDITION", "The only version of a model cannot be deleted; delete the model.")
        return self._deleting(version.model.place, request, lambda: version.model.versions.pop(version.id, None))

    def _deleting(self, place: Place, request: Request, act: Any) -> Answer:
        def done() -> Json:
            act()
            return {}

        takes_s = self._world.serving.delete_s
        operation = begin(
            self._world,
            place,
            version=request.params["version"],
            kind="DeleteOperationMetadata",
            takes_s=takes_s,
            act=done,
            response_type=EMPTY,
        )
        return json_answer(operation_json(operation))

    def _check_undeployed(self, version: Version) -> None:
        used = deployments_of(version, self._world)
        if used:
            where = ", ".join(one["endpoint"] for one in used)
            raise refusals.refusal("FAILED_PRECONDITION", f"The model is deployed or being deployed at the following Endpoint(s): {where}.")

    def _version(self, request: Request, permission: str) -> Version:
        place = self._world.place(request, permission)
        advance(place.project, self._world)
        return version_called(f"{place.name}/models/{request.params['model']}", place, self._world)

    def _shown(self, version: Version, request: Request) -> Json:
        value = version_json(version, deployments_of(version, self._world))
        return shown(value, message(request.params["version"], "Model"), numbers=wants_numbers(request))


def _uploaded(model: Model, said: Json, world: World) -> Json:
    version = add_version(model, display_name=said["displayName"], at=world.now())
    version.labels = said.get("labels") or {}
    version.described = {name: said[name] for name in SAID if name in said}
    world.models[model.name] = model
    return {"model": model.name, "modelVersionId": version.id}
