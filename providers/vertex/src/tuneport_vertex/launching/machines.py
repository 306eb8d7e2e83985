"""Machines of Vertex AI's training, and the GPUs that are built into some of them. Pure.

Pairs: Compute Engine's page of GPU machine types (read 2026-11-21); accelerators: google-cloud-aiplatform 2.7.0. What stands in
neither, and which of them a region has, is left to Vertex AI's own refusal.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuneport.nearest import did_you_mean

_L4, _A100, _A100_80, _H100, _H200 = "NVIDIA_L4", "NVIDIA_TESLA_A100", "NVIDIA_A100_80GB", "NVIDIA_H100_80GB", "NVIDIA_H200_141GB"
BUILT_IN: Mapping[str, tuple[str, int]] = {
    **{f"g2-standard-{cores}": (_L4, count) for cores, count in ((4, 1), (8, 1), (12, 1), (16, 1), (24, 2), (32, 1), (48, 4), (96, 8))},
    **{f"a2-highgpu-{count}g": (_A100, count) for count in (1, 2, 4, 8)},
    **{f"a2-ultragpu-{count}g": (_A100_80, count) for count in (1, 2, 4, 8)},
    **{f"a3-highgpu-{count}g": (_H100, count) for count in (1, 2, 4, 8)},
    "a3-megagpu-8g": ("NVIDIA_H100_MEGA_80GB", 8),
    "a3-ultragpu-8g": (_H200, 8),
    "a4-highgpu-8g": ("NVIDIA_B200", 8),
}
"""Which GPU, and how many."""
ACCELERATORS = (
    "NVIDIA_TESLA_T4",
    "NVIDIA_TESLA_P4",
    "NVIDIA_TESLA_P100",
    "NVIDIA_TESLA_V100",
    _L4,
    _A100,
    _A100_80,
    _H100,
    "NVIDIA_H100_MEGA_80GB",
    _H200,
    "NVIDIA_B200",
    "NVIDIA_GB200",
    "NVIDIA_RTX_PRO_6000",
)
"""Those that PyTorch runs on by itself: TPUs are none, and the K80 is gone."""
_ELSEWHERE = {kind for kind, _ in BUILT_IN.values()}
_GENERAL = ("n1-", "n2-", "n2d-", "e2-", "c2-", "c2d-", "c3-", "m1-", "m3-")
_QUOTA = {_A100: "nvidia_a100_gpus", "NVIDIA_TESLA_T4": "nvidia_t4_gpus", "NVIDIA_TESLA_V100": "nvidia_v100_gpus"}
_QUOTA |= {"NVIDIA_TESLA_P4": "nvidia_p4_gpus", "NVIDIA_TESLA_P100": "nvidia_p100_gpus", _H100: "nvidia_h100_gpus"}
_QUOTA |= {_H200: "nvidia_h200_gpus", "NVIDIA_H100_MEGA_80GB": "nvidia_h100_mega_gpus"}


def equipped(machine: str, accelerator: str | None, count: int | None) -> tuple[str, int]:
    """The GPU of a machine and how many it has, ('', 0) for a machine without: what is built in need not be said.

    Raises ValueError for what cannot be.
    """
    if accelerator is not None and accelerator not in ACCELERATORS:
        raise ValueError(f"accelerator_type {accelerator!r} is none that can be trained on; {did_you_mean(accelerator, ACCELERATORS)}")
    if machine in BUILT_IN:
        built_in = BUILT_IN[machine]
        if (accelerator or built_in[0], count or built_in[1]) != built_in:
            raise ValueError(
                f"{machine} has {built_in[1]} x {built_in[0]} built in, and no other; leave accelerator_type and accelerator_count out"
            )
        return built_in
    if accelerator is None:
        if count is not None:
            raise ValueError("accelerator_count goes with accelerator_type")
        return "", 0
    if accelerator in _ELSEWHERE and machine.startswith(_GENERAL):
        has = ", ".join(name for name, (kind, _) in BUILT_IN.items() if kind == accelerator)
        raise ValueError(f"{accelerator} cannot be put into {machine}; machines that have it: {has}")
    return accelerator, count or 1


def quota_of(accelerator: str, *, spot: bool) -> str:
    """The quota that such GPUs count for, as Google's refusals name it; that of processors for a machine without."""
    spotted = "preemptible_" if spot else ""
    kind = _QUOTA.get(accelerator, f"{accelerator.lower()}_gpus" if accelerator else "cpus")
    return f"custom_model_training_{spotted}{kind}"
