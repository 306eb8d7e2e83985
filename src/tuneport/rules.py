"""The rules of data checks: a table. Each looks at one row, or at the tally of all of them, and answers in sentences without contents."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from tuneport.examples import ChatExample, Example, Message, TextPart
from tuneport.exchange import answer, digest, normalised, question
from tuneport.finding import Severity
from tuneport.splitting import MAX_LABELS, in_key_order, label_like

FEW_ROWS = 10
IMBALANCE = 10
LABEL_CHARS = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider takes. None is no limit; `max_file_bytes` is of the file as it lies there."""

    min_rows: int = 1
    max_rows: int | None = None
    max_file_bytes: int | None = None
    roles: frozenset[str] = frozenset({"system", "developer", "user", "assistant", "tool"})


@dataclass(slots=True)
class Tally:
    """What is kept of all rows while they pass: 24 bytes a row, and counts of at most MAX_LABELS answers. Answers as digests only."""

    rows: int = 0
    unreadable: int = 0
    size_bytes: int | None = None
    lines: array[int] = field(default_factory=lambda: array("Q"))
    keys: array[int] = field(default_factory=lambda: array("Q"))
    answers: dict[int, int] = field(default_factory=dict)
    longest_answer: int = 0

    def add(self, line: int, example: Example) -> None:
        said = answer(example) or ""
        self.rows += 1
        self.lines.append(line)
        self.keys.append(digest(f"{normalised(question(example))}\0{said}"))
        self.longest_answer = max(self.longest_answer, len(said))
        if len(self.answers) <= MAX_LABELS:
            key = digest(said)
            self.answers[key] = self.answers.get(key, 0) + 1

    def repeats(self) -> Iterator[tuple[int, int]]:
        """The line of each row that repeats an earlier one, in order, and the line of the first of them."""
        order, firsts = in_key_order(self.keys), array("I", range(self.rows))
        for before, place in pairwise(order):
            if self.keys[before] == self.keys[place]:
                firsts[place] = firsts[before]
        return ((self.lines[place], self.lines[first]) for place, first in enumerate(firsts) if place != first)


