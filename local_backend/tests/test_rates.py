"""The rate at which a run learns, step by step, and that gradients are cut to the norm that was asked for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.training.train import train

from .joblog import MemoryJob, spec_of
from .tiny import save_tiny, write_chats

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("scene")
    return save_tiny(folder / "base"), write_chats(folder / "rows.jsonl", 12)


def readings(scene: tuple[Path, Path], folder: Path, **changes: Any) -> list[dict[str, float]]:
    """What was told of each step."""
    job = MemoryJob(folder)
    train(job, spec=spec_of(*scene, **changes), home=folder)
    return [values for _, values in job.metrics]


@pytest.mark.parametrize(
    ("schedule", "falling"),
    [
        ("linear", [1, 2 / 3, 1 / 3]),
        ("cosine", [1, 0.5 + 0.5 * math.cos(math.pi / 3), 0.5 + 0.5 * math.cos(2 * math.pi / 3)]),
        ("constant", [1, 1, 1]),
    ],
)
def test_the_rate_warms_up_and_falls_as_asked_for(scene: tuple[Path, Path], tmp_path: Path, schedule: str, falling: list[float]) -> None:
    rates = [each["learning_rate"] for each in readings(scene, tmp_path, schedule=schedule, warmup_ratio=0.5, learning_rate=0.01)]

    assert rates == pytest.approx([0.01 * share for share in (0, 1 / 3, 2 / 3, *falling)])


def test_gradients_are_cut_to_the_norm_and_told_as_they_were(scene: tuple[Path, Path], tmp_path: Path) -> None:
    """Adam does not mind how large gradients are, until they are smaller than the number it adds to what it divides by."""
    whole = {"batch_size": 12, "epochs": 4, "warmup_ratio": 0.0, "learning_rate": 0.03}  # each step has all rows
    free = readings(scene, tmp_path / "free", max_grad_norm=1e9, **whole)
    cut = readings(scene, tmp_path / "cut", max_grad_norm=1e-12, **whole)

    assert cut[0]["grad_norm"] == free[0]["grad_norm"] > 1e-3
    assert [each["loss"] for each in cut] == pytest.approx([cut[0]["loss"]] * 4, abs=1e-3), "it stands still"
    assert abs(free[-1]["loss"] - free[0]["loss"]) > 0.05
