"""python -m tuneport_azureml.emulator: rehearse without a subscription. --machines FOLDER: command jobs really run, below that folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneport.testing.emulator.rehearsal import rehearse
from tuneport_azureml.emulator.machines import Container
from tuneport_azureml.emulator.platform import AzureMLEmulator


def main(words: Sequence[str] | None = None) -> int:
    """Serves until interrupted."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--machines", type=Path)
    own, others = parser.parse_known_args(words)

    def opening(**how: Any) -> AzureMLEmulator:
        emulator = AzureMLEmulator(**how)
        if own.machines is not None:
            emulator.run_commands(Container(Path(sys.executable)), own.machines.absolute())
        return emulator

    return rehearse(opening, others, package="tuneport_azureml.emulator", about=__doc__, said=said)


def said(emulator: AzureMLEmulator) -> list[str]:
    """What to export."""
    return [f"export {name}={value}" for name, value in emulator.exports.items()]


if __name__ == "__main__":
    raise SystemExit(main())
