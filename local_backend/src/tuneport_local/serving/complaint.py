"""What the server says of its own failures: which, and where in the code. Never what was asked, which messages of errors may repeat."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path


def complain(what: str, error: BaseException) -> None:
    """One line in the log `tuneport`."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    logging.getLogger("tuneport").error("%s: %s%s", what, type(error).__name__, where)
