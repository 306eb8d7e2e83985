"""`Client.submit` against the SDK's calls that it cannot do without: upload, wait until processed, create."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.data_room.verdict import Outcome
from benchmarks.provider_room.process import Platform, platform
from benchmarks.provider_room.setting import Setting
from benchmarks.provider_room.turns import EPOCHS, in_turns

if TYPE_CHECKING:
    from openai import OpenAI

    from tuneport.client import Client

BASE = "gpt-4.1-mini-2025-04-14"


def submit(setting: Setting) -> Outcome:
    """Both in turns, each on a file that the platform has not seen."""
    with platform("benchmarks.openai_room.platform") as there:
        ours, bare = _client(there, setting.folder / "home"), _sdk(there)
        try:
            sides = {"ours": lambda path: _submit(ours, path), "bare": lambda path: _by_hand(bare, path)}
            return in_turns(setting, sides, requests=there.requests)
        finally:
            ours.close()
            bare.close()


def _submit(client: Client, path: Path) -> None:
    from tuneport.dataset import Dataset
    from tuneport.recipe import SFT, Recipe

    client.submit(Recipe(base=BASE, train=Dataset.read(path), method=SFT(epochs=EPOCHS)), provider="openai")


def _by_hand(client: OpenAI, path: Path) -> None:
    with path.open("rb") as file:
        sent = client.files.create(file=file, purpose="fine-tune")
    client.files.wait_for_processing(sent.id)
    client.fine_tuning.jobs.create(
        model=BASE, training_file=sent.id, method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": EPOCHS}}}
    )


def _client(there: Platform, home: Path) -> Client:
    """The clock stands where the platform's does."""
    from tuneport_openai.emulator.platform import START

    from tuneport.client import Client
    from tuneport.settings import load_settings
    from tuneport.testing.clock import SimulatedClock

    return Client(settings=load_settings(home=home, environ=there.environ, folder=home.parent), clock=SimulatedClock(START))


def _sdk(there: Platform) -> OpenAI:
    from openai import OpenAI

    return OpenAI(base_url=there.environ["OPENAI_BASE_URL"], api_key=there.environ["OPENAI_API_KEY"], max_retries=0)
