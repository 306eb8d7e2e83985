"""Before any test imports torch: its threads share the cores with whatever else runs here."""

from __future__ import annotations

from tuneport_local.threads import share_cores

share_cores()
