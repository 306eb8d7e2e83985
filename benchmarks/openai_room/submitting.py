"""`Client.submit` against the SDK's calls that it cannot do without: upload, wait until processed, create."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.data_room.rows import lines
from benchmarks.data_room.verdict import Outcome, Verdict
from benchmarks.openai_room.platform import Platform, platform
from benchmarks.openai_room.setting import Setting

if TYPE_CHECKING:
    from openai import OpenAI

    from tuneport.client import Client

LIMIT_MS = 100.0
LIMIT_REQUESTS = 2
BASE = "gpt-4.1-mini-2025-04-14"
EPOCHS = 2


def submit(setting: Setting) -> Outcome:
    """Both in turns, each on a file that the platform has not seen; the first round, with its imports, is not counted but told."""
    sent: list[str] = []
    with platform() as there:
        ours, bare = _client(there, setting.folder / "home", sent=sent), _sdk(there, sent=sent)
        sides = {"ours": lambda path: _submit(ours, path), "bare": lambda path: _by_hand(bare, path)}
        taken: dict[str, list[float]] = {name: [] for name in sides}
        requests: dict[str, int] = {}
        files = _new_files(setting)
        for number in range(setting.rounds + 1):
            turns = list(sides.items())
            for name, work in turns if number % 2 else reversed(turns):
                path, before = next(files), len(sent)
                gc.collect()
                began = time.perf_counter()
                work(path)
                taken[name].append(time.perf_counter() - began)
                requests[name] = max(requests.get(name, 0), len(sent) - before)
        ours.close()
        bare.close()
    own = [1e3 * (our_s - bare_s) for our_s, bare_s in zip(taken["ours"], taken["bare"], strict=True)]
    own_ms, more = statistics.median(own[1:]), requests["ours"] - requests["bare"]
    figures = {
        "rows": setting.rows,
        "own_ms": own_ms,
        "first_own_ms": own[0],
        "requests": requests,
        **{f"{name}_ms": 1e3 * statistics.median(seconds[1:]) for name, seconds in taken.items()},
    }
    notes = (
        f"submit: {requests['ours']} requests, the bare SDK calls {requests['bare']}; {own[0]:.0f} ms of its own at first, with imports",
    )
    return Outcome(
        figures,
        (
            Verdict(f"submit: time of its own, {setting.rows:,} rows", own_ms, LIMIT_MS, at_most=True, unit="ms"),
            Verdict("submit: requests more than the bare SDK calls", more, LIMIT_REQUESTS, at_most=True, unit=""),
        ),
        notes,
    )


def _new_files(setting: Setting) -> Iterator[Path]:
    """Files of that many rows, no two alike."""
    for number in count():
        path = setting.folder / f"rows-{number}.jsonl"
        with path.open("wb") as file:
            file.writelines(islice(lines(number), setting.rows))
        yield path


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


def _client(there: Platform, home: Path, *, sent: list[str]) -> Client:
    """A client whose provider counts its requests. The clock stands where the platform's does."""
    from tuneport_openai import provider
    from tuneport_openai.adapter.trainer import OpenAITrainer
    from tuneport_openai.emulator.platform import START

    from tuneport.client import Client
    from tuneport.provider import Provider, ProviderSettings
    from tuneport.settings import load_settings
    from tuneport.testing.clock import SimulatedClock

    def open_trainer(settings: ProviderSettings) -> OpenAITrainer:
        return OpenAITrainer(settings, http_client=_counted(sent))

    counted = Provider(name=provider.name, summary=provider.summary, open_trainer=open_trainer)
    settings = load_settings(home=home, environ=there.environ, folder=home.parent)
    return Client(settings=settings, clock=SimulatedClock(START), providers=[counted])


def _sdk(there: Platform, *, sent: list[str]) -> OpenAI:
    from openai import OpenAI

    return OpenAI(base_url=there.base_url, api_key=there.key, max_retries=0, http_client=_counted(sent))


def _counted(sent: list[str]) -> Any:
    from openai import DefaultHttpxClient

    return DefaultHttpxClient(event_hooks={"request": [lambda request: sent.append(f"{request.method} {request.url.path}")]})
