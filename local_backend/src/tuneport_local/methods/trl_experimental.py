"""What of trl's experimental part we use, taken from there in this place alone: trl may move or change it with any release.

Its notice that it is experimental is for those who choose a trainer of trl; ours is pinned to a version, and the tests show what it does.
"""

from __future__ import annotations

import importlib.metadata
import warnings

from tuneport.errors import Unsupported

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="You are importing from 'trl.experimental'")
    try:
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer
    except ImportError:
        raise Unsupported(
            f"trl {importlib.metadata.version('trl')} has no trl.experimental.orpo, where trl 1.16 has ORPO.",
            remedy="Install trl 1.16, or train with method dpo.",
        ) from None

__all__ = ["ORPOConfig", "ORPOTrainer"]
