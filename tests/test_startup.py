"""What the commands that people run all day must not import. How long they take is measured by `make bench`, not here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "torch",
    "transformers",
    "peft",
    "trl",
    "datasets",
    "pydantic",
    "pydantic_core",
    "msgspec",
    "rich",
    "numpy",
    "matplotlib",
    "yaml",
    "openai",
    "google",
    "azure",
    "asyncio",
}
PROGRAM = """
import json, sys
before = {*sys.modules}
from tuneport.cli import main
code = main(sys.argv[1:])
print(json.dumps({"code": code, "modules": sorted({*sys.modules} - before)}), file=sys.stderr)
"""


def imported_by(home: Path, *words: str) -> set[str]:
    """The modules that the command has loaded in a process of its own, beside those that Python starts with."""
    environ = {**os.environ, "TUNEPORT_HOME": str(home)}
    run = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, env=environ, check=True)
    said = json.loads(run.stderr.splitlines()[-1])
    assert said["code"] == 0, run.stderr
    return set(said["modules"])


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("jobs", "list"), ("jobs", "list", "--json")], ids=" ".join)
def test_everyday_commands_import_nothing_heavy(tmp_path: Path, words: tuple[str, ...]) -> None:
    modules = imported_by(tmp_path, *words)
    assert "typer" in modules
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()
    assert not any(name.startswith("tuneport_") for name in modules)


def test_help_imports_no_command(tmp_path: Path) -> None:
    modules = imported_by(tmp_path, "--help")
    assert "tuneport.client" not in modules
    assert {name for name in modules if name.startswith("tuneport.cli.")} <= {
        "tuneport.cli.app",
        "tuneport.cli.light",
        "tuneport.cli.output",
        "tuneport.cli.pipes",
        "tuneport.cli.session",
    }


def test_listing_jobs_opens_no_provider(tmp_path: Path) -> None:
    modules = imported_by(tmp_path, "jobs", "list")
    assert "tuneport.registry" in modules
    assert "tuneport.provider" not in modules
