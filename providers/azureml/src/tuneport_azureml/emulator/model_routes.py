"""Models of the workspace: names with their versions, looked at, listed, archived by a PUT, and deleted."""

from __future__ import annotations

import re
from typing import Any

from tuneport.testing.emulator import Answer, Fields, Request, Routes, json_answer
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.job_routes import WORKSPACE, check_version
from tuneport_azureml.emulator.refusals import moment, refuse
from tuneport_azureml.emulator.registered import shelf_of
from tuneport_azureml.emulator.shelf import Registered
from tuneport_azureml.emulator.world import World

TYPES = ("custom_model", "mlflow_model", "triton_model", "openai_model")
LISTS = ("api-version", "$skip", "$top", "count", "listViewType", "$orderBy", "stage")
_NAME = re.compile(r"[a-zA-Z0-9][\w.-]{0,254}")


class Models:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add(f"GET {WORKSPACE}/models", self.names)
        routes.add(f"GET {WORKSPACE}/models/{{name}}", self.container)
        routes.add(f"PUT {WORKSPACE}/models/{{name}}", self.put_container)
        routes.add(f"GET {WORKSPACE}/models/{{name}}/versions", self.versions)
        routes.add(f"GET {WORKSPACE}/models/{{name}}/versions/{{version}}", self.get)
        routes.add(f"PUT {WORKSPACE}/models/{{name}}/versions/{{version}}", self.put)
        routes.add(f"DELETE {WORKSPACE}/models/{{name}}/versions/{{version}}", self.delete)

    # --- names -----------------------------------------------------------------------------------------------------------------------

    def names(self, request: Request) -> Answer:
        """All names, the last that was made first; archived ones where they are asked for."""
        check_version(request)
        request.only_asks(*LISTS, refuse=refuse)
        view = request.asked("listViewType", refuse=refuse) or "ActiveOnly"
        archived = self._world.shelf.archived
        named = {model.name: model for model in sorted(self._models(), key=lambda model: model.created_at)}
        shown = [each for each in reversed(named.values()) if view == "All" or (each.name in archived) == (view == "ArchivedOnly")]
        return self._page(request, [self._container(each) for each in shown])

    def container(self, request: Request) -> Answer:
        check_version(request)
        return json_answer(self._container(self._named(request)))

    def put_container(self, request: Request) -> Answer:
        """Archives a name, or takes it back."""
        check_version(request)
        model = self._named(request)
        fields = request.fields(refuse=refuse)
        _skip(fields)
        properties = fields.nested("properties", required=True)
        assert properties is not None
        fields.done()
        gone = properties.flag("isArchived", nullable=True) or False
        for name in ("description", "latestVersion", "nextVersion", "provisioningState"):
            properties.text(name, nullable=True)
        for name in ("tags", "properties"):
            properties.strings(name, pairs=50, longest_name=256, longest_value=1024)
        properties.done()
        (self._world.shelf.archived.add if gone else self._world.shelf.archived.discard)(model.name)
        return json_answer(self._container(model))

    # --- versions --------------------------------------------------------------------------------------------------------------------

    def versions(self, request: Request) -> Answer:
        check_version(request)
        request.only_asks(*LISTS, refuse=refuse)
        named, view = self._named(request).name, request.asked("listViewType", refuse=refuse) or "ActiveOnly"
        found = [each for each in self._models() if each.name == named]
        shown = [each for each in found if view == "All" or each.properties["isArchived"] == (view == "ArchivedOnly")]
        return self._page(request, [self.json(each) for each in shown])

    def get(self, request: Request) -> Answer:
        check_version(request)
        return json_answer(self.json(self._version(request)))

    def put(self, request: Request) -> Answer:
        """What is said of a version may change; where it lies is there for good."""
        check_version(request)
        name, version = request.params["name"], request.params["version"]
        if not _NAME.fullmatch(name):
            raise refusals.user_error(f"The name {name} is no name of a model.")
        fields = request.fields(refuse=refuse)
        _skip(fields)
        properties = fields.nested("properties", required=True)
        assert properties is not None
        fields.done()
        said = _read(properties)
        standing = shelf_of(self._world).models.get((name, version))
        if standing is None:
            standing = Registered(name, version, said, self._world.now())
            self._world.shelf.models[name, version] = standing
            return json_answer(self.json(standing), status=201)
        if standing.properties["modelUri"] != said["modelUri"]:
            raise refusals.user_error("A model with this name and version is there already; its path cannot be changed.")
        standing.properties = {**standing.properties, **said}
        return json_answer(self.json(standing))

    def delete(self, request: Request) -> Answer:
        """The version alone: its files stay in the datastore."""
        check_version(request)
        model = self._version(request)
        del self._world.shelf.models[model.name, model.version]
        return Answer(200, data=b"")

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def json(self, model: Registered) -> dict[str, Any]:
        return {
            "id": f"{self._world.place.id}/models/{model.name}/versions/{model.version}",
            "name": model.version,
            "type": "Microsoft.MachineLearningServices/workspaces/models/versions",
            "systemData": {"createdAt": moment(model.created_at)},
            "properties": model.properties,
        }

    def _container(self, model: Registered) -> dict[str, Any]:
        properties = {"latestVersion": model.version, "isArchived": model.name in self._world.shelf.archived, "tags": {}, "properties": {}}
        return {
            "id": f"{self._world.place.id}/models/{model.name}",
            "name": model.name,
            "type": "Microsoft.MachineLearningServices/workspaces/models",
            "systemData": {"createdAt": moment(model.created_at)},
            "properties": properties,
        }

    def _page(self, request: Request, rows: list[dict[str, Any]]) -> Answer:
        world, size = self._world, self._world.habits.page
        start = request.asked_whole("$skip", refuse=refuse, otherwise=0, least=0, most=10**9)
        page: dict[str, Any] = {"value": rows[start : start + size]}
        if start + size < len(rows):
            asked = "&".join(f"{key}={value}" for key, value in request.query if key != "$skip")
            page["nextLink"] = f"{world.address}{request.path}?{asked}&$skip={start + size}"
        return json_answer(page)

    def _models(self) -> list[Registered]:
        return list(shelf_of(self._world).models.values())

    def _named(self, request: Request) -> Registered:
        name = request.params["name"]
        found = [each for each in self._models() if each.name == name]
        if not found:
            raise refusals.error(404, "UserError", f"Model container {name} not found.")
        return found[-1]

    def _version(self, request: Request) -> Registered:
        name, version = request.params["name"], request.params["version"]
        model = shelf_of(self._world).models.get((name, version))
        if model is None:
            raise refusals.error(404, "UserError", f"Model version {name}:{version} not found.")
        return model


def _skip(fields: Fields) -> None:
    """What the service itself has said of a resource, and is sent back by whoever changes it."""
    for name in ("id", "name", "type"):
        fields.text(name, nullable=True)
    fields.raw("systemData")


def _read(properties: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {
        "modelUri": properties.text("modelUri", required=True),
        "modelType": properties.text("modelType", words=TYPES, nullable=True) or "custom_model",
        "tags": properties.strings("tags", pairs=50, longest_name=256, longest_value=1024) or {},
        "properties": properties.strings("properties", pairs=50, longest_name=256, longest_value=4096) or {},
        "isAnonymous": properties.flag("isAnonymous", nullable=True) or False,
        "isArchived": properties.flag("isArchived", nullable=True) or False,
    }
    for name in ("jobName", "description", "stage", "provisioningState"):
        if (text := properties.text(name, nullable=True)) is not None:
            found[name] = text
    flavors = properties.raw("flavors")
    properties.raw("datasets")
    properties.done()
    return found | {"flavors": flavors or {}}
