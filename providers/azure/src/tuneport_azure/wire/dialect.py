"""Azure's words where they are not OpenAI's."""

from __future__ import annotations

from tuneport_openai.wire.dialect import Dialect, FileRules

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

FILES_LIVE_DAYS = 30
"""The longest that may be asked for (v1 reference, read 2026-11-21)."""


def file_rules(version: str | None) -> FileRules:
    """In the v1 API (None) an upload says how long the file is to live: the reference has that as required, though samples leave it out.
    Dated versions know nothing of it. In either a list of files takes the purpose and nothing else."""
    return FileRules(listed_whole=True, sized_later=True, life_s=None if version else FILES_LIVE_DAYS * 86_400)
