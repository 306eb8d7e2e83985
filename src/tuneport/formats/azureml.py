"""Azure ML's chat-completion tasks: `{"messages": [...]}` of texts by system, user and assistant, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneport.examples import Example
from tuneport.formats.chat import Written, decode, decode_plain, read
from tuneport.formats.chat import sniff as sniff_chat
from tuneport.formats.extras import with_extra
from tuneport.formats.format import BadRow, Format, Lose, Row
from tuneport.formats.recast import as_chat
from tuneport.formats.turns import lose_tools, plain_turns

_KNOWN = frozenset({"messages", "tools", "parallel_tool_calls", "functions"})


def sniff(rows: Sequence[Row]) -> float:
    """Every such row is one of OpenAI's chat too, so this is never the likeliest."""
    return round(sniff_chat(rows) / 4, 3)


def write(example: Example, lose: Lose) -> Any:
    """Text alone; a developer becomes the system. Raises BadRow for calls of tools."""
    chat = as_chat(example, lose)
    if chat.style != "chat":
        lose("style")
    turns = plain_turns(chat.messages, lose)
    if not turns:
        raise BadRow("there are no messages.")
    lose_tools(chat, lose)
    row = Written([{"role": turn.role, "content": turn.text} for turn in turns])
    return with_extra(row, chat.extra, known=_KNOWN, lose=lose)


AZUREML = Format(
    name="azureml",
    summary='Azure ML chat-completion: {"messages": [{"role": "user", "content": "…"}, …]}, text alone',
    kinds=("chat",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode_plain, decode),
    nested=("messages", "tools"),
)
