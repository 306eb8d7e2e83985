"""Trainers that people compare with and that are not measured here, each with what was found when it was tried, and the day."""

from __future__ import annotations

UNTRIED = {
    "axolotl 0.19.0": (
        "not run: it resolves in an environment of its own (trl 1.9.0, transformers 5.16.1, xformers, triton, bitsandbytes), which was not "
        "tried; 0.20 and 0.21 want Python 3.12 (2026-11-21)"
    ),
    "unsloth 2026.10.9": (
        "not run: it looks for CUDA, XPU, NPU or MLX, and there is none of them here; it wants trl up to 1.15 and transformers up to 5.17 "
        "(2026-11-21)"
    ),
}
FACTORY_ABSENT = (
    "LLaMA-Factory 0.9.5: not run: name a Python that has it with --llamafactory; it wants trl 0.24 and transformers 5.6 at "
    "most, so it needs an environment of its own"
)


def lines(*, factory: str | None) -> list[str]:
    """One sentence for each that is not measured."""
    found = [f"{name}: {reason}" for name, reason in UNTRIED.items()]
    return found if factory else [*found, FACTORY_ABSENT]
