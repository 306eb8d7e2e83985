"""The azureml provider against its emulator: what submit adds to the bare SDK, a large upload, thousands of followed jobs, starting.

    python -m benchmarks.azureml [--only PART …] [--rows 1000] [--rounds 20] [--megabytes 500] [--jobs 5000] [--folder FOLDER] [--no-record]

Parts, each in a process of its own: submit, upload, follow, start. The platform is the emulator on this machine, so there is no network
to wait for. Limits: see `benchmarks/provider_room`. Without the provider and azure-ai-ml installed nothing is measured (exit code 2).
"""

from __future__ import annotations

import sys

from benchmarks.provider_room.command import Room

ROOM = Room(
    provider="azureml",
    about=__doc__ or "",
    parts={"submit": "submitting", "upload": "uploading", "follow": "following", "start": "starting"},
    needs=("tuneport_azureml", "azure.storage.blob", "azure.ai.ml"),
)

if __name__ == "__main__":
    sys.exit(ROOM.main())
