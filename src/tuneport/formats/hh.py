"""Anthropic's HH-RLHF: `{"chosen": "\\n\\nHuman: …\\n\\nAssistant: …", "rejected": …}`, two dialogues that begin with the same prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from tuneport.examples import Example, Message, PreferenceExample, Role
from tuneport.formats.extras import others, with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.recast import as_preference, lose_scores
from tuneport.formats.shared_prompt import shared_messages
from tuneport.formats.texts import are_texts, share, text_of
from tuneport.formats.turns import lose_tools, plain_turns, system_first


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    chosen: str
    rejected: str


_BOTH = ("chosen", "rejected")
_KNOWN = frozenset({*_BOTH, "prompt"})
_SPEAKER = re.compile(r"\n\n(Human|Assistant):")
_ROLES: dict[str, Role] = {"Human": "user", "Assistant": "assistant"}
_SPEAKERS: dict[str, str] = {role: speaker for speaker, role in _ROLES.items()}
_lines = msgspec.json.Decoder(_Row).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows of two texts that begin as a dialogue."""
    return share(rows, [are_texts(row, *_BOTH) and all(_SPEAKER.match(row[key]) for key in _BOTH) for row in rows], 0.97)


def decode(data: bytes) -> Decoded:
    """Rows without other keys."""
    rows = _lines(data)
    try:
        return Decoded([_example(row.chosen, row.rejected) for row in rows], 2 * len(rows))
    except BadRow as error:
        raise msgspec.ValidationError(str(error)) from None


def _example(chosen: str, rejected: str) -> PreferenceExample:
    better, worse = _dialogue(chosen, "chosen"), _dialogue(rejected, "rejected")
    length = shared_messages(better, worse)
    return PreferenceExample(better[:length], better[length:], worse[length:])


def _dialogue(text: str, key: str) -> tuple[Message, ...]:
    """One space after the speaker belongs to neither."""
    before, *pieces = _SPEAKER.split(text)
    if before.strip() or not pieces:
        raise BadRow(f'"{key}" does not begin with a blank line and "Human:" or "Assistant:".')
    return tuple(Message(_ROLES[speaker], said.removeprefix(" ")) for speaker, said in zip(pieces[::2], pieces[1::2], strict=True))


def read(row: Row, lose: Lose) -> PreferenceExample:
    """Other keys go to `extra`. Where the dialogues part before the last answer, the answers are several turns."""
    example = _example(text_of(row, "chosen"), text_of(row, "rejected"))
    extra = others(row, _KNOWN - {"prompt"})
    return msgspec.structs.replace(example, extra=extra) if extra else example


def write(example: Example, lose: Lose) -> Any:
    """Turns of user and assistant in text; a text with a speaker's mark inside is refused."""
    pair = as_preference(example)
    if pair.style != "chat":
        lose("style")
    lose_scores(pair, lose)
    lose_tools(pair, lose)
    chosen, rejected = _spoken(pair.prompt + pair.chosen, lose), _spoken(pair.prompt + pair.rejected, lose)
    own = sum(message.role not in ("system", "developer") for message in pair.prompt)
    if shared_messages(chosen, rejected) != own:
        lose("prompt.boundary")
    return with_extra(_Row("".join(chosen), "".join(rejected)), pair.extra, known=_KNOWN, lose=lose)


def _spoken(messages: Sequence[Message], lose: Lose) -> list[str]:
    system, turns = system_first(plain_turns(messages, lose), lose)
    if system is not None:
        lose("system")
    if not turns:
        raise BadRow("there are no turns of the user or the assistant.")
    if any(_SPEAKER.search(turn.text) for turn in turns):
        raise BadRow("a turn holds a mark such as Human: after a blank line, which would be read as another turn.")
    return [f"\n\n{_SPEAKERS[turn.role]}: {turn.text}" for turn in turns]


HH = Format(
    name="hh",
    summary='HH-RLHF: {"chosen": "\\n\\nHuman: …\\n\\nAssistant: …", "rejected": "…"}, dialogues as text',
    kinds=("preference",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode,),
)
