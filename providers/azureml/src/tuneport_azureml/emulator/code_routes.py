"""Code assets and environments of the workspace, and the containers that the SDK uploads code to."""

from __future__ import annotations

import re
from typing import Any

from tuneport.testing.emulator import Answer, Fields, Request, Routes, json_answer
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.job_routes import WORKSPACE, check_version
from tuneport_azureml.emulator.refusals import moment, refuse
from tuneport_azureml.emulator.world import Asset, World

_NAME = re.compile(r"[a-zA-Z0-9][\w.-]{0,254}")


class Codes:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        for kind, put in (("codes", self.put_code), ("environments", self.put_environment)):
            routes.add(f"PUT {WORKSPACE}/{kind}/{{name}}/versions/{{version}}", put)
            routes.add(f"GET {WORKSPACE}/{kind}/{{name}}/versions/{{version}}", self.get)
        routes.add(f"GET {WORKSPACE}/codes/{{name}}/versions", self.list)
        routes.add(f"POST {WORKSPACE}/codes/{{name}}/versions/{{version}}/startPendingUpload", self.start_upload)

    def put_code(self, request: Request) -> Answer:
        """Where the code of a version lies is said once."""
        properties, found = _read(request)
        found["codeUri"] = properties.text("codeUri", required=True)
        properties.done()
        if not str(found["codeUri"]).startswith(("https://", f"{self._world.address}/")):
            raise refusals.user_error("The codeUri is no address of blob storage.")
        return self._keep(request, "codes", found, "codeUri")

    def put_environment(self, request: Request) -> Answer:
        properties, found = _read(request)
        for name in ("image", "condaFile", "osType", "stage", "autoRebuild"):
            if (text := properties.text(name, nullable=True)) is not None:
                found[name] = text
        properties.done()
        if "image" not in found:
            raise refusals.user_error("The environment needs an image.")
        return self._keep(request, "environments", {"environmentType": "UserCreated", "osType": "Linux", **found}, "image")

    def get(self, request: Request) -> Answer:
        check_version(request)
        kind, (name, version) = _kind(request), (request.params["name"], request.params["version"])
        asset = self._kept(kind).get((name, version))
        if asset is None:
            raise refusals.error(404, "UserError", f"Version {name}:{version} of {kind} was not found.")
        return json_answer(self._json(kind, asset))

    def list(self, request: Request) -> Answer:
        """Those of a name with a hash, as the SDK asks for them before it uploads."""
        check_version(request)
        request.only_asks("api-version", "hash", "hashVersion", "$orderBy", "$top", "$skip", refuse=refuse)
        wanted = request.asked("hash", refuse=refuse)
        found = [
            self._json("codes", asset)
            for asset in self._world.codes.values()
            if asset.name == request.params["name"] and wanted in (None, asset.properties["properties"].get("hash_sha256"))
        ]
        return json_answer({"value": found})

    def start_upload(self, request: Request) -> Answer:
        """A container of its own for each upload, with a signature that holds for it."""
        check_version(request)
        fields = request.fields(refuse=refuse)
        fields.text("pendingUploadId", nullable=True)
        fields.text("pendingUploadType", words=("TemporaryBlobReference", "None"))
        fields.done()
        world = self._world
        container = world.word("code-", 20)
        world.uploads.add(container)
        uri = f"{world.address}/{world.account}/{container}"
        credential = {"credentialType": "SAS", "sasUri": f"{uri}?{world.sign()}"}
        group = f"/subscriptions/{world.place.subscription}/resourceGroups/{world.place.group}"
        account = f"{group}/providers/Microsoft.Storage/storageAccounts/{world.account}"
        reference = {"blobUri": uri, "storageAccountArmId": account, "credential": credential}
        return json_answer({"blobReferenceForConsumption": reference, "pendingUploadType": "TemporaryBlobReference"})

    def _keep(self, request: Request, kind: str, found: dict[str, Any], fixed: str) -> Answer:
        kept, key = self._kept(kind), (request.params["name"], request.params["version"])
        if not _NAME.fullmatch(key[0]):
            raise refusals.user_error(f"The name {key[0]} is no name of an asset.")
        standing = kept.get(key)
        if standing is not None and standing.properties[fixed] != found[fixed]:
            raise refusals.user_error("A version with this name already exists, and what it stands for cannot be changed.")
        asset = Asset(*key, found, standing.created_at if standing else self._world.now())
        kept[key] = asset
        return json_answer(self._json(kind, asset), status=200 if standing else 201)

    def _kept(self, kind: str) -> dict[tuple[str, str], Asset]:
        return self._world.codes if kind == "codes" else self._world.environments

    def _json(self, kind: str, asset: Asset) -> dict[str, Any]:
        return {
            "id": f"{self._world.place.id}/{kind}/{asset.name}/versions/{asset.version}",
            "name": asset.version,
            "type": f"Microsoft.MachineLearningServices/workspaces/{kind}/versions",
            "systemData": {"createdAt": moment(asset.created_at)},
            "properties": {**asset.properties, "provisioningState": "Succeeded"},
        }


def _kind(request: Request) -> str:
    return "codes" if "/codes/" in request.path else "environments"


def _read(request: Request) -> tuple[Fields, dict[str, Any]]:
    """What assets of every kind have in common, and the fields that are left."""
    check_version(request)
    fields = request.fields(refuse=refuse)
    properties = fields.nested("properties", required=True)
    assert properties is not None
    fields.done()
    found: dict[str, Any] = {
        "description": properties.text("description", nullable=True),
        "tags": properties.strings("tags", pairs=50, longest_name=256, longest_value=1024) or {},
        "properties": _hashes(properties.nested("properties", nullable=True)),
        "isAnonymous": properties.flag("isAnonymous", nullable=True) or False,
        "isArchived": properties.flag("isArchived", nullable=True) or False,
    }
    return properties, found


def _hashes(fields: Fields | None) -> dict[str, str]:
    """Strings; the SDK's own version of its hash comes as a number."""
    if fields is None:
        return {}
    version = fields.raw("hash_version") if fields.has("hash_version") else None
    found = {name: fields.text(name, required=True, longest=1024) or "" for name in fields.names()}
    return found if version is None else {**found, "hash_version": str(version)}
