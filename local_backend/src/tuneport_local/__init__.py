"""Tuneport's local backend: the provider `local`. Importing this costs next to nothing; torch comes with the first model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneport.provider import Provider

if TYPE_CHECKING:
    from tuneport.provider import ProviderSettings, Server, Trainer

__version__ = "0.1.0"
__all__ = ["__version__", "provider"]


def _open_trainer(settings: ProviderSettings) -> Trainer:
    from tuneport_local.adapter import LocalTrainer

    return LocalTrainer(settings)


def _open_server(settings: ProviderSettings) -> Server:
    from tuneport_local.server import LocalServer

    return LocalServer(settings)


provider = Provider(
    name="local",
    summary="LoRA fine-tuning on this machine (torch, transformers, PEFT, TRL); a detached worker trains, one job per device.",
    open_trainer=_open_trainer,
    open_server=_open_server,
    version=__version__,
    bills=False,
)
