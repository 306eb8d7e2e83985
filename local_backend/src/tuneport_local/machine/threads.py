"""How torch's threads wait for each other."""

from __future__ import annotations

import os
import sys


def share_cores() -> None:
    """Lets torch's threads sleep instead of spinning while they wait. To be called before torch is imported; afterwards it does nothing.

    The OpenMP runtime spins by default. As soon as another process wants the same cores, the spinning thread keeps the one it waits for
    from running: measured on two shared cores, the same work took 4 to 7 times as long. What the user has set stands.
    """
    if "torch" not in sys.modules and "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
