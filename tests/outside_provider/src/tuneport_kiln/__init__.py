"""A provider for the Kiln. Importing this loads nothing but the contract; the adapter comes when it is needed."""

from __future__ import annotations

from tuneport.provider import Provider, ProviderSettings, Trainer

__version__ = "0.1.0"
__all__ = ["__version__", "provider"]


def _open_trainer(settings: ProviderSettings) -> Trainer:
    from tuneport_kiln.adapter import KilnTrainer

    return KilnTrainer(settings)


provider = Provider(
    name="kiln",
    summary="The Kiln: a cloud in a folder, to copy a provider from. It trains nothing.",
    open_trainer=_open_trainer,
    version=__version__,
)
