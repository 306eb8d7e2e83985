"""The assets that a command job stands on: our code as a folder of blobs, and the container image that it runs in."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from tuneport.replies import Json, object_in, text_in
from tuneport_azureml.wire.names import VERSION, Placed
from tuneport_azureml.wire.tags import SHA256, tags_in

IMAGE = "pytorch/pytorch:2.8.0-cuda12.6-cudnn9-runtime"
"""Docker Hub's, with Python 3.11 (pytorch/pytorch, Dockerfile, PYTHON_VERSION). The registry's own acpt-pytorch-2.8-cuda12.6 has Python
3.10 (Azure/azureml-assets, spec.yaml), and ours needs 3.11. Azure ML takes images of Docker Hub (Azure/azureml-examples,
cli/assets/environment/docker-image.yml). All read 2026-11-22."""
ASSET = re.compile(
    r"azureml://registries/(?P<registry>[A-Za-z0-9][\w-]{0,62})/environments/[A-Za-z0-9][\w.-]{0,254}/(?:versions|labels)/[\w.-]{1,30}"
    r"|azureml:(?P<name>[A-Za-z0-9][\w.-]{0,254}):(?P<version>[\w.-]{1,30})"
)
"""An environment: of a registry, or of the workspace."""


def code_name(bundle_sha256: str) -> str:
    """By what is in it alone, so that the same code is never sent twice."""
    return f"tuneport-bundle-{bundle_sha256[:32]}"


def code_path(name: str) -> str:
    """Below the workspace's id."""
    return f"/codes/{name}/versions/{VERSION}"


def code_folder(name: str) -> str:
    """In the container."""
    return f"tuneport/bundles/{name}"


def code_body(uri: str, bundle_sha256: str) -> dict[str, Any]:
    properties = {
        "codeUri": uri,
        "description": "Tuneport's trainer: its wheels, and the program that starts it",
        "tags": {SHA256: bundle_sha256},
        "isAnonymous": False,
        "isArchived": False,
    }
    return {"properties": properties}


def is_of_bundle(asset: Json, *, uri: str, bundle_sha256: str) -> bool | None:
    """Whether a code asset says that it is that very bundle, at that address; None for an answer that does not say."""
    where, which = text_in(object_in(asset, "properties"), "codeUri"), text_in(tags_in(asset), SHA256)
    if where is None or which is None:
        return None
    return which == bundle_sha256 and where.rstrip("/") == uri.rstrip("/")


def environment_name(image: str) -> str:
    """Of the environment that is nothing but that image."""
    return f"tuneport-image-{hashlib.sha256(image.encode()).hexdigest()[:32]}"


def environment_path(name: str, version: str = VERSION) -> str:
    return f"/environments/{name}/versions/{version}"


def environment_body(image: str) -> dict[str, Any]:
    properties = {"image": image, "description": "Made by Tuneport", "isAnonymous": False, "isArchived": False}
    return {"properties": properties}


def environment_id(place: Placed, environment: str) -> str:
    """What a job names it by: an id of a registry stays, one of the workspace gets its place in front."""
    found = ASSET.fullmatch(environment)
    if found is None or found["name"] is None:
        return environment
    return f"{place.id}{environment_path(found['name'], found['version'])}"
