"""OpenAI chat: one `{"messages": [...]}` a row, perhaps with `tools` and `parallel_tool_calls`. Azure OpenAI's is the same behind a BOM.

Shape: https://platform.openai.com/docs/guides/supervised-fine-tuning, facts of 2026-11-21. Azure's fine-tuning guide
asks for JSON Lines in UTF-8 with a byte order mark (facts of 2026-11-21).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from tuneport.examples import ChatExample, Example, Message, Tool
from tuneport.formats.extras import with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.json_values import convert
from tuneport.formats.messages import WireMessages, WireTool, from_messages, from_tools, to_message, to_tool
from tuneport.formats.recast import as_chat
from tuneport.formats.repeated_keys import plain_keys
from tuneport.formats.texts import share
from tuneport.formats.tidying import tidy_messages, tidy_tools


class _PlainRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Messages of text alone are canonical as they stand."""

    messages: Annotated[tuple[Message, ...], msgspec.Meta(min_length=1)]


class OpenAIRow(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Messages with the tools that stand beside them."""

    messages: WireMessages
    tools: list[WireTool] | None = None
    parallel_tool_calls: bool | None = None


class Written(msgspec.Struct, frozen=True, omit_defaults=True):
    """Likewise, to be written."""

    messages: Sequence[Any]
    tools: list[Any] = []
    parallel_tool_calls: bool | None = None


_KNOWN = frozenset(OpenAIRow.__struct_fields__) | {"functions"}
_plain_lines = msgspec.json.Decoder(_PlainRow).decode_lines
_lines = msgspec.json.Decoder(OpenAIRow).decode_lines


def last_role(row: Row) -> str | None:
    """The role of the last message, where the row has messages."""
    messages = row.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    return str(last.get("role")) if isinstance(last, dict) else None


def sniff(rows: Sequence[Row]) -> float:
    """Rows of messages, the surer where the last is an answer."""
    roles = [last_role(row) for row in rows]
    return max(share(rows, [role == "assistant" for role in roles], 0.95), share(rows, [role is not None for role in roles], 0.5))


def decode_plain(data: bytes) -> Decoded:
    """Rows of messages that hold text and nothing else."""
    rows = _plain_lines(data)
    return Decoded([ChatExample(row.messages) for row in rows], len(rows) + plain_keys([row.messages for row in rows]))


def decode(data: bytes) -> Decoded:
    """Rows with parts, tools and calls too."""
    rows = _lines(data)
    return Decoded([_to_example(row) for row in rows], rows=rows)


def _to_example(row: OpenAIRow) -> ChatExample:
    messages = tuple(map(to_message, row.messages))
    if row.tools is None and row.parallel_tool_calls is None:
        return ChatExample(messages)
    return ChatExample(messages, tuple(map(to_tool, row.tools or ())), row.parallel_tool_calls)


def read_conversation(row: Mapping[str, Any], lose: Lose) -> tuple[tuple[Message, ...], tuple[Tool, ...], bool | None]:
    """Messages, tools and whether calls may be parallel. Raises BadRow; keys inside that nobody carries are told."""
    known = {key: row[key] for key in row.keys() & _KNOWN}
    if "messages" not in known:
        raise BadRow('the key "messages" is missing.')
    functions = known.pop("functions", None)
    if functions and not known.get("tools"):
        known["tools"] = functions
    lost: set[str] = set()
    known["messages"] = tidy_messages(known["messages"], lost.add)
    if "tools" in known:
        known["tools"] = tidy_tools(known["tools"], lost.add)
    example = _to_example(convert(known, OpenAIRow))
    for kind in sorted(lost):
        lose(kind)
    return example.messages, example.tools, example.parallel_tool_calls


def read(row: Row, lose: Lose) -> ChatExample:
    """Unknown keys go to `extra`; those inside messages are told."""
    extra = {key: value for key, value in row.items() if key not in _KNOWN}
    return ChatExample(*read_conversation(row, lose), extra=extra)


def write(example: Example, lose: Lose) -> Any:
    """Unknown keys that were read are written again. A completion row loses its style."""
    chat = as_chat(example, lose)
    if chat.style != "chat":
        lose("style")
    row = Written(from_messages(chat.messages, lose), from_tools(chat.tools), chat.parallel_tool_calls)
    return row if not chat.extra else with_extra(row, chat.extra, known=_KNOWN, lose=lose)


CHAT = Format(
    name="chat",
    summary='OpenAI chat: {"messages": [{"role": "user", "content": "…"}, …], "tools": […]}',
    kinds=("chat",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode_plain, decode),
    nested=("messages", "tools"),
)
AZURE = dataclasses.replace(
    CHAT,
    name="azure",
    summary="Azure OpenAI chat: OpenAI's, in a file that begins with a byte order mark",
    sniff=lambda rows: round(sniff(rows) / 4, 3),
    bom=True,
)
