"""Found by a worker whose PYTHONPATH begins with this folder: ends it, as the system would, when it is about to do a certain thing.

KILLED_AT is `<audit event> <what the path ends with> <how many times before>`. Python tells audit hooks of each file that is opened or
renamed, before it happens.
"""

from __future__ import annotations

import os
import signal
import sys


def _watch(event: str, ending: str, before: int) -> None:
    seen = [0]

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        if name != event or not any(isinstance(each, (str, os.PathLike)) and os.fspath(each).endswith(ending) for each in arguments):
            return
        seen[0] += 1
        if seen[0] > before:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if os.environ.get("KILLED_AT"):
    _event, _ending, _before = os.environ["KILLED_AT"].split()
    _watch(_event, _ending, int(_before))
