"""Our own trainer on Vertex AI's machines: engine `vertex` of the local backend. Importing this loads no SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuneport_local.engines.launcher import Launcher

    from tuneport.settings import Settings

__all__ = ["open_launcher"]


def open_launcher(configuration: Settings) -> Launcher:
    """What the entry point `vertex` of the group `tuneport.engines` names."""
    from tuneport_vertex.launching.launcher import VertexLauncher

    return VertexLauncher(configuration)
