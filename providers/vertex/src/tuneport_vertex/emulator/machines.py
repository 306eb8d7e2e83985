"""Machines that models are served on, and which accelerators each one takes (Google's tables of machine types, 2026)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

L4, A100, A100_80, H100, T4 = "NVIDIA_L4", "NVIDIA_TESLA_A100", "NVIDIA_A100_80GB", "NVIDIA_H100_80GB", "NVIDIA_TESLA_T4"
FIXED: Mapping[str, tuple[str, int]] = {
    **{f"g2-standard-{cores}": (L4, count) for cores, count in ((4, 1), (8, 1), (12, 1), (16, 1), (24, 2), (32, 1), (48, 4), (96, 8))},
    **{f"a2-highgpu-{count}g": (A100, count) for count in (1, 2, 4, 8)},
    **{f"a2-ultragpu-{count}g": (A100_80, count) for count in (1, 2, 4, 8)},
    **{f"a3-highgpu-{count}g": (H100, count) for count in (1, 2, 4, 8)},
}
"""Machines with their accelerators built in: which, and how many."""
PREFIXES = ("n1-standard-", "n1-highmem-", "n2-standard-", "e2-standard-", "c3-standard-")
NEEDED = "Required field is not set."


def machine_problems(resources: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    """What is wrong with dedicatedResources."""
    machine = resources.get("machineSpec") or {}
    kind, accelerator, count = machine.get("machineType"), machine.get("acceleratorType"), int(machine.get("acceleratorCount") or 0)
    if not kind:
        yield f"{where}.machine_spec.machine_type", NEEDED
    elif kind in FIXED and (accelerator, count) != FIXED[kind]:
        wanted, number = FIXED[kind]
        what = f"Machine type {kind} needs accelerator_type {wanted} and accelerator_count {number}."
        yield f"{where}.machine_spec.accelerator_type", what
    elif kind not in FIXED and not kind.startswith(PREFIXES):
        yield f"{where}.machine_spec.machine_type", f"Machine type {kind} is not supported."
    if int(resources.get("minReplicaCount") or 0) < 1:
        yield f"{where}.min_replica_count", "The minimum number of replicas must be at least 1."
    elif int(resources.get("maxReplicaCount") or 0) and int(resources["maxReplicaCount"]) < int(resources["minReplicaCount"]):
        yield f"{where}.max_replica_count", "It must not be smaller than min_replica_count."


def accelerators(resources: Mapping[str, Any]) -> tuple[str, int]:
    """Which and how many the least number of replicas takes."""
    machine = resources.get("machineSpec") or {}
    return machine.get("acceleratorType") or "", int(machine.get("acceleratorCount") or 0) * int(resources.get("minReplicaCount") or 1)
