"""`tuneport data` but for check and stats: what is written, what is said, and what is refused before a byte is."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import CHAT_ROWS, Shell

from tuneport.cli import main
from tuneport.dataset import Dataset


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    shell = Shell(tmp_path, capsys)
    os.environ["TUNEPORT_HOME"] = str(shell.home)
    yield shell
    del os.environ["TUNEPORT_HOME"]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(CHAT_ROWS)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_a_split_never_writes_over_the_file_it_reads_or_over_itself(shell: Shell, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(rows)
    for words in (
        ("--train-file", rows),
        ("--test-file", tmp_path / "link.jsonl", "--overwrite"),
        ("--train-file", tmp_path / "x.jsonl", "--test-file", tmp_path / "." / "x.jsonl", "--overwrite"),
    ):
        run = shell("data", "split", rows, *words)
        assert run.code == 2
        assert "nothing was written" in run.err
    assert names(tmp_path) == ["link.jsonl", "rows.jsonl"]
    assert rows.read_text() == CHAT_ROWS


def test_sides_are_written_beside_the_file_in_its_own_format_and_ending(shell: Shell, tmp_path: Path) -> None:
    table = tmp_path / "faq.tsv"
    table.write_text("text\tcategory\n" + "".join(f"question {n}\t{'ab'[n % 2]}\n" for n in range(20)))
    run = shell("--json", "data", "split", table, "--test", "4", "--validation", "0.25")
    assert run.code == 0
    assert {side: (Path(each["path"]).name, each["rows"]) for side, each in run.document.items() if side != "schema_version"} == {
        "train": ("faq-train.tsv", 11),
        "validation": ("faq-validation.tsv", 5),
        "test": ("faq-test.tsv", 4),
    }
    assert (tmp_path / "faq-test.tsv").read_text().startswith("text\tlabel\n")
    sides = [Dataset.read(tmp_path / f"faq-{side}.tsv") for side in ("train", "validation", "test")]
    assert sorted(row.text for side in sides for row in side) == sorted(f"question {n}" for n in range(20))  # type: ignore[union-attr]


@pytest.mark.parametrize("test", ["nan", "inf", "2.7", "0", "1.0", "-1", "half", ""])
def test_a_size_that_is_no_size_is_wrong_usage(shell: Shell, rows: Path, test: str) -> None:
    run = shell("data", "split", rows, "--test", test)
    assert run.code == 2
    assert "bug" not in run.err
    assert names(rows.parent) == ["rows.jsonl"]


def test_a_sample_goes_to_standard_output_and_nothing_else_does(rows: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "sample", str(rows), "-", "--rows", "3"]) == 0
    out, err = capfd.readouterr()
    assert len([json.loads(line) for line in out.splitlines()]) == 3
    assert "wrote 3 rows" in err


def test_rows_come_from_standard_input(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CHAT_ROWS.encode())))
    run = shell("data", "convert", "-", tmp_path / "out.json", "--to", "gemini")
    assert run.code == 0, run.err
    assert len(json.loads((tmp_path / "out.json").read_text())) == 18
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CHAT_ROWS.encode())))
    assert "Name the files to write" in shell("data", "split", "-").err


def test_strict_conversion_names_what_would_be_lost_and_writes_nothing(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "named.jsonl"
    path.write_text(json.dumps({"messages": [{"role": "user", "content": "a", "name": "x"}, {"role": "assistant", "content": "b"}]}))
    run = shell("data", "convert", path, tmp_path / "out.jsonl", "--to", "gemini", "--strict")
    assert run.code == 1
    assert "message.name (1 row)" in run.err
    assert names(tmp_path) == ["named.jsonl"]
    run = shell("data", "convert", path, tmp_path / "out.jsonl", "--to", "gemini")
    assert run.code == 0
    assert "not carried: message.name in 1 row (lines 1)" in run.err


def test_duplicates_go_and_what_is_left_is_counted(shell: Shell, rows: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.jsonl"
    assert shell("data", "merge", rows, rows, "-o", both).code == 0
    assert Dataset.read(both).count() == 36
    run = shell("data", "dedupe", both, tmp_path / "once.jsonl")
    assert "Wrote 18 rows of 36" in run.out
    assert shell("data", "dedupe", both, tmp_path / "x.jsonl", "--alike", "closely").code == 2


def test_every_format_and_kind_of_file_is_listed(shell: Shell) -> None:
    listed = shell("--json", "data", "formats").document
    assert {"chat", "gemini", "preference", "sharegpt", "classification"} <= {each["name"] for each in listed["formats"]}
    assert {"jsonl", "csv", "parquet"} <= {each["name"] for each in listed["files"]}
    assert "completion" in shell("data", "formats").out
