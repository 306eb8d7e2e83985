"""Data assets and the datastore that their bytes lie in."""

from __future__ import annotations

import re
from typing import Any

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.job_routes import WORKSPACE, check_version
from tuneport_azureml.emulator.refusals import moment, refuse
from tuneport_azureml.emulator.registered import STORES, container_of
from tuneport_azureml.emulator.world import Asset, World

DATASTORE = "workspaceblobstore"
_NAME = re.compile(r"[a-zA-Z0-9][\w.-]{0,254}")


class Data:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add(f"PUT {WORKSPACE}/data/{{name}}/versions/{{version}}", self.put)
        routes.add(f"GET {WORKSPACE}/data/{{name}}/versions/{{version}}", self.get)
        routes.add(f"DELETE {WORKSPACE}/data/{{name}}/versions/{{version}}", self.delete)
        routes.add(f"GET {WORKSPACE}/datastores", self.datastores)
        routes.add(f"GET {WORKSPACE}/datastores/{{name}}", self.datastore)
        routes.add(f"POST {WORKSPACE}/datastores/{{name}}/listSecrets", self.secrets, changes=False)

    def put(self, request: Request) -> Answer:
        """The address of a version is there for good; what is said of it may change."""
        check_version(request)
        name, version = request.params["name"], request.params["version"]
        if not _NAME.fullmatch(name):
            raise refusals.user_error(f"The name {name} is no name of a data asset.")
        fields = request.fields(refuse=refuse)
        properties = fields.nested("properties", required=True)
        assert properties is not None
        fields.done()
        found: dict[str, Any] = {
            "dataType": properties.text("dataType", required=True, words=("uri_file", "uri_folder", "mltable")),
            "dataUri": properties.text("dataUri", required=True),
            "description": properties.text("description", nullable=True),
            "tags": properties.strings("tags", pairs=50, longest_name=256, longest_value=1024) or {},
            "properties": properties.strings("properties", pairs=50, longest_name=256, longest_value=1024) or {},
            "isAnonymous": properties.flag("isAnonymous", nullable=True) or False,
            "isArchived": properties.flag("isArchived", nullable=True) or False,
        }
        properties.done()
        if not found["dataUri"].startswith(("azureml://", "https://")):
            raise refusals.user_error("The dataUri is no address of a datastore.")
        standing = self._world.assets.get((name, version))
        if standing is not None and standing.properties["dataUri"] != found["dataUri"]:
            raise refusals.user_error(
                "A data version with this name and version already exists. If you are trying to create a new one, use another version."
            )
        asset = Asset(name, version, found, standing.created_at if standing else self._world.now())
        self._world.assets[name, version] = asset
        return json_answer(self.json(asset), status=200 if standing else 201)

    def get(self, request: Request) -> Answer:
        check_version(request)
        return json_answer(self.json(self._asset(request)))

    def delete(self, request: Request) -> Answer:
        check_version(request)
        asset = self._asset(request)
        del self._world.assets[asset.name, asset.version]
        return Answer(200, data=b"")

    def datastores(self, request: Request) -> Answer:
        check_version(request)
        return json_answer({"value": [self._store(name) for name in STORES]})

    def datastore(self, request: Request) -> Answer:
        check_version(request)
        if request.params["name"] not in STORES:
            raise refusals.error(404, "UserError", f"The datastore {request.params['name']} was not found.")
        return json_answer(self._store(request.params["name"]))

    def secrets(self, request: Request) -> Answer:
        check_version(request)
        fields = request.fields(refuse=refuse)
        fields.flag("expirableSecret")
        fields.whole("expireAfterHours", least=1)
        fields.done()
        if not self._world.habits.signs:
            raise refusals.user_error("The datastore has no secrets.")
        return json_answer({"secretsType": "Sas", "sasToken": self._world.sign()})

    def json(self, asset: Asset) -> dict[str, Any]:
        return {
            "id": f"{self._world.place.id}/data/{asset.name}/versions/{asset.version}",
            "name": asset.version,
            "type": "Microsoft.MachineLearningServices/workspaces/data/versions",
            "systemData": {"createdAt": moment(asset.created_at)},
            "properties": asset.properties,
        }

    def _asset(self, request: Request) -> Asset:
        name, version = request.params["name"], request.params["version"]
        asset = self._world.assets.get((name, version))
        if asset is None:
            raise refusals.error(404, "UserError", f"Data version {name}:{version} (dataContainerName: {name}) not found.")
        return asset

    def _store(self, name: str) -> dict[str, Any]:
        world = self._world
        return {
            "id": f"{world.place.id}/datastores/{name}",
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/datastores",
            "properties": {
                "datastoreType": "AzureBlob",
                "accountName": world.account,
                "containerName": container_of(name, world),
                "endpoint": world.address.partition("://")[2],
                "protocol": "http",
                "isDefault": name == DATASTORE,
                "credentials": {"credentialsType": "AccountKey" if world.habits.signs else "None"},
                "serviceDataAccessAuthIdentity": "None",
                "tags": {},
                "properties": {},
            },
        }
