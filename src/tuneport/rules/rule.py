"""What a rule is: an id, what it asks for, and how to look whether a row breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tuneport.examples import ChatExample, Example, LabelledExample, Message, PreferenceExample
from tuneport.finding import Severity
from tuneport.limits import Target

Sees = Literal["roles", "words", "weights", "tools", "media", "kind"]
"""What of a row a rule looks at, so that rows without it are not asked.

roles   nothing but who speaks when. Conversations with the same roles have the same verdict, so it is kept
words   whether something is said
weights, tools, media   these
kind    what only preference, prompt and labelled rows have, and conversations for KTO
"""

Look = Callable[[Example, Target], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """`row` gives the sentence for a row that breaks the rule. One without it is about the whole file, or looked at by the check itself.

    The explanation says what should be; the remedy, what to do where it is not.
    """

    id: str
    severity: Severity
    explanation: str
    remedy: str = ""
    row: Look | None = None
    sees: Sees = "kind"


def turns(example: Example) -> tuple[Message, ...]:
    """The messages of a row that is learned from: of a preference row, those with the better answer."""
    if isinstance(example, LabelledExample):
        return ()
    return example.prompt + example.chosen if isinstance(example, PreferenceExample) else example.messages


def sides(example: Example) -> tuple[tuple[Message, ...], ...]:
    """The conversations in a row: two in a preference row, none in a labelled one."""
    if isinstance(example, LabelledExample):
        return ()
    if isinstance(example, PreferenceExample):
        return example.prompt + example.chosen, example.prompt + example.rejected
    return (example.messages,)


def holds(example: Example) -> frozenset[Sees]:
    """What there is in a row that rules may look at."""
    if isinstance(example, LabelledExample):
        return _LABELLED if example.image is not None else _KIND
    messages = turns(example) + (example.rejected if isinstance(example, PreferenceExample) else ())
    found: set[Sees] = {"roles", "words"}
    if not isinstance(example, ChatExample) or example.desirable is not None:
        found.add("kind")
    if example.tools or any(message.tool_calls or message.role == "tool" for message in messages):
        found.add("tools")
    if any(message.weight is not None for message in messages):
        found.add("weights")
    if any(message.content.__class__ is tuple for message in messages):
        found.add("media")
    return frozenset(found)


_LABELLED: frozenset[Sees] = frozenset({"kind", "media"})
_KIND: frozenset[Sees] = frozenset({"kind"})
