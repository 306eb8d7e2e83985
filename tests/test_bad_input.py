"""Damaged files: rows, findings or one error, and the same however the rows are read. 100,000 more: `python -m benchmarks.bad_input`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError
from tuneport.testing.bad_input import Heard, read_in_blocks, read_row_by_row, trial
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
        assert read_in_blocks(path, format=sample.format) == careful, f"seed {seed}: {sample.format} {sample.ending}"
        assert read_row_by_row(path, format=sample.format) == careful, f"seed {seed}: {sample.format} {sample.ending}"


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


def repeated_everywhere(value: Any) -> Iterator[str]:
    """The value as JSON, each time with another one of its keys written twice."""
    if not isinstance(value, dict | list):
        return
    for key in value if isinstance(value, dict) else range(len(value)):
        for inner in repeated_everywhere(value[key]):
            yield put_together(value, {key: inner})
        if isinstance(value, dict):
            yield put_together(value, {key: f"{json.dumps(value[key])}, {json.dumps(key)} : {json.dumps(value[key])}"})


def put_together(value: Any, written: dict[Any, str]) -> str:
    """The value as JSON, some of what is inside it as it is given."""
    if isinstance(value, list):
        return f"[{', '.join(written.get(place, json.dumps(each)) for place, each in enumerate(value))}]"
    return "{" + ", ".join(f"{json.dumps(key)}: {written.get(key, json.dumps(each))}" for key, each in value.items()) + "}"


JSONL_SAMPLES = [sample for sample in SAMPLES if sample.ending == ".jsonl"]


@pytest.mark.parametrize("sample", JSONL_SAMPLES, ids=[f"{each.format}-{place}" for place, each in enumerate(JSONL_SAMPLES)])
def test_every_key_of_a_row_is_a_finding_where_it_stands_twice_among_clean_rows(tmp_path: Path, sample: SampleFile) -> None:
    for clean in sample.data.decode("utf-8-sig").splitlines()[:2]:
        twice = list(repeated_everywhere(json.loads(clean)))
        lines = [line for each in twice for line in (clean, each)]
        found, heard = heard_in(tmp_path / "rows.jsonl", "\n".join(lines).encode(), format=sample.format)
        assert found == list(range(1, len(lines) + 1, 2))
        assert [line for line, sentence in heard.findings if "stands twice" in sentence] == list(range(2, len(lines) + 1, 2))


ODD_TEXTS = [":", ' ": ', '" :', ':"', "\\", '\\":', '\\\\" : ', '{"a": 1, "a": 2}', "Voici : tout", "\t:\n:", '\\\\\\":"\\']


@pytest.mark.parametrize("answer", ["a", "a" * 2_000], ids=["colons everywhere", "few colons"])
def test_texts_that_look_like_keys_are_no_findings_and_hide_none(tmp_path: Path, answer: str) -> None:
    rows = [ROW]
    rows += [ROW.replace(b'"q"', json.dumps(text).encode()).replace(b'"a"', json.dumps(answer + text).encode()) for text in ODD_TEXTS]
    rows += [row.replace(b'"role": ', b'"role" :  ') for row in rows]
    path, clean = tmp_path / "rows.jsonl", len(rows)
    found, heard = heard_in(path, b"\n".join(rows))
    assert (len(found), heard.findings) == (clean, [])
    for place in range(1, clean):
        damaged = [*rows[:place], rows[place].replace(b'"role"', b'"role": "user", "role"', 1), *rows[place:]]
        found, heard = heard_in(path, b"\n".join(damaged))
        assert ([line for line, _ in heard.findings], len(found)) == ([place + 1], clean)


@pytest.mark.parametrize(
    ("format", "row"),
    [
        ("trl", {"messages": [{"role": "user", "content": "a"}], "tools": '[{"name": "f", "name": "g"}]'}),
        ("trl-prompt", {"prompt": '[{"role": "user", "role": "user", "content": "a"}]'}),
        ("sharegpt", {"conversations": [{"from": "function_call", "value": '{"name": "f", "name": "g"}'}]}),
        ("chat", {"messages": '[{"role": "user", "role": "user", "content": "a"}]'}),
    ],
)
def test_a_key_that_stands_twice_in_json_that_a_text_holds_is_a_finding_where_it_is_unpacked(
    tmp_path: Path, format: str, row: dict[str, Any]
) -> None:
    lines, heard = heard_in(tmp_path / "rows.jsonl", json.dumps(row).encode(), format=format)
    assert lines == []
    assert ["stands twice" in sentence for _, sentence in heard.findings] == [True]


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
