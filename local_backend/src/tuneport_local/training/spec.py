"""What a job folder's recipe.json asks of the trainer, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tuneport.errors import RecipeError
from tuneport_local.adapters.tuned_kinds import TunedKind, kind_of, virtual_tokens
from tuneport_local.methods.objectives import OBJECTIVES

Auto = Literal["auto"]


@dataclass(frozen=True, slots=True)
class LoRASpec:
    """Low-rank adapters. `targets` is 'all-linear' or suffixes of module names; updates are scaled by alpha / rank."""

    rank: int
    alpha: float
    dropout: float
    targets: str | tuple[str, ...]
    variant: Literal["plain", "rslora", "dora", "pissa"] = "plain"
    quantize: Literal[4, 8] | None = None


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """Everything a training run depends on. The `…_every` count optimizer steps; `auto` leaves a value to hardware or to time.

    `own` are the settings that only this method has (`objectives`). `weights` are which are trained instead of low-rank adapters,
    `early_stopping` when a training ends early, `keep` which weights are left: as the recipe's method says them, None where it does not.
    `data_format` is that of the data files where it is not the method's usual one.
    """

    base: str
    train_file: Path
    validation_file: Path | None
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_ratio: float
    schedule: str
    weight_decay: float
    max_grad_norm: float
    max_length: int | Auto
    too_long: Literal["refuse", "drop", "truncate", "split"]
    lora: LoRASpec
    seed: int
    eval_every: int | Auto = "auto"
    checkpoint_every: int | Auto = "auto"
    log_every: int = 1
    device: str = "auto"
    precision: str = "auto"
    adapter_precision: str = "auto"
    gradient_checkpointing: bool | Auto = "auto"
    trust_remote_code: bool = False
    grader_timeout_s: float = 10.0
    grader_memory_mb: int = 1024
    checkpoints_kept: int = 2
    forgetting: bool | Auto = "auto"
    client_id: str = ""
    recipe_fingerprint: str = ""
    dataset_fingerprint: str = ""
    continues: str = ""
    continued: Path | None = None
    continued_settings: Path | None = None
    method: str = "sft"
    own: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Any] | None = None
    early_stopping: Mapping[str, Any] | None = None
    keep: Literal["last", "best"] = "last"
    neftune_alpha: float | None = None
    data_format: str | None = None
    track: tuple[str, ...] = ()
    engine: str = "process"
    workers: int = 1
    restarts: int = 3
    address: str | None = None
    storage: str | None = None
    profile: bool = False
    share_beginning: bool = False
    sharding: str = "none"
    rented: Mapping[str, Any] | None = None

    @property
    def kind(self) -> TunedKind:
        """What is trained."""
        return kind_of(self.weights)

    @property
    def weights_table(self) -> Mapping[str, Any]:
        """The settings of that kind; none for low-rank adapters, which have a place of their own."""
        return self.weights or {}

    @property
    def virtual_tokens(self) -> int:
        """Learned tokens before each row."""
        return virtual_tokens(self.weights)

    @classmethod
    def from_dict(cls, recipe: Mapping[str, Any]) -> TrainingSpec:
        """From recipe.json. Raises RecipeError naming what is missing."""
        try:
            values, method = dict(recipe["hyperparameters"]), recipe.get("method", "sft")
            own = {name: values.pop(name) for name in OBJECTIVES[method].own}
            lora = dict(values.pop("lora"))
            targets = lora["targets"]
            files = recipe["files"]
            validation = files.get("validation")
            return cls(
                base=recipe["base"],
                train_file=Path(files["train"]),
                validation_file=Path(validation) if validation else None,
                lora=LoRASpec(
                    rank=int(lora["rank"]),
                    alpha=float(lora["alpha"]),
                    dropout=float(lora["dropout"]),
                    targets=targets if isinstance(targets, str) else tuple(targets),
                    variant=lora.get("variant", "plain"),
                    quantize=lora.get("quantize"),
                ),
                continues=recipe.get("continues") or "",
                continued=Path(files["continued"]) if files.get("continued") else None,
                continued_settings=Path(files["continued_settings"]) if files.get("continued_settings") else None,
                client_id=recipe.get("client_id") or "",
                recipe_fingerprint=recipe.get("recipe_fingerprint") or "",
                dataset_fingerprint=recipe.get("dataset_fingerprint") or "",
                method=method,
                own=own,
                data_format=recipe.get("format"),
                **values,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecipeError(f"recipe.json does not describe a training run: {error}.", remedy="Submit the job again.") from None
