"""Exports read back as a stranger would: by plain transformers and PEFT, from the folder alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tuneport_local.adapters.kind import is_virtual
from tuneport_local.bases.loading import load_adapter, torch_dtype
from tuneport_local.exporting.answers import heard
from tuneport_local.exporting.figures import Heard
from tuneport_local.exporting.original import Measure
from tuneport_local.quiet import quiet


def of_adapter(folder: Path, *, base: Path, precision: str, device: str, measure: Measure, trusted: bool) -> tuple[Heard, ...]:
    """What the base with the exported adapter makes of the original's answers."""
    from peft import PeftModel

    if is_virtual(folder):  # peft's way to answer with those keeps no memory of what was said
        return heard(load_adapter(_plain(base, precision, device, trusted=trusted), folder, device=device), measure.said, ends=measure.ends)
    with quiet():
        network = PeftModel.from_pretrained(_plain(base, precision, device, trusted=trusted), str(folder), torch_device=device)
    return heard(network.eval(), measure.said, ends=measure.ends)


def of_merged(folder: Path, *, precision: str, device: str, measure: Measure, trusted: bool) -> tuple[Heard, ...]:
    """What the exported weights make of the original's answers. Their own settings and tokenizer say where an answer ends."""
    network = _plain(folder, precision, device, trusted=trusted)
    said = network.generation_config.eos_token_id
    return heard(network, measure.said, ends=frozenset(said if isinstance(said, list) else [said]))


def tokenised_alike(folder: Path, tokenizer: Any, texts: Iterable[str | None]) -> bool:
    """Whether the tokenizer in the folder gives the same tokens and writes conversations with the same template."""
    from transformers import AutoTokenizer

    other: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    same = [
        other(text, add_special_tokens=False).input_ids == tokenizer(text, add_special_tokens=False).input_ids
        for text in texts
        if text is not None
    ]
    return bool(other.chat_template == tokenizer.chat_template) and all(same)


def _plain(folder: Path, precision: str, device: str, *, trusted: bool) -> Any:
    from transformers import AutoModelForCausalLM

    with quiet():
        network: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch_dtype(precision), trust_remote_code=trusted, local_files_only=True
        )
    return network.to(device).eval()
