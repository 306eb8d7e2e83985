"""python -m tuneport_azureml.emulator: rehearse without a subscription."""

from __future__ import annotations

from collections.abc import Sequence

from tuneport.testing.emulator.rehearsal import rehearse
from tuneport_azureml.emulator.platform import AzureMLEmulator


def main(words: Sequence[str] | None = None) -> int:
    """Serves until interrupted."""
    return rehearse(AzureMLEmulator, words, package="tuneport_azureml.emulator", about=__doc__, said=said)


def said(emulator: AzureMLEmulator) -> list[str]:
    """What to export."""
    return [f"export {name}={value}" for name, value in emulator.exports.items()]


if __name__ == "__main__":
    raise SystemExit(main())
