"""A command job that runs our own trainer on a machine of the workspace, as the management plane takes it and tells of it.

The body is the one that azure-ai-ml 1.35.2 makes of `command(...)`, which sends such jobs by a younger version of the API than others.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tuneport.replies import Json, object_in, text_in
from tuneport_azureml.wire.tags import CLIENT, OURS, PLAN, tags_in

VERSION = "2025-01-01-preview"
OUTPUT = "place"
PLACE_THERE = f"${{{{outputs.{OUTPUT}}}}}"
"""What the service puts the path of the mounted folder in place of, on the machine."""
FOLDER = "tuneport/jobs"
"""Of the jobs' folders in the datastore."""
VARIABLES = {"DATASET_MOUNT_ATTRIBUTE_CACHE_TTL": "1000"}
"""Milliseconds. Else what the machine has once seen of a file it never asks for again, and no wish of ours would be heard there
(learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2, read 2026-11-22)."""
_IDENTITIES = {"user": "UserIdentity", "managed": "Managed"}


def folder_of(job_id: str) -> str:
    """The job's folder in the container."""
    return f"{FOLDER}/{job_id}"


def place_uri(datastore: str, job_id: str) -> str:
    """The same folder as the job's output names it."""
    return f"azureml://datastores/{datastore}/paths/{folder_of(job_id)}/"


def command_body(
    settings: Mapping[str, Any],
    *,
    name: str,
    job_id: str,
    command: Sequence[str],
    code: str,
    environment: str,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """The job that is asked for. `code` and `environment` are ids of assets; `name` is the job's own."""
    queue, hours, identity = settings.get("job_tier"), settings.get("max_hours"), settings.get("identity")
    properties: dict[str, Any] = {
        "jobType": "Command",
        "displayName": f"tuneport {job_id}",
        "description": "Tuneport's own trainer: all that it reads and writes lies in its output",
        "experimentName": settings["experiment"],
        "properties": {},
        "isArchived": False,
        "command": " ".join(word if word == PLACE_THERE else shlex.quote(word) for word in command),
        "codeId": code,
        "environmentId": environment,
        "environmentVariables": dict(VARIABLES),
        "inputs": {},
        "outputs": {OUTPUT: {"jobOutputType": "uri_folder", "mode": "ReadWriteMount", "uri": place_uri(settings["datastore"], job_id)}},
        "computeId": settings.get("compute"),
        "resources": _resources(settings),
        "limits": {"jobLimitsType": "Command", "timeout": duration(hours)} if hours else None,
        "queueSettings": {"jobTier": str(queue).capitalize()} if queue else None,
        "identity": {"identityType": _IDENTITIES[identity]} if identity else None,
    }
    found = {key: value for key, value in properties.items() if value is not None}
    own = {CLIENT: name, PLAN: fingerprint_of(found), f"{OURS}job": job_id}
    found["tags"] = {**settings.get("tags", {}), **{_tag(key): value for key, value in labels.items() if value}, **own}
    return {"properties": found}


def _tag(label: str) -> str:
    """A label of ours as a tag, marked as ours."""
    return label if label.startswith(OURS) else f"{OURS}{label}"


def fingerprint_of(properties: Mapping[str, Any]) -> str:
    """What tells this job from any other: of all that is asked for, without the tags."""
    asked = {key: value for key, value in properties.items() if key != "tags"}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def is_the_same(job: Json, body: Json) -> bool | None:
    """Whether a job is the one that the body asks for, by what we wrote on it; None for an answer that does not say."""
    return _same(job, {key: str(tags_in(body)[key]) for key in (CLIENT, PLAN)})


def is_of(job: Json, name: str) -> bool | None:
    """Whether a job is the launch of that name; None for an answer that does not say."""
    return _same(job, {CLIENT: name})


def _same(job: Json, ours: Mapping[str, str]) -> bool | None:
    tags = object_in(job, "properties").get("tags")
    if not isinstance(tags, Mapping):
        return None
    there = {key: text_in(tags, key) for key in ours}
    if not any(there.values()) or any(there[key] not in (None, ours[key]) for key in ours):
        return False
    return True if all(there.values()) else None


def _resources(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """As the SDK spells them: a serverless machine by its size, shared memory for either kind."""
    found: dict[str, Any] = {}
    if settings.get("instance_type"):
        found = {"instanceCount": 1, "instanceType": settings["instance_type"]}
    if settings.get("shm_size"):
        found["shmSize"] = settings["shm_size"]
    return {**found, "properties": {}} if found else None


def duration(hours: float) -> str:
    """ISO 8601, as isodate writes it for the SDK: P1DT6H, PT1H30M."""
    minutes, seconds = divmod(round(hours * 3600), 60)
    whole, minutes = divmod(minutes, 60)
    days, whole = divmod(whole, 24)
    time = "".join(f"{value}{unit}" for value, unit in ((whole, "H"), (minutes, "M"), (seconds, "S")) if value)
    return f"P{f'{days}D' if days else ''}{f'T{time}' if time else ''}"


def studio_page(job: Json) -> str:
    """Where the vendor's own studio shows it; '' where the job does not say."""
    services = object_in(object_in(job, "properties"), "services")
    return text_in(object_in(services, "Studio"), "endpoint") or ""
