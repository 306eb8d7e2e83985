"""What the machine decides: device, precision, attention, how much of a batch goes in at once. Each choice with its reason."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from tuneport.errors import ConfigError
from tuneport_local.bases.weights import Precision
from tuneport_local.machine.memory_need import OUTPUT_BYTES
from tuneport_local.machine.memory_there import free_bytes

_ACTIVATION_SHARE = 0.6
_PICTURES_AT_ONCE = 32
_BESIDE = "batches padded to their longest row: the method looks at rows beside each other"


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where and in which precision a model is trained. `autocast` computes in `precision` while the adapters stay in theirs.

    `packed`: the rows of a batch lie end to end instead of padded to the longest, each attending to itself only.
    """

    device: str
    precision: Precision
    adapter_precision: Precision
    autocast: bool
    packed: bool
    memory_bytes: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a model that decide what training it takes."""

    layers: int
    hidden: int
    intermediate: int
    vocabulary: int
    weights: int

    @classmethod
    def of(cls, model: Any) -> Shape:
        """Read from the model's configuration."""
        config = model.config.get_text_config()
        hidden = int(config.hidden_size)
        return cls(
            layers=int(config.num_hidden_layers),
            hidden=hidden,
            intermediate=int(getattr(config, "intermediate_size", None) or 4 * hidden),
            vocabulary=int(config.vocab_size),
            weights=sum(int(parameter.numel()) for parameter in model.parameters()),
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """How a batch goes through the model: `micro_batch` rows at a time, with or without recomputing activations."""

    micro_batch: int
    gradient_checkpointing: bool
    reasons: tuple[str, ...]


@cache
def see_one_gpu(device: str) -> str:
    """Hides all GPUs from this process but the one that `device` means; to be called before torch is imported. Returns its name then.

    trl refuses to train while one process sees several. Asked again, it says what it said: a resumed job may go on in the same process.
    Launchers that start a process per GPU (LOCAL_RANK is set) see to it themselves.
    """
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cuda") or "torch" in sys.modules or "LOCAL_RANK" in os.environ:
        return device
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(place) for place in range(int(number or 0) + 1)] if visible is None else visible.split(",")
    if int(number or 0) >= len(names):
        return device
    os.environ["CUDA_VISIBLE_DEVICES"] = names[int(number or 0)]
    return "cuda:0" if kind == "cuda" else device


def choose(
    *,
    device: str = "auto",
    precision: str = "auto",
    adapter_precision: str = "auto",
    packs: bool = True,
    trained: str = "adapters",
    why_padded: str = "",
) -> Hardware:
    """The hardware that `device` (auto, cpu, mps, cuda, cuda:1) means here. `packs`: whether the method can do with rows end to end;
    `trained`: what the weights that are learned are called; `why_padded`: why rows end to end are out of the question, or ''.

    Raises ConfigError when there is none such.
    """
    name, why_device = _device(device)
    kept, why_precision = _precision(name, precision)
    adapters: Precision = "fp32" if adapter_precision == "auto" else _word(adapter_precision)
    packed, why_packed = (False, why_padded) if why_padded else _packing(name) if packs else (False, _BESIDE)
    reasons = (why_device, why_precision, _why_trained(trained, adapters, asked=adapter_precision != "auto"), why_packed)
    return Hardware(name, kept, adapters, kept != "fp32", packed, _memory(name), reasons)


def fit(
    hardware: Hardware,
    shape: Shape,
    *,
    batch_size: int,
    longest: int,
    gradient_checkpointing: bool | Literal["auto"] = "auto",
    held_bytes: int = 0,
    at_most: int | None = None,
) -> Fit:
    """The largest part of a batch whose activations fit into memory. `longest`: tokens of the longest row; `held_bytes`: what weights that
    are all trained hold of it, with their gradients and moments. `at_most` rows at once, whatever seems to fit: more did not."""
    room = max(0.0, _ACTIVATION_SHARE * (hardware.memory_bytes - held_bytes) - OUTPUT_BYTES)
    most = batch_size if at_most is None else min(batch_size, at_most)
    rows = min(most, int(room / (longest * _token_bytes(shape, recompute=False))))
    if gradient_checkpointing is True or (gradient_checkpointing == "auto" and rows < 1):
        rows = min(most, max(1, int(room / (longest * _token_bytes(shape, recompute=True)))))
        why = "asked for" if gradient_checkpointing is True else "one row would not fit into memory without"
        return Fit(
            _divisor(batch_size, rows), True, (f"gradient checkpointing: {why}", *_why_micro(_divisor(batch_size, rows), batch_size))
        )
    micro = _divisor(batch_size, max(1, rows))
    return Fit(micro, False, ("gradient checkpointing off: the activations fit into memory", *_why_micro(micro, batch_size)))


