"""Plain tables are read as TOML is, and what is not plain is left to those who read all of it."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneport.prices.plain_tables import plain_tables

SHIPPED = [
    (entry, {"prices": "gpus" if entry.name == "gpus.toml" else "prices", "catalogue": "models"}[room])
    for room in ("prices", "catalogue")
    for entry in sorted(files(f"tuneport.{room}").iterdir(), key=lambda each: each.name)
    if entry.name.endswith(".toml") and entry.name != "nearest.toml"
]
VALUES = st.one_of(
    st.sampled_from(
        ["2026-11-21", "2026-02-30", "0", "007", "1.50", "01.5", "1.", "true", '"', '""', '"a" # b', "[]", '["a"]', '["a",]', "["]
    ),
    st.text("ab\"\\'#[],= é\t\x07", max_size=8),
    st.text("ab'#[], é", max_size=8).map(lambda text: f'"{text}"'),
    st.lists(st.text("ab #", max_size=3), max_size=3).map(lambda texts: "[" + ", ".join(f'"{text}"' for text in texts) + "]"),
)
LINES = st.one_of(
    st.sampled_from(["[[rows]]", "", "# said", "[[others]]", "[rows]", "a = 1 # b", " a = 1", "a=1"]),
    st.tuples(st.sampled_from(["a", "b", "as_of", "a.b", '"a"']), VALUES).map(" = ".join),
)


@pytest.mark.parametrize(("entry", "key"), SHIPPED, ids=lambda value: getattr(value, "name", ""))
def test_every_table_that_comes_with_this_version_is_plain_and_read_as_toml(entry: Traversable, key: str) -> None:
    text = entry.read_text(encoding="utf-8")
    assert plain_tables(text, key) == tomllib.loads(text)[key]


@given(st.lists(LINES, max_size=6).map(lambda lines: "\n".join(["[[rows]]", *lines])))
def test_what_counts_as_plain_means_the_same_as_toml(text: str) -> None:
    found = plain_tables(text, "rows")
    if found is not None:
        assert tomllib.loads(text) == {"rows": found}


@pytest.mark.parametrize(
    "line", ['a = "\\n"', 'a = "b" # c', "a = 2026-13-01", "a = 007", "a = 1\r", 'a = "b', "a.b = 1", "a = 1\na = 2", "[other]", "a = 1e3"]
)
def test_what_is_not_plain_is_left_to_others(line: str) -> None:
    assert plain_tables(f"[[rows]]\n{line}\n", "rows") is None


def test_rows_of_equal_lists_do_not_share_one() -> None:
    found = plain_tables('[[rows]]\na = ["x"]\n[[rows]]\na = ["x"]\n', "rows")
    assert found is not None
    found[0]["a"].append("y")
    assert found[1]["a"] == ["x"]
