"""TRL conversational prompt and completion: `{"prompt": [messages], "completion": [messages]}`. Texts under these keys are `completion`.

Shape: TRL 1.16 (read 2026-11-21). The loss is on the completion alone, so answers in the prompt are read with weight 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tuneport.examples import ChatExample, Example, Message
from tuneport.formats.extras import with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.hf_messages import PlainMessages, from_messages, messages_of, tools_of
from tuneport.formats.image_columns import IMAGE_KEYS, beside, images_of, into_column
from tuneport.formats.recast import as_chat, lose_earlier
from tuneport.formats.repeated_keys import plain_keys
from tuneport.formats.sides import is_side, refuse_no_prompt, tool_keys
from tuneport.formats.texts import share


class _PlainRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    prompt: PlainMessages
    completion: PlainMessages


_KNOWN = frozenset({"prompt", "completion", "tools", "label"}) | IMAGE_KEYS
_READ = _KNOWN - {"label"}
_lines = msgspec.json.Decoder(_PlainRow).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows that have both as messages, and no label that would make them a preference."""
    return share(rows, [is_side(row, "prompt", text=False) and "completion" in row and "label" not in row for row in rows], 0.95)


def decode(data: bytes) -> Decoded:
    """Rows of text alone."""
    rows = _lines(data)
    least = 2 * len(rows) + plain_keys([side for row in rows for side in (row.prompt, row.completion)])
    return Decoded([ChatExample(_unlearned(row.prompt) + row.completion) for row in rows], least)


def _unlearned(prompt: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(_weighted(message, 0) if message.role == "assistant" and message.weight is None else message for message in prompt)


def _weighted(message: Message, weight: float | None) -> Message:
    return msgspec.structs.replace(message, weight=weight)


def read(row: Row, lose: Lose) -> ChatExample:
    """Unknown keys go to `extra`; those inside messages are told."""
    for key in ("prompt", "completion"):
        if key not in row:
            raise BadRow(f'the key "{key}" is missing.')
    prompt = messages_of(row["prompt"], "prompt", lose, images=images_of(row, lose))
    completion = messages_of(row["completion"], "completion", lose)
    tools = tools_of(row["tools"], lose) if row.get("tools") else ()
    extra = {key: value for key, value in row.items() if key not in _READ}
    return ChatExample(_unlearned(prompt) + completion, tools, extra=extra)


def write(example: Example, lose: Lose) -> Any:
    """The completion begins at the first answer that is learned after the last turn of the user."""
    chat = as_chat(example, lose)
    if chat.style != "chat":
        lose("style")
    start = _start(chat.messages)
    prompt, completion = chat.messages[:start], chat.messages[start:]
    lose_earlier(prompt, lose)
    asked, images = into_column(from_messages(_said_by_place(prompt, 0), lose))
    answered = from_messages(_said_by_place(completion, 1), lose)
    row = {"prompt": asked, "completion": answered, **beside(images), **tool_keys(chat, lose)}
    return with_extra(row, chat.extra, known=_KNOWN, lose=lose)


def _start(messages: Sequence[Message]) -> int:
    asked = max((place for place, message in enumerate(messages) if message.role not in ("assistant", "tool")), default=-1)
    tail = range(asked + 1, len(messages))
    start = next((place for place in tail if messages[place].role == "assistant" and messages[place].weight != 0), None)
    if start is None:
        raise BadRow("the row does not end with an answer that is to be learned.")
    refuse_no_prompt(messages[:start])
    return start


def _said_by_place(messages: Sequence[Message], weight: float) -> Sequence[Message]:
    """Standing in the prompt says weight 0, standing in the completion says 1."""
    return [_weighted(message, None) if message.role == "assistant" and message.weight == weight else message for message in messages]


TRL_PROMPT_COMPLETION = Format(
    name="trl-prompt-completion",
    summary='TRL conversational prompt-completion: {"prompt": [messages], "completion": [messages]}',
    kinds=("chat",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode,),
    nested=("prompt", "completion"),
)
