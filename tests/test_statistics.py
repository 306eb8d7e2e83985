"""What a dataset is made of: in numbers, drawn in the terminal, and on a page."""

from __future__ import annotations

import itertools
import json
import random
import re
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from commands import Shell
from hypothesis import given
from hypothesis import strategies as st
from seen_page import Seen

from tuneport.cli.bars import bars, knows_blocks
from tuneport.dataset import Dataset
from tuneport.errors import DatasetError
from tuneport.examples import ChatExample, LabelledExample, Message, PreferenceExample, PromptExample, Tool
from tuneport.histogram import Histogram
from tuneport.statistics import Limit, measure
from tuneport.statistics_page import page, short
from tuneport.tokens import counter_for

COUNTS = st.lists(st.one_of(st.integers(0, 50), st.integers(0, 10**12)), min_size=1, max_size=200)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("COLUMNS", "80")
    return Shell(tmp_path, capsys)


def chat(asked: str, said: str) -> ChatExample:
    return ChatExample((Message("user", asked), Message("assistant", said)))


def dataset(*rows: ChatExample | LabelledExample | PreferenceExample | PromptExample) -> Dataset:
    return Dataset.from_examples(rows, name="rows")


# --- histograms ------------------------------------------------------------------------------------------------------------------------


@given(COUNTS, st.integers(1, 30))
def test_a_histogram_knows_ends_and_sum_exactly_and_quantiles_to_half_a_percent(counts: list[int], block: int) -> None:
    histogram = Histogram()
    for start in range(0, len(counts), block):
        histogram.add(counts[start : start + block])
    spread, ordered = histogram.spread(), sorted(counts)
    assert (spread.least, spread.most, spread.total) == (ordered[0], ordered[-1], sum(counts))
    for found, share in ((spread.median, 0.5), (spread.p95, 0.95)):
        true = ordered[-int(-share * len(ordered) // 1) - 1]
        assert found <= true <= found * 1.005
        assert found == true or true > 4095


@given(COUNTS)
def test_the_bins_hold_every_row_once_in_order(counts: list[int]) -> None:
    histogram = Histogram()
    histogram.add(counts)
    bins = histogram.bins()
    assert 1 <= len(bins) <= 12
    assert sum(each.rows for each in bins) == len(counts)
    assert all(one.most + 1 == other.least for one, other in itertools.pairwise(bins))
    if max(counts) < 4096:
        assert [each.rows for each in bins] == [sum(each.least <= count <= each.most for count in counts) for each in bins]


def test_a_few_long_rows_leave_the_usual_ones_apart() -> None:
    histogram = Histogram()
    histogram.add([*range(10, 60)] * 20 + [90_000])
    assert [(each.least, each.most, each.rows) for each in histogram.bins()][-1] == (65, 90_000, 1)


def test_no_rows_are_no_bins_and_nothing_but_zeros() -> None:
    assert Histogram().bins() == []
    assert Histogram().spread().total == 0


# --- measuring -------------------------------------------------------------------------------------------------------------------------


def test_every_kind_of_row_has_turns_and_characters() -> None:
    asked = (Message("user", "why?"),)
    found = measure(
        dataset(
            chat("why?", "so"),
            LabelledExample("why?", label="so"),
            PreferenceExample(asked, (Message("assistant", "so"),), (Message("assistant", "because"),)),
            PromptExample(asked, reference="so"),
        )
    )
    assert found.kinds == {"chat": 1, "labelled": 1, "preference": 1, "prompt": 1}
    assert (found.turns.least, found.turns.most) == (2, 2)
    assert (found.asked.total, found.answered.total) == (4 * 4, 4 * 2)


def test_without_a_model_tokens_are_an_estimate_with_its_source() -> None:
    tokens = measure(dataset(chat("x" * 39, "y"))).tokens
    assert (tokens.spread.total, tokens.exact, tokens.counted_by) == (10, False, "characters x 0.25")
    assert "2026-" in tokens.source
    assert not tokens.guessed


def test_tokens_are_those_of_the_counter_and_what_is_guessed_is_counted_by_row() -> None:
    plain, tooled = chat("why?", "so"), ChatExample((Message("user", "a"), Message("assistant", "b")), (Tool("f"),))
    counter = counter_for("gpt-4o")
    tokens = measure(dataset(plain, tooled, tooled), counter=counter).tokens
    assert tokens.spread.total == counter.count(plain) + 2 * counter.count(tooled)
    assert (tokens.exact, tokens.guessed) == (True, {"tools": 2})


def test_rows_over_the_limit_are_counted_and_one_that_just_fits_is_not() -> None:
    rows = dataset(*(chat("x" * (4 * count - 1), "y") for count in (9, 10, 11, 12)))
    tokens = measure(rows, limit=Limit(10, "a page")).tokens
    assert (tokens.over_limit, tokens.to_dict()["limit"]) == (2, 10)
    assert measure(rows).tokens.to_dict()["over_limit"] is None


def test_the_ten_longest_rows_are_named_by_their_lines_the_longest_first(tmp_path: Path) -> None:
    sizes = random.Random(3).sample(range(1, 4000), 700)
    path = tmp_path / "rows.jsonl"
    rows = [json.dumps({"messages": [{"role": "user", "content": "x" * size}, {"role": "assistant", "content": "y"}]}) for size in sizes]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    expected = sorted(((size + 1, line) for line, size in enumerate(sizes, start=1)), reverse=True)[:10]
    assert [(row.characters, row.line) for row in measure(Dataset.read(path)).longest] == expected


def test_answers_that_come_again_are_labels_and_free_text_is_not() -> None:
    labelled = dataset(*(chat(f"number {n}", label) for n, label in enumerate(["refund", "login", "refund", "card", "card", "refund"])))
    assert list(measure(labelled).labels.items()) == [("refund", 3), ("card", 2), ("login", 1)]
    assert measure(dataset(*(chat("?", f"An answer of its own, number {n}, as free text is.") for n in range(6)))).labels == {}
    assert measure(dataset(*(chat("?", "a long answer " * 20) for _ in range(6)))).labels == {}


def test_a_row_that_cannot_be_read_ends_the_measuring_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n{"messages": 3}\n', encoding="utf-8"
    )
    with pytest.raises(DatasetError) as caught:
        measure(Dataset.read(path))
    assert caught.value.line == 2


# --- bars ------------------------------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=120), st.integers(0, 10**9)), min_size=1, max_size=20
    )
)
def test_no_line_of_bars_is_longer_than_it_may_be_and_anything_above_zero_shows(rows: list[tuple[str, int]]) -> None:
    for ascii, marks in ((False, "▏▎▍▌▋▊▉█"), (True, "#")):
        lines = bars([(name.replace("#", "n"), count) for name, count in rows], width=79, ascii=ascii)
        assert all(len(line) <= 79 for line in lines)
        assert [any(mark in line for mark in marks) for line in lines] == [count > 0 for _, count in rows]


