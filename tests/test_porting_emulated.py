"""Ports between the real adapters: OpenAI's and Azure's over their emulators, and models that are really trained on this machine."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from commands import Run

from tuneport.cli import main
from tuneport.client import Client
from tuneport.clock import Clock
from tuneport.dataset import Dataset
from tuneport.porting.wishes import Wishes
from tuneport.settings import Settings
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.emulator import SteppedClock

openai_room = pytest.importorskip("tuneport_openai.emulator")
azure_room = pytest.importorskip("tuneport_azure.emulator")
local_room = pytest.importorskip("tuneport_local")

WORDS = ("lost", "stolen", "expired", "blocked")
KEY = "key-of-the-tests-5678"
BANKING = Path(__file__).parents[2] / "shared" / "data" / "banking77"
INTENTS = ("lost_or_stolen_card", "card_arrival", "change_pin", "top_up_failed", "exchange_rate", "pending_transfer")


def cards(path: Path, count: int, *, start: int = 0) -> Path:
    said = (
        {
            "messages": [
                {"role": "user", "content": f"My card number {n} is {WORDS[n % 4]}"},
                {"role": "assistant", "content": WORDS[n % 4]},
            ]
        }
        for n in range(start, start + count)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in said), encoding="utf-8")
    return path


@dataclass
class Platforms:
    """Both clouds and this machine, for one home. The clouds' clock is simulated; `real` lets a client wait for workers of this machine."""

    home: Path
    openai: Any
    azure: Any
    clock: SimulatedClock
    capsys: pytest.CaptureFixture[str]
    real: bool = False

    @property
    def environ(self) -> dict[str, str]:
        return {
            "OPENAI_API_KEY": self.openai.open_key,
            "OPENAI_BASE_URL": self.openai.base_url,
            "AZURE_OPENAI_ENDPOINT": self.azure.endpoint(),
            "AZURE_OPENAI_API_KEY": self.azure.key(),
            "AZURE_SUBSCRIPTION_ID": azure_platform().SUBSCRIPTION,
            "AZURE_RESOURCE_GROUP": azure_platform().GROUP,
            "AZURE_MANAGEMENT_TOKEN": self.azure.token(role="owner"),
            "OMP_NUM_THREADS": "1",
        }

    def client(self, home: Path | None = None) -> Client:
        from tuneport_azure import provider as azure
        from tuneport_local import provider as local
        from tuneport_openai import provider as openai

        tables = {"local": {"calibrate": False}, "azure": {"management_url": self.azure.management_url}}
        clock: Clock | None = None if self.real else self.clock
        settings = Settings(home=home or self.home, environ=self.environ, providers=tables)
        return Client(settings=settings, clock=clock, providers=[openai, azure, local])

    def __call__(self, *words: object) -> Run:
        self.capsys.readouterr()
        code = main([str(word) for word in words], opening=self.client)
        return Run(code, *self.capsys.readouterr())

    def tuned(self, rows: Path, *flags: object) -> str:
        """A finished job at OpenAI."""
        named = () if "--base" in flags else ("--base", "gpt-4.1-mini")
        run = self("submit", rows, *named, "--provider", "openai", "--yes", "--json", *flags)
        assert run.code == 0, run.err
        uri = str(run.document["uri"])
        assert self("jobs", "wait", uri).code == 0
        return uri

    def runs(self, program: str | Path, question: str, **environ: str) -> str:
        """What a printed program says to a question."""
        given = {**os.environ, **self.environ, **environ}
        done = subprocess.run([sys.executable, str(program), question], capture_output=True, text=True, env=given, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def azure_platform() -> Any:
    from tuneport_azure.emulator import platform

    return platform


@pytest.fixture
def platforms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Platforms]:
    clock = SimulatedClock(azure_platform().START)
    openai = openai_room.OpenAIEmulator(clock=SteppedClock(clock))
    azure = azure_room.AzureEmulator(clock=SteppedClock(clock))
    with openai as opened, azure as too:
        yield Platforms(tmp_path / "home", opened, too, clock, capsys)


def ported(run: Run) -> Any:
    """The last record of a port."""
    (last,) = [record for record in run.records if record["record"] == "port"]
    return last


