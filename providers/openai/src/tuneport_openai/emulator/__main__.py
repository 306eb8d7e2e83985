"""python -m tuneport_openai.emulator: rehearse without an account."""

from __future__ import annotations

from collections.abc import Sequence

from tuneport.testing.emulator.rehearsal import rehearse
from tuneport_openai.emulator.platform import OpenAIEmulator


def main(words: Sequence[str] | None = None) -> int:
    """Serves until interrupted."""
    return rehearse(OpenAIEmulator, words, package="tuneport_openai.emulator", about=__doc__, said=said)


def said(emulator: OpenAIEmulator) -> list[str]:
    """What to export."""
    return [
        f"OPENAI_BASE_URL={emulator.base_url}",
        f"OPENAI_API_KEY={emulator.open_key}   # an organisation that may create fine-tuning jobs",
        f"OPENAI_API_KEY={emulator.closed_key}   # one for which the platform is closed",
    ]


if __name__ == "__main__":
    raise SystemExit(main())
