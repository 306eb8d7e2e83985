"""A base in 4 or 8 bits, through bitsandbytes: whether it runs here, told without importing anything of it.

bitsandbytes has kernels for CUDA, and since 0.50 for processors as well: tried on x86-64 with torch 2.13 on 2026-11-21, where both sizes
train. On a Mac's GPU it has none.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

PACKAGE = "bitsandbytes"
_FIRST_ON_PROCESSORS = (0, 50)


def why_not(device: str) -> str:
    """Why a base cannot be held in few bits on that device, or ''."""
    if device.startswith("mps"):
        return f"{PACKAGE}, which holds bases in 4 and 8 bits, has no kernels for the GPU of a Mac"
    try:
        version = importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return f"lora.quantize needs {PACKAGE}, which is not installed (pip install 'tuneport-local[quantize]')"
    if not device.startswith("cuda") and _numbers(version) < _FIRST_ON_PROCESSORS:
        return f"{PACKAGE} {version} runs on NVIDIA GPUs only, and this trains on {device}; version 0.50 runs on processors too"
    return ""


def configuration(bits: int, *, dtype: Any) -> Any:
    """What transformers is told: 4 bits as NF4 (QLoRA), 8 bits as LLM.int8; computed in `dtype`."""
    from transformers import BitsAndBytesConfig

    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype)


def differentiable(model: Any) -> Any:
    """The same model. On processors with AVX512-BF16, bitsandbytes 0.50 turns the weights of a layer that is evaluated once into a form for
    answering, through which no gradient passes any more, also not when the layer is trained afterwards."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def _numbers(version: str) -> tuple[int, int]:
    major, minor, *_ = (*version.split("."), "0")
    return int(major), int("".join(filter(str.isdigit, minor)) or 0)