def test_from_openai_to_azure_the_same_weights_are_proved_equal_and_the_printed_code_runs(platforms: Platforms, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60), "--suffix", "cards.of-all-customers")
    test = cards(tmp_path / "test.jsonl", 200, start=1000)
    refused = platforms("port", uri, "--to", "azure", "--test", test, "--yes", "--json")
    assert refused.code == 2
    assert "--deploy" in refused.err
    run = platforms("port", uri, "--to", "azure", "--test", test, "--yes", "--deploy", "--json")
    assert run.code == 0, run.err
    done = ported(run)
    assert (done["verdict"], done["job"]["base"], done["target"].partition("/")[2].partition("/")[0]) == (
        "equal",
        "gpt-4.1-mini-2025-04-14",
        "deployments",
    )
    proof = next(record["facts"] for record in run.records if "comparisons" in record.get("facts", {}))
    assert proof["models"]["prompted"]["uri"] == "openai:gpt-4.1-mini-2025-04-14"  # at Azure it would take a deployment of its own
    assert "1,241.00 USD a month" in proof["models"]["new"]["cost_per_1000"]["note"]
    changes = next(record["facts"]["changes"] for record in run.records if record.get("step") == "map")
    assert next(each["becomes"] for each in changes if each["setting"] == "suffix") == "cards-of-all-custo"
    before = Path(done["folder"]) / "before.py"
    assert platforms.runs(before, "My card number 1004 is lost") == "lost"
    assert platforms.runs(done["switch"]["path"], "My card number 1004 is lost") == "lost"
    again = platforms("port", uri, "--to", "azure", "--test", test, "--json")
    assert (again.code, ported(again)["verdict"], len(platforms.azure.world.jobs)) == (0, "equal", 1)
    onwards = platforms("port", done["job"]["uri"], "--to", "local", "--base", "smollm2-135m-instruct", "--dry-run", "--json")
    assert onwards.code == 0, onwards.err
    assert onwards.records[-1]["plan"]["files"][0]["rows"] == 60 - 12


def test_what_another_machine_tuned_is_carried_from_the_name_of_its_model(platforms: Platforms, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60))
    with platforms.client() as client:
        model = str(client.job(uri, refresh=False).model)
    with platforms.client(tmp_path / "elsewhere") as client:
        done = client.port(model, Wishes(to="azure", ask=0), agree=("train", "ask", "deploy"))
    assert done.source.recipe is None
    assert done.job.provider == "azure"
    assert done.source.train is not None
    assert done.source.train.count() == 60


def test_epochs_that_were_left_to_the_old_provider_are_those_that_it_took(platforms: Platforms, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60))
    run = platforms("port", uri, "--to", "azure", "--dry-run", "--max-cost", 1, "--json")
    assert run.code == 0, run.err
    epochs = run.records[-1]["plan"]["hyperparameters"]["epochs"]
    with platforms.client() as client:
        assert epochs == client.model(uri).details["hyperparameters"]["n_epochs"]
    assert isinstance(epochs, int)


def test_preference_pairs_are_carried_where_pairs_are_trained_and_refused_with_the_reason_where_not(
    platforms: Platforms, tmp_path: Path
) -> None:
    pairs = tmp_path / "pairs.jsonl"
    said = ({"prompt": f"Is it {n}?", "chosen": f"Yes, {n}.", "rejected": "Who knows?"} for n in range(20))
    pairs.write_text("".join(json.dumps(row) + "\n" for row in said), encoding="utf-8")
    uri = platforms.tuned(pairs, "--method", "dpo")
    run = platforms("port", uri, "--to", "local", "--dry-run")
    assert run.code == 2
    assert "not by dpo" in run.err or "not built" in run.err
    run = platforms("port", uri, "--to", "azure", "--dry-run", "--json")
    assert run.code == 0, run.err
    assert run.records[-1]["plan"]["method"] == "dpo"


def test_tools_and_weights_are_carried_and_images_are_refused_where_nobody_can_learn_from_them(
    platforms: Platforms, tmp_path: Path
) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Look for card {n}"},
                {"role": "assistant", "tool_calls": [call], "weight": 0},
                {"role": "tool", "tool_call_id": "c1", "content": "found"},
                {"role": "assistant", "content": f"Card {n} is found"},
            ],
            "tools": [tool],
        }
        for n in range(20)
    ]
    given = tmp_path / "tools.jsonl"
    given.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = platforms("port", platforms.tuned(given), "--to", "azure", "--dry-run", "--json")
    assert run.code == 0, run.err
    lost = next(record["facts"]["lost"] for record in run.records if record.get("step") == "convert")
    assert lost == []
    kept = next(iter((platforms.home / "ports").glob("*/data/train.jsonl"))).read_text(encoding="utf-8")
    assert '"weight":0' in kept
    assert '"tools":[' in kept
    picture = {"type": "image_url", "image_url": {"url": "https://pictures.example/card.png"}}
    seen = [
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": f"Card {n}?"}, picture]},
                {"role": "assistant", "content": "It is a card"},
            ]
        }
        for n in range(20)
    ]
    given.write_text("".join(json.dumps(row) + "\n" for row in seen), encoding="utf-8")
    uri = platforms.tuned(given, "--base", "gpt-4o-2024-08-06")
    run = platforms("port", uri, "--to", "local", "--base", "smollm2-135m-instruct", "--dry-run")
    assert run.code == 1
    assert "image" in run.err


