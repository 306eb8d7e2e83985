"""Whether a base can be trained in this machine's memory, told before anything is fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tuneport.catalogue import catalogue
from tuneport.errors import UsageError
from tuneport.prices.gpus import gpu
from tuneport_local.adapters.tuned_kinds import KINDS, LORA, TunedKind, bytes_per_weight, memory_words, whole_bytes_per_weight
from tuneport_local.bases.at_hand import at_hand
from tuneport_local.machine.memory_there import total_bytes
from tuneport_local.machine.team import ONE, Team
from tuneport_local.machine.throughput import gpu_name

OUTPUT_BYTES = 1 << 30
"""What the output layer may take beside the activations (`sft.LOGITS_AT_MOST_BYTES`)."""

_GB = Decimal(10**9)
_BYTES_PER_WEIGHT = 2
_AT_A_TIME = {
    "dpo": "one pair at a time, {reference}",
    "orpo": "one pair at a time",
    "kto": "two answers at a time, {reference}",
    "reward": "one pair at a time",
    "grpo": "one answer at a time learned from; what the model remembers while it writes them is not counted",
}


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """In GB (10^9 bytes), of each worker where there are several. `there` is None where the size of the device's memory cannot be told
    without loading torch."""

    needed: Decimal
    there: Decimal | None
    method: str = "sft"
    kind: TunedKind = KINDS[LORA]
    lora: Mapping[str, Any] | None = None
    team: Team = ONE

    @property
    def together(self) -> Decimal:
        """What those take who share one memory."""
        return self.needed * self.team.here

    @property
    def fits(self) -> bool | None:
        """None where it cannot be told."""
        return None if self.there is None else self.together <= self.there

    @property
    def sentence(self) -> str:
        """What is needed of what."""
        of = "" if self.there is None else f" of the {self.there:.1f} GB there are"
        reference = "a copy of them for the reference" if self.kind.whole else "the reference being the same weights"
        how = _AT_A_TIME.get(self.method, "one row at a time").format(reference=reference)
        takes = self.team.said(f"{self.needed:.1f} GB", f"{self.together:.1f} GB")
        return f"training takes about {takes if of else takes.rstrip(',')}{of} ({memory_words(self.kind, self.lora)}, {how})"


def memory_need(
    base: str,
    *,
    home: Path,
    device: str,
    method: str = "sft",
    kind: str = LORA,
    lora: Mapping[str, Any] | None = None,
    team: Team = ONE,
) -> MemoryNeed | None:
    """What training such weights of the base takes at least; None where the number of its weights is not known."""
    weights = _weights(base, home)
    if weights is None:
        return None
    each = Decimal(str(bytes_per_weight(KINDS[kind], method=method, lora=lora)))
    if team.divided:
        stays = Decimal(str(whole_bytes_per_weight(KINDS[kind])))
        each = stays + (each - stays) / team.size
    return MemoryNeed((weights * each + OUTPUT_BYTES) / _GB, _there(device), method, KINDS[kind], lora, team)


def _weights(base: str, home: Path) -> Decimal | None:
    """By the catalogue, else by the files on this disk, taken to be of two bytes a weight."""
    known = catalogue().find(base, provider="local")
    if known is not None and known.parameters_b is not None:
        return known.parameters_b * 10**9
    found = at_hand(base, home=home)
    if found is None or found.source == "package":
        return None
    files = list(Path(found.location).glob("*.safetensors"))
    size = sum(file.stat().st_size for file in files)
    return Decimal(size) / _bytes_a_weight(Path(found.location)) if files else None


def _bytes_a_weight(folder: Path) -> int:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return _BYTES_PER_WEIGHT
    return 4 if str(config.get("dtype", config.get("torch_dtype"))) == "float32" else _BYTES_PER_WEIGHT


def _there(device: str) -> Decimal | None:
    if device.startswith("cuda"):
        try:
            return Decimal(gpu(gpu_name()).memory_gb)
        except UsageError:
            return None
    return Decimal(total_bytes()) / _GB
