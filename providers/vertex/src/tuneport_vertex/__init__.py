"""Tuneport's provider `vertex`: managed tuning of Gemini and of open models at Google's Vertex AI. Importing this loads no SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneport.provider import Provider

if TYPE_CHECKING:
    from tuneport.provider import ProviderSettings, RemoteFiles, Server, Trainer

__version__ = "0.1.0"
__all__ = ["__version__", "provider"]


def _open_trainer(settings: ProviderSettings) -> Trainer:
    from tuneport_vertex.adapter.trainer import VertexTrainer

    return VertexTrainer(settings)


def _open_server(settings: ProviderSettings) -> Server:
    from tuneport_vertex.adapter.server import VertexServer

    return VertexServer(settings)


def _open_bucket_files(settings: ProviderSettings) -> RemoteFiles:
    from tuneport_vertex.adapter.reading import BucketFiles

    return BucketFiles(settings)


provider = Provider(
    name="vertex",
    summary="Vertex AI: Gemini and open models, tuned by Google; a Gemini tune answers at once, an open one from a GPU that is deployed.",
    open_trainer=_open_trainer,
    open_server=_open_server,
    version=__version__,
    reads={"gs": _open_bucket_files},
)
