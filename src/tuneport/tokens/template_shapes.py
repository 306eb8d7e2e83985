"""Rendering many conversations quickly: what a chat template writes around the messages depends on their roles, and is kept for each
sequence of roles. Conversations in which a template might look at the words themselves are rendered by the template, every time.

How a sequence is learned: it is rendered twice with other words, short and long, in which everything is that a template might change
(capitals, quotes, line ends, letters beyond ASCII). Only where both times the same pieces stand between the untouched words, and the first
real conversations come out as the template renders them, are the pieces used. Words with white space at their ends, and those that hold a
text which the template compares with or looks for (`</think>`), always go through the template.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneport.examples import Message, Tool
from tuneport.tokens.chat_template import ChatTemplate, Refused

PROVED = 4
"""So many conversations of a sequence are rendered by the template as well, to compare."""

MOST_SHAPES = 500
_AT_ENDS = ("strip", "lstrip", "rstrip")
"""Methods that only look at the ends of a text. White space is no matter to words that have none there."""

_SHORT = "Qx{}\n\"é'<&\\ß{{y}} z"
_LONG = _SHORT + " Long" * 2000 + "."


class TemplateShapes:
    """A chat template that remembers. Renders as the template alone would."""

    def __init__(self, template: ChatTemplate) -> None:
        self._template = template
        self.knows_tools = template.knows_tools
        self._watched, self._wholes = _looked_for(template.tree)
        self._shapes: dict[tuple[str, ...], list[str] | None] = {}
        self._proved: dict[tuple[str, ...], int] = {}

    def render(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """The conversation as text. Raises Refused."""
        if tools or not all(map(self._is_plain, messages)):
            return self._template.render(messages, tools)
        roles = tuple([message.role for message in messages])
        if roles not in self._shapes and len(self._shapes) < MOST_SHAPES:
            self._shapes[roles] = self._learned(messages)
        pieces = self._shapes.get(roles)
        if pieces is None:
            return self._template.render(messages)
        parts = [pieces[0]]
        for message, piece in zip(messages, pieces[1:], strict=True):
            parts += (str(message.content), piece)
        text = "".join(parts)
        return text if self._proved.get(roles, 0) >= PROVED else self._compared(text, messages, roles)

    def _is_plain(self, message: Message) -> bool:
        content = message.content
        if content.__class__ is not str or message.tool_calls or message.name is not None or message.tool_call_id is not None:
            return False
        if not content or content.strip() is not content or content in self._wholes:
            return False
        return not any(text in content for text in self._watched)

    def _compared(self, text: str, messages: Sequence[Message], roles: tuple[str, ...]) -> str:
        rendered = self._template.render(messages)
        self._proved[roles] = self._proved.get(roles, 0) + 1
        if rendered != text:
            self._shapes[roles] = None
        return rendered

    def _learned(self, messages: Sequence[Message]) -> list[str] | None:
        """The pieces around the messages, or None where they are not the same for all words."""
        short, long = (self._pieces(messages, words) for words in (_SHORT, _LONG))
        return short if short == long else None

    def _pieces(self, messages: Sequence[Message], words: str) -> list[str] | None:
        said = [words.replace("{}", f"{place}Q") for place in range(len(messages))]
        try:
            rest = self._template.render([Message(message.role, text) for message, text in zip(messages, said, strict=True)])
        except Refused:
            return None
        pieces = []
        for text in said:
            before, found, rest = rest.partition(text)
            if not found or text in rest:
                return None
            pieces.append(before)
        return [*pieces, rest]


def _looked_for(tree: Any) -> tuple[tuple[str, ...], frozenset[str]]:
    """The texts that a template may look for inside others, and those that it compares whole texts with."""
    from jinja2 import nodes

    beside = {id(node.arg) for node in tree.find_all(nodes.Getitem)}
    for node in tree.find_all(nodes.Call):
        if isinstance(node.node, nodes.Getattr) and node.node.attr in _AT_ENDS:
            beside |= {id(each) for each in node.args if isinstance(each, nodes.Const) and not str(each.value).strip()}

    def texts(node: nodes.Node) -> set[str]:
        return {each.value for each in node.find_all(nodes.Const) if isinstance(each.value, str) and each.value and id(each) not in beside}

    inside: set[str] = set()
    whole: set[str] = set()
    for node in tree.find_all((nodes.Call, nodes.Filter, nodes.Test, nodes.Assign)):
        inside |= texts(node)
    for node in tree.find_all(nodes.Compare):
        equal = all(operand.op in ("eq", "ne") for operand in node.ops)
        (whole if equal else inside).update(texts(node))
    return tuple(sorted(inside)), frozenset(whole)
