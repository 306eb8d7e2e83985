"""A chat template taken apart into what stands around the words of each role, and said again in Go's template language for Ollama.

The template is run over sample conversations with words that nothing else has, and the pieces between them are read off. There is more than
one way to cut them; one is taken if it writes every sample exactly as the template does. A template that no cut fits does something that
this cannot say, and is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuneport.errors import Unsupported, UsageError
from tuneport_local.exporting.go_template import Turn, rendered

Write = Callable[[Sequence[Turn]], str]
"""The chat template at work: a conversation that ends with the user, up to where the assistant begins."""
_WORDS = ("QUPORTxONEx", "QUPORTxTWOx", "QUPORTxTHREEx", "QUPORTxFOURx", "QUPORTxFIVEx")


@dataclass(frozen=True, slots=True)
class OllamaTemplate:
    """`text` is for TEMPLATE, `system` for SYSTEM: what is said where a conversation brings none ('' for nothing).

    `takes_system`: whether there is a place for a system message at all.
    """

    text: str
    system: str
    takes_system: bool

    def write(self, turns: Sequence[Turn]) -> str:
        """What Ollama sends to the model for a conversation: its own system message comes first where the conversation has none there."""
        brought = bool(turns) and turns[0]["role"] == "system"
        return rendered(self.text, turns if brought or not self.system else [{"role": "system", "content": self.system}, *turns])


@dataclass(frozen=True, slots=True)
class _Cut:
    """What stands before and behind the words of each role, before everything and behind everything."""

    start: str
    system: tuple[str, str] | None
    user: tuple[str, str]
    assistant: tuple[str, str]
    last: str
    unsaid: bool = False

    @property
    def text(self) -> str:
        roles = [("system", self.system), ("user", self.user), ("assistant", self.assistant)]
        branches = [
            f'{{{{ {"else " if place else ""}if eq .Role "{role}" }}}}{around[0]}{{{{ .Content }}}}{around[1]}'
            for place, (role, around) in enumerate((role, around) for role, around in roles if around is not None)
        ]
        unsaid = "{{ if not .System }}" + "".join(self.system) + "{{ end }}" if self.unsaid and self.system else ""
        return f"{self.start}{unsaid}{{{{ range .Messages }}}}{''.join(branches)}{{{{ end }}}}{{{{ end }}}}{self.last}"


def for_ollama(tokenizer: Any, *, begins: bool) -> OllamaTemplate:
    """`begins`: the beginning token is put in front by whoever reads the file, and is no part of the template then.

    Raises Unsupported, with the way out, for a tokenizer without a chat template and for one that cannot be said so.
    """
    if not tokenizer.chat_template:
        raise Unsupported("the model has no chat template, so there is none to give to Ollama.", remedy="Export it with --as gguf.")
    drop = tokenizer.bos_token if begins and tokenizer.bos_token else ""

    def write(turns: Sequence[Turn]) -> str:
        text = str(tokenizer.apply_chat_template([dict(turn) for turn in turns], tokenize=False, add_generation_prompt=True))
        return text.removeprefix(drop) if drop else text

    found = translated(write, control=tuple(tokenizer.get_added_vocab()))
    if found is None:
        raise Unsupported(
            "the model's chat template does something that Ollama's template language cannot be given here.",
            remedy="Export it with --as gguf: the file carries the chat template itself, and llama.cpp runs it.",
        )
    return found


def translated(write: Write, *, control: Sequence[str] = ()) -> OllamaTemplate | None:
    """The same template for Ollama, or None where none is found that writes all samples alike. `control`: texts of control tokens."""
    takes_system = _tried(write, [_turn("system", 0), _turn("user", 1)]) is not None
    samples = [(turns, text) for turns in _samples(takes_system) if (text := _tried(write, turns)) is not None]
    plain = _tried(write, [_turn("user", 0)])
    if plain is None or any("{{" in text or "}}" in text or '"""' in text for _, text in samples):
        return None
    for cut in _cuts(write, control, takes_system=takes_system):
        found = OllamaTemplate(cut.text, _default(cut, plain), takes_system)
        if all(found.write(turns) == text for turns, text in samples):
            return found
    return None


def _turn(role: str, word: int) -> Turn:
    return {"role": role, "content": _WORDS[word]}


