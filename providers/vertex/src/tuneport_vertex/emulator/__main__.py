"""python -m tuneport_vertex.emulator: rehearse without a project."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneport.testing.emulator.rehearsal import rehearse
from tuneport_vertex.emulator.platform import EUROPEAN_BUCKET, OTHER_PROJECT, VertexEmulator


def main(words: Sequence[str] | None = None) -> int:
    """Serves until interrupted."""
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--run-jobs", action="store_true", help="really run what custom jobs ask for: processes of yours, whatever the image")
    runs = own.parse_known_args(words)[0].run_jobs
    with tempfile.TemporaryDirectory(prefix="emulated-machines-") as folder:

        def opening(**given: Any) -> VertexEmulator:
            emulator = VertexEmulator(**given)
            if runs:
                emulator.run_custom_jobs(Path(folder), images=Path(sys.executable))
            return emulator

        return rehearse(opening, words, package="tuneport_vertex.emulator", about=__doc__, said=said, more=[own])


def said(emulator: VertexEmulator) -> list[str]:
    """What to export."""
    return [
        *(f"export {name}={value}" for name, value in emulator.exports.items()),
        f"#      GOOGLE_CLOUD_LOCATION=europe-west4  TUNEPORT_VERTEX_BUCKET={EUROPEAN_BUCKET}   # tuning in Europe",
        f"#      GOOGLE_CLOUD_PROJECT={OTHER_PROJECT}   # another project, without a bucket",
        f"#      GOOGLE_OAUTH_ACCESS_TOKEN={emulator.token(role='viewer')}   # may look and nothing else",
    ]


if __name__ == "__main__":
    raise SystemExit(main())
