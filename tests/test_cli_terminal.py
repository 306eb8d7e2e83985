"""What is different on a terminal: tables, colours, a live line, and questions."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from commands import CHAT_ROWS

from tuneport.cli.following import say_ended
from tuneport.cli.live import drawn
from tuneport.cli.output import Output
from tuneport.cli.progress import Standing
from tuneport.cli.session import Session
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
for words in " ".join(sys.argv[2:]).split(" AND "):
    code = main(words.split(), opening=lambda home: Client(home=Path(sys.argv[1]), clock=clock, providers=[fake_provider(cloud)]))
print("jobs at the provider:", len(cloud.jobs), "exit code:", code)
"""


def on_a_terminal(home: Path, *words: str, typing: str = "", columns: int = 80) -> str:
    """Everything that appears on a terminal of so many columns while the command runs, or several with AND between them."""
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


def test_a_conversation_says_that_it_started_over(tmp_path: Path, data: str) -> None:
    words = ("submit", data, "--base", "fake-small", "--provider", "fake", "--yes", "--wait")
    typing = "how are you\n/system Be brief.\n/new\n/exit\n"
    seen = on_a_terminal(tmp_path / "home", *words, "AND", "models", "chat", "fake:ftjob-0001", typing=typing)
    _, _, talk = ANSI.sub("", seen).partition("Talking to fake:fake-small:tuned:ftjob-0001.")
    assert talk.index("how are you") < talk.index("Started over with that instruction.") < talk.index("Started over.")
    assert "exit code: 0" in talk


def test_a_long_error_is_broken_between_words(tmp_path: Path, data: str) -> None:
    seen = on_a_terminal(tmp_path / "home", "submit", data, "--base", "fake-small", "--provider", "fake", "--suffix", "-" * 30)
    lines = ANSI.sub("", seen).splitlines()
    assert max(map(len, lines)) <= 80
    assert "beginning with a letter or digit" in " ".join(lines)


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


def test_json_on_a_terminal_is_not_wrapped(tmp_path: Path, data: str) -> None:
    words = ("submit", data, "--base", "fake-small", "--provider", "fake", "--dry-run", "--json", "--suffix", "x" * 60)
    for command in (words, ("recipe", "schema")):
        seen = on_a_terminal(tmp_path / "home", *command).replace("\r\n", "\n")
        document, _, _ = seen.rpartition("jobs at the provider:")
        assert "\x1b" not in document
        assert max(len(line) for line in document.splitlines()) > 80
        json.loads(document)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_drawing_on_a_terminal_keeps_its_lines(tmp_path: Path, data: str, columns: int) -> None:
    words = ("submit", data, "--base", "fake-small", "--provider", "fake", "--yes", "--wait")
    seen = on_a_terminal(tmp_path / "home", *words, "AND", "jobs", "plot", "fake:ftjob-0001", columns=columns)
    lines = ANSI.sub("", seen).replace("\r", "").splitlines()
    axis = next(number for number, line in enumerate(lines) if line.startswith("   step └"))
    drawn = lines[axis - 12 : axis + 3]
    assert all(line[8] == "┤" for line in drawn[:12])
    assert len(drawn[12]) == min(columns, 100)
    assert drawn[13].split() == ["1", "10"]
    assert drawn[14].startswith("train loss 2.000 at step 1, 0.200 at step 10")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_long_value_goes_on_under_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    printed = Terminal()
    Output(json=False, stream=printed).fields(
        [("job", "local:1"), ("reason", "the worker was lost and nothing is left of it"), ("note", "")]
    )
    lines = [line.rstrip() for line in ANSI.sub("", printed.getvalue()).splitlines()]
    assert lines == ["job     local:1", "reason  the worker was lost and nothing", "        is left of it"]


def test_a_command_in_a_line_is_never_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    printed = Terminal()
    Output(json=False, stream=printed).say("Ask it: tuneport models chat local:4f1c09a2 --home /somewhere/else")
    assert len(printed.getvalue().splitlines()) == 1


@pytest.mark.parametrize(("method", "command"), [("sft", "models chat local:1"), ("classify", "models predict local:1 FILE")])
def test_a_job_that_is_done_is_asked_by_a_command_that_its_model_can_answer(method: str, command: str) -> None:
    session = Session()
    session.out = Output(json=False, stream=io.StringIO())
    say_ended(session, [Job("local:1", "local", "1", JobState.SUCCEEDED, method=method)])
    assert f"Ask it: tuneport {command}\n" in session.out.stream.getvalue()


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


def test_a_terminal_that_knows_ascii_only_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    assert Output(json=False, stream=Old(io.BytesIO(), encoding="utf-8")).terminal
    assert not Output(json=False, stream=Old(io.BytesIO(), encoding="ascii")).terminal


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
    printed = io.StringIO()
    Output(json=False, stream=printed).table(("A", "B", "N"), [("x", "", "1"), ("long", "y", "22")], right=(2,))
    assert printed.getvalue().splitlines() == ["A     B   N", "x     -   1", "long  y  22"]


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
