"""`Client.submit` against the calls of Google's SDKs that it cannot do without: upload, create."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.data_room.verdict import Outcome
from benchmarks.provider_room.process import Platform, platform
from benchmarks.provider_room.setting import Setting
from benchmarks.provider_room.turns import EPOCHS, in_turns

if TYPE_CHECKING:
    from tuneport.client import Client

BASE = "gemini-3.5-flash"


def submit(setting: Setting) -> Outcome:
    """Both in turns, each on a file that the platform has not seen. The bare calls get Gemini's rows, which ours makes of a chat's."""
    with platform("benchmarks.vertex_room.platform") as there:
        ours, bare = _client(there, setting.folder / "home"), _SDKs(there)
        try:
            sides = {"ours": lambda path: _submit(ours, path), "bare": bare.submit}
            return in_turns(setting, sides, requests=there.requests, prepared=_prepared)
        finally:
            ours.close()
            bare.close()


def _prepared(side: str, path: Path) -> Path:
    if side == "ours":
        return path
    from tuneport.dataset import Dataset

    made = path.with_suffix(".gemini.jsonl")
    Dataset.read(path).write(made, format="gemini")
    return made


def _submit(client: Client, path: Path) -> None:
    from tuneport.dataset import Dataset
    from tuneport.recipe import SFT, Recipe

    client.submit(Recipe(base=BASE, train=Dataset.read(path), method=SFT(epochs=EPOCHS)), provider="vertex")


class _SDKs:
    """google-cloud-storage and google-genai, as their documentation has them."""

    def __init__(self, there: Platform) -> None:
        import warnings

        from google import genai
        from google.cloud import storage
        from google.genai import types
        from google.oauth2.credentials import Credentials

        warnings.simplefilter("ignore")  # that tuning is experimental
        given = there.environ
        credentials: Any = Credentials(token=given["GOOGLE_OAUTH_ACCESS_TOKEN"])
        project, location = given["GOOGLE_CLOUD_PROJECT"], given["GOOGLE_CLOUD_LOCATION"]
        options: Any = {"api_endpoint": given["STORAGE_EMULATOR_HOST"]}
        self._bucket = given["TUNEPORT_VERTEX_BUCKET"]
        self._storage = storage.Client(project=project, credentials=credentials, client_options=options)
        self._tuning = genai.Client(
            vertexai=True,
            project=project,
            location=location,
            credentials=credentials,
            http_options=types.HttpOptions(base_url=given["GOOGLE_VERTEX_BASE_URL"]),
        )

    def submit(self, path: Path) -> None:
        from google.genai import types

        self._storage.bucket(self._bucket).blob(path.name).upload_from_filename(str(path))
        self._tuning.tunings.tune(
            base_model=BASE,
            training_dataset=types.TuningDataset(gcs_uri=f"gs://{self._bucket}/{path.name}"),
            config=types.CreateTuningJobConfig(epoch_count=EPOCHS),
        )

    def close(self) -> None:
        self._storage.close()
        self._tuning.close()


def _client(there: Platform, home: Path) -> Client:
    """The clock stands where the platform's does."""
    from tuneport_vertex.emulator import START

    from tuneport.client import Client
    from tuneport.settings import load_settings
    from tuneport.testing.clock import SimulatedClock

    return Client(settings=load_settings(home=home, environ=there.environ, folder=home.parent), clock=SimulatedClock(START))
