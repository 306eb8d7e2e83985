"""TRL prompt-only: `{"prompt": …}`, a text or a list of messages; other keys are what reward functions see, `reference` among them.

Shape: TRL 1.16 (read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tuneport.examples import Example, Message, PromptExample, Style
from tuneport.formats.extras import with_extra
from tuneport.formats.format import Decoded, Format, Lose, Row
from tuneport.formats.hf_messages import PlainMessages, from_messages, tools_of
from tuneport.formats.image_columns import IMAGE_KEYS, beside, into_column
from tuneport.formats.recast import as_prompt
from tuneport.formats.repeated_keys import plain_keys
from tuneport.formats.sides import bare, certain, is_side, pictures_of, refuse_no_prompt, side_of, tool_keys, turns_of
from tuneport.formats.texts import share


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    prompt: str
    reference: str | None = None


class _Messages(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    prompt: PlainMessages
    reference: str | None = None


_KNOWN = frozenset({"prompt", "reference", "tools"})
_BESIDE_MESSAGES = _KNOWN | IMAGE_KEYS
_OTHERS = frozenset({"completion", "chosen", "rejected", "label"})
_text_lines = msgspec.json.Decoder(_Text).decode_lines
_message_lines = msgspec.json.Decoder(_Messages).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows with a prompt and nothing that would answer it."""
    prompts = [(is_side(row, "prompt", text=True) or is_side(row, "prompt", text=False)) and not row.keys() & _OTHERS for row in rows]
    return share(rows, prompts, 0.8)


def decode_texts(data: bytes) -> Decoded:
    """Rows of one text."""
    rows = _text_lines(data)
    prompts = [PromptExample((Message("user", certain(row.prompt)),), row.reference, style="completion") for row in rows]
    return Decoded(list[Example](prompts), _outer_keys(rows))


def decode_messages(data: bytes) -> Decoded:
    """Rows of messages of text."""
    rows = _message_lines(data)
    return Decoded([PromptExample(row.prompt, row.reference) for row in rows], _outer_keys(rows) + plain_keys([row.prompt for row in rows]))


def _outer_keys(rows: Sequence[_Text] | Sequence[_Messages]) -> int:
    return len(rows) + sum(row.reference is not None for row in rows)


def read(row: Row, lose: Lose) -> PromptExample:
    """A reference that is no text stays in `extra`."""
    prompt = side_of(row, "prompt", lose, images=pictures_of(row, ("prompt",), lose))
    known = _KNOWN if isinstance(prompt, str) else _BESIDE_MESSAGES
    tools = tools_of(row["tools"], lose) if row.get("tools") else ()
    reference = row.get("reference")
    held = reference if isinstance(reference, str) else None
    extra = {key: value for key, value in row.items() if key not in known or (key == "reference" and value is not None and held is None)}
    style: Style = "completion" if isinstance(prompt, str) else "chat"
    return PromptExample(turns_of(prompt, "user"), held, tools, style=style, extra=extra)


def write(example: Example, lose: Lose) -> Any:
    """A text where the row is of that style, else a list of messages."""
    prompt = as_prompt(example, lose)
    text = bare(prompt.messages, "user") if prompt.style == "completion" and not prompt.tools else None
    if text is None:
        refuse_no_prompt(prompt.messages)
        if prompt.style != "chat":
            lose("style")
    asked, images = into_column(from_messages(prompt.messages, lose)) if text is None else (text, [])
    row: dict[str, Any] = {"prompt": asked, **beside(images), **tool_keys(prompt, lose)}
    if prompt.reference is not None:
        row["reference"] = prompt.reference
    known = _OTHERS | (_KNOWN if text is not None else _BESIDE_MESSAGES)
    taken = known if prompt.reference is not None or isinstance(prompt.extra.get("reference"), str) else known - {"reference"}
    return with_extra(row, prompt.extra, known=taken, lose=lose)


TRL_PROMPT = Format(
    name="trl-prompt",
    summary='TRL prompt-only: {"prompt": …}, a text or a list of messages, and any other keys for reward functions',
    kinds=("prompt",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode_texts, decode_messages),
)
