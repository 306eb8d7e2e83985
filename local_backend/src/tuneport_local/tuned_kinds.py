"""Which weights a training changes, kind by kind: what each is called, costs and leaves, and the methods it goes with. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneport.provider import YES, Support, not_yet

LORA = "lora"
_COPY_BYTES = 4


@dataclass(frozen=True, slots=True)
class TunedKind:
    """One kind. `title` and `noun` are what a model card calls the result, `trained` what an event calls the weights that are learned.

    `whole`: what is left is a model, not an adapter for one. `rate`: `auto` for the learning rate, in times the method's usual one, which
    is that of low-rank adapters. `memory` is what is said of the memory for it, `bytes_per_weight` how much that is: the weights, and what
    is learned of them with its gradients and both moments of Adam.
    """

    name: str
    title: str
    memory: str
    bytes_per_weight: float
    noun: str = "adapter"
    trained: str = "adapters"
    whole: bool = False
    rate: float = 1.0


KINDS: Mapping[str, TunedKind] = {
    kind.name: kind
    for kind in (
        # rank 16 on all linear layers: some 1 % of the weights times 16 bytes, beside 2 for each weight
        TunedKind("lora", "A LoRA adapter for", "bf16 weights, LoRA", 2 * 1.15),
        TunedKind(
            "full",
            "All weights of",
            "fp32 weights, their gradients and two moments of Adam",
            16,
            noun="model",
            trained="weights",
            whole=True,
            rate=0.1,
        ),
    )
}

_REFUSED: Mapping[tuple[str, str], str] = {}
"""(kind, method) -> why they do not go together. All others do."""


def kind_of(weights: Mapping[str, Any] | None) -> TunedKind:
    """The kind that a recipe's `weights`, as its method says them, means: low-rank adapters where it does not."""
    return KINDS[LORA if weights is None else weights["kind"]]


def bytes_per_weight(kind: TunedKind, *, method: str) -> float:
    """Memory for each weight of the base. `dpo` compares with the base, which adapters leave as it is, and of which a whole model needs a
    frozen copy."""
    return kind.bytes_per_weight + (_COPY_BYTES if kind.whole and method == "dpo" else 0)


def goes_with(kind: str, *, method: str) -> Support:
    """Whether such weights can be trained by that method here, and if not, why."""
    if kind not in KINDS:
        return not_yet(f"weights {kind!r} are not built for the local backend yet")
    why = _REFUSED.get((kind, method))
    return YES if why is None else not_yet(why)


def work_of(method: str, weights: Mapping[str, Any] | None) -> str:
    """What speeds are kept under: the method, and what is trained where that is no low-rank adapter."""
    kind = kind_of(weights)
    return method if kind.name == LORA else f"{method} of {kind.name} weights"
