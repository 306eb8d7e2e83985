"""OpenAI chat: one `{"messages": [...]}` a line, perhaps with `tools` and `parallel_tool_calls`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import msgspec

from tuneport.examples import ChatExample, Example
from tuneport.formats.format import BadRow, Format, Notices, Written
from tuneport.formats.lines import convert, json_line, json_lines, json_object
from tuneport.formats.messages import (
    WireMessages,
    WireTool,
    from_message,
    from_tools,
    tidy_messages,
    tidy_tools,
    to_message,
    to_tool,
)
from tuneport.formats.sniff import first_objects, is_json_name


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    messages: WireMessages
    tools: list[WireTool] | None = None
    parallel_tool_calls: bool | None = None


_KNOWN = frozenset(_Row.__struct_fields__)
_decode = msgspec.json.Decoder(_Row).decode


def sniff(head: bytes, suffix: str) -> float:
    """Rows with a list under "messages"; a file that is JSON by name alone may be damaged chat."""
    rows = first_objects(head)
    if any(isinstance(row.get("messages"), list) for row in rows):
        return 0.95
    if rows or not is_json_name(suffix):
        return 0.0
    return 0.5 if b'"messages"' in head else 0.1


def read(stream: BinaryIO, *, columns: Mapping[str, str], notices: Notices) -> Iterator[tuple[int, Example]]:
    """Clean rows are decoded typed; whatever that refuses is looked at again, key by key. `columns` has no use here."""
    for line, raw in json_lines(stream, notices=notices):
        try:
            example = _to_example(_decode(raw))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            try:
                example = _with_care(raw, line=line, notices=notices)
            except BadRow as error:
                notices.bad(line, str(error))
                continue
        yield line, example


def _to_example(row: _Row) -> ChatExample:
    messages = tuple(map(to_message, row.messages))
    if row.tools is None and row.parallel_tool_calls is None:
        return ChatExample(messages)
    return ChatExample(messages, tuple(map(to_tool, row.tools or ())), row.parallel_tool_calls)


def _with_care(raw: bytes, *, line: int, notices: Notices) -> ChatExample:
    row = json_object(raw)
    lost: set[str] = set()
    known = {key: row[key] for key in row.keys() & _KNOWN}
    known["messages"] = tidy_messages(known["messages"], lost.add) if "messages" in known else msgspec.UNSET
    if known["messages"] is msgspec.UNSET:
        raise BadRow('the key "messages" is missing.')
    if "tools" in known:
        known["tools"] = tidy_tools(known["tools"], lost.add)
    example = _to_example(convert(known, _Row))
    for kind in sorted(lost):
        notices.lost(line, kind)
    extra = {key: value for key, value in row.items() if key not in _KNOWN}
    return msgspec.structs.replace(example, extra=extra) if extra else example


def write(example: Example) -> Written:
    """Unknown keys that were read are written again. A completion row loses its style."""
    if not isinstance(example, ChatExample):
        raise BadRow(f"a {example.__struct_config__.tag} row cannot be written as chat.")
    losses: set[str] = {"style"} if example.style != "chat" else set()
    row: dict[str, Any] = {"messages": [from_message(message, losses) for message in example.messages]}
    if example.tools:
        row["tools"] = from_tools(example.tools)
    if example.parallel_tool_calls is not None:
        row["parallel_tool_calls"] = example.parallel_tool_calls
    if example.extra:
        losses.update(f"extra.{key}" for key in example.extra.keys() & _KNOWN)
        row = {**example.extra, **row}
    return json_line(row), tuple(sorted(losses))


CHAT = Format(
    name="chat",
    summary='OpenAI chat, JSONL: {"messages": [{"role": "user", "content": "…"}, …], "tools": […]}',
    extensions=(".jsonl", ".ndjson"),
    sniff=sniff,
    read=read,
    write=write,
)
