"""Which bases lie on this disk, found without asking the hub and without importing what can."""

from __future__ import annotations

import os
from pathlib import Path

from tuneport.errors import TuneportError
from tuneport_local.bases import embedded
from tuneport_local.bases.brought import brought
from tuneport_local.bases.weights import BaseWeights, resolve


def at_hand(base: str, *, home: Path) -> BaseWeights | None:
    """Where the base's weights lie: in a folder, the hub's cache, or the embedded package; None where they would have to be fetched."""
    named = base == embedded.MODEL_ID or Path(base).expanduser().is_dir() or brought(base, home=home) is not None
    if not named and not _in_cache(base):
        return None
    try:
        found = resolve(base, home=home)
    except TuneportError:
        return None
    return None if found.source == "hub" else found


def _in_cache(base: str) -> bool:
    """Whether the hub's cache has anything of the repository. Asking its own library takes a quarter of a second to import."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface")).expanduser()
    folder = Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()
    return (folder / f"models--{base.replace('/', '--')}").is_dir()
