"""What starting costs where Vertex AI's provider is installed: Google's packages take one to two seconds to import."""

from __future__ import annotations

from benchmarks.data_room.verdict import Outcome
from benchmarks.provider_room.setting import Setting
from benchmarks.provider_room.starts import started

SDKS = ("google.genai", "google.cloud.aiplatform_v1", "google.cloud.storage", "google.auth")


def start(setting: Setting) -> Outcome:
    """The import, and a list of jobs with nobody at their address."""
    nobody = "http://127.0.0.1:9"
    environ = {
        "GOOGLE_CLOUD_PROJECT": "my-project",
        "GOOGLE_OAUTH_ACCESS_TOKEN": "nobody",
        "GOOGLE_VERTEX_BASE_URL": nobody,
        "STORAGE_EMULATOR_HOST": nobody,
    }
    job = "my-project/us-central1/tuningJobs/{}"
    return started(setting, provider="vertex", sdks=SDKS, scope="my-project/us-central1", job=job, environ=environ)
