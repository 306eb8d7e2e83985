"""Custom jobs in REST's spelling: how one is asked for, and what one says of itself. Pure.

Facts: google-cloud-aiplatform 2.7.0 (CustomJob, Scheduling); docs.cloud.google.com/vertex-ai/docs/training/cloud-storage-file-system and
…/understanding-training-service (copies read 2026-11-22).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tuneport.redaction import without_secrets
from tuneport.replies import Json, number_of, object_in, objects_in, text_in, texts_in, time_in
from tuneport_vertex.wire.buckets import SCHEME
from tuneport_vertex.wire.jobs import error_of
from tuneport_vertex.wire.labels import CLIENT, MOST, PLAN, packed
from tuneport_vertex.wire.states import state_word

MOUNT = "/gcs/"
"""Where a job finds all buckets that it may read, by their names."""
SHELL = 'exec "$(command -v python3 || command -v python)" "$0" "$@"'
"""Images have one or the other."""
_KEY, _VALUE = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
_MOST_WORDS = 600
LONGEST_S = 7 * 86_400.0
"""Of a job that says no other limit."""
_DEADLINE = 4
"""google.rpc.Code: time ran out."""
_LOGS = re.compile(r"\s*To find out more about why your job exited please check the logs: \S+")


def mounted(uri: str) -> str:
    """`/gcs/BUCKET/NAME` for gs://BUCKET/NAME."""
    return MOUNT + uri.removeprefix(SCHEME)


def unmounted(path: str) -> str:
    """The address of what lies mounted there."""
    return SCHEME + path.removeprefix(MOUNT)


def folder_there(job: Json) -> str:
    """The job's folder as its machine sees it: what its program is called with; '' for a job that is not of our making."""
    for pool in objects_in(object_in(job, "jobSpec"), "workerPoolSpecs"):
        command = texts_in(object_in(pool, "containerSpec"), "command")
        if SHELL in command:
            return next((word for word in command[command.index(SHELL) + 2 :] if word.startswith(MOUNT)), "")
    return ""


def body_of(settings: Mapping[str, Any], *, name: str, program: Sequence[str], labels: Mapping[str, str]) -> dict[str, Any]:
    """The job that has Python run `program`, a file and its words. `name` is the launch's own, by which the job is found again."""
    spec = _spec(settings, program)
    where = settings["place"]
    ours = {CLIENT: label_of(name), PLAN: packed(hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest())}
    key = {"encryptionSpec": {"kmsKeyName": where["kms_key"]}} if where.get("kms_key") else {}
    return {"displayName": name[:128], "labels": _fitting(labels, settings["labels"]) | ours, "jobSpec": spec, **key}


def _spec(settings: Mapping[str, Any], program: Sequence[str]) -> dict[str, Any]:
    machine: dict[str, Any] = {"machineType": settings["machine_type"]}
    if settings["accelerator_type"]:
        machine |= {"acceleratorType": settings["accelerator_type"], "acceleratorCount": settings["accelerator_count"]}
    pool: dict[str, Any] = {
        "machineSpec": machine,
        "replicaCount": "1",
        "containerSpec": {
            "imageUri": settings["image"],
            "command": ["sh", "-c", SHELL, *program],
            "env": [{"name": "PYTHONUNBUFFERED", "value": "1"}],
        },
    }
    if settings["boot_disk_gb"] is not None:
        pool["diskSpec"] = {"bootDiskSizeGb": settings["boot_disk_gb"]}
    said = {"serviceAccount": settings["place"].get("service_account"), "network": settings["network"], "scheduling": _scheduling(settings)}
    return {"workerPoolSpecs": [pool], **{key: value for key, value in said.items() if value}}


def _scheduling(settings: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"strategy": "SPOT"} if settings["spot"] else {}
    if settings["restart_job_on_worker_restart"]:
        found["restartJobOnWorkerRestart"] = True
    if settings["max_hours"] is not None:
        found["timeout"] = f"{round(settings['max_hours'] * 3600)}s"
    return found


