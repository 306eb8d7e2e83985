"""Silence for libraries that print: progress bars, advice and deprecation notes that a user of ours can do nothing about."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_NOTES = (
    r"`is_gradient_checkpointing` is deprecated.*",  # peft 0.21 asks transformers 5.23 by the old name
    r".*'pin_memory' argument is set as true but no accelerator is found.*",
)
_LOGGERS = ("transformers", "trl", "peft", "accelerate", "datasets", "huggingface_hub")


@contextmanager
def quiet() -> Iterator[None]:
    """Within: no progress bars, no log lines below an error, none of the known notes. Afterwards everything is as it was."""
    from datasets.utils import logging as datasets_bars
    from transformers.utils import logging as transformers_logging

    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    bars = (transformers_logging.is_progress_bar_enabled(), datasets_bars.is_progress_bar_enabled())
    transformers_logging.disable_progress_bar()
    datasets_bars.disable_progress_bar()
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
        if bars[0]:
            transformers_logging.enable_progress_bar()
        if bars[1]:
            datasets_bars.enable_progress_bar()
