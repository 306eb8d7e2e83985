"""TRL conversational: `{"messages": [...], "tools": …}` as Hugging Face's chat templates take them.

Shape: TRL 1.16, dataset formats (read 2026-11-21). Text alone looks the same as OpenAI's chat; calls and pictures do not: these are
placeholders for what stands under `images`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tuneport.examples import ChatExample, Example, Tool
from tuneport.formats.chat import decode_plain, last_role
from tuneport.formats.extras import with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.hf_messages import RichMessages, from_messages, has_null, messages_of, rich_messages, tools_of
from tuneport.formats.image_columns import IMAGE_KEYS, beside, images_of, into_column
from tuneport.formats.messages import WireTool, to_tool
from tuneport.formats.recast import as_chat
from tuneport.formats.sides import tool_keys
from tuneport.formats.texts import share


class _Row(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    messages: RichMessages
    tools: list[WireTool] | str | None = None


_KNOWN = frozenset(_Row.__struct_fields__) | IMAGE_KEYS
_lines = msgspec.json.Decoder(_Row).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows with calls or pictures as only Hugging Face writes them; others are taken for OpenAI's."""
    talks = [last_role(row) is not None for row in rows]
    if any(talk and _is_hf(row) for talk, row in zip(talks, rows, strict=True)):
        return share(rows, talks, 0.97)
    return share(rows, talks, 0.3)


def _is_hf(row: Row) -> bool:
    more = isinstance(row.get("tools"), str) or any(row.get(key) for key in IMAGE_KEYS)
    return more or any(isinstance(message, dict) and _is_hf_message(message) for message in row["messages"])


def _is_hf_message(message: dict[str, Any]) -> bool:
    content, calls = message.get("content"), message.get("tool_calls")
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and part.get("type") == "image" for part in parts) or any(
        isinstance(call, dict) and isinstance((call.get("function") or call).get("arguments"), dict)
        for call in (calls if isinstance(calls, list) else [])
    )


def decode(data: bytes) -> Decoded:
    """Rows with calls and tools."""
    rows = _lines(data)
    return Decoded([ChatExample(rich_messages(row.messages), decoded_tools(row.tools)) for row in rows], rows=rows)


def decoded_tools(tools: list[WireTool] | str | None) -> tuple[Tool, ...]:
    """The tools of a clean row. Raises msgspec.ValidationError for those that need care."""
    if not tools:
        return ()
    if not isinstance(tools, str):
        if any(has_null(tool.function.parameters) for tool in tools):
            raise msgspec.ValidationError("nulls among the tools")
        return tuple(map(to_tool, tools))
    try:
        return tools_of(tools, _refuse)
    except BadRow as error:
        raise msgspec.ValidationError(str(error)) from None


def _refuse(kind: str) -> None:
    raise msgspec.ValidationError(kind)


def read(row: Row, lose: Lose) -> ChatExample:
    """Unknown keys go to `extra`; those inside messages are told."""
    if "messages" not in row:
        raise BadRow('the key "messages" is missing.')
    messages = messages_of(row["messages"], "messages", lose, images=images_of(row, lose))
    tools = tools_of(row["tools"], lose) if row.get("tools") else ()
    return ChatExample(messages, tools, extra={key: value for key, value in row.items() if key not in _KNOWN})


def write(example: Example, lose: Lose) -> Any:
    """Arguments become objects, tools JSON text, and pictures stand beside the messages."""
    chat = as_chat(example, lose)
    if chat.style != "chat":
        lose("style")
    messages, images = into_column(from_messages(chat.messages, lose))
    row = {"messages": messages, **beside(images), **tool_keys(chat, lose)}
    return with_extra(row, chat.extra, known=_KNOWN, lose=lose)


TRL = Format(
    name="trl",
    summary='TRL conversational: {"messages": [{"role": "user", "content": "…"}, …], "tools": "[…]"}, arguments as objects',
    kinds=("chat",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode_plain, decode),
    nested=("messages",),
)
