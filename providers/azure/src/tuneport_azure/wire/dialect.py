"""Azure's words where they are not OpenAI's."""

from __future__ import annotations

from tuneport_openai.wire.dialect import Dialect

from tuneport.job import JobState

AZURE = Dialect(
    "Azure OpenAI",
    limits="azure",
    bom=True,
    states={
        "created": JobState.CREATED,
        "pending": JobState.CREATED,
        "pausing": JobState.PAUSING,
        "paused": JobState.PAUSED,
        "resuming": JobState.QUEUED,
    },
)
"""Words: authoring specification 2025-04-01-preview, and those that the azd extension azure.ai.finetune knows (2026-08-21)."""
