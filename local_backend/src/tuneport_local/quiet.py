"""Silence for libraries that print: progress bars, advice and deprecation notes that a user of ours can do nothing about."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_NOTES = (
    r"`(is_gradient_checkpointing|gradient_checkpointing_(en|dis)able)` is deprecated.*",  # peft 0.21 and trl 1.16 use the old names
    r"Unsupported layer type '<class '.*Norm'>' encountered.*",  # peft 0.21 counts the inputs of layers, and LN-tuning has none to count
    r"Adapter name 'ref' should not be contained in the prefix.*",  # trl's copy of a prefix, which is no more when anything is read
    r".*'pin_memory' argument is set as true but no accelerator is found.*",
)
_LOGGERS = ("transformers", "trl", "peft", "accelerate", "datasets", "huggingface_hub")


_BARS = ("transformers.utils.logging", "datasets.utils.logging")


@contextmanager
def quiet() -> Iterator[None]:
    """Within: no progress bars, no log lines below an error, none of the known notes. Afterwards everything is as it was.

    Covers the libraries that are imported by then; it imports none itself.
    """
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    bars: list[Any] = [module for module in map(sys.modules.get, _BARS) if module is not None]
    shown = [module for module in bars if module.is_progress_bar_enabled()]
    for module in bars:
        module.disable_progress_bar()
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for note in _NOTES:
                warnings.filterwarnings("ignore", message=note)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for module in shown:
            module.enable_progress_bar()
