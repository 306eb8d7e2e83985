"""Whether an adapter's weights are whole, by the header of their safetensors file: told without torch, before a job is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tuneport.errors import UnknownModel

_LENGTH_BYTES = 8
_HEADER_AT_MOST = 100_000_000


def refuse_damaged(folder: Path) -> None:
    """Raises UnknownModel for weights that are cut off, or no safetensors."""
    path = folder / "adapter_model.safetensors"
    why = _why_damaged(path)
    if why:
        raise UnknownModel(f"{path} is damaged: {why}.", remedy="Copy it again, or name another model.")


def _why_damaged(path: Path) -> str:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            header: Any = json.loads(file.read(length)) if length <= _HEADER_AT_MOST else None
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        wanted, there = _LENGTH_BYTES + length + max(ends, default=0), path.stat().st_size
    except OSError as error:
        return error.strerror or str(error)
    except (ValueError, AttributeError, TypeError, KeyError, IndexError):
        return "it has no safetensors header"
    return "" if there == wanted else f"it has {there} bytes, and its header says {wanted}"
