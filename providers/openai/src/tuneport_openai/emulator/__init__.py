"""A rehearsal stage: OpenAI's fine-tuning platform on loopback, written from the vendor's documentation and the SDK's types.

    python -m tuneport_openai.emulator --port 8399

It accepts what the vendor accepts and refuses the rest in the vendor's words. It knows nothing of Tuneport's adapter.
"""

from __future__ import annotations

from tuneport_openai.emulator.bases import Base
from tuneport_openai.emulator.courses import Course
from tuneport_openai.emulator.habits import Habits
from tuneport_openai.emulator.platform import OpenAIEmulator
from tuneport_openai.emulator.validation import UNSAFE

__all__ = ["UNSAFE", "Base", "Course", "Habits", "OpenAIEmulator"]
