"""A rehearsal stage: Vertex AI's tuning and Cloud Storage on loopback, written from the SDKs' types and the documentation.

    python -m tuneport_vertex.emulator --port 8399

It accepts what the vendor accepts and refuses the rest in the vendor's words. It knows nothing of Tuneport's adapter.
"""

from __future__ import annotations

from tuneport_vertex.emulator.bases import KNOWN, PREFERRED, Base
from tuneport_vertex.emulator.courses import AT_ONCE, SERVED_AT_ONCE, Course, Serving
from tuneport_vertex.emulator.custom_jobs import CustomCourse
from tuneport_vertex.emulator.habits import Habits
from tuneport_vertex.emulator.platform import BUCKET, EUROPEAN_BUCKET, OTHER_PROJECT, PROJECT, START, VertexEmulator

__all__ = [
    "AT_ONCE",
    "BUCKET",
    "EUROPEAN_BUCKET",
    "KNOWN",
    "OTHER_PROJECT",
    "PREFERRED",
    "PROJECT",
    "SERVED_AT_ONCE",
    "START",
    "Base",
    "Course",
    "CustomCourse",
    "Habits",
    "Serving",
    "VertexEmulator",
]
