"""Containers: how files hold rows. Whatever is written is read back as it was, and what is damaged is told."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneport.containers.container import Records, Texts
from tuneport.containers.json_list import JSON
from tuneport.containers.known import CONTAINERS
from tuneport.dataset import Dataset
from tuneport.errors import DatasetError
from tuneport.examples import ChatExample, ImagePart, LabelledExample, Message, TextPart, Tool, ToolCall
from tuneport.files import whole_folder, write_chunks

pa = pytest.importorskip("pyarrow")

CALL = ToolCall("find", '{"id": 7}', "call_1")
PLAIN = tuple(ChatExample((Message("user", f"Where is card {n}?\nSay."), Message("assistant", "é" * n))) for n in range(1, 400))
RICH = (
    *PLAIN[:3],
    ChatExample(
        (
            Message("user", (TextPart("See:"), ImagePart("https://x.test/a.png", "low")), name="anna"),
            Message("assistant", tool_calls=(CALL,), weight=0),
            Message("tool", "found", tool_call_id="call_1"),
            Message("assistant", "Here."),
        ),
        (Tool("find", "d", {"type": "object", "properties": {"id": {"type": "integer", "default": None}}}, True), Tool("none")),
        False,
        extra={"mixed": [1, "a", None, 2.5], "empty": {}, "score": 0.5, "sure": True},
    ),
    ChatExample((Message("user", "a"), Message("assistant", "b")), extra={"score": 1, "mixed": "text"}),
)
LABELS = tuple(LabelledExample(text=f"text {n}", label="ab"[n % 2]) for n in range(5))
COMPRESSED = ("", ".gz", ".zst")
NESTED = (".jsonl", ".json", ".arrow")


class Listener:
    """Hears everything and lets reading go on."""

    def __init__(self) -> None:
        self.sentences: list[tuple[int, str]] = []
        self.losses: list[tuple[int, str]] = []

    def bad(self, line: int, sentence: str) -> None:
        self.sentences.append((line, sentence))

    def lost(self, line: int, kind: str) -> None:
        self.losses.append((line, kind))


def chat_row(number: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": "a"}]}


def lines_of(path: Path, **read: Any) -> list[int]:
    return [line for line, _ in Dataset.read(path, **read).numbered()]


# --- there and back ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [PLAIN, RICH], ids=["plain", "rich"])
@pytest.mark.parametrize("ending", [*(f"{a}{b}" for a in NESTED for b in COMPRESSED), ".parquet", ".dataset"])
def test_every_row_comes_back_as_it_was_from_every_container_that_can_hold_it(
    tmp_path: Path, ending: str, rows: tuple[ChatExample, ...]
) -> None:
    report = Dataset.from_examples(rows).write(tmp_path / f"rows{ending}")
    assert (report.rows, report.losses) == (len(rows), ())
    assert tuple(Dataset.read(tmp_path / f"rows{ending}")) == rows


@pytest.mark.parametrize("ending", [f"{a}{b}" for a in (".csv", ".tsv", ".txt") for b in COMPRESSED])
def test_flat_rows_come_back_from_tables_and_texts(tmp_path: Path, ending: str) -> None:
    texts = tuple(ChatExample((Message("assistant", f"text {n}"),), style="text") for n in range(5))
    rows, format = (texts, "text") if ending.startswith(".txt") else (LABELS, "classification")
    Dataset.from_examples(rows).write(tmp_path / f"rows{ending}", format=format)
    assert tuple(Dataset.read(tmp_path / f"rows{ending}", format=format)) == rows


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('aé\n"\\', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c d"]), inner, max_size=3),
    max_leaves=8,
)
said = json_values.filter(lambda value: value is not None)


@settings(deadline=None, database=None, max_examples=120)
@given(st.lists(st.dictionaries(st.sampled_from(["x", "y", "z"]), said, max_size=3), min_size=1, max_size=4), st.sampled_from(CONTAINERS))
def test_any_json_comes_back_from_every_container_that_is_no_table(rows: list[dict[str, Any]], container: Any) -> None:
    if container.table or container.name == "text":
        return
    rows.append({"k": 1})  # Arrow has no rows without columns
    written = b"".join(container.write([rows], False))
    read: list[Any] = []
    for raw in container.read(io.BytesIO(written), Listener()):
        texts = getattr(raw, "texts", None) or getattr(raw, "data", b"").splitlines()
        read += raw.rows if isinstance(raw, Records) else [json.loads(text) for text in texts]
    assert read == rows


def test_the_same_rows_give_the_same_bytes_when_compressed(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz", "c.jsonl.zst", "d.jsonl.zst"):
        Dataset.from_examples(PLAIN).write(tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert (tmp_path / "c.jsonl.zst").read_bytes() == (tmp_path / "d.jsonl.zst").read_bytes()
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).count(b"\n") == len(PLAIN)


def cut(stream: io.BytesIO, heard: Listener) -> Iterator[tuple[int, Any]]:
    """The rows of a JSON document with their lines."""
    for raw in JSON.read(stream, heard):
        assert isinstance(raw, Texts)
        yield from zip(raw.lines, map(json.loads, raw.texts), strict=True)


# --- JSON documents ----------------------------------------------------------------------------------------------------------------------


def test_rows_of_a_json_list_have_the_lines_they_begin_at(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(
        "[\n\n" + json.dumps(chat_row(1), indent=2) + " ,\n" + json.dumps(chat_row(2)) + "," + json.dumps(chat_row(3)) + "\n]\n"
    )
    assert lines_of(path) == [3, 15, 15]


def test_a_list_inside_an_object_is_read_and_what_stands_beside_it_is_told_as_lost(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"version": "1.1", "data": [chat_row(1), chat_row(2)], "meta": {"n": 2}}))
    heard = Listener()
    assert len(list(Dataset.read(path).numbered(notices=heard))) == 2
    assert heard.losses == [(1, "file.keys"), (1, "file.keys")]


def test_an_object_with_a_list_of_messages_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "row.json"
    path.write_text(json.dumps(chat_row(1), indent=2) + "\n" + json.dumps(chat_row(2), indent=2))
    assert lines_of(path) == [1, 13]


def test_json_lines_under_the_ending_of_json_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(chat_row(1)) + "\n" + json.dumps(chat_row(2)))
    assert lines_of(path) == [1, 2]


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ('[{"a": 1}\n{"b": 2}]', 2, "a comma stands between two"),
        ('[{"a": 1},\n7, {"b": 2}]', 2, "a comma stands between two"),
        ('[{"a": 1},\n]', 2, "a comma stands between two"),
        ('[{"a": 1}]\n{"b": 2}', 2, "follows the end"),
        ('{"data": [{"a": 1}]\n, "b": }', 2, "not valid JSON behind it"),
    ],
)
def test_what_is_wrong_between_the_rows_of_a_list_is_told_with_its_line(text: str, line: int, sentence: str) -> None:
    heard = Listener()
    assert list(cut(io.BytesIO(text.encode()), heard))[:1] == [(1, {"a": 1})]
    assert [(number, sentence in words) for number, words in heard.sentences] == [(line, True)]


@pytest.mark.parametrize(("text", "line"), [('[{"a": 1},\n{"b": [2', 2), ('[{"a": 1}\n', 2)])
def test_a_list_that_is_cut_off_gives_the_rows_before_and_then_an_error(tmp_path: Path, text: str, line: int) -> None:
    path, seen = tmp_path / "rows.json", []
    path.write_text(text.replace('{"a": 1}', json.dumps(chat_row(1)), 1))
    with pytest.raises(DatasetError, match=rf"rows\.json:{line}: .*(never closed|something else)") as raised:
        seen += Dataset.read(path, format="chat").numbered(notices=Listener())
    assert raised.value.line == line


@settings(deadline=None, database=None, max_examples=150)
@given(st.lists(st.dictionaries(st.sampled_from(["a", "]}", '"', "\\"]), json_values, max_size=3), max_size=6), st.data())
def test_rows_are_cut_alike_however_the_file_comes_in_pieces(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    text = json.dumps(rows, indent=data.draw(st.sampled_from([None, 1]))).encode()
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=8))
    pieces, start = [], 0
    while start < len(text):
        pieces.append(text[start : start + sizes[len(pieces) % len(sizes)]])
        start += len(pieces[-1])

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return pieces.pop(0) if pieces else b""

    if b"[" not in pieces[0]:  # the opening is looked for in the first block
        pieces[0:2] = [b"".join(pieces[0:2])]
    heard = Listener()
    found = list(cut(Slow(), heard))
    assert [row for _, row in found] == rows
    assert not heard.sentences
    assert all(text.split(b"\n")[line - 1].lstrip(b" [").startswith(b"{") for line, _ in found)


# --- Arrow -------------------------------------------------------------------------------------------------------------------------------


def test_what_arrow_fills_in_is_absent_and_rows_have_numbers(tmp_path: Path) -> None:
    table = pa.table(
        {
            "messages": [[{"role": "user", "content": "q", "name": None}, {"role": "assistant", "content": "a", "name": "x"}]] * 3,
            "score": [1.0, float("nan"), None],
            "when": pa.array([1, 2, None], pa.timestamp("s")),
        }
    )
    with pa.OSFile(str(tmp_path / "rows.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    rows = dict(Dataset.read(tmp_path / "rows.arrow").numbered())
    assert list(rows) == [1, 2, 3]
    assert [sorted(row.extra) for row in rows.values()] == [["score", "when"], ["when"], []]
    assert rows[1].messages == (Message("user", "q"), Message("assistant", "a", name="x"))  # type: ignore[union-attr]


def test_a_slice_of_an_arrow_table_gives_its_own_rows(tmp_path: Path) -> None:
    table = pa.table(
        {
            "messages": [chat_row(n)["messages"] for n in range(1200)],
            "n": list(range(1200)),
            "fixed": pa.array([[n, n] for n in range(1200)], pa.list_(pa.int64(), 2)),
        }
    )
    with pa.OSFile(str(tmp_path / "rows.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_batch(table.combine_chunks().to_batches()[0].slice(3, 1100))
    rows = list(Dataset.read(tmp_path / "rows.arrow"))
    assert [(row.messages[0].content, row.extra["fixed"]) for row in rows] == [(f"q{n}", [n, n]) for n in range(3, 1103)]  # type: ignore[union-attr]


def test_datasets_loads_the_folder_that_is_written_and_the_names_of_its_labels_are_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    Dataset.from_examples(RICH).write(tmp_path / "rich.dataset")
    loaded = datasets.load_from_disk(str(tmp_path / "rich.dataset"))
    assert len(loaded) == len(RICH)
    assert loaded[3]["messages"][0]["content"][0] == {"type": "text", "text": "See:"}

    datasets.disable_progress_bars()
    numbered = datasets.Dataset.from_list([{"text": "a", "label": 0}, {"text": "b", "label": 1}, {"text": "c", "label": 0}])
    named = numbered.cast_column("label", datasets.ClassLabel(names=["cat", "dog"]))
    named.select([2, 1]).save_to_disk(str(tmp_path / "labels"), num_shards=2)
    found = Dataset.read(tmp_path / "labels", format="classification")
    assert [(line, row.text, row.label) for line, row in found.numbered()] == [(1, "c", "cat"), (2, "b", "dog")]  # type: ignore[union-attr]
    datasets.DatasetDict({"train": named, "test": named}).save_to_disk(str(tmp_path / "splits"))
    with pytest.raises(DatasetError, match=r"several splits: train, test.*splits/train"):
        Dataset.read(tmp_path / "splits")
    assert Dataset.read(tmp_path / "splits" / "test").count() == 3


def test_a_datasets_folder_in_another_order_or_with_a_file_from_elsewhere_is_refused(tmp_path: Path) -> None:
    Dataset.from_examples(PLAIN).write(tmp_path / "rows.dataset")
    state = tmp_path / "rows.dataset" / "state.json"
    found = json.loads(state.read_text())
    state.write_text(json.dumps(found | {"_indices_data_files": [{"filename": "indices.arrow"}]}))
    with pytest.raises(DatasetError, match="flatten_indices"):
        Dataset.read(tmp_path / "rows.dataset")
    state.write_text(json.dumps(found | {"_data_files": [{"filename": "../other.arrow"}]}))
    with pytest.raises(DatasetError, match="not in the folder"):
        Dataset.read(tmp_path / "rows.dataset")


def test_a_folder_of_anything_else_is_neither_read_nor_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.dataset").mkdir()
    (tmp_path / "mine.dataset" / "letter.txt").write_text("dear")
    with pytest.raises(DatasetError, match=r"is a folder, not a file"):
        Dataset.read(tmp_path / "mine.dataset")
    with pytest.raises(DatasetError, match=r"no folder of `datasets`"):
        Dataset.from_examples(PLAIN).write(tmp_path / "mine.dataset")
    assert (tmp_path / "mine.dataset" / "letter.txt").read_text() == "dear"


def test_a_damaged_parquet_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    Dataset.from_examples(PLAIN).write(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DatasetError, match="damaged or cut off"):
        list(Dataset.read(path))


def test_without_pyarrow_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Dataset.from_examples(PLAIN).write(tmp_path / "rows.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DatasetError, match=r'pip install "tuneport\[arrow\]"'):
        list(Dataset.read(tmp_path / "rows.parquet"))
    with pytest.raises(DatasetError, match=r'pip install "tuneport\[arrow\]"'):
        Dataset.from_examples(PLAIN).write(tmp_path / "other.parquet")


# --- compression -------------------------------------------------------------------------------------------------------------------------


def jsonl(rows: int) -> bytes:
    return b"".join(json.dumps(chat_row(n)).encode() + b"\n" for n in range(rows))


def zstd(data: bytes) -> bytes:
    from tuneport.containers.compression import ZSTD

    return b"".join(ZSTD.pack([data]))


PACKERS = {"gzip": gzip.compress, "zstd": zstd}


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_compression_is_told_by_its_first_bytes_and_may_come_in_several_members(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(pack(jsonl(5000)) + pack(b"") + pack(jsonl(3)))
    assert lines_of(path) == list(range(1, 5004))


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".json"])
def test_a_stream_that_is_cut_off_gives_the_rows_before_and_no_piece_of_one(tmp_path: Path, pack: Any, ending: str) -> None:
    whole = {
        ".jsonl": jsonl(20_000),
        ".csv": b"text,label\n" + b"".join(b"text %d,name%d\n" % (n, n) for n in range(60_000)),
        ".json": b"[" + b",\n".join(jsonl(20_000).splitlines()) + b"]",
    }[ending]
    path, format = tmp_path / f"rows{ending}", "classification" if ending == ".csv" else "chat"
    path.write_bytes(whole)
    rows = list(Dataset.read(path, format=format))
    packed = pack(whole)
    path.write_bytes(packed[: len(packed) * 2 // 3])
    seen: list[Any] = []
    heard = Listener()
    numbered = Dataset.read(path, format=format).numbered(notices=heard)
    with pytest.raises(DatasetError, match=r"stream ends too early: the file is cut off\. .*up to line \d+"):
        seen.extend(row for _, row in numbered)
    assert len(seen) > 1000
    assert seen == rows[: len(seen)]
    assert not heard.sentences


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_a_damaged_stream_is_told(tmp_path: Path, pack: Any) -> None:
    packed = bytearray(pack(jsonl(20_000)))
    packed[len(packed) // 2] ^= 0xFF
    packed[-5] ^= 0xFF
    (tmp_path / "rows.jsonl").write_bytes(packed)
    with pytest.raises(DatasetError, match="stream is damaged"):
        list(Dataset.read(tmp_path / "rows.jsonl", format="chat").numbered(notices=Listener()))


def test_a_gzip_stream_with_zeros_behind_it_is_whole_and_with_anything_else_is_not(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(jsonl(3)) + bytes(1000))
    assert lines_of(path) == [1, 2, 3]
    path.write_bytes(gzip.compress(jsonl(3)) + b"more")
    with pytest.raises(DatasetError, match="stream is damaged"):
        lines_of(path)


def test_parquet_is_not_compressed_once_more(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="compresses by itself"):
        Dataset.from_examples(PLAIN).write(tmp_path / "rows.parquet.gz")
    Dataset.from_examples(PLAIN).write(tmp_path / "rows.parquet")
    (tmp_path / "rows.gz").write_bytes(gzip.compress((tmp_path / "rows.parquet").read_bytes()))
    with pytest.raises(DatasetError, match="compresses by itself"):
        Dataset.read(tmp_path / "rows.gz").count()


MEASURED = """
import resource, sys
from tuneport.dataset import Dataset
class Deaf:
    def bad(self, line, sentence): print(line, sentence)
    def lost(self, line, kind): pass
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sum(len(block.examples) for block in Dataset.read(sys.argv[1], format="chat").blocks(notices=Deaf())))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units elsewhere")
@pytest.mark.parametrize("inside", [b"\n", b" ", b"\0"], ids=["blank lines", "one line", "one line that is no JSON"])
def test_a_file_that_unpacks_to_a_thousand_times_its_size_is_read_in_little_memory(tmp_path: Path, inside: bytes) -> None:
    packer, path = zlib.compressobj(wbits=31), tmp_path / "rows.jsonl.gz"
    pieces = [packer.compress(json.dumps(chat_row(1)).encode() + b"\n"), *(packer.compress(inside * (1 << 20)) for _ in range(160))]
    path.write_bytes(b"".join([*pieces, packer.compress(b"\n" + json.dumps(chat_row(2)).encode()), packer.flush()]))
    done = subprocess.run([sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, check=True)
    *told, rows, megabytes = done.stdout.splitlines()
    assert rows == "2"
    assert told == ([] if inside == b"\n" else ["2 the line is longer than 128 MiB."])
    assert int(megabytes) < 300


# --- standard input and output -----------------------------------------------------------------------------------------------------------

PIPED = """
import sys, os, tempfile
from tuneport.dataset import Dataset
data = Dataset.read(sys.argv[1])
print(data.name, data.count(), data.count(), data.in_memory, file=sys.stderr)
data.write(sys.argv[2])
del data
print(os.listdir(tempfile.gettempdir()), file=sys.stderr)
"""


@pytest.mark.skipif(os.name == "nt", reason="/dev/stdin is POSIX")
@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize("data", [jsonl(300), gzip.compress(jsonl(300))], ids=["plain", "gzip"])
def test_standard_input_is_read_as_often_as_needed_and_leaves_nothing_behind(tmp_path: Path, name: str, data: bytes) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PIPED, name, "-"], input=data, capture_output=True, check=True, env=environment)
    assert done.stderr.decode().splitlines() == ["stdin 300 300 True", "[]"]
    assert done.stdout.count(b"\n") == 300