def _fitting(*tables: Mapping[str, str]) -> dict[str, str]:
    """Labels that the service takes, as many as there is room for beside ours."""
    found = {key.lower(): value.lower() for table in tables for key, value in table.items()}
    fit = {key: value for key, value in found.items() if _KEY.fullmatch(key) and _VALUE.fullmatch(value)}
    return dict(list(fit.items())[: MOST - 2])


def label_of(name: str) -> str:
    """A launch's name as a label; one that would not fit by its digest."""
    return name if _VALUE.fullmatch(name) else packed(hashlib.sha256(name.encode()).hexdigest())


def named(jobs: Sequence[Json], name: str) -> Json | None:
    """The job of that launch among these: by its label and its display name, whatever the listing was asked for."""
    wanted = label_of(name)
    return next((job for job in jobs if object_in(job, "labels").get(CLIENT) == wanted and text_in(job, "displayName") == name[:128]), None)


def standing(job: Json) -> str:
    """`waiting`, `running`, `succeeded`, `failed`, `cancelled`, or `unknown` for a word that nobody told us of. Expired is failed: nobody
    asked for it. One that is being cancelled still runs."""
    word = state_word(job.get("state")).removeprefix("JOB_STATE_")
    if word in ("QUEUED", "PENDING", "PAUSED", "UNSPECIFIED", ""):
        return "waiting"
    if word in ("RUNNING", "UPDATING", "CANCELLING"):
        return "running"
    if word in ("SUCCEEDED", "PARTIALLY_SUCCEEDED"):
        return "succeeded"
    if word in ("FAILED", "EXPIRED"):
        return "failed"
    if word == "CANCELLED":
        return "failed" if ran_out(job) else "cancelled"
    return "unknown"


def ran_out(job: Json) -> bool:
    """Whether it was ended because its time was over: the service calls that cancelled, though nobody asked for it (tensorflow/tfx issue
    6223, read 2026-11-22)."""
    if number_of(object_in(job, "error").get("code")) == _DEADLINE:
        return True
    began, ended = time_in(job, "startTime"), time_in(job, "endTime")
    limit_s = _seconds(text_in(object_in(object_in(job, "jobSpec"), "scheduling"), "timeout") or "") or LONGEST_S
    return began is not None and ended is not None and (ended - began).total_seconds() >= limit_s


def _seconds(duration: str) -> float | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)s", duration)
    return float(found[1]) if found else None


def reason_of(job: Json) -> str:
    """Why it failed, in one sentence with what to do, as far as the service says; '' where it says nothing."""
    said = " ".join(without_secrets(error_of(job) or "").split())
    words = _LOGS.sub("", said)[:_MOST_WORDS].rstrip(" .")
    if ran_out(job):
        return f"{words or 'the job ran as long as it may'}. Give it more time: max_hours."
    if not words:
        return ""
    for fits, advice in _ADVICE:
        if fits.search(said):
            return f"{words}. {advice}"
    return f"{words}."


_ADVICE = (
    (re.compile(r"quota", re.IGNORECASE), "See and raise it: https://console.cloud.google.com/iam-admin/quotas"),
    (
        re.compile(r"stockout|resources are insufficient|insufficient resources|not enough resources|capacity", re.IGNORECASE),
        "Resume later, or name another machine_type or region.",
    ),
    (re.compile(r"low on memory|out of memory", re.IGNORECASE), "Name a larger machine_type."),
    (
        re.compile(r"\bimage\b.{0,200}(?:not|denied|failed|pull)|(?:pull|denied).{0,120}\bimage\b", re.IGNORECASE),
        "Look at image: it has to be there, and the job's service account has to be let in.",
    ),
)


def page_of(name: str, *, project: str) -> str:
    """The job in Google's console, as the SDK links it (google-cloud-aiplatform 2.7.0)."""
    parts = name.split("/")
    location, job = parts[-3], parts[-1]
    return f"https://console.cloud.google.com/agent-platform/locations/{location}/training/{job}?project={project}"
