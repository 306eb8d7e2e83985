"""Damaged files: rows, findings or one error, and the same however the rows are read. 100,000 more: `python -m benchmarks.bad_input`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random

import pytest

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError
from tuneport.testing.bad_input import Heard, Read, read_in_blocks, read_row_by_row, trial
from tuneport.testing.mutations import mutated
from tuneport.testing.sample_rows import SampleFile, sample_files

pytest.importorskip("pyarrow")

SAMPLES = list(sample_files())
OF_JSON = [sample for sample in SAMPLES if sample.ending in (".jsonl", ".json")]
ROW = b'{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}'


def heard_in(path: Path, data: bytes, *, format: str | None = "chat") -> tuple[list[int], Heard]:
    """The lines of the rows that are read, and what is told."""
    path.write_bytes(data)
    heard = Heard()
    return [line for line, _ in Dataset.read(path, format=format).numbered(notices=heard)], heard


@pytest.mark.parametrize("hundred", range(0, 3000, 100))
def test_a_damaged_file_gives_rows_findings_or_one_error_and_soon(tmp_path: Path, hundred: int) -> None:
    found = [trial(seed, SAMPLES, tmp_path) for seed in range(hundred, hundred + 100)]
    assert [each.violation for each in found if each.violation] == []
    assert len({each.outcome for each in found}) == 3


@pytest.mark.parametrize("hundred", range(0, 2000, 100))
def test_rows_lines_findings_and_losses_are_the_same_in_blocks_and_row_by_row(tmp_path: Path, hundred: int) -> None:
    for seed in range(hundred, hundred + 100):
        random = Random(seed)
        sample = random.choice(OF_JSON)
        path = tmp_path / f"{seed}{sample.ending}"
        path.write_bytes(mutated(sample.data, random))
        careful = read_row_by_row(path, format=sample.format, typed=False)
        repeated = {line for line, sentence in careful.findings if "stands twice" in sentence}  # looked for where a row is read with care
        expected = without(careful, repeated)
        assert without(read_in_blocks(path, format=sample.format), repeated) == expected, f"seed {seed}: {sample.format} {sample.ending}"
        alone = read_row_by_row(path, format=sample.format)
        assert without(alone, repeated) == expected, f"seed {seed}: {sample.format} {sample.ending}"


def without(read: Read, lines: set[int]) -> Read:
    """What was read, less some lines."""
    rows, findings, losses = ([each for each in told if each[0] not in lines] for told in (read.rows, read.findings, read.losses))
    return Read(rows, findings, losses, read.error)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "lines", "bad"),
    [
        (ROW + ROW + b"\n\n" + ROW, [3], [1]),
        (ROW + ROW + b"\n" + ROW[:20] + b"\n" + ROW[20:], [], [1, 2, 3]),
        (ROW.replace(b"[", b"[\n") + b"\n" + ROW + b" " + ROW, [], [1, 2, 3]),
        (ROW + b"\r\n" + ROW + b"\r\n\r\n" + ROW, [1, 2, 4], []),
        (b"\n \n" + ROW + b"\n\n\t\n" + ROW + b"\n\n", [3, 6], []),
        (ROW + b"\r" + ROW, [], [1]),
        (ROW + b"\n\xef\xbb\xbf" + ROW, [1], [2]),
        (ROW + b"\n" + ROW.replace(b'"q"', b'"\xff"'), [1], [2]),
        (ROW + b"\n" + ROW.replace(b'"q"', b"NaN"), [1], [2]),
        (ROW + b"\n" + ROW.replace(b'"q"', b"[" * 100_000), [1], [2]),
        (ROW + b"\n\0\n" + ROW, [1, 3], [2]),
    ],
    ids=["two on a line", "over two lines", "both", "CRLF", "blank", "CR", "BOM", "UTF-8", "NaN", "deep", "NUL"],
)
def test_a_row_is_a_line(tmp_path: Path, data: bytes, lines: list[int], bad: list[int]) -> None:
    found, heard = heard_in(tmp_path / "rows.jsonl", data)
    assert (found, [line for line, _ in heard.findings]) == (lines, bad)


def test_a_key_that_stands_twice_is_a_finding(tmp_path: Path) -> None:
    twice = ROW.replace(b'{"messages"', b'{"messages": [], "messages"')
    inner = ROW.replace(b'"role": "user"', b'"role": "assistant", "role" :"user"').replace(b"}]}", b'}], "id": 1}')
    told = ROW.replace(b'"q"', rb'"say \"messages\": 1, \"messages\": 2"')
    lines, heard = heard_in(tmp_path / "rows.jsonl", b"\n".join([ROW, twice, inner, told]))
    assert lines == [1, 4]
    assert heard.findings == [
        (2, "the key 'messages' stands twice in one object; only one of its values would be read."),
        (3, "the key 'role' stands twice in one object; only one of its values would be read."),
    ]


def test_half_a_surrogate_pair_is_told_and_never_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(ROW.replace(b'"q"', rb'"\ud800"'))
    with pytest.raises(DatasetError):
        Dataset.read(path, format="chat").write(tmp_path / "other.jsonl")
    assert not (tmp_path / "other.jsonl").exists()


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".txt"])
def test_a_line_of_200_megabytes_is_a_finding_and_the_rows_around_it_are_read(tmp_path: Path, ending: str) -> None:
    path, piece = tmp_path / f"rows{ending}", b"x" * (1 << 20)
    first, last = {
        ".jsonl": (ROW + b'\n{"a": "', b'"}\n' + ROW + b"\n"),
        ".json": (b"[" + ROW + b',\n{"a": "', b'"},\n' + ROW + b"]"),
        ".csv": (b"text,label\na,b\n", b",b\nc,d\n"),
        ".txt": (b"one\n", b"\ntwo\n"),
    }[ending]
    with path.open("wb") as file:
        file.write(first)
        file.writelines(piece for _ in range(200))
        file.write(last)
    heard, began = Heard(), time.process_time()
    format = {".csv": "classification", ".txt": "text"}.get(ending, "chat")
    rows = [line for line, _ in Dataset.read(path, format=format).numbered(notices=heard)]
    assert time.process_time() - began < 60
    assert len(rows) == 2
    assert heard.findings
    assert all("longer than" in sentence or "fields" in sentence or "closed" in sentence for _, sentence in heard.findings)


def test_the_samples_are_of_every_format_and_container() -> None:
    from tuneport.containers.known import CONTAINERS
    from tuneport.formats.known import FORMATS

    assert {sample.format for sample in SAMPLES} >= {each.name for each in FORMATS} - {"preference", "hh"}
    endings = {sample.ending for sample in SAMPLES}
    assert all(each.suffixes[0] in endings for each in CONTAINERS if each.name != "datasets")
    assert json.loads(ROW)
    assert isinstance(SAMPLES[0], SampleFile)
