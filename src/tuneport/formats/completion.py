"""Prompt and completion: one `{"prompt": "…", "completion": "…"}` a row. OpenAI's legacy form, and TRL's standard one.

`question` and `answer` are read as prompt and completion where they stand instead (GSM8K and many more).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tuneport.examples import ChatExample, Example, Message
from tuneport.formats.extras import others, with_extra
from tuneport.formats.format import Decoded, Format, Lose, Row
from tuneport.formats.recast import as_chat
from tuneport.formats.texts import are_texts, optional_text, share, text_of, usual
from tuneport.formats.turns import exchange


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    prompt: str
    completion: str
    system: str | None = None


class _Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    question: str
    answer: str


_KNOWN = frozenset({"prompt", "completion", "system"})
SPELLINGS = ({"prompt": "question", "completion": "answer"},)
_lines = msgspec.json.Decoder(_Row).decode_lines
_question_lines = msgspec.json.Decoder(_Question).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows that have both as texts, and no label that would make them a preference."""
    return share(rows, [are_texts(row, "prompt", "completion") and "label" not in row for row in rows], 0.9)


def decode(data: bytes) -> Decoded:
    """Rows without other keys."""
    rows = _lines(data)
    least = 2 * len(rows) + sum(row.system is not None for row in rows)
    return Decoded([_example(row.system, row.prompt, row.completion) for row in rows], least)


def decode_questions(data: bytes) -> Decoded:
    """Likewise in the other spelling."""
    rows = _question_lines(data)
    return Decoded([_example(None, row.question, row.answer) for row in rows], 2 * len(rows))


def _example(system: str | None, prompt: str, completion: str) -> ChatExample:
    turns = (Message("user", prompt), Message("assistant", completion))
    return ChatExample((Message("system", system), *turns) if system else turns, style="completion")


def read(row: Row, lose: Lose) -> ChatExample:
    """A `system` key becomes the system turn; other keys go to `extra`."""
    row = usual(row, SPELLINGS)
    example = _example(optional_text(row, "system"), text_of(row, "prompt"), text_of(row, "completion"))
    return ChatExample(example.messages, style="completion", extra=others(row, _KNOWN))


def write(example: Example, lose: Lose) -> object:
    """One user turn and one assistant turn, perhaps after a system turn; anything else is refused."""
    chat = as_chat(example, lose)
    system, prompt, completion = exchange(chat, lose)
    if chat.style != "completion":
        lose("style")
    return with_extra(_Row(prompt, completion, system or None), chat.extra, known=_KNOWN, lose=lose)


COMPLETION = Format(
    name="completion",
    summary='prompt and completion: {"prompt": "…", "completion": "…"} (also question, answer)',
    kinds=("chat",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode, decode_questions),
    spellings=SPELLINGS,
)