def fit_pictures(*, batch_size: int, gradient_checkpointing: bool, at_most: int | None = None) -> Fit:
    """Pictures go through at most so many at a time: how much memory one takes, models of them do not say alike."""
    micro = _divisor(batch_size, min(at_most or _PICTURES_AT_ONCE, _PICTURES_AT_ONCE))
    off = "gradient checkpointing " + ("on: asked for" if gradient_checkpointing else "off: not asked for")
    return Fit(micro, gradient_checkpointing, (off, f"batches of {batch_size} images in parts of {micro}"))


def _device(wanted: str) -> tuple[str, str]:
    import torch

    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda:0", f"device cuda:0 ({torch.cuda.get_device_name(0)}): the first GPU"
        if torch.backends.mps.is_available():
            return "mps", "device mps: the GPU of this Mac"
        return "cpu", f"device cpu ({torch.get_num_threads()} threads): torch finds no GPU"
    kind, _, number = wanted.partition(":")
    there = {"cpu": True, "mps": torch.backends.mps.is_available(), "cuda": torch.cuda.device_count() > int(number or 0)}
    if not there.get(kind, False):
        raise ConfigError(f"there is no device {wanted!r} here.", remedy="Use options.local.device = 'auto', or 'cpu'.")
    name = f"cuda:{number or 0}" if kind == "cuda" else kind
    threads = f" ({torch.get_num_threads()} threads)" if name == "cpu" else ""
    return name, f"device {name}{threads}: asked for"


def _precision(device: str, wanted: str) -> tuple[Precision, str]:
    if wanted != "auto":
        return _word(wanted), f"precision {wanted}: asked for"
    if device == "mps":
        return "fp32", "precision fp32: bf16 is not dependable on mps"
    if device == "cpu":
        fast = _cpu_has_bf16()
        return (
            ("bf16", "precision bf16: the processor multiplies it natively")
            if fast
            else ("fp32", "precision fp32: the processor has no bf16")
        )
    import torch

    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16", "precision bf16: the GPU has it"
    return "fp16", "precision fp16: the GPU has no bf16"


def _cpu_has_bf16() -> bool:
    import torch

    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, test, lambda: False)() for test in tests)


def _word(precision: str) -> Precision:
    words: dict[str, Precision] = {"fp32": "fp32", "bf16": "bf16", "fp16": "fp16"}
    return words[precision]


def _why_trained(trained: str, precision: Precision, *, asked: bool) -> str:
    return f"{trained} in {precision}: " + ("asked for" if asked else "small updates survive, and a resumed job repeats exactly")


def _packing(device: str) -> tuple[bool, str]:
    if device == "cpu":
        return True, "batches without padding: each row attends to itself only (faster than padding, measured on CPU)"
    return False, f"batches padded to their longest row: the kernel for packed rows has not been measured on {device.partition(':')[0]}"


def _memory(device: str) -> int:
    """Bytes that are free where the activations will be."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    return free_bytes()


def _token_bytes(shape: Shape, *, recompute: bool) -> int:
    """Memory per token while training with adapters on every linear layer, measured on llamas in bf16: per layer about 60 values of the
    hidden size and 12 of the intermediate size; with recomputing one layer at a time, and one hidden state for each."""
    layer = 2 * (60 * shape.hidden + 12 * shape.intermediate)
    return layer + 2 * shape.layers * shape.hidden if recompute else shape.layers * layer


def _divisor(batch: int, most: int) -> int:
    """The largest number that divides `batch` and is at most `most`."""
    return next(size for size in range(min(batch, most), 0, -1) if batch % size == 0)


def _why_micro(micro: int, batch: int) -> tuple[str, ...]:
    if micro == batch:
        return (f"whole batches of {batch} rows at once",)
    return (f"batches of {batch} rows in parts of {micro}: so much fits into memory at once",)