@pytest.mark.train
def test_from_openai_home_to_a_model_that_is_really_trained_and_answers_the_printed_code(platforms: Platforms, tmp_path: Path) -> None:
    from tiny import save_tiny

    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 40))
    base, test = save_tiny(tmp_path / "tiny"), cards(tmp_path / "test.jsonl", 10, start=1000)
    platforms.real = True
    run = platforms("port", uri, "--to", "local", "--base", base, "--test", test, "--epochs", 1, "--yes", "--json")
    done = ported(run)
    assert (run.code, done["verdict"]) == (1, "worse"), run.err  # so small a model has learned nothing, and that is found
    assert platforms.runs(Path(done["folder"]) / "before.py", "My card number 1004 is lost") == "lost"
    with served(platforms, done["model"]["uri"]) as url:
        after = tmp_path / "after.py"
        after.write_text(done["switch"]["after"].replace("http://127.0.0.1:8000/v1", url), encoding="utf-8")
        assert url.startswith("http://127.0.0.1")
        platforms.runs(after, "My card number 1004 is lost", TUNEPORT_SERVE_KEY=KEY)
    platforms.real = False
    back = platforms("port", done["job"]["uri"], "--to", "azure", "--base", "gpt-4.1-mini", "--ask", 0, "--yes", "--deploy", "--json")
    assert back.code == 0, back.err
    assert ported(back)["job"]["state"] == "succeeded"


@pytest.mark.slow
@pytest.mark.skipif(not BANKING.is_dir(), reason="banking77 does not lie beside the checkout")
def test_six_intents_come_home_from_openai_and_back_with_answers_that_are_measured(platforms: Platforms, tmp_path: Path) -> None:
    train, test = (intents(tmp_path / f"{name}.jsonl", BANKING / f"{name}.csv", most) for name, most in (("train", 40), ("test", 40)))
    uri = platforms.tuned(train, "--epochs", 2)
    platforms.real = True
    run = platforms("port", uri, "--to", "local", "--base", "smollm2-135m-instruct", "--test", test, "--yes", "--json", "--shots", 0)
    home = ported(run)
    found = next(record["facts"] for record in run.records if "comparisons" in record.get("facts", {}))
    assert found["comparisons"][0]["metrics"]["exact_match"]["value"] > 0.8
    platforms.real = False
    back = platforms("port", home["job"]["uri"], "--to", "azure", "--base", "gpt-4.1-mini", "--test", test, "--yes", "--deploy", "--json")
    assert ported(back)["job"]["state"] == "succeeded"


def intents(path: Path, source: Path, most: int) -> Path:
    """Up to so many rows of each of six intents."""
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    said = (row for intent in INTENTS for row in islice((row for row in rows if row["category"] == intent), most))
    chats = ({"messages": [{"role": "user", "content": r["text"]}, {"role": "assistant", "content": r["category"]}]} for r in said)
    path.write_text("".join(json.dumps(chat) + "\n" for chat in chats), encoding="utf-8")
    assert Dataset.read(path).count() > 100
    return path


class served:
    """`tuneport models serve` of a model in a process of its own; its address."""

    def __init__(self, platforms: Platforms, uri: str) -> None:
        command = ["models", "serve", uri, "--port", "0", "--json", "--home", str(platforms.home)]
        program = "import sys; from tuneport.cli import main; sys.exit(main())"
        environ = {**os.environ, **platforms.environ, "TUNEPORT_SERVE_KEY": KEY}
        self._process = subprocess.Popen([sys.executable, "-c", program, *command], stdout=subprocess.PIPE, text=True, env=environ)

    def __enter__(self) -> str:
        assert self._process.stdout is not None
        began = time.monotonic()
        for line in self._process.stdout:
            if line.startswith("{"):
                return str(json.loads(line)["url"])
            assert time.monotonic() - began < 120
        raise AssertionError("the server ended before it answered")

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()
