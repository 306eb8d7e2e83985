"""Which weights a training changes, kind by kind: what each is called, costs and leaves, and the methods it goes with. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneport.provider import YES, Support, not_yet

LORA = "lora"
_COPY_BYTES = 4
_LORA_BYTES = 0.3
"""For each weight of the base: adapters of rank 16 on all linear layers are some 1 % of them, times 16 bytes, and as much for doubt."""


@dataclass(frozen=True, slots=True)
class TunedKind:
    """One kind. `title` and `noun` are what a model card calls the result, `trained` what an event calls the weights that are learned.

    `whole`: what is left is a model, not an adapter for one. `virtual`: learned tokens stand before the prompt. `rate`: `auto` for the
    learning rate, in times the method's usual one, which is that of low-rank adapters. `memory` is what is said of the memory for it,
    `bytes_per_weight` how much that is: the weights, and what is learned of them with its gradients and both moments of Adam.
    """

    name: str
    title: str
    memory: str
    bytes_per_weight: float
    noun: str = "adapter"
    trained: str = "adapters"
    whole: bool = False
    virtual: bool = False
    rate: float = 1.0


KINDS: Mapping[str, TunedKind] = {
    kind.name: kind
    for kind in (
        TunedKind("lora", "A LoRA adapter for", "bf16 weights, LoRA", 2 + _LORA_BYTES),
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
        TunedKind("ia3", "An IA3 adapter for", "bf16 weights, IA3", 2.02, rate=10),
        TunedKind("prompt", "A tuned prompt for", "bf16 weights, prompt tuning", 2.02, virtual=True, rate=20),
        TunedKind("prefix", "A tuned prefix for", "bf16 weights, prefix tuning", 2.02, virtual=True, rate=10),
        TunedKind("oft", "An OFT adapter for", "bf16 weights, OFT", 2 + _LORA_BYTES, rate=2),
        TunedKind("vera", "A VeRA adapter for", "bf16 weights, VeRA", 2.05, rate=10),
        TunedKind("ln", "Tuned normalising layers for", "bf16 weights, normalising layers", 2.02, rate=2),
    )
}

_BASE_BYTES = 2
_AT_ONCE = 0.125
"""The share of a divided base that is whole at a time: a block and the next one, and the embeddings."""
_READ_BASE = {"dora": "the norms of the base's weights", "pissa": "the principal parts of the base's weights"}
_NEED_WHOLE = {"ln": "peft copies the layers that it trains, which torch does not let it do with divided ones"}
_DIVIDED_METHODS = ("sft", "dpo", "orpo")
_VIRTUAL_METHODS = ("sft", "dpo")
_QUANTIZED_METHODS = ("sft", "dpo", "orpo", "kto", "grpo")


def kind_of(weights: Mapping[str, Any] | None) -> TunedKind:
    """The kind that a recipe's `weights`, as its method says them, means: low-rank adapters where it does not."""
    return KINDS[LORA if weights is None else weights["kind"]]


def bytes_per_weight(kind: TunedKind, *, method: str, lora: Mapping[str, Any] | None = None) -> float:
    """Memory for each weight of the base. `dpo` and `kto` compare with the base, which adapters leave as it is, and of which a whole model
    needs a frozen copy. `lora` are the settings of low-rank adapters, of which the base may lie in fewer bits or in more."""
    if kind.whole:
        return kind.bytes_per_weight + (_COPY_BYTES if method in ("dpo", "kto") else 0)
    if kind.name == LORA and lora and lora.get("quantize"):
        return {4: 0.6, 8: 1.1}[lora["quantize"]] + _LORA_BYTES
    if kind.name == LORA and lora and lora.get("variant") == "pissa":
        return 4 + _LORA_BYTES
    return kind.bytes_per_weight


def whole_bytes_per_weight(kind: TunedKind) -> float:
    """Of those for each weight of a base that is divided among processes, what every one of them takes all the same: adapters, and the
    blocks that are whole while they are computed with."""
    return _AT_ONCE * _COPY_BYTES if kind.whole else _AT_ONCE * _BASE_BYTES + kind.bytes_per_weight - _BASE_BYTES


def why_undivided(kind: str, *, method: str, lora: Mapping[str, Any] | None = None) -> str:
    """Why the base under such weights cannot be divided among processes, or ''."""
    if method not in _DIVIDED_METHODS:
        return f"a divided base is built for {', '.join(_DIVIDED_METHODS)}, not for {method}"
    if KINDS[kind].whole and method == "dpo":
        return "method dpo compares all weights with a copy of what they were, and torch copies no divided base"
    variant = str(lora.get("variant", "plain")) if lora and kind == LORA else "plain"
    if variant in _READ_BASE:
        return f"lora.variant {variant!r} begins with {_READ_BASE[variant]}, and no process has all of a divided base"
    return f"weights {kind!r} do not go with a divided base: {_NEED_WHOLE[kind]}" if kind in _NEED_WHOLE else ""


def memory_words(kind: TunedKind, lora: Mapping[str, Any] | None) -> str:
    """What `bytes_per_weight` counts."""
    if kind.name == LORA and lora and lora.get("quantize"):
        return f"weights in {lora['quantize']} bits, LoRA"
    if kind.name == LORA and lora and lora.get("variant") == "pissa":
        return "fp32 weights, LoRA begun at their principal parts"
    return kind.memory


def goes_with(kind: str, *, method: str, lora: Mapping[str, Any] | None = None) -> Support:
    """Whether such weights can be trained by that method here, and if not, why. The table of kinds and methods is this."""
    if kind not in KINDS:
        return not_yet(f"weights {kind!r} are not built for the local backend yet")
    if KINDS[kind].virtual and method not in _VIRTUAL_METHODS:
        return not_yet(
            f"learned tokens before the prompt (weights {kind!r}) are built for {' and '.join(_VIRTUAL_METHODS)}, not for {method}"
        )
    if lora and lora.get("quantize") and method not in _QUANTIZED_METHODS:
        return not_yet(f"a base in {lora['quantize']} bits is built for models that generate, not for {method}")
    if lora and lora.get("quantize") and lora.get("variant") == "pissa":
        return not_yet("lora.variant 'pissa' takes the principal parts out of the base's weights, which a base in few bits does not have")
    return YES


def why_not_packed(weights: Mapping[str, Any] | None, *, neftune: bool) -> str:
    """Why rows cannot lie end to end in a batch, or ''."""
    if kind_of(weights).virtual:
        return "batches padded to their longest row: each row has learned tokens before it"
    if neftune:
        return "batches padded to their longest row: the noise on the embeddings is measured by a row's length"
    return ""


def virtual_tokens(weights: Mapping[str, Any] | None) -> int:
    """How many learned tokens stand before each row."""
    return int(weights["tokens"]) if weights is not None and kind_of(weights).virtual else 0


def work_of(method: str, weights: Mapping[str, Any] | None, lora: Mapping[str, Any] | None = None) -> str:
    """What speeds are kept under: the method, and what is trained where that is no plain low-rank adapter."""
    kind = kind_of(weights)
    if kind.name != LORA:
        return f"{method} of {kind.name} weights"
    odd = [f"{lora['quantize']} bits"] if lora and lora.get("quantize") else []
    odd += [str(lora["variant"])] if lora and lora.get("variant", "plain") != "plain" else []
    return f"{method}, {', '.join(odd)}" if odd else method