def _tried(write: Write, turns: Sequence[Turn]) -> str | None:
    """What the template writes, or None where it refuses the conversation or leaves a part of it out."""
    from jinja2.exceptions import TemplateError

    try:
        text = write(turns)
    except (TemplateError, UsageError, TypeError, ValueError, KeyError, IndexError):
        return None
    return text if all(turn["content"] in text for turn in turns) else None


def _samples(takes_system: bool) -> Iterator[list[Turn]]:
    """Conversations that end with the user: short, long, of several lines, with and without a system message."""
    talk: list[Turn] = [
        {"role": "user", "content": "Where is my card?"},
        {"role": "assistant", "content": "On its way.\nIt takes two days."},
        {"role": "user", "content": "Thank you, and \"who\" are 'you' & why <so> {late}?"},
        {"role": "assistant", "content": "I do not know."},
        {"role": "user", "content": "1 2 3"},
    ]
    said: Turn = {"role": "system", "content": "Answer in one word.\n\nBe kind."}
    for end in (1, 3, 5):
        yield talk[:end]
        if takes_system:
            yield [said, *talk[:end]]


def _cuts(write: Write, control: Sequence[str], *, takes_system: bool) -> Iterator[_Cut]:
    """The ways to take the template apart, the likeliest first: those where each role's words begin with a control token."""
    long = _tried(write, [_turn("user", 0), _turn("assistant", 1), _turn("user", 2), _turn("assistant", 3), _turn("user", 4)])
    plain = _tried(write, [_turn("user", 0)])
    if long is None or plain is None:
        return
    to_answer, to_user = long.partition(_WORDS[0])[2].partition(_WORDS[1])[0], long.partition(_WORDS[1])[2].partition(_WORDS[2])[0]
    last = plain.partition(_WORDS[0])[2]
    for at, place in itertools.product(_places(to_user, control), _places(to_answer, control)):
        (behind_answer, before_user), (behind_user, before_answer) = _parted(to_user, at), _parted(to_answer, place)
        if not last.startswith(behind_user):
            continue
        ends = (before_user, behind_user), (before_answer, behind_answer), last[len(behind_user) :]
        if takes_system:
            yield from _with_system(write, plain, _Cut("", None, *ends), control=control)
        elif plain.partition(_WORDS[0])[0].endswith(before_user):
            yield _Cut(plain.partition(_WORDS[0])[0].removesuffix(before_user), None, *ends)


def _with_system(write: Write, plain: str, cut: _Cut, *, control: Sequence[str]) -> Iterator[_Cut]:
    """The same cut with what stands around the system's words, and before everything. `plain` has only the user's."""
    user = cut.user
    text = _tried(write, [_turn("system", 0), _turn("user", 1)]) or ""
    before, _, rest = text.partition(_WORDS[0])
    joint = rest.partition(_WORDS[1])[0]
    if not joint.endswith(user[0]):
        return
    behind, first = joint.removesuffix(user[0]), plain.partition(_WORDS[0])[0]
    for place in _places(before, control):
        start, before_system = _parted(before, place)
        unsaid = first == f"{start}{before_system}{behind}{user[0]}" and bool(before_system or behind)
        yield replace(cut, start=start, system=(before_system, behind), unsaid=unsaid)


def _default(cut: _Cut, plain: str) -> str:
    """What the template says as the system where nobody does."""
    if cut.system is None or cut.unsaid:
        return ""
    first = plain.partition(_WORDS[0])[0]
    before, behind = f"{cut.start}{cut.system[0]}", f"{cut.system[1]}{cut.user[0]}"
    fits = first.startswith(before) and first.endswith(behind) and len(first) > len(before) + len(behind)
    return first[len(before) : len(first) - len(behind)] if fits else ""


def _places(text: str, control: Sequence[str]) -> list[int]:
    """Where the text may be cut, at the beginnings of control tokens first."""
    tokens = [place for place in range(len(text) + 1) if any(text.startswith(token, place) for token in control)]
    return [*reversed(tokens), *(place for place in range(len(text) + 1) if place not in tokens)]


def _parted(text: str, place: int) -> tuple[str, str]:
    return text[:place], text[place:]
