"""The rules there are. A new one is an entry in the file of what it looks at; its id is for ever."""

from __future__ import annotations

from collections.abc import Collection

from tuneport.errors import UsageError
from tuneport.nearest import did_you_mean
from tuneport.rules import answers, conversation, images, labels, texts, tools, whole
from tuneport.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    *whole.RULES,
    *conversation.RULES,
    *tools.RULES,
    *images.RULES,
    *answers.RULES,
    *texts.RULES,
    *labels.RULES,
)
BY_ID = {rule.id: rule for rule in RULES}


def named(id: str) -> Rule:
    """The rule of that id. Raises UsageError."""
    if id not in BY_ID:
        raise UsageError(f"unknown rule {id!r}; {did_you_mean(id, BY_ID)}", remedy="tuneport data rules lists them.")
    return BY_ID[id]


def chosen(*, only: Collection[str] = (), ignore: Collection[str] = ()) -> frozenset[str]:
    """The ids of the rules that are looked at. Raises UsageError for an unknown one."""
    wanted = {named(id).id for id in only} or BY_ID.keys()
    return frozenset(wanted - {named(id).id for id in ignore})
