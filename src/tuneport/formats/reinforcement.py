"""OpenAI reinforcement: messages that end with the user, and any other keys, which graders see as `item.…`.

Shape: https://platform.openai.com/docs/guides/reinforcement-fine-tuning, facts of 2026-11-21. The reference answer of an Example stands
under `reference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from tuneport.examples import Example, Message, PromptExample
from tuneport.formats.chat import Written, last_role, read_conversation
from tuneport.formats.extras import with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.messages import from_messages, from_tools
from tuneport.formats.recast import as_prompt
from tuneport.formats.repeated_keys import plain_keys
from tuneport.formats.texts import share


class _PlainRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    messages: Annotated[tuple[Message, ...], msgspec.Meta(min_length=1)]
    reference: str | None = None


_KNOWN = frozenset({"messages", "tools", "parallel_tool_calls", "functions", "reference"})
_lines = msgspec.json.Decoder(_PlainRow).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows whose last message is the user's."""
    return share(rows, [last_role(row) == "user" for row in rows], 0.9)


def decode(data: bytes) -> Decoded:
    """Rows of text with nothing beside them but the reference."""
    rows = _lines(data)
    least = len(rows) + sum(row.reference is not None for row in rows) + plain_keys([row.messages for row in rows])
    return Decoded([PromptExample(row.messages, row.reference) for row in rows], least)


def read(row: Row, lose: Lose) -> PromptExample:
    """A reference that is no text stays in `extra`, as all keys do that OpenAI does not know."""
    messages, tools, parallel = read_conversation(row, lose)
    reference = row.get("reference")
    held = reference if isinstance(reference, str) else None
    extra = {key: value for key, value in row.items() if key not in _KNOWN or (key == "reference" and value is not None and held is None)}
    return PromptExample(messages, held, tools, parallel, extra=extra)


def write(example: Example, lose: Lose) -> Any:
    """The prompt with its reference answer, if it has one. Raises BadRow when the last message is not the user's."""
    prompt = as_prompt(example, lose)
    if prompt.style != "chat":
        lose("style")
    if not prompt.messages or prompt.messages[-1].role != "user":
        raise BadRow("the last message is not the user's, and a prompt ends with it.")
    row: Any = Written(from_messages(prompt.messages, lose), from_tools(prompt.tools), prompt.parallel_tool_calls)
    if prompt.reference is not None:
        row = msgspec.to_builtins(row) | {"reference": prompt.reference}
    known = _KNOWN if prompt.reference is not None or isinstance(prompt.extra.get("reference"), str) else _KNOWN - {"reference"}
    return with_extra(row, prompt.extra, known=known, lose=lose)


REINFORCEMENT = Format(
    name="reinforcement",
    summary='OpenAI reinforcement: {"messages": [… the user last], "reference": "…", any other keys}',
    kinds=("prompt",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode,),
    nested=("messages", "tools"),
)
