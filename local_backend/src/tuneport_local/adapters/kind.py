"""What kind of adapter lies in a folder, told without torch, by peft's words for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tuneport.errors import UnknownModel

_VIRTUAL = ("PROMPT_TUNING", "PREFIX_TUNING")
_OURS = {
    "LORA": "lora",
    "IA3": "ia3",
    "PROMPT_TUNING": "prompt",
    "PREFIX_TUNING": "prefix",
    "OFT": "oft",
    "VERA": "vera",
    "LN_TUNING": "ln",
}
"""peft's word for a kind -> ours."""


def settings_in(folder: Path) -> dict[str, Any]:
    """adapter_config.json. Raises UnknownModel when it cannot be read."""
    path = folder / "adapter_config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnknownModel(f"{path} cannot be read: {type(error).__name__}.", remedy="Name a folder with a PEFT adapter.") from None
    if not isinstance(found, dict):
        raise UnknownModel(f"{path} is no table of settings.")
    return found


def kind_in(folder: Path) -> str:
    """Our word for it, else peft's. Raises UnknownModel."""
    word = str(settings_in(folder).get("peft_type"))
    return _OURS.get(word, word)


def is_virtual(folder: Path) -> bool:
    """Whether it is learned tokens before the prompt, which change nothing of the base."""
    return settings_in(folder).get("peft_type") in _VIRTUAL


def beside(folder: Path) -> str:
    """Which others it can share a base in memory with: those of which this says the same."""
    settings = settings_in(folder)
    word = str(settings.get("peft_type"))
    return f"{word} {settings.get('projection_prng_key')}" if word == "VERA" else word
