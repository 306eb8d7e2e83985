"""python -m tuneport_vertex.emulator: rehearse without a project."""

from __future__ import annotations

from collections.abc import Sequence

from tuneport.testing.emulator.rehearsal import rehearse
from tuneport_vertex.emulator.platform import EUROPEAN_BUCKET, OTHER_PROJECT, VertexEmulator


def main(words: Sequence[str] | None = None) -> int:
    """Serves until interrupted."""
    return rehearse(VertexEmulator, words, package="tuneport_vertex.emulator", about=__doc__, said=said)


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
