"""Command lines run in this process against the fake cloud: what a user types, and what comes back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tuneport.cli import main
from tuneport.client import Client
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.fake import fake_provider
from tuneport.testing.wire import Wire

CHAT_ROWS = "".join(
    json.dumps({"messages": [{"role": "user", "content": f"message number {n}"}, {"role": "assistant", "content": label}]}) + "\n"
    for n, label in enumerate(["refund", "delivery", "refund", "delivery", "login", "login"] * 3)
)


@dataclass(frozen=True)
class Run:
    """One command line that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)

    @property
    def records(self) -> list[Any]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Types commands; the clock, the cloud and the home stay the same from one to the next."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], *, wire: Wire | None = None, **cloud: Any) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.clock = SimulatedClock()
        self.cloud = FakeCloud(self.clock, **cloud)
        self.provider = fake_provider(self.cloud, wire=wire)
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> Run:
        self._capsys.readouterr()
        code = main([str(word) for word in words], opening=self.opening)
        out, err = self._capsys.readouterr()
        return Run(code, out, err)

    def opening(self, home: Path | None) -> Client:
        """What the commands call to get their client."""
        return Client(home=home or self.home, clock=self.clock, providers=[self.provider])

    def data(self, name: str = "tickets.jsonl", text: str = CHAT_ROWS) -> Path:
        """A dataset file."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def submitted(self, *flags: str) -> str:
        """The URI of a job that was just submitted."""
        run = self("submit", self.data(), "--base", "fake-small", "--provider", "fake", "--yes", "--json", *flags)
        assert run.code == 0, run.err
        return str(run.document["uri"])

    def finished(self, *flags: str) -> str:
        """The URI of a job that has succeeded."""
        uri = self.submitted(*flags)
        assert self("jobs", "wait", uri).code == 0
        return uri