def test_a_stream_that_knows_ascii_only_gets_no_blocks() -> None:
    assert knows_blocks(TextIOWrapper(BytesIO(), encoding="utf-8"))
    assert not knows_blocks(TextIOWrapper(BytesIO(), encoding="ascii"))


# --- the command -----------------------------------------------------------------------------------------------------------------------


def test_stats_draws_tokens_longest_rows_and_labels_in_eighty_columns(shell: Shell) -> None:
    run = shell("data", "stats", shell.data(), "--model", "openai:gpt-4.1-mini")
    assert run.code == 0
    assert max(len(line) for line in run.out.splitlines() if not line.startswith("source")) <= 80
    said = dict(re.split(r"  +", line, maxsplit=1) for line in run.out.splitlines()[:7])
    assert said["rows"] == "18"
    assert said["counted by"] == "o200k_base, exactly"
    for title in ("rows by tokens\n", "longest rows\n", "rows by label: 3 labels, all equally often\n"):
        assert title in run.out
    assert "0 rows of more than 65,536 tokens" in run.out


def test_stats_as_json_has_numbers_and_no_contents(shell: Shell) -> None:
    found = shell("data", "stats", shell.data(), "--model", "gpt-4o", "--json").document
    tokens = found["tokens"]
    assert (tokens["exact"], tokens["counted_by"], tokens["limit"], tokens["over_limit"]) == (True, "o200k_base", 65_536, 0)
    assert sum(each["rows"] for each in tokens["histogram"]) == found["rows"] == 18
    assert len(found["longest"]) == 10
    assert found["longest"][0].keys() == {"line", "tokens", "characters"}


def test_a_model_that_is_not_known_is_refused_and_asks_for_a_tokenizer(shell: Shell) -> None:
    run = shell("data", "stats", shell.data(), "--model", "mystery-7b")
    assert run.code == 2
    assert "Name its tokenizer" in run.err


def test_a_page_is_only_written_into_an_html_file(shell: Shell) -> None:
    data = shell.data()
    before = data.read_bytes()
    run = shell("data", "stats", data, "--html", data)
    assert (run.code, data.read_bytes()) == (2, before)
    assert "does not end in .html" in run.err


# --- the page --------------------------------------------------------------------------------------------------------------------------


def test_the_page_needs_nothing_from_elsewhere_and_holds_no_contents_but_labels(shell: Shell, tmp_path: Path) -> None:
    run = shell("data", "stats", shell.data(), "--model", "gpt-4o", "--html", tmp_path / "page.html")
    assert run.code == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    seen = Seen(text)
    assert seen.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(seen.tags)
    assert not any("//" in value or "url(" in value for value in seen.values)
    assert "url(" not in text
    assert "@import" not in text
    assert "message number" not in text
    assert all(label in seen.text for label in ("refund", "delivery", "login", "Longest rows", "o200k_base, exactly"))
    assert "prefers-color-scheme: dark" in text


def test_labels_and_names_on_the_page_are_text_and_never_markup() -> None:
    rows = [chat(f"{n}", label) for n, label in enumerate(["<script>x</script>", "a & b"] * 3)]
    seen = Seen(page(measure(Dataset.from_examples(rows)), title="<b>rows</b>"))
    assert not {"script", "b"} & set(seen.tags)
    assert "<script>x</script>" in seen.text
    assert "<b>rows</b>" in seen.text


def test_rows_over_the_limit_stand_out_on_the_page() -> None:
    found = measure(dataset(chat("x" * 100, "y")), limit=Limit(10, "a page"))
    assert '<td class="bad">1 row of more than 10 tokens</td>' in page(found, title="rows")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (9_999, "9,999"), (27_183, "27.2k"), (131_072, "131k"), (3_100_000, "3.1M"), (2 * 10**9, "2.0G")]
)
def test_numbers_in_the_drawing_are_short(number: int, text: str) -> None:
    assert short(number) == text