Found = Iterator[tuple[int | None, str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """`row` gives the sentence for a row that breaks the rule; `whole` lines and sentences for the dataset. One without either is
    reported by the reader."""

    id: str
    severity: Severity
    explanation: str
    remedy: str = ""
    row: Callable[[Example, Limits], str | None] | None = None
    whole: Callable[[Tally, Limits], Found] | None = None


def chat_only(example: Example, limits: Limits) -> str | None:
    if isinstance(example, ChatExample):
        return None
    return f"a {example.__struct_config__.tag} row cannot be learned with method sft, which needs a conversation."


def ends_with_assistant(example: Example, limits: Limits) -> str | None:
    if not isinstance(example, ChatExample) or (example.messages and example.messages[-1].role == "assistant"):
        return None
    return f'the last message is from "{example.messages[-1].role}"; it must be from "assistant".' if example.messages else "no messages."


def something_to_learn(example: Example, limits: Limits) -> str | None:
    turns = _assistant_turns(example)
    return "every assistant message has weight 0, so nothing is learned." if turns and all(turn.weight == 0 for turn in turns) else None


def answer_not_empty(example: Example, limits: Limits) -> str | None:
    empty = [turn for turn in _assistant_turns(example) if not turn.tool_calls and not _says_something(turn)]
    return f"{len(empty)} of its assistant messages say nothing." if empty else None


def roles_taken(example: Example, limits: Limits) -> str | None:
    if not isinstance(example, ChatExample):
        return None
    refused = {message.role for message in example.messages} - limits.roles
    return f"the role {sorted(refused)[0]!r} is not taken here; {', '.join(sorted(limits.roles))} are." if refused else None


def roles_in_order(example: Example, limits: Limits) -> str | None:
    if not isinstance(example, ChatExample):
        return None
    roles = [message.role for message in example.messages]
    start = next((place for place, role in enumerate(roles) if role not in ("system", "developer")), len(roles))
    late = next((place for place in range(start, len(roles)) if roles[place] in ("system", "developer")), None)
    if late is not None:
        return f"messages[{late}] is a {roles[late]} message in the middle of the conversation; many models know one at the start only."
    if roles[start:] and roles[start] != "user":
        return f"the conversation begins with {roles[start]!r}; most models expect the user to begin."
    return None


def calls_paired(example: Example, limits: Limits) -> str | None:
    waiting: set[str | None] = set()
    for place, message in enumerate(example.messages if isinstance(example, ChatExample) else ()):
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                return f"messages[{place}] is a tool's answer whose tool_call_id is missing or was not called just before."
            waiting.remove(message.tool_call_id)
            continue
        if waiting:
            return f"messages[{place}] comes while {len(waiting)} tool calls before it are not answered."
        waiting = {call.id for call in message.tool_calls}
        if len(waiting) < len(message.tool_calls) or None in waiting:
            return f"the tool_calls of messages[{place}] need an id each, all different."
    return None


def arguments_are_json(example: Example, limits: Limits) -> str | None:
    for place, message in enumerate(example.messages if isinstance(example, ChatExample) else ()):
        if not all(_is_object(call.arguments) for call in message.tool_calls):
            return f"messages[{place}]: the arguments of a tool call are not a JSON object."
    return None


def _assistant_turns(example: Example) -> list[Message]:
    return [message for message in example.messages if message.role == "assistant"] if isinstance(example, ChatExample) else []


def _says_something(message: Message) -> bool:
    media = isinstance(message.content, tuple) and any(not isinstance(part, TextPart) for part in message.content)
    return media or bool(message.text.strip())


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def rows_enough(tally: Tally, limits: Limits) -> Found:
    if 0 < tally.rows < limits.min_rows:
        yield None, f"there are {tally.rows} rows; at least {limits.min_rows} are needed."


def rows_not_too_many(tally: Tally, limits: Limits) -> Found:
    if limits.max_rows is not None and tally.rows > limits.max_rows:
        yield None, f"there are {tally.rows} rows; at most {limits.max_rows} are taken."


def rows_not_few(tally: Tally, limits: Limits) -> Found:
    if limits.min_rows <= tally.rows < FEW_ROWS:
        yield None, f"there are only {tally.rows} rows, too few to learn much from."


def rows_there(tally: Tally, limits: Limits) -> Found:
    if tally.rows == 0:
        yield None, "there are no rows." if tally.unreadable == 0 else f"none of the {tally.unreadable} rows can be read."


def file_not_too_big(tally: Tally, limits: Limits) -> Found:
    if limits.max_file_bytes is not None and (tally.size_bytes or 0) > limits.max_file_bytes:
        yield None, f"the file has {tally.size_bytes} bytes; at most {limits.max_file_bytes} are taken."


def not_repeated(tally: Tally, limits: Limits) -> Found:
    for line, first in tally.repeats():
        yield line, f"the row repeats line {first}."


def answers_differ(tally: Tally, limits: Limits) -> Found:
    if tally.rows > 1 and len(tally.answers) == 1:
        yield None, f"all {tally.rows} rows have the same answer."


def labels_balanced(tally: Tally, limits: Limits) -> Found:
    counts = tally.answers.values()
    labels = 1 < len(counts) <= tally.rows // 2 and label_like(len(counts), rows=tally.rows) and tally.longest_answer <= LABEL_CHARS
    if labels and max(counts) >= IMBALANCE * min(counts):
        yield None, f"of {len(counts)} different answers the commonest stands in {max(counts)} rows, the rarest in {min(counts)}."


RULES: tuple[Rule, ...] = (
    Rule("row-readable", "error", "Every row can be read in the file's format."),
    Rule("key-known", "warning", "Keys that Tuneport has no place for are not carried on.", "Remove the key, or accept its loss."),
    Rule("rows-there", "error", "There is at least one row.", whole=rows_there),
    Rule("rows-enough", "error", "There are as many rows as the provider asks for.", "Add rows.", whole=rows_enough),
    Rule("rows-not-few", "warning", f"Fewer than {FEW_ROWS} rows teach little.", "Add rows.", whole=rows_not_few),
    Rule("rows-not-too-many", "error", "There are no more rows than the provider takes.", "Leave rows out.", whole=rows_not_too_many),
    Rule("file-not-too-big", "error", "The file is no larger than the provider takes.", "Leave rows out.", whole=file_not_too_big),
    Rule("row-fits-method", "error", "The row is of the kind that the method learns from.", row=chat_only),
    Rule(
        "chat-ends-with-assistant",
        "error",
        "A conversation ends with the assistant's answer, which is what is learned.",
        "Add the answer, or remove the messages after the last one.",
        row=ends_with_assistant,
    ),
    Rule("chat-teaches", "error", "At least one assistant message has a weight other than 0.", "Set a weight to 1.", something_to_learn),
    Rule("answer-not-empty", "error", "An assistant message has text or calls a tool.", "Write it or remove the row.", answer_not_empty),
    Rule("role-taken", "error", "Only roles that the provider knows occur.", "Rename or remove the messages.", roles_taken),
    Rule("roles-in-order", "warning", "System messages stand first; then the user begins.", "Reorder the messages.", roles_in_order),
    Rule("tool-calls-paired", "error", "Each tool call has an id and is answered by one tool message.", "Correct the ids.", calls_paired),
    Rule("tool-arguments-json", "error", "The arguments of tool calls are JSON objects in a string.", "Correct them.", arguments_are_json),
    Rule("row-not-repeated", "warning", "No row repeats another (white space and case aside).", "Keep one.", whole=not_repeated),
    Rule("answers-differ", "warning", "Rows have different answers.", "Check that the right column was taken.", whole=answers_differ),
    Rule(
        "labels-balanced",
        "warning",
        f"Where answers are labels, none is {IMBALANCE} times as frequent as another.",
        "Add rows of the rare ones, or judge by macro F1.",
        whole=labels_balanced,
    ),
    Rule("test-apart", "warning", "No question of the test rows stands in the training rows.", "Remove it from one of the two."),
)
