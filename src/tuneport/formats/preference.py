"""OpenAI preference (DPO): `{"input": {"messages": […], "tools": […]}, "preferred_output": […], "non_preferred_output": […]}`.

Shape: https://platform.openai.com/docs/guides/direct-preference-optimization, facts of 2026-11-21: each output is one assistant message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from tuneport.examples import Example, Message, PreferenceExample
from tuneport.formats.chat import OpenAIRow, Written, read_conversation
from tuneport.formats.extras import with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.json_values import convert, kind_of
from tuneport.formats.messages import WireMessages, from_messages, from_tools, to_message, to_tool
from tuneport.formats.recast import as_preference, lose_scores
from tuneport.formats.repeated_keys import plain_keys
from tuneport.formats.texts import share
from tuneport.formats.tidying import tidy_messages

_Plain = Annotated[tuple[Message, ...], msgspec.Meta(min_length=1)]


class _PlainInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    messages: _Plain


class _PlainRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    input: _PlainInput
    preferred_output: _Plain
    non_preferred_output: _Plain


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input: OpenAIRow
    preferred_output: WireMessages
    non_preferred_output: WireMessages


class _Outputs(msgspec.Struct, frozen=True):
    preferred_output: WireMessages
    non_preferred_output: WireMessages


class _Written(msgspec.Struct, frozen=True):
    input: Written
    preferred_output: Sequence[Any]
    non_preferred_output: Sequence[Any]


_KNOWN = frozenset(_Row.__struct_fields__)
_INPUT = frozenset(OpenAIRow.__struct_fields__) | {"functions"}
_plain_lines = msgspec.json.Decoder(_PlainRow).decode_lines
_lines = msgspec.json.Decoder(_Row).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows that have both outputs."""
    return share(rows, ["preferred_output" in row and "non_preferred_output" in row for row in rows], 0.98)


def decode_plain(data: bytes) -> Decoded:
    """Rows of messages that hold text and nothing else."""
    rows = _plain_lines(data)
    sides = [side for row in rows for side in (row.input.messages, row.preferred_output, row.non_preferred_output)]
    pairs = [PreferenceExample(row.input.messages, row.preferred_output, row.non_preferred_output) for row in rows]
    return Decoded(list[Example](pairs), 4 * len(rows) + plain_keys(sides))


def decode(data: bytes) -> Decoded:
    """Rows with parts, tools and calls too."""
    rows = _lines(data)
    return Decoded([_to_example(row) for row in rows], rows=rows)


def _to_example(row: _Row) -> PreferenceExample:
    return PreferenceExample(
        tuple(map(to_message, row.input.messages)),
        tuple(map(to_message, row.preferred_output)),
        tuple(map(to_message, row.non_preferred_output)),
        tuple(map(to_tool, row.input.tools or ())),
        row.input.parallel_tool_calls,
    )


def read(row: Row, lose: Lose) -> PreferenceExample:
    """Unknown keys go to `extra`; those inside the input are told."""
    given = row.get("input")
    if not isinstance(given, dict):
        raise BadRow(f"input: expected an object, got {kind_of(given)}." if "input" in row else 'the key "input" is missing.')
    for key in sorted(given.keys() - _INPUT):
        lose(f"input.{key}")
    try:
        prompt, tools, parallel = read_conversation(given, lose)
    except BadRow as error:
        raise BadRow(f"input: {error}") from None
    found = {key: tidy_messages(row[key], lose) for key in _Outputs.__struct_fields__ if key in row}
    outputs = convert(found, _Outputs)
    extra = {key: value for key, value in row.items() if key not in _KNOWN}
    chosen, rejected = tuple(map(to_message, outputs.preferred_output)), tuple(map(to_message, outputs.non_preferred_output))
    return PreferenceExample(prompt, chosen, rejected, tools, parallel, extra=extra)


def write(example: Example, lose: Lose) -> Any:
    """Raises BadRow for an answer that is more than one message."""
    pair = as_preference(example)
    if pair.style != "chat":
        lose("style")
    lose_scores(pair, lose)
    for answer in (pair.chosen, pair.rejected):
        if [message.role for message in answer] != ["assistant"]:
            raise BadRow("an answer is not one message of the assistant.")
    prompt = Written(from_messages(pair.prompt, lose), from_tools(pair.tools), pair.parallel_tool_calls)
    row = _Written(prompt, from_messages(pair.chosen, lose), from_messages(pair.rejected, lose))
    return with_extra(row, pair.extra, known=_KNOWN, lose=lose)


PREFERENCE = Format(
    name="preference",
    summary='OpenAI preference: {"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}',
    kinds=("preference",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode_plain, decode),
    nested=("input", "preferred_output", "non_preferred_output"),
)
