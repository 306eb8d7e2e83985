"""Where in the rendered text of a conversation the assistant's turns lie. Pure: the chat template comes in as a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tuneport.errors import UsageError
from tuneport.examples import ImagePart, Message, TextPart, Tool
from tuneport.template_messages import as_dict, tool_as_dict

Apply = Callable[[Sequence[dict[str, Any]], bool], str]
"""(messages, whether to open the assistant's next turn) -> text."""

_MARK = "TUNEPORTx{}xTURN"


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, stop) of the text: one answer with its end-of-turn token. `learned` is False for a turn of weight 0."""

    start: int
    stop: int
    learned: bool


def as_dicts(messages: Sequence[Message], *, knows_developer: bool, pictures: bool = False) -> list[dict[str, Any]]:
    """Messages as chat templates expect them. The role `developer` becomes `system` where the template does not know it. Raises UsageError
    for one that holds more than text, or than text and pictures where these are shown."""
    for message in messages:
        if not pictures or message.role == "assistant" or not _is_shown(message):
            words_of(message)
    return [as_dict(message, knows_developer=knows_developer) for message in messages]


def _is_shown(message: Message) -> bool:
    """Whether it holds texts and pictures alone."""
    return isinstance(message.content, tuple) and all(isinstance(part, TextPart | ImagePart) for part in message.content)


def words_of(message: Message) -> str:
    """Its text. Raises UsageError for one that holds more than text."""
    if isinstance(message.content, tuple) and any(not isinstance(part, TextPart) for part in message.content):
        raise UsageError("a message has images or other media where this model is shown none.", remedy="Take them out of the row.")
    return message.text


def as_tool_dicts(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Tools as chat templates expect them."""
    return [tool_as_dict(tool) for tool in tools]


def answer_spans(
    messages: Sequence[dict[str, Any]], learned: Sequence[bool], *, apply: Apply, end_tokens: Sequence[str]
) -> tuple[str, list[Span]]:
    """The rendered conversation and the spans of the assistant's turns in it. `end_tokens`: longest first.

    Raises UsageError when a turn cannot be found beyond doubt, or has no end-of-turn token after it.
    """
    text = apply(messages, False)
    answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    if not answers:
        return text, []
    found = None if any(messages[place].get("tool_calls") for place in answers) else _by_marks(messages, answers, text, apply)
    found = _from_prompt(messages, found, text, apply) if found else _by_prefixes(messages, answers, text, apply, end_tokens)
    return text, [
        Span(start, _end_of_turn(text, stop, end_tokens), learned[place]) for place, (start, stop) in zip(answers, found, strict=True)
    ]


def _by_marks(messages: Sequence[dict[str, Any]], answers: Sequence[int], text: str, apply: Apply) -> list[tuple[int, int]] | None:
    """(start, stop) of each answer's words, read off a rendering with marks in their places. None when it does not add up."""
    marks = {place: _MARK.format(place) for place in answers}
    if any("TUNEPORTx" in message["content"] for message in messages):
        return None
    try:
        marked = apply(
            [{**message, "content": marks[place]} if place in marks else message for place, message in enumerate(messages)], False
        )
    except UsageError:
        return None
    found: list[tuple[int, int]] = []
    at, rest = 0, marked
    for place in answers:
        before, mark, rest = rest.partition(marks[place])
        words = messages[place]["content"]
        kept = next((form for form in (words, words.strip()) if text.startswith(before + form, at)), None)
        if not mark or kept is None:
            return None
        start = at + len(before)
        at = start + len(kept)
        found.append((start, at))
    return found if text[at:] == rest else None


def _from_prompt(messages: Sequence[dict[str, Any]], found: list[tuple[int, int]], text: str, apply: Apply) -> list[tuple[int, int]]:
    """The last answer from where the model takes over: what a template writes between its prompt and the words (an empty thought, say)
    is the model's to write."""
    if messages[-1]["role"] != "assistant":
        return found
    prompt = apply(messages[:-1], True)
    start, stop = found[-1]
    if not text.startswith(prompt) or len(prompt) >= start or prompt == apply(messages[:-1], False):
        return found
    return [*found[:-1], (len(prompt), stop)]


def _by_prefixes(
    messages: Sequence[dict[str, Any]], answers: Sequence[int], text: str, apply: Apply, end_tokens: Sequence[str]
) -> list[tuple[int, int]]:
    """The same from renderings of the conversation up to each answer: quadratic, for the turns that marks do not show."""
    found = []
    for place in answers:
        before = apply(messages[:place], True)
        written = text[: _shared(apply(messages[: place + 1], False), text)].rstrip()
        stop = len(written) - next((len(token) for token in end_tokens if written.endswith(token)), 0)
        words = messages[place]["content"].strip()
        opened = before != apply(messages[:place], False) or (words and text[len(before) :].lstrip().startswith(words))
        if not opened or not text.startswith(before) or stop < len(before):
            raise UsageError(
                "the model's chat template does not show where the assistant's words begin and end in this conversation.",
                remedy="Choose another base model, or simplify the row.",
            )
        found.append((len(before), stop))
    return found


def _shared(one: str, other: str) -> int:
    """How many characters two texts have in common from the start."""
    if other.startswith(one):
        return len(one)
    return next(place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)


def _end_of_turn(text: str, stop: int, end_tokens: Sequence[str]) -> int:
    """Behind the end-of-turn token that follows at `stop`; blanks may stand before it."""
    at = len(text) - len(text[stop:].lstrip())
    for token in end_tokens:
        if text.startswith(token, at):
            return at + len(token)
    raise UsageError(
        "the model's chat template puts no end-of-turn token after the assistant's words, so the model would not learn to stop.",
        remedy="Choose another base model, or give its tokenizer a chat template that ends turns.",
    )
