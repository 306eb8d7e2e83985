"""Both clouds over their emulators and this machine, with one home: between them tunes are carried by the real adapters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from harbour import in_memory

from tuneport.cli import main
from tuneport.client import Client
from tuneport.clock import Clock
from tuneport.dataset import Dataset
from tuneport.job import JobState
from tuneport.recipe import SFT, Recipe
from tuneport.settings import Settings
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.emulator import SteppedClock

openai_room = pytest.importorskip("tuneport_openai.emulator")
azure_room = pytest.importorskip("tuneport_azure.emulator")
pytest.importorskip("tuneport_local")

WORDS = ("Red", "Blue", "lost", "late")
"""What a card can be. Each is a token of the tiny base."""
KEY = "key-of-the-tests-5678"
PROGRAM = "import sys; from tuneport.cli import main; sys.exit(main())"


def cards(path: Path, count: int, *, start: int = 0) -> Path:
    """Rows that name what a card is, which is the answer."""
    return write_rows(path, [chat(f"My card number {n} is {WORDS[n % 4]}", WORDS[n % 4]) for n in range(start, start + count)])


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@dataclass
class Platforms:
    """One home and all that it knows. The clouds' clock is simulated; `real` lets a client wait for workers of this machine."""

    home: Path
    openai: Any
    azure: Any
    clock: SimulatedClock
    capsys: pytest.CaptureFixture[str]
    real: bool = False

    @property
    def environ(self) -> dict[str, str]:
        from tuneport_azure.emulator.platform import GROUP, SUBSCRIPTION

        return {
            "OPENAI_API_KEY": self.openai.open_key,
            "OPENAI_BASE_URL": self.openai.base_url,
            "AZURE_OPENAI_ENDPOINT": self.azure.endpoint(),
            "AZURE_OPENAI_API_KEY": self.azure.key(),
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "AZURE_RESOURCE_GROUP": GROUP,
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

    def tuned(self, rows: Path, *flags: object, at: str = "openai") -> str:
        """A finished job there."""
        named = () if "--base" in flags else ("--base", "gpt-4.1-mini")
        run = self("submit", rows, *named, "--provider", at, "--yes", "--json", *flags)
        assert run.code == 0, run.err
        uri = str(run.document["uri"])
        assert self("jobs", "wait", uri).code == 0
        return uri

    def trained(self, train: Path, *, at: str, base: str | Path = "gpt-4.1-mini", **settings: Any) -> str:
        """A finished job there, by supervised fine-tuning with these settings."""
        with self.client() as client:
            recipe = Recipe(base=str(base), train=Dataset.read(train), method=SFT(**settings))
            job = client.wait(client.submit(recipe, provider=at))
        assert job.state is JobState.SUCCEEDED, job.error
        return job.uri

    def deployed(self, uri: str, name: str) -> None:
        """Deploys a tuned model of Azure, and waits until it is heard."""
        assert self("models", "deploy", uri, "--name", name, "--yes").code == 0
        self.clock.sleep(600)

    def runs(self, program: str | Path, question: str, **environ: str) -> str:
        """What a printed program says to a question."""
        given = {**os.environ, **self.environ, **environ}
        done = subprocess.run([sys.executable, str(program), question], capture_output=True, text=True, env=given, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def served(self, uri: str) -> Iterator[str]:
        """`tuneport models serve` of a model in a process of its own; its address."""
        command = ["models", "serve", uri, "--port", "0", "--json", "--home", str(self.home)]
        environ = {**os.environ, **self.environ, "TUNEPORT_SERVE_KEY": KEY}
        with subprocess.Popen([sys.executable, "-c", PROGRAM, *command], stdout=subprocess.PIPE, text=True, env=environ) as process:
            try:
                yield _address(process)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def runs_served(self, program: Path, question: str, *, at: str) -> str:
        """Likewise of a program that asks this machine's server, which listens `at` another port than the usual one."""
        text = program.read_text(encoding="utf-8")
        assert "http://127.0.0.1:8000/v1" in text
        moved = program.with_name(f"moved-{program.name}")
        moved.write_text(text.replace("http://127.0.0.1:8000/v1", at), encoding="utf-8")
        return self.runs(moved, question, TUNEPORT_SERVE_KEY=KEY)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    began = time.monotonic()
    for line in process.stdout:
        if line.startswith("{"):
            return str(json.loads(line)["url"])
        assert time.monotonic() - began < 120
    raise AssertionError("the server ended before it answered")


@contextmanager
def opened(capsys: pytest.CaptureFixture[str]) -> Iterator[Platforms]:
    from tuneport_azure.emulator.platform import START

    clock = SimulatedClock(START)
    openai = openai_room.OpenAIEmulator(clock=SteppedClock(clock))
    azure = azure_room.AzureEmulator(clock=SteppedClock(clock))
    with openai, azure, in_memory() as folder:
        yield Platforms(folder / "home", openai, azure, clock, capsys)


def ported(run: Run) -> Any:
    """The last record of a port."""
    (last,) = [record for record in run.records if record["record"] == "port"]
    return last


def step(run: Run, name: str) -> Any:
    """The facts of a step, as it told them last."""
    return [record["facts"] for record in run.records if record.get("step") == name][-1]


def comparison(run: Run) -> Any:
    """The facts of the proof."""
    return next(record["facts"] for record in run.records if "comparisons" in record.get("facts", {}))


def save_apprentice(folder: Path) -> Path:
    """A tiny base that says of a card what it is, and `card` behind it: what a tune takes away in a few seconds."""
    from tuneport_local.machine.threads import share_cores

    share_cores()  # before torch is imported
    import torch
    from tiny import tiny_model, tiny_tokenizer
    from tuneport_local.quiet import quiet
    from tuneport_local.rows.rendering import Template, render

    from tuneport.examples import ChatExample, Message

    tokenizer, network = tiny_tokenizer(), tiny_model()
    said = [(f"My card number {n} is {WORDS[n % 4]}", f"{WORDS[n % 4]} card") for n in range(16)]
    chats = [ChatExample((Message("user", question), Message("assistant", answer))) for question, answer in said]
    rows = [render(row, tokenizer, template=Template.of(tokenizer), line=1) for row in chats]
    length = max(len(row.input_ids) for row in rows)
    gaps = [length - len(row.input_ids) for row in rows]
    ids = torch.tensor([[*row.input_ids, *[0] * gap] for row, gap in zip(rows, gaps, strict=True)])
    seen = torch.tensor([[1] * (length - gap) + [0] * gap for gap in gaps])
    learned = [[*row.loss_mask, *[False] * gap] for row, gap in zip(rows, gaps, strict=True)]
    labels = ids.masked_fill(~torch.tensor(learned), -100)
    steps = torch.optim.AdamW(network.parameters(), lr=0.006)
    network.train()
    for _ in range(300):
        loss = network(input_ids=ids, attention_mask=seen, labels=labels).loss
        if float(loss.detach()) < 0.01:
            break
        steps.zero_grad()
        loss.backward()
        steps.step()
    with quiet():
        network.eval().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder
