"""The body of customJobs.create: read into the vendor's own type, then held against what its reference says of the fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.machines import FIXED, NEEDED, PREFIXES
from tuneport_vertex.emulator.messages import message
from tuneport_vertex.emulator.reading import Json, read
from tuneport_vertex.emulator.tuning_requests import ACCOUNT, KMS, label_problems
from tuneport_vertex.emulator.world import Place

OUTPUT_ONLY = frozenset(
    {
        "name",
        "state",
        "createTime",
        "startTime",
        "endTime",
        "updateTime",
        "error",
        "webAccessUris",
        "satisfiesPzs",
        "satisfiesPzi",
    }
)
"""Ignored where a client sends them."""
FIXED_HERE: Mapping[str, tuple[str, int]] = {
    **FIXED,
    "a3-megagpu-8g": ("NVIDIA_H100_MEGA_80GB", 8),
    "a3-ultragpu-8g": ("NVIDIA_H200_141GB", 8),
    "a4-highgpu-8g": ("NVIDIA_B200", 8),
}
BUILT_IN = {kind for kind, _ in FIXED_HERE.values()}
TOO_SMALL = ("n1-standard-1", "n1-standard-2")
IMAGE = re.compile(r"[a-z0-9][\w.-]*(?::\d+)?(?:/[\w.-]+)*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?")
NETWORK = re.compile(r"projects/\d+/global/networks/[a-z][a-z0-9-]*")
DISKS = ("pd-ssd", "pd-standard", "hyperdisk-balanced")
ENV_AT_MOST = 100


def read_custom_job(value: object, place: Place, *, version: str) -> Json:
    """The body that can be begun, names in camelCase and enums by name. Raises Refusal."""
    job = read(value, message(version, "CustomJob"), root="custom_job")
    body = {name: inner for name, inner in job.items() if name not in OUTPUT_ONLY}
    problems = [*_wrong(body, place), *label_problems(body.get("labels") or {}, where="custom_job.labels")]
    if problems:
        raise refusals.found_errors(problems)
    return body


def first_pool(body: Json) -> Mapping[str, Any]:
    """Its first worker pool, which there always is."""
    pool: Mapping[str, Any] = body["jobSpec"]["workerPoolSpecs"][0]
    return pool


def accelerators_of(body: Json) -> tuple[str, int]:
    """Which, and how many its replicas take together; ('', 0) for none."""
    pool = first_pool(body)
    machine = pool.get("machineSpec") or {}
    kind = machine.get("acceleratorType") or ""
    if kind in ("", "ACCELERATOR_TYPE_UNSPECIFIED"):
        return "", 0
    return kind, int(machine.get("acceleratorCount") or 0) * int(pool.get("replicaCount") or 1)


def _wrong(body: Json, place: Place) -> Iterator[tuple[str, str]]:
    if not body.get("displayName"):
        yield "custom_job.display_name", NEEDED
    elif len(body["displayName"]) > 128:
        yield "custom_job.display_name", "The display name is longer than 128 characters."
    spec = body.get("jobSpec") or {}
    pools = spec.get("workerPoolSpecs") or []
    if not pools:
        yield "custom_job.job_spec.worker_pool_specs", NEEDED
    for number, pool in enumerate(pools):
        if pool or not number:
            yield from _pool(pool, f"custom_job.job_spec.worker_pool_specs[{number}]", first=not number)
    account = spec.get("serviceAccount")
    if account and ACCOUNT.fullmatch(account) is None:
        yield "custom_job.job_spec.service_account", "The service account is not an e-mail address."
    if spec.get("network") and NETWORK.fullmatch(spec["network"]) is None:
        yield "custom_job.job_spec.network", "The network must look like projects/{project number}/global/networks/{network}."
    yield from _scheduling(spec.get("scheduling") or {})
    key = (body.get("encryptionSpec") or {}).get("kmsKeyName")
    if "encryptionSpec" in body and (matched := KMS.fullmatch(key or "")) is None:
        yield "custom_job.encryption_spec.kms_key_name", NEEDED if not key else "The name of the key is malformed."
    elif key and matched is not None and matched[1] != place.location:
        yield "custom_job.encryption_spec.kms_key_name", f"The key must be in the location {place.location}."


def _pool(pool: Mapping[str, Any], where: str, *, first: bool) -> Iterator[tuple[str, str]]:
    tasks = [name for name in ("containerSpec", "pythonPackageSpec") if name in pool]
    if not tasks:
        yield f"{where}.task", NEEDED
    if "pythonPackageSpec" in pool:
        raise refusals.refusal("UNIMPLEMENTED", "The emulator does not rehearse pythonPackageSpec.")
    replicas = int(pool.get("replicaCount") or 0)
    if replicas < 1 or (first and replicas != 1):
        yield f"{where}.replica_count", "The replica count of the first worker pool must be 1." if first else "It must be at least 1."
    yield from _container(pool.get("containerSpec") or {}, f"{where}.container_spec")
    yield from _machine(pool.get("machineSpec") or {}, f"{where}.machine_spec")
    disk = pool.get("diskSpec") or {}
    if disk.get("bootDiskType") not in (None, *DISKS):
        yield f"{where}.disk_spec.boot_disk_type", f"The boot disk type must be one of {', '.join(DISKS)}."
    if "bootDiskSizeGb" in disk and not 100 <= int(disk["bootDiskSizeGb"]) <= 64_000:
        yield f"{where}.disk_spec.boot_disk_size_gb", "The boot disk size must be within the range of [100, 64000]."


def _container(container: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    image = container.get("imageUri")
    if not image:
        yield f"{where}.image_uri", NEEDED
    elif IMAGE.fullmatch(image) is None:
        yield f"{where}.image_uri", "The image URI is malformed."
    variables = container.get("env") or []
    if len(variables) > ENV_AT_MOST:
        yield f"{where}.env", f"At most {ENV_AT_MOST} environment variables can be set."
    names = [one.get("name") for one in variables]
    if len(set(names)) != len(names) or any(not name for name in names):
        yield f"{where}.env", "The names of environment variables must be set and unique."


def _machine(machine: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    kind, accelerator = machine.get("machineType"), machine.get("acceleratorType")
    count = int(machine.get("acceleratorCount") or 0)
    if accelerator == "ACCELERATOR_TYPE_UNSPECIFIED":
        accelerator = None
    if not kind:
        yield f"{where}.machine_type", NEEDED
        return
    if kind in FIXED_HERE:
        if (accelerator, count) != FIXED_HERE[kind]:
            wanted, number = FIXED_HERE[kind]
            yield f"{where}.accelerator_type", f"Machine type {kind} needs accelerator_type {wanted} and accelerator_count {number}."
        return
    if not kind.startswith(PREFIXES) or kind in TOO_SMALL:
        yield f"{where}.machine_type", f"Machine type {kind} is not supported."
    if bool(accelerator) != bool(count):
        yield f"{where}.accelerator_count", "accelerator_type and accelerator_count must be set together."
    if accelerator in BUILT_IN or (accelerator and not kind.startswith("n1-")):
        yield f"{where}.accelerator_type", f'"{accelerator}" is not supported for machine type "{kind}".'


def _scheduling(scheduling: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    where = "custom_job.job_spec.scheduling"
    if float((scheduling.get("timeout") or "1s").removesuffix("s")) <= 0:
        yield f"{where}.timeout", "The timeout must be positive."
    if scheduling.get("maxWaitDuration") and scheduling.get("strategy") != "FLEX_START":
        yield f"{where}.max_wait_duration", "This field is only available with the strategy FLEX_START."
