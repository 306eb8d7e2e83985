"""Ports to and from this machine, where models are really trained and asked; the clouds are emulated."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from commands import Run
from platforms import KEY, PROGRAM, Platforms, cards, chat, comparison, opened, ported, save_apprentice, write_rows

BANKING = Path(__file__).parents[2] / "shared" / "data" / "banking77"
INTENTS = ("lost_or_stolen_card", "card_arrival", "change_pin", "top_up_failed", "exchange_rate", "pending_transfer")
EMBEDDED = "smollm2-135m-instruct"
QUESTION = "My card number 1002 is lost"


@pytest.fixture
def platforms(capsys: pytest.CaptureFixture[str]) -> Iterator[Platforms]:
    with opened(capsys) as found:
        yield found


@pytest.fixture(scope="module")
def apprentice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base that a tune of a few seconds teaches the cards."""
    return save_apprentice(tmp_path_factory.mktemp("bases") / "apprentice")


@pytest.mark.train
def test_a_tune_of_azure_comes_home_and_goes_back_proved_equal_by_real_answers_and_every_printed_program_runs(
    platforms: Platforms, apprentice: Path, tmp_path: Path
) -> None:
    test = cards(tmp_path / "test.jsonl", 200, start=1000)
    uri = platforms.trained(cards(tmp_path / "cards.jsonl", 40), at="azure", epochs=6, learning_rate_multiplier=10)
    platforms.deployed(uri, "answering")
    platforms.real = True
    run = platforms("port", uri, "--to", "local", "--base", apprentice, "--test", test, "--yes", "--json")
    home = ported(run)
    assert (run.code, home["verdict"]) == (0, "equal"), run.err
    assert platforms.runs(Path(home["folder"]) / "before.py", QUESTION) == "lost"
    assert platforms("models", "chat", home["model"]["uri"], QUESTION).out.strip() == "lost"
    assert platforms("models", "eval", home["model"]["uri"], test, "--json").document["metrics"]["exact_match"] == 1.0
    platforms.real = False
    run = platforms("port", home["job"]["uri"], "--to", "azure", "--base", "gpt-4.1-mini", "--test", test, "--yes", "--deploy", "--json")
    back = ported(run)
    assert (run.code, back["verdict"]) == (0, "equal"), run.err
    with platforms.served(home["model"]["uri"]) as url:
        assert platforms.runs_served(Path(home["switch"]["path"]), QUESTION, at=url)
        assert platforms.runs_served(Path(back["folder"]) / "before.py", QUESTION, at=url)
        assert likeliest(home["model"]["uri"], QUESTION, at=url) == "lost"
    assert platforms.runs(back["switch"]["path"], QUESTION) == "lost"


def likeliest(model: str, question: str, *, at: str) -> str:
    """What a served model says by the official client. The printed programs leave the temperature out, so that they hear a drawn answer."""
    from openai import OpenAI

    with OpenAI(base_url=at, api_key=KEY) as client:
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": question}], temperature=0)
    return str(answer.choices[0].message.content)


GUARD = """
import os, sys

REFUSED = ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendmsg", "socket.sendto")
ABSENT = ("openai", "tuneport_azure", "tuneport_openai")


def note(*words):
    with open(os.environ["TESTS_NOTES"], "a") as file:
        print(*words, file=file)


def guard(event, arguments):
    if event == "socket.bind" and arguments[1][0] in ("::1", "127.0.0.1"):
        return  # urllib3 asks the kernel so whether there is IPv6
    if event in REFUSED:
        note("network", event, arguments[1:])
        raise OSError("there is no network in this test")
    if event == "import" and arguments[0].partition(".")[0] in ABSENT:
        note("import", arguments[0])
        raise ModuleNotFoundError(f"{arguments[0]} is not there in this test")


note("began", "worker" if "tuneport_local.worker" in sys.orig_argv else "command")
sys.addaudithook(guard)
"""
"""Runs at the start of every Python, and writes down what was tried."""


@pytest.mark.train
def test_an_archive_comes_home_without_a_network_or_its_providers_package_and_is_proved_equal_by_the_archived_answers(
    platforms: Platforms, apprentice: Path, tmp_path: Path
) -> None:
    test = cards(tmp_path / "test.jsonl", 200, start=1000)
    uri = platforms.trained(cards(tmp_path / "cards.jsonl", 40), at="openai", epochs=6, learning_rate_multiplier=10)
    assert platforms("archive", uri, tmp_path / "kept", "--rows", test, "--ask", 200, "--yes").code == 0
    alone = Alone(tmp_path / "alone")
    run = alone("port", tmp_path / "kept", "--to", "local", "--base", apprentice, "--test", test)
    assert run.code == 0, run.err
    assert alone.notes() == ["began command", "began worker"]
    found = comparison(run)
    assert (ported(run)["verdict"], found["models"]["old"]["source"], found["models"]["old"]["missing"]) == ("equal", "archive", 0)
    (compared,) = [each for each in found["comparisons"] if (each["model"], each["against"]) == ("new", "old")]
    assert (compared["rows"], compared["metrics"]["exact_match"]["value"]) == (200, 1.0)


