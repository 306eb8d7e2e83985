"""Converting in several processes gives the same bytes and the same report as in one, and the same error."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneport import parallel
from tuneport.dataset import Dataset
from tuneport.errors import DatasetError


def row(number: int, **more: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": f"question {number} " + "x" * (number % 97)}, {"role": "assistant", "content": str(number)}]
    return {"messages": said, **more}


def wire(number: int) -> bytes:
    """A plain row, one that loses its weight, one with a key of its own, a blank line or one ended as on Windows."""
    weighted = row(number)
    weighted["messages"][1]["weight"] = 1
    kinds = (row(number), row(number), weighted, row(number, source="mail"))
    line = json.dumps(kinds[number % 4]).encode()
    return line + (b"\r\n" if number % 5 == 0 else b"\n" if number % 7 else b"\n\n")


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "PIECE_BYTES", 4096)
    monkeypatch.setattr(parallel, "BLOCK_BYTES", 1024)


def converted(source: Path, target: Path, **options: Any) -> tuple[bytes, Any]:
    report = Dataset.read(source, format="chat").write(target, **options)
    return target.read_bytes(), (report.rows, report.losses)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("workers", [2, 3, 5])
@pytest.mark.parametrize("to", ["gemini", "azure", "chat"])
def test_any_number_of_processes_writes_the_same_file_and_report(workers: int, to: str, tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_bytes(b"\xef\xbb\xbf" + b"".join(map(wire, range(600))))
    one = converted(source, tmp_path / "one.jsonl", format=to, workers=1)
    several = converted(source, tmp_path / "several.jsonl", format=to, workers=workers)
    assert several == one
    assert several[1][0] == 600


@pytest.mark.usefixtures("small_pieces")
def test_a_line_longer_than_several_pieces_stays_whole(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    long = row(1)
    long["messages"][0]["content"] = "long " * 5000
    source.write_bytes(b"".join([*map(wire, range(50)), json.dumps(long).encode() + b"\n", *map(wire, range(50))]))
    one = converted(source, tmp_path / "one.jsonl", format="gemini", workers=1)
    assert converted(source, tmp_path / "two.jsonl", format="gemini", workers=2) == one


@pytest.mark.usefixtures("small_pieces")
def test_a_bad_row_gives_the_error_of_one_process_and_no_file(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    lines = [json.dumps(row(number)).encode() for number in range(400)]
    lines[333] = b'{"messages": [}'
    source.write_bytes(b"\n".join(lines))
    for workers in (1, 3):
        with pytest.raises(DatasetError, match=r"rows\.jsonl:334: not valid JSON"):
            Dataset.read(source, format="chat").write(tmp_path / "out.jsonl", format="gemini", workers=workers)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.usefixtures("small_pieces")
def test_a_byte_order_mark_inside_the_file_is_the_same_error_wherever_its_line_begins(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    lines = [json.dumps(row(1)).encode().ljust(1023) + b"\n" for _ in range(40)]
    lines[16] = (b"\xef\xbb\xbf" + lines[16].rstrip()).ljust(1023) + b"\n"  # the first line of a piece
    source.write_bytes(b"".join(lines))
    errors = []
    for workers in (1, 2):
        with pytest.raises(DatasetError) as raised:
            Dataset.read(source, format="chat").write(tmp_path / "out.jsonl", format="gemini", workers=workers)
        errors.append(str(raised.value))
    assert errors[0] == errors[1]
    assert ":17:" in errors[0]


@settings(deadline=None, database=None, max_examples=200)
@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=12), st.integers(1, 40), st.booleans())
def test_pieces_hold_every_line_once_wherever_they_are_cut(lines: list[bytes], size: int, ended: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    taken = [parallel.lines_of_piece(io.BytesIO(data), piece, size) for piece in range(-(-len(data) // size))]
    assert b"".join(taken) == data
    assert all(piece.endswith(b"\n") or not any(taken[place + 1 :]) for place, piece in enumerate(taken) if piece)
