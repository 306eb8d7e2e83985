"""One training of the comparison, as it is handed to a process of its own."""

from __future__ import annotations

from dataclasses import dataclass

BATCH = 8
LEARNING_RATE = 5e-4
RANK = 16
SEED = 0
OURS = "tuneport"
TRL = "trl"
FACTORY = "llamafactory"


@dataclass(frozen=True, slots=True)
class Setting:
    """One of TRL's: how rows become batches, which attention, whether activations are recomputed."""

    batching: str = "padded"
    attention: str = "sdpa"
    checkpointing: bool = False

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.batching}, {self.attention}{', checkpointing' if self.checkpointing else ''}"


DEFAULTS = Setting(checkpointing=True)
SETTINGS = (
    DEFAULTS,
    *(Setting(batching, attention) for attention in ("sdpa", "eager") for batching in ("padded", "padding-free", "packed")),
    *(Setting(batching, checkpointing=True) for batching in ("padding-free", "packed")),
)
"""TRL's, the defaults first. Its loss is chunked in all of them: trl 1.16 has no other ('chunked_nll' is a name of it), and its Liger
kernels need Triton, which no CPU has."""


@dataclass(frozen=True, slots=True)
class Task:
    """`model` is a folder with weights that all can load, `train` and `validation` files of conversations. `launched`: when its process was
    started, in seconds since the epoch. `adapters` and `shared` (`share_beginning`) are ours. `validate_every` so many steps, 0 never; that
    time is left out of every figure."""

    who: str
    model: str
    home: str
    train: str
    validation: str
    setting: Setting = Setting()
    adapters: str = "fp32"
    shared: bool = False
    validate_every: int = 0
    launched: float = 0.0

    @property
    def name(self) -> str:
        """For people."""
        if self.who != OURS:
            return f"{self.who} {self.setting.name}"
        apart = ", beginnings shared" if self.shared else "" if self.adapters == "fp32" else f", adapters in {self.adapters}"
        return f"{self.who}{apart}"