class Alone:
    """Another home on a machine without a network and without the clouds' packages."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
        (folder / "tuneport.toml").write_text("[providers.local]\ncalibrate = false\n", encoding="utf-8")
        self.folder = folder

    def __call__(self, *words: object) -> Run:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AZURE_"))}
        environ |= {"PYTHONPATH": str(self.folder), "TESTS_NOTES": str(self.folder / "notes.txt"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", PROGRAM, "--json", "--home", str(self.folder / "home"), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=self.folder, timeout=1200, check=False)
        return Run(done.returncode, done.stdout, done.stderr)

    def notes(self) -> list[str]:
        """Which processes there were, and what they tried that there is not."""
        return (self.folder / "notes.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.train
def test_from_openai_home_to_a_base_that_cannot_learn_it_is_found_worse_and_goes_on_from_there(
    platforms: Platforms, tmp_path: Path
) -> None:
    from tiny import save_tiny

    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 40))
    base, test = save_tiny(tmp_path / "tiny"), cards(tmp_path / "test.jsonl", 10, start=1000)
    platforms.real = True
    run = platforms("port", uri, "--to", "local", "--base", base, "--test", test, "--epochs", 1, "--yes", "--json")
    home = ported(run)
    assert (run.code, home["verdict"]) == (1, "worse"), run.err
    platforms.real = False
    back = platforms("port", home["job"]["uri"], "--to", "azure", "--base", "gpt-4.1-mini", "--ask", 0, "--yes", "--deploy", "--json")
    assert (back.code, ported(back)["job"]["state"]) == (0, "succeeded"), back.err


# --- the embedded model, on real rows ----------------------------------------------------------------------------------------------------

with_banking = pytest.mark.skipif(not BANKING.is_dir(), reason="banking77 does not lie beside the checkout")


def intents(folder: Path, name: str, *, most: int = 40) -> Path:
    """Up to so many rows of each of six intents."""
    with (BANKING / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    said = (row for intent in INTENTS for row in islice((row for row in rows if row["category"] == intent), most))
    return write_rows(folder / f"{name}.jsonl", [chat(row["text"], row["category"]) for row in said])


def exact(run: Run) -> float:
    """The share of rows that the new model answers as they are labelled."""
    return float(comparison(run)["comparisons"][0]["metrics"]["exact_match"]["value"])


@pytest.mark.slow
@with_banking
@pytest.mark.parametrize("at", ["openai", "azure"])
def test_six_intents_come_home_and_go_on_to_azure_with_answers_that_are_measured(platforms: Platforms, tmp_path: Path, at: str) -> None:
    train, test = intents(tmp_path, "train"), intents(tmp_path, "test")
    question = "Someone has stolen my card, what now?"
    uri = platforms.trained(train, at=at, epochs=2)
    if at == "azure":
        platforms.deployed(uri, "answering")
    platforms.real = True
    run = platforms("port", uri, "--to", "local", "--base", EMBEDDED, "--test", test, "--yes", "--json", "--shots", 0)
    home = ported(run)
    assert exact(run) > 0.8
    assert comparison(run)["models"]["old"]["missing"] == 0
    assert platforms.runs(Path(home["folder"]) / "before.py", question) in INTENTS
    with platforms.served(home["model"]["uri"]) as url:
        assert platforms.runs_served(Path(home["switch"]["path"]), question, at=url)
        assert likeliest(home["model"]["uri"], question, at=url) == "lost_or_stolen_card"
    platforms.real = False
    back = platforms("port", home["job"]["uri"], "--to", "azure", "--base", "gpt-4.1-nano", "--test", test, "--yes", "--deploy", "--json")
    assert ported(back)["job"]["state"] == "succeeded"
    assert comparison(back)["models"]["old"]["missing"] == 0
    assert platforms.runs(ported(back)["switch"]["path"], question) in INTENTS


@pytest.mark.slow
@with_banking
def test_six_intents_come_home_from_an_archive_without_a_network(platforms: Platforms, tmp_path: Path) -> None:
    train, test = intents(tmp_path, "train"), intents(tmp_path, "test")
    uri = platforms.trained(train, at="openai", epochs=2)
    assert platforms("archive", uri, tmp_path / "kept", "--rows", test, "--ask", 240, "--yes").code == 0
    alone = Alone(tmp_path / "alone")
    run = alone("port", tmp_path / "kept", "--to", "local", "--base", EMBEDDED, "--test", test, "--shots", 0)
    assert exact(run) > 0.8, run.err
    assert comparison(run)["models"]["old"]["source"] == "archive"
    assert not [line for line in alone.notes() if line.startswith("import")]
