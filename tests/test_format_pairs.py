"""What survives between formats: everything both can say, and nothing is lost that is not told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from generated_rows import examples_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_meaning import same

from tuneport.examples import Example
from tuneport.formats import FORMATS
from tuneport.formats.format import BadRow, Format
from tuneport.formats.loss_kinds import meaning_of

COMMON = settings(deadline=None, database=None, max_examples=60, suppress_health_check=list(HealthCheck))
EACH = pytest.mark.parametrize("format", FORMATS, ids=lambda each: each.name)


def row_of(format: Format, example: Example, told: set[str]) -> Any:
    """The row as JSON has it."""
    return msgspec.json.decode(msgspec.json.encode(format.write(example, told.add)))


def through(format: Format, example: Example, told: set[str]) -> Example:
    """The Example written and read again."""
    return format.read(row_of(format, example, told), told.add)


@EACH
@COMMON
@given(data=st.data())
def test_what_is_written_and_read_again_is_the_same_but_for_the_losses_that_were_told(format: Format, data: st.DataObject) -> None:
    example = data.draw(examples_for(format.kinds))
    told: set[str] = set()
    try:
        after = through(format, example, told)
    except BadRow:
        return
    expected, found = same(example, after, told)
    assert found == expected, told
    assert all(meaning_of(kind) for kind in told)


@EACH
@COMMON
@given(data=st.data())
def test_what_a_format_gave_it_takes_back_without_any_loss(format: Format, data: st.DataObject) -> None:
    try:
        held = through(format, data.draw(examples_for(format.kinds)), set())
    except BadRow:
        return
    told: set[str] = set()
    assert through(format, held, told) == held
    assert told == set()


@EACH
@COMMON
@given(data=st.data())
def test_there_and_back_through_every_other_format_nothing_is_lost_that_was_not_told(format: Format, data: st.DataObject) -> None:
    try:
        held = through(format, data.draw(examples_for(format.kinds)), set())
    except BadRow:
        return
    for other in FORMATS:
        told: set[str] = set()
        try:
            back = through(format, through(other, held, told), told)
        except BadRow:
            continue
        expected, found = same(held, back, told)
        assert found == expected, (other.name, told)


@EACH
@COMMON
@given(data=st.data())
def test_the_quick_ways_to_read_give_what_the_careful_one_gives(format: Format, data: st.DataObject) -> None:
    try:
        row = row_of(format, data.draw(examples_for(format.kinds)), set())
    except BadRow:
        return
    told: set[str] = set()
    careful = format.read(row, told.add)
    for decode in format.decode:
        try:
            decoded = decode(msgspec.json.encode(row))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
        assert decoded.examples == [careful]
        assert told == set()
