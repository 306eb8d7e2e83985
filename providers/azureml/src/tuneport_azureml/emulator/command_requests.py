"""The body of a PUT of a command job, read as strictly as the REST models of 2025-01-01-preview say, and what it names looked up."""

from __future__ import annotations

import re
from typing import Any

from tuneport.testing.emulator import Fields
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.commands import seconds_of
from tuneport_azureml.emulator.job_requests import TIERS
from tuneport_azureml.emulator.world import SIZES, Asset, World

DATASTORE = re.compile(r"azureml://(?:subscriptions/.+/)?datastores/(?P<name>[\w-]+)/paths/(?P<path>.+)")
MODES = ("ReadWriteMount", "Upload", "Direct")
OUTPUTS = ("uri_folder", "uri_file", "mltable", "custom_model", "mlflow_model", "triton_model")
IDENTITIES = ("AMLToken", "Managed", "UserIdentity")
_ASSET = r"(?:azureml:)?(?:/?subscriptions/.+/)?(?:{kind}/)?(?P<name>[\w.-]+)(?:/versions/|:)(?P<version>[\w.-]+)"
_USED = re.compile(r"\$\{\{(inputs|outputs)\.(\w+)\}\}")


def read_command(fields: Fields, world: World) -> dict[str, Any]:
    """The job's properties as they are kept. Raises Refusal."""
    properties = fields.nested("properties", required=True)
    assert properties is not None
    fields.done()
    properties.text("jobType", required=True, words=("Command",))
    found: dict[str, Any] = {"jobType": "Command"}
    for name in ("displayName", "description", "experimentName", "computeId", "componentId", "codeId"):
        if (text := properties.text(name, nullable=True)) is not None:
            found[name] = text
    found["command"] = properties.text("command", required=True)
    found["environmentId"] = properties.text("environmentId", required=True)
    found["tags"] = properties.strings("tags", pairs=50, longest_name=256, longest_value=1024) or {}
    found["properties"] = properties.strings("properties", pairs=50, longest_name=256, longest_value=1024) or {}
    found["environmentVariables"] = properties.strings("environmentVariables", pairs=100, longest_name=256, longest_value=4096) or {}
    found["isArchived"] = properties.flag("isArchived", nullable=True) or False
    found |= {name: value for name, value in _nested(properties).items() if value is not None}
    properties.done()
    _look_up(found, world)
    return found


def _nested(properties: Fields) -> dict[str, Any]:
    for name in ("services", "inputs"):
        if (inner := properties.nested(name, nullable=True)) is not None:
            inner.done()
    return {
        "inputs": {},
        "outputs": _outputs(properties.nested("outputs", nullable=True)),
        "resources": _resources(properties.nested("resources", nullable=True)),
        "limits": _limits(properties.nested("limits", nullable=True)),
        "queueSettings": _words(properties.nested("queueSettings", nullable=True), "jobTier", TIERS),
        "identity": _words(properties.nested("identity", nullable=True), "identityType", IDENTITIES),
    }


def _words(fields: Fields | None, name: str, words: tuple[str, ...]) -> dict[str, Any] | None:
    if fields is None:
        return None
    found = {name: fields.text(name, required=True, words=words)}
    fields.done()
    return found


def _outputs(fields: Fields | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in fields.names() if fields else ():
        assert fields is not None
        output = fields.nested(name, required=True)
        assert output is not None
        found[name] = {"jobOutputType": output.text("jobOutputType", required=True, words=OUTPUTS)}
        found[name]["mode"] = output.text("mode", nullable=True, words=MODES) or "ReadWriteMount"
        for other in ("uri", "description", "assetName"):
            if (text := output.text(other, nullable=True)) is not None:
                found[name][other] = text
        output.done()
    return found


def _resources(fields: Fields | None) -> dict[str, Any] | None:
    if fields is None:
        return None
    found: dict[str, Any] = {"instanceCount": fields.whole("instanceCount", nullable=True, least=1) or 1}
    for name in ("instanceType", "shmSize", "dockerArgs"):
        if (text := fields.text(name, nullable=True)) is not None:
            found[name] = text
    if not re.fullmatch(r"[0-9]+[bBkKmMgG]", found.get("shmSize", "2g")):
        raise refusals.user_error(f"The shmSize {found['shmSize']} is invalid: it is a number and one of b, k, m, g.")
    if (inner := fields.nested("properties", nullable=True)) is not None:
        inner.done()
    fields.done()
    return found


def _limits(fields: Fields | None) -> dict[str, Any] | None:
    if fields is None:
        return None
    fields.text("jobLimitsType", required=True, words=("Command",))
    said = fields.text("timeout", nullable=True)
    fields.done()
    if said is None:
        return None
    if not seconds_of(said):
        raise refusals.user_error(f"The timeout {said} is no duration in ISO 8601.")
    return {"jobLimitsType": "Command", "timeout": said}


def asset_of(uri: str, kind: str, world: World) -> Asset | None:
    """The code (`codes`) or environment (`environments`) of the workspace that an id names, or `azureml:NAME:VERSION`."""
    found = re.fullmatch(_ASSET.format(kind=kind), uri.removeprefix(f"azureml:{world.place.id}/").removeprefix(f"{world.place.id}/"))
    kept = {"codes": world.codes, "environments": world.environments}[kind]
    return None if found is None else kept.get((found["name"], found["version"]))


def _look_up(found: dict[str, Any], world: World) -> None:
    for kind, name in _USED.findall(found["command"]):
        if name not in found.get(kind, {}):
            raise refusals.user_error(f"The command refers to {kind}.{name}, which the job does not have.")
    code = found.get("codeId")
    if code is not None and asset_of(code, "codes", world) is None:
        raise refusals.error(404, "NotFound", f"The code asset {code} could not be found.")
    environment = found["environmentId"]
    shared = environment in world.shared_environments
    if not shared and (environment.startswith("azureml://") or asset_of(environment, "environments", world) is None):
        raise refusals.user_error(f"The environment {environment} could not be found.")
    for output in found["outputs"].values():
        place = DATASTORE.fullmatch(output.get("uri", ""))
        if "uri" in output and (place is None or place["name"] != world.datastore):
            raise refusals.user_error(f"The output path {output['uri']} is no path of a datastore of this workspace.")
    _machine(found, world)


def _machine(found: dict[str, Any], world: World) -> None:
    """A named compute, or a serverless machine of a size; without either, the service takes one without a GPU."""
    compute = found.get("computeId")
    if compute is not None and compute.rpartition("/")[2] not in world.computes:
        raise refusals.user_error(f"The compute {compute.rpartition('/')[2]} does not exist in the workspace.")
    size = found.get("resources", {}).get("instanceType")
    if size is None or compute is not None:
        return
    family, cores, *_ = SIZES.get(size, ("", 0, 0, 0.0))
    if not family:
        raise refusals.user_error(f"The instance type {size} is not available.")
    spot = found.get("queueSettings", {}).get("jobTier") == "Spot"
    limit = world.low_priority_cores if spot else world.quotas.get(family, 0)
    if limit < cores:
        what = "low priority cores" if spot else family
        raise refusals.user_error(f"There is not enough quota of {what} for {size}: the limit is {limit} cores.")
