"""What is different on a terminal: tables, colours, a live line, and questions."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from commands import CHAT_ROWS

from tuneport.cli.live import drawn
from tuneport.cli.output import Output, aligned
from tuneport.cli.progress import Standing
from tuneport.cli.views import ago, duration, short_uri
from tuneport.job import Job, JobState
from tuneport.testing.clock import START

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PROGRAM = """
import sys
from pathlib import Path
from tuneport.cli import main
from tuneport.client import Client
from tuneport.testing import FakeCloud, SimulatedClock, fake_provider

clock = SimulatedClock()
cloud = FakeCloud(clock)
code = main(sys.argv[2:], opening=lambda home: Client(home=Path(sys.argv[1]), clock=clock, providers=[fake_provider(cloud)]))
print("jobs at the provider:", len(cloud.jobs), "exit code:", code)
"""


def on_a_terminal(home: Path, *words: str, typing: str = "", columns: int = 80) -> str:
    """Everything that appears on a terminal of so many columns while the command runs."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color"}
    environ.pop("NO_COLOR", None)
    command = [sys.executable, "-c", PROGRAM, str(home), *words]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as process:
        os.close(theirs)
        os.write(ours, typing.encode())
        seen = b""
        with suppress(OSError):  # Linux says EIO when the last writer has closed
            while piece := os.read(ours, 65536):
                seen += piece
        process.wait()
    os.close(ours)
    return seen.decode()


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "tickets.jsonl"
    path.write_text(CHAT_ROWS, encoding="utf-8")
    return str(path)


def test_spending_money_is_asked_about_with_the_quote_in_sight(tmp_path: Path, data: str) -> None:
    seen = on_a_terminal(tmp_path / "home", "submit", data, "--base", "fake-small", "--provider", "fake", typing="y\n")
    assert seen.index("0.18") < seen.index("Submit to fake?")
    assert "jobs at the provider: 1 exit code: 0" in seen


def test_a_no_sends_nothing(tmp_path: Path, data: str) -> None:
    seen = on_a_terminal(tmp_path / "home", "submit", data, "--base", "fake-small", "--provider", "fake", typing="n\n")
    assert "nothing was done" in seen
    assert "jobs at the provider: 0 exit code: 1" in seen


def test_following_redraws_one_line_and_leaves_the_last(tmp_path: Path, data: str) -> None:
    seen = on_a_terminal(tmp_path / "home", "submit", data, "--base", "fake-small", "--provider", "fake", "--yes", "--wait")
    assert "\x1b[" in seen
    assert re.search(r"succeeded +step 10 +loss 0.2", ANSI.sub("", seen))
    assert "exit code: 0" in seen


@pytest.mark.parametrize("columns", [80, 120])
def test_tables_fit_the_terminal(tmp_path: Path, data: str, columns: int) -> None:
    seen = ANSI.sub("", on_a_terminal(tmp_path / "home", "providers", columns=columns))
    assert "fake" in seen
    assert max(len(line) for line in seen.splitlines()) <= columns


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_states_have_colours_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream, coloured in ((Terminal(), True), (io.StringIO(), False)):
        Output(json=False, stream=stream).table(("Job", "State"), [("local:1", "failed")])
        assert ("\x1b[31m" in stream.getvalue()) is coloured
        assert "failed" in stream.getvalue()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not Output(json=False, stream=Terminal()).terminal


def test_many_jobs_are_drawn_as_a_few_lines_and_a_count() -> None:
    from rich.console import Console

    jobs = [Standing(Job(f"fake:{n}", "fake", str(n), JobState.RUNNING if n % 2 else JobState.SUCCEEDED)) for n in range(30)]
    screen = io.StringIO()
    Console(file=screen, width=80).print(drawn(jobs, width=80))
    lines = screen.getvalue().splitlines()
    assert len(lines) == 13
    assert lines[-1].strip() == "30 jobs: 15 succeeded, 15 running"
    assert all("running" in line for line in lines[:12])


def test_a_live_line_fits_80_columns() -> None:
    from rich.console import Console

    one = Standing(Job("local:1", "local", "1", JobState.RUNNING), 1234, 5678, 0.123456, 1.5, 98765.4, 12345.6)
    screen = io.StringIO()
    Console(file=screen, width=80).print(drawn([one], width=80))
    assert screen.getvalue().count("\n") == 1
    assert "1234/5678  loss 0.123  98,765 tok/s  ETA 3:25:46" in screen.getvalue()


def test_long_ids_are_shortened_to_what_a_command_still_understands() -> None:
    assert short_uri("local:" + "0123456789abcdef" * 2) == "local:01234567"
    assert short_uri("openai:ftjob-abc123") == "openai:ftjob-abc123"


def test_empty_cells_are_dashes_so_that_columns_can_be_counted() -> None:
    assert aligned([["A", "B", "N"], ["x", "", "1"], ["long", "y", "22"]], right=(2,)) == ["A     B   N", "x     -   1", "long  y  22"]


def test_times_read_as_people_say_them() -> None:
    from datetime import timedelta

    assert [ago(START - timedelta(seconds=s), START) for s in (1, 42, 61, 7300, 200000)] == [
        "just now",
        "42 s ago",
        "1 min ago",
        "2 h ago",
        "2 d ago",
    ]
    assert [duration(s) for s in (0, 59.6, 247, 3753)] == ["0:00", "1:00", "4:07", "1:02:33"]
