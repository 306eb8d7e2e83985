"""Base and adapter as one: merged by PEFT, written in the layout of transformers with everything that decides how answers end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tuneport.errors import Unsupported
from tuneport_local.bases.loading import torch_dtype
from tuneport_local.quiet import quiet

SHARD = "5GB"


def merged(tuned: Any) -> Any:
    """The network of a PEFT model with its adapter in the weights, in the precision that it was loaded in. Raises Unsupported."""
    try:
        with quiet():
            return tuned.merge_and_unload(safe_merge=True)
    except (NotImplementedError, AttributeError, TypeError, ValueError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        kind = str(getattr(tuned.active_peft_config, "peft_type", "this kind of adapter")).rpartition(".")[2]
        raise Unsupported(f"PEFT does not merge {kind} into its base: {words}", remedy="Export it with --as adapter.") from None


def write_merged(model: Any, folder: Path, *, tokenizer: Any, precision: str, ends: Iterable[int], name: str) -> None:
    """Safetensors (in parts of 5 GB), config, tokenizer with its chat template, and generation settings that end where answers end here.

    The network itself is cast to `precision`. `name` is the base's, for the configuration.
    """
    model.to(torch_dtype(precision))
    model.config.dtype = torch_dtype(precision)
    model.config._name_or_path = name
    settings, (first, *others) = model.generation_config, sorted(ends)
    settings.eos_token_id = [first, *others] if others else first
    if settings.pad_token_id is None:
        settings.pad_token_id = tokenizer.pad_token_id
    with quiet():
        model.save_pretrained(folder, max_shard_size=SHARD)
        tokenizer.save_pretrained(folder)
