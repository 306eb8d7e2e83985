"""What training reports: steps, losses that fall, and the hyperparameters that `auto` stands for. The same seed reports the same."""

from __future__ import annotations

import csv
import io
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneport_openai.emulator.bases import DPO, REINFORCEMENT, Base
from tuneport_openai.emulator.job_requests import AUTO, Settings

VALID_EVERY = 10
KEPT_CHECKPOINTS = 3
COLUMNS = {
    "supervised": ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"),
    "dpo": ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"),
    "reinforcement": ("step", "train_reward_mean", "valid_reward_mean"),
}
"""The columns of a results file, as the guides give them; `train_accuracy` is called train_mean_token_accuracy in events."""


def chosen(settings: Settings, *, rows: int, base: Base) -> Settings:
    """The settings with a number in place of each `auto`: as many epochs as OpenAI's cookbook estimates, one row in a batch per 500."""
    epochs = min(25, max(1, 100 // rows)) if rows * 3 < 100 else max(1, 25_000 // rows) if rows * 3 > 25_000 else 3
    auto: Mapping[str, Any] = {
        "n_epochs": epochs,
        "batch_size": min(256, max(1, rows // 500)),
        "learning_rate_multiplier": base.multiplier,
        "beta": 0.1,
        "compute_multiplier": 1.0,
        "eval_interval": 5,
        "eval_samples": 2,
    }
    return {name: auto[name] if value == AUTO else value for name, value in settings.items()}


@dataclass(frozen=True, slots=True)
class Training:
    """The training of one job, once its files are known to be good."""

    method: str
    rows: int
    validated: bool
    epochs: int
    batch_size: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.rows / self.batch_size)

    @property
    def steps(self) -> int:
        return self.steps_per_epoch * self.epochs

    def checkpoint_steps(self, done: int) -> tuple[int, ...]:
        """The ends of the last epochs among the `done` steps, the latest first."""
        ends = range(self.steps_per_epoch, done + 1, self.steps_per_epoch)
        return tuple(reversed(ends))[:KEPT_CHECKPOINTS]

    def metrics(self, step: int) -> dict[str, float]:
        """What the event of a step reports beside `step` and `total_steps`."""
        chance = random.Random(f"{self.seed} {step}")
        passed = step / self.steps
        ends_epoch = step % self.steps_per_epoch == 0
        if self.method == REINFORCEMENT:
            return self._rewards(passed, chance, valid=ends_epoch or step % VALID_EVERY == 0)
        loss = (0.69 if self.method == DPO else 2.4) * math.exp(-2.5 * passed) + 0.05
        told = {"train_loss": _near(loss, chance), "train_mean_token_accuracy": _share(0.55 + 0.4 * passed, chance)}
        if self.validated and (ends_epoch or step % VALID_EVERY == 0):
            told |= {"valid_loss": _near(loss * 1.1, chance), "valid_mean_token_accuracy": _share(0.5 + 0.38 * passed, chance)}
        if self.validated and ends_epoch:
            told |= {"full_valid_loss": _near(loss * 1.12, chance), "full_valid_mean_token_accuracy": _share(0.5 + 0.37 * passed, chance)}
        return told

    def _rewards(self, passed: float, chance: random.Random, *, valid: bool) -> dict[str, float]:
        told = {"train_reward_mean": _share(0.3 + 0.5 * passed, chance)}
        return told | ({"valid_reward_mean": _share(0.28 + 0.45 * passed, chance)} if valid else {})

    def message(self, step: int) -> str:
        told = self.metrics(step)
        if self.method == REINFORCEMENT:
            return f"Step {step}/{self.steps}: training reward={told['train_reward_mean']:.2f}"
        names = {"train_loss": "training loss", "valid_loss": "validation loss", "full_valid_loss": "full validation loss"}
        return f"Step {step}/{self.steps}: " + ", ".join(f"{said}={told[name]:.2f}" for name, said in names.items() if name in told)

    def results(self) -> bytes:
        """The results file: one line per step, empty where a step reports nothing."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        columns = COLUMNS[self.method]
        writer.writerow(columns)
        for step in range(1, self.steps + 1):
            told = self.metrics(step)
            told["train_accuracy"] = told.get("train_mean_token_accuracy", 0.0)
            writer.writerow([step, *(f"{told[name]:.5f}" if name in told else "" for name in columns[1:])])
        return out.getvalue().encode()


def _near(value: float, chance: random.Random) -> float:
    return round(value * chance.uniform(0.92, 1.08), 6)


def _share(value: float, chance: random.Random) -> float:
    return round(min(1.0, max(0.0, value + chance.uniform(-0.04, 0.04))), 6)