def test_empty_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(DatasetError, match="stdin: the file is empty"):
        Dataset.read("-")


# --- places to write to ------------------------------------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_dataset_may_be_written_onto_the_file_it_comes_from(tmp_path: Path) -> None:
    for name in ("rows.jsonl", "rows.parquet", "rows.dataset"):
        Dataset.from_examples(PLAIN).write(tmp_path / name)
        Dataset.read(tmp_path / name).take(7).write(tmp_path / name)
        assert Dataset.read(tmp_path / name).count() == 7
    assert names(tmp_path) == ["rows.dataset", "rows.jsonl", "rows.parquet"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX files")
def test_a_link_stays_and_the_file_it_names_is_written_with_its_own_permissions(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "rows.jsonl", tmp_path / "link.jsonl"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    Dataset.from_examples(LABELS).write(link)
    assert link.is_symlink()
    assert Dataset.read(target).count() == len(LABELS)
    assert target.stat().st_mode & 0o777 == 0o600
    (tmp_path / "dangling.jsonl").symlink_to(tmp_path / "new" / "rows.jsonl")
    Dataset.from_examples(LABELS).write(tmp_path / "dangling.jsonl")
    assert (tmp_path / "new" / "rows.jsonl").is_file()
    with whole_folder(tmp_path / "folder") as part:
        (part / "a").touch()
    (tmp_path / "to folder").symlink_to(tmp_path / "folder")
    with whole_folder(tmp_path / "to folder") as part:
        (part / "b").touch()
    assert names(tmp_path / "folder") == ["b"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX files")
def test_what_is_no_place_for_a_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket.jsonl"))
        for name, sentence in {"pipe": "a named pipe", "folder": "a folder", "socket": "a socket"}.items():
            with pytest.raises(DatasetError, match=f"{name}.jsonl: cannot be written: it is {sentence}"):
                Dataset.from_examples(LABELS).write(tmp_path / f"{name}.jsonl")
    assert names(tmp_path) == ["folder.jsonl", "pipe.jsonl", "socket.jsonl"]
    with pytest.raises(DatasetError, match=r"rows are read more than once"):
        Dataset.read(tmp_path / "pipe.jsonl")


@pytest.mark.skipif(os.name == "nt", reason="POSIX devices")
def test_devices_and_open_files_get_the_bytes_as_they_come(tmp_path: Path) -> None:
    assert Dataset.from_examples(LABELS).write("/dev/null").rows == len(LABELS)
    assert Path("/dev/null").is_char_device()
    with (tmp_path / "out").open("wb") as out:
        out.write(b"before\n")
        out.flush()
        Dataset.from_examples(LABELS).write(f"/dev/fd/{out.fileno()}")
        out.write(b"after\n")
    assert (tmp_path / "out").read_bytes().splitlines()[0] == b"before"
    assert (tmp_path / "out").read_bytes().splitlines()[-1] == b"after"
    assert len((tmp_path / "out").read_bytes().splitlines()) == len(LABELS) + 2


def test_folders_made_for_a_file_go_again_when_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(jsonl(3) + b"{broken\n")
    for name in ("new/deeper/rows.jsonl", "new/rows.dataset", "new/rows.parquet"):
        with pytest.raises(DatasetError, match=r"rows\.jsonl:4"):
            Dataset.read(tmp_path / "rows.jsonl", format="chat").write(tmp_path / name)
    assert names(tmp_path) == ["rows.jsonl"]


LIMITED = """
import resource, signal, sys
from tuneport.dataset import Dataset
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
Dataset.read(sys.argv[1]).write(sys.argv[2])
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX limits")
@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ".dataset"])
def test_a_file_that_cannot_grow_leaves_the_old_one_and_nothing_else(tmp_path: Path, ending: str) -> None:
    rows = b"".join(json.dumps(chat_row(n) | {"noise": os.urandom(40).hex()}).encode() + b"\n" for n in range(2000))
    (tmp_path / "rows.jsonl").write_bytes(rows)
    Dataset.from_examples(PLAIN).write(tmp_path / f"old{ending}")
    arguments = [sys.executable, "-c", LIMITED, str(tmp_path / "rows.jsonl"), str(tmp_path / f"old{ending}")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert f"old{ending}: cannot be written: it would be larger than a file may be here." in done.stderr
    assert names(tmp_path) == sorted(["rows.jsonl", f"old{ending}"])
    assert tuple(Dataset.read(tmp_path / f"old{ending}")) == PLAIN


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    def full() -> Any:
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_chunks(tmp_path / "rows.jsonl", full())
    assert names(tmp_path) == []
    if Path("/dev/full").exists():
        with pytest.raises(DatasetError, match=r"/dev/full: cannot be written: the disk is full\."):
            Dataset.from_examples(PLAIN).write("/dev/full")
