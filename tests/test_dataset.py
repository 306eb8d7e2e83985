"""Datasets: lazy, immutable, fingerprinted; divided exactly and reproducibly; written whole or not at all."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneport.dataset import Dataset, Loss
from tuneport.errors import DatasetError
from tuneport.examples import ChatExample, Example, Message, canonical_bytes
from tuneport.formats.format import BadRow

DATA = Path(__file__).parents[2] / "shared" / "data"
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not in shared/data beside the checkout")


def chat(question: str, answer: str) -> ChatExample:
    return ChatExample((Message("user", question), Message("assistant", answer)))


def labelled(counts: dict[str, int]) -> Dataset:
    return Dataset.from_examples(chat(f"{label} {n}", label) for label, count in counts.items() for n in range(count))


def jsonl(path: Path, rows: Iterable[Example]) -> Path:
    Dataset.from_examples(rows).write(path)
    return path


def answers(dataset: Dataset) -> Counter[str]:
    return Counter(example.messages[-1].text for example in dataset.recast("chat") if isinstance(example, ChatExample))


def lines(dataset: Dataset) -> list[int]:
    return [line for line, _ in dataset.numbered()]


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    return jsonl(tmp_path / "tickets.jsonl", [chat(f"question {n}", f"answer {n % 4}") for n in range(40)])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("nowhere.jsonl", "no such file"), ("folder", "is a folder"), ("empty.jsonl", "the file is empty"), ("a\0b", "null byte")],
)
def test_a_file_that_cannot_be_a_dataset_is_refused_at_once(name: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DatasetError, match=sentence):
        Dataset.read(tmp_path / name)


def test_an_unknown_format_or_column_is_refused_at_once(tickets: Path) -> None:
    with pytest.raises(DatasetError, match="unknown format 'chart'"):
        Dataset.read(tickets, format="chart")
    with pytest.raises(DatasetError, match="columns: unknown name 'question'; known: prompt, completion, text, label, system"):
        Dataset.read(tickets, columns={"question": "q"})


def test_reading_returns_before_a_byte_is_read_and_a_bad_row_is_told_with_its_line(tickets: Path) -> None:
    broken = tickets.read_text().splitlines()
    broken[2] = '{"messages": [}'
    tickets.write_text("\n".join(broken))
    dataset = Dataset.read(tickets)
    rows = iter(dataset)
    assert list(islice(rows, 2)) == [chat("question 0", "answer 0"), chat("question 1", "answer 1")]
    with pytest.raises(DatasetError, match=r"tickets\.jsonl:3: not valid JSON") as refused:
        next(rows)
    assert refused.value.line == 3


def test_a_file_of_no_known_format_is_told_when_it_is_first_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"frage": "a", "antwort": "b"}')
    with pytest.raises(DatasetError, match=r"rows\.jsonl: is not of a format that is recognised.*'frage', 'antwort'.*columns"):
        Dataset.read(path).count()
    assert Dataset.read(path, columns={"prompt": "frage", "completion": "antwort"}).count() == 1


def test_the_length_is_known_only_after_a_full_pass_and_count_always_works(tickets: Path) -> None:
    dataset = Dataset.read(tickets)
    with pytest.raises(TypeError, match=r"tickets\.jsonl is not known before a full pass"):
        len(dataset)
    next(iter(dataset))
    with pytest.raises(TypeError):
        len(dataset)
    assert dataset.count() == len(dataset) == len(list(dataset)) == 40
    assert len(Dataset.from_examples([chat("a", "b")])) == 1
    assert bool(dataset)


def test_a_file_that_changes_after_it_was_read_is_named_instead_of_read(tickets: Path) -> None:
    dataset = Dataset.read(tickets)
    assert dataset.count() == 40
    text = tickets.read_text()
    tickets.write_text(text.replace("question 1", "question X"))
    os.utime(tickets, ns=(1, 1))
    with pytest.raises(DatasetError, match=r"tickets\.jsonl: the file changed since it was first read"):
        list(dataset)


def test_a_file_that_changes_while_it_is_read_is_noticed_at_the_end(tickets: Path) -> None:
    rows = iter(Dataset.read(tickets))
    next(rows)
    with tickets.open("a") as file:
        file.write(canonical_bytes(chat("late", "row")).decode())
    with pytest.raises(DatasetError, match="changed"):
        list(rows)


def test_the_fingerprint_is_of_the_rows_whatever_file_and_format_they_come_from(tmp_path: Path) -> None:
    rows = [chat("Hello, you", "greeting"), chat("Bye", "farewell")]
    first = Dataset.read(jsonl(tmp_path / "a.jsonl", rows)).fingerprint
    (tmp_path / "b.csv").write_text('text,label\n"Hello, you",greeting\nBye,farewell\n')
    assert Dataset.read(tmp_path / "b.csv").recast("chat").fingerprint == first == Dataset.from_examples(rows).fingerprint
    assert Dataset.from_examples(rows[::-1]).fingerprint != first
    assert len(first) == 64


def test_kind_name_path_and_format_describe_a_dataset(tickets: Path) -> None:
    dataset = Dataset.read(tickets)
    train, _ = dataset.split(test=4)
    assert (dataset.kind, dataset.name, dataset.path, dataset.format) == ("chat", "tickets.jsonl", tickets, "chat")
    assert (train.kind, train.name, train.path, train.format) == ("chat", "tickets.jsonl (train)", None, None)
    assert repr(dataset) == "<Dataset tickets.jsonl>"
    with pytest.raises(DatasetError, match="there are no rows"):
        _ = Dataset.from_examples([]).kind


def test_a_split_is_exact_keeps_order_and_line_numbers_and_shares_out_every_row(tickets: Path) -> None:
    train, test = Dataset.read(tickets).split(test=0.2, seed=7)
    assert (len(train), len(test)) == (32, 8)
    assert lines(train) == sorted(lines(train))
    assert sorted(lines(train) + lines(test)) == list(range(1, 41))
    assert dict(test.numbered())[lines(test)[0]] == chat(f"question {lines(test)[0] - 1}", f"answer {(lines(test)[0] - 1) % 4}")


def test_the_same_seed_gives_the_same_sides_and_another_seed_others(tickets: Path) -> None:
    def test_lines(seed: int) -> list[int]:
        return lines(Dataset.read(tickets).split(test=10, seed=seed)[1])

    assert test_lines(1) == test_lines(1)
    assert len({tuple(test_lines(seed)) for seed in range(8)}) == 8


def test_rows_that_are_added_leave_most_others_on_their_side() -> None:
    rows = [chat(f"question {n}", f"free answer {n}") for n in range(1000)]
    before = {example.messages[0].text for example in Dataset.from_examples(rows).split(test=0.2)[1] if isinstance(example, ChatExample)}
    longer = Dataset.from_examples([chat(f"new {n}", f"another {n}") for n in range(20)] + rows)
    after = {example.messages[0].text for example in longer.split(test=0.2)[1] if isinstance(example, ChatExample)}
    assert len(before & after) >= 190


def test_labels_keep_their_shares_and_a_rare_one_is_not_taken_out_of_training() -> None:
    train, test = labelled({"card": 100, "rate": 50, "pin": 10, "rare": 1}).split(test=0.2)
    assert answers(test) == {"card": 20, "rate": 10, "pin": 2}
    assert answers(train)["rare"] == 1


def test_free_answers_are_not_stratified_unless_asked_for() -> None:
    rows = Dataset.from_examples(chat(f"question {n}", f"answer {n // 2}") for n in range(200))
    assert max(answers(rows.split(test=100)[1]).values()) == 2
    assert set(answers(rows.split(test=100, stratify=True)[1]).values()) == {1}
    assert set(answers(labelled({"a": 30, "b": 30}).split(test=30, stratify=False)[1]).values()) != {15}


def test_stratifying_over_answers_that_are_no_labels_is_refused() -> None:
    rows = Dataset.from_examples(chat(f"question {n}", f"answer {n}") for n in range(5000))
    with pytest.raises(DatasetError, match="answers that are labels; these have more than 4096"):
        len(rows.split(stratify=True)[0])


def test_the_same_question_is_never_on_both_sides_whatever_its_spaces_and_case() -> None:
    rows = [chat(f"Where is\tcard {n // 2}?" if n % 2 else f"where IS card {n // 2}?  ", str(n % 3)) for n in range(300)]
    for seed in range(5):
        train, test = Dataset.from_examples(rows).split(test=60, seed=seed)
        assert len(test) == 60
        assert not {(line - 1) // 2 for line in lines(train)} & {(line - 1) // 2 for line in lines(test)}


@settings(deadline=None, database=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=2, max_size=60), st.integers(0, 100), st.data())
def test_any_split_divides_the_rows_and_separates_the_questions(rows: list[tuple[int, int]], seed: int, data: st.DataObject) -> None:
    dataset = Dataset.from_examples(chat(f"q{question}", f"a{label}") for question, label in rows)
    wanted = data.draw(st.integers(1, len(rows) - 1))
    try:
        train, test = dataset.split(test=wanted, seed=seed)
        sides = lines(train), lines(test)
    except DatasetError:
        assert wanted < max(Counter(question for question, _ in rows).values())
        return
    assert sorted(sides[0] + sides[1]) == list(range(1, len(rows) + 1))
    assert len(test) <= wanted
    assert not {rows[line - 1][0] for line in sides[0]} & {rows[line - 1][0] for line in sides[1]}
    if len({question for question, _ in rows}) == len(rows):
        assert len(test) == wanted


@pytest.mark.parametrize("test", [0, -1, 0.0, 1.0, 1.5, True, "half", float("nan")])
def test_an_impossible_size_is_refused_at_once(test: float, tickets: Path) -> None:
    with pytest.raises(DatasetError, match="split: test"):
        Dataset.read(tickets).split(test=test)


def test_a_side_that_would_be_empty_is_refused_as_soon_as_the_rows_are_known(tickets: Path) -> None:
    with pytest.raises(DatasetError, match="2 rows cannot be divided with test=2"):
        Dataset.from_examples([chat("a", "b"), chat("c", "d")]).split(test=2)
    with pytest.raises(DatasetError, match="40 rows cannot be divided with test=40"):
        len(Dataset.read(tickets).split(test=40)[0])
    with pytest.raises(DatasetError, match="ask the same question"):
        len(Dataset.from_examples([chat("a", "b")] * 4).split(test=2)[0])


def test_a_split_of_a_large_file_keeps_a_byte_a_row(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_text("text,label\n" + "".join(f"question {n},{n % 7}\n" for n in range(20_000)))
    train, test = Dataset.read(path).split(test=0.1)
    tracemalloc.start()
    try:
        assert (len(train), len(test)) == (18_000, 2_000)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000
    assert peak < 20_000 * 40


def test_take_gives_the_first_rows(tickets: Path) -> None:
    few = Dataset.read(tickets).take(3)
    assert lines(few) == [1, 2, 3]
    assert Dataset.read(tickets).take(100).count() == 40
    assert len(Dataset.from_examples([chat("a", "b")]).take(5)) == 1
    with pytest.raises(DatasetError, match="take: 0 rows"):
        few.take(0)


def test_a_dataset_is_found_again_by_its_reference_after_a_trip_through_json(tickets: Path) -> None:
    dataset = Dataset.read(tickets, format="chat")
    train, test = dataset.split(test=0.25, seed=3, stratify=False)
    inner, _ = train.split(test=5, seed=1)
    for each in (dataset, train, test, inner, dataset.take(5), test.take(2), dataset.take(20).split(test=3)[0], dataset.take(9).take(3)):
        again = Dataset.from_reference(json.loads(json.dumps(each.reference())))
        assert list(again.numbered()) == list(each.numbered())
        assert again.reference() == each.reference()
    assert test.reference() == {
        "path": str(tickets),
        "format": "chat",
        "split": {"test": 0.25, "seed": 3, "side": "test", "stratify": False},
    }


def test_references_are_relative_to_the_folder_given_and_absolute_when_written(tickets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Dataset.from_reference("tickets.jsonl", folder=tickets.parent).reference() == {"path": str(tickets)}
    monkeypatch.chdir(tickets.parent)
    assert Dataset.read("tickets.jsonl").reference() == {"path": str(tickets)}


def test_a_dataset_in_memory_is_described_and_cannot_be_opened_again() -> None:
    dataset = Dataset.from_examples([chat("a", "b"), chat("c", "d")], name="drafts")
    assert dataset.in_memory
    assert dataset.reference() == {"memory": "drafts", "fingerprint": dataset.fingerprint}
    assert dataset.split(test=1)[0].in_memory
    with pytest.raises(DatasetError, match=r"'drafts' existed in memory only.*dataset\.write\(path\)"):
        Dataset.from_reference(dataset.reference())


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ({"pth": "tickets.jsonl"}, "unknown key 'pth'; did you mean 'path'?"),
        ({"path": "tickets.jsonl", "split": {"tset": 0.2}}, "split: unknown key 'tset'; did you mean 'test'?"),
        ({"path": "tickets.jsonl", "split": {"seed": 1}}, 'split needs the key "test"'),
        ({"path": "tickets.jsonl", "split": {"test": 2, "side": "left"}}, "side must be 'train' or 'test', not 'left'"),
        ({"path": "tickets.jsonl", "split": {"test": 2, "seed": "x"}}, "seed must be a whole number"),
        ({"path": "tickets.jsonl", "split": {"test": 2, "stratify": "yes"}}, "stratify must be"),
        ({"path": "tickets.jsonl", "split": 0.2}, "split must be a table"),
        ({"path": "tickets.jsonl", "columns": "q"}, "columns must be a table"),
        ({"path": "tickets.jsonl", "format": 1}, "format must be the name"),
        ({"path": "tickets.jsonl", "take": "all"}, "take: 'all' rows"),
        ({"path": 3}, "path must be a path"),
        ({"format": "chat"}, 'needs the key "path"'),
        (["tickets.jsonl"], "not by a list"),
    ],
)
def test_a_wrong_reference_is_refused_with_what_is_wrong_in_it(reference: object, sentence: str, tickets: Path) -> None:
    with pytest.raises(DatasetError) as refused:
        Dataset.from_reference(reference, folder=tickets.parent)
    assert sentence in str(refused.value)


def test_writing_reports_rows_and_what_was_lost_in_reading_and_writing(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 1, "x": 1}]}
    source.write_text("\n".join([json.dumps(row)] * 12))
    report = Dataset.read(source).write(tmp_path / "new" / "out.jsonl", format="completion")
    ten = tuple(range(1, 11))
    assert (report.path, report.rows) == (tmp_path / "new" / "out.jsonl", 12)
    assert report.losses == (Loss("message.weight", 12, ten), Loss("message.x", 12, ten), Loss("style", 12, ten))
    assert json.loads(report.path.read_text().splitlines()[0]) == {"prompt": "a", "completion": "b"}


def test_a_write_that_fails_midway_leaves_the_old_file_and_nothing_else(tickets: Path, tmp_path: Path) -> None:
    tickets.write_text(tickets.read_text() + "{broken\n")
    target = tmp_path / "out" / "old.jsonl"
    target.parent.mkdir()
    target.write_text("old")
    with pytest.raises(DatasetError, match=r"tickets\.jsonl:41"):
        Dataset.read(tickets).write(target)
    assert [path.name for path in target.parent.iterdir()] == ["old.jsonl"]
    assert target.read_text() == "old"


def test_a_file_can_be_written_over_itself(tickets: Path) -> None:
    before = Dataset.read(tickets).fingerprint
    assert Dataset.read(tickets).write(tickets).rows == 40
    assert Dataset.read(tickets).fingerprint == before


def test_chunks_are_the_bytes_that_writing_writes(tmp_path: Path) -> None:
    dataset = Dataset.from_examples(chat(f"question {n} " + "x" * 100, "answer") for n in range(2000))
    chunks = list(dataset.chunks(format="chat"))
    assert 1 < len(chunks) < 10
    assert b"".join(chunks) == dataset.write(tmp_path / "out.jsonl").path.read_bytes()


def test_rows_that_cannot_be_read_are_passed_over_when_someone_listens_on_both_sides_alike(tickets: Path) -> None:
    class Listener:
        def __init__(self) -> None:
            self.bad_lines: list[int] = []

        def bad(self, line: int, sentence: str) -> None:
            self.bad_lines.append(line)

        def lost(self, line: int, kind: str) -> None:
            raise AssertionError

    tickets.write_text("nonsense\n" + tickets.read_text() + "[]\n")
    dataset, heard = Dataset.read(tickets), Listener()
    assert [line for line, _ in dataset.numbered(notices=heard)] == list(range(2, 42))
    assert heard.bad_lines == [1, 42]
    train, test = dataset.split(test=10)
    sides = [[line for line, _ in side.numbered(notices=Listener())] for side in (train, test)]
    assert sorted(sides[0] + sides[1]) == list(range(2, 42))
    with pytest.raises(DatasetError, match=r"tickets\.jsonl:1: not valid JSON"):
        list(train)


@real_data
def test_banking77_is_read_as_it_is_and_divided_by_label(tmp_path: Path) -> None:
    dataset = Dataset.read(DATA / "banking77" / "train.csv")
    assert dataset.count() == 10_003
    train, test = dataset.split(test=0.2, seed=7)
    assert (len(train), len(test)) == (8_002, 2_001)
    assert len(answers(train)) == len(answers(test)) == 77
    assert Dataset.read(train.write(tmp_path / "train.jsonl").path).fingerprint == train.fingerprint


@real_data
def test_gsm8k_is_read_with_its_columns_named(tmp_path: Path) -> None:
    dataset = Dataset.read(DATA / "gsm8k" / "train.jsonl", columns={"prompt": "question", "completion": "answer"})
    assert dataset.count() == 7_473
    assert Dataset.read(dataset.write(tmp_path / "out.jsonl", format="completion").path).fingerprint == dataset.fingerprint


def test_rows_can_be_changed_one_by_one_at_each_pass(tickets: Path) -> None:
    def louder(row: Example) -> Example:
        assert isinstance(row, ChatExample)
        return ChatExample((row.messages[0], Message("assistant", row.messages[1].text.upper())))

    changed = Dataset.read(tickets).changed(louder)
    assert answers(changed)["ANSWER 1"] == 10
    assert answers(changed) == answers(changed)
    assert changed.in_memory
    assert lines(changed) == lines(Dataset.read(tickets))
    assert (Dataset.read(tickets).container, changed.container) == ("jsonl", None)


def test_a_row_that_cannot_be_changed_is_told_with_its_line(tickets: Path) -> None:
    def refuse(row: Example) -> Example:
        if isinstance(row, ChatExample) and row.messages[0].text == "question 7":
            raise BadRow("it is the seventh.")
        return row

    with pytest.raises(DatasetError, match=r"tickets\.jsonl:8: it is the seventh") as caught:
        Dataset.read(tickets).changed(refuse).count()
    assert caught.value.line == 8
