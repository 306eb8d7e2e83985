"""What the right answer to a row is, whether such answers are labels, and how a row is put to a model under another prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tuneport.errors import DatasetError
from tuneport.examples import ChatExample, Example, LabelledExample, Message, Part, PreferenceExample, PromptExample, TextPart
from tuneport.formats.recast import number_text
from tuneport.labels import label_like

MAX_LABELS = 1000
"""More distinct answers than this are not looked at as labels: resampling their counts would take minutes, and no prompt lists them."""


def reference(example: Example) -> str | None:
    """The answer the row calls right, a score as its text; None when it has none (a conversation that ends with the user, a tool call)."""
    if isinstance(example, PromptExample):
        return example.reference or None
    if isinstance(example, LabelledExample):
        return example.label or (None if example.score is None else number_text(example.score))
    last = (example.chosen if isinstance(example, PreferenceExample) else example.messages)[-1:]
    return (last[0].text or None) if last and last[0].role == "assistant" else None


def references(rows: Iterable[Example]) -> tuple[str, ...]:
    """The references of all rows. Raises DatasetError naming the first row that has none."""
    return tuple(_known(reference(row), number) for number, row in enumerate(rows, start=1))


def _known(answer: str | None, number: int) -> str:
    if answer is None:
        raise DatasetError(
            f"row {number} has no reference answer to compare with.",
            remedy="A row to evaluate on ends with the assistant's text, or has a `reference`, a `label` or a `score`.",
        )
    return answer


def is_label_like(answers: Sequence[str]) -> bool:
    """Whether the answers are labels: each looks like one, and there are few distinct ones, each seen twice on average."""
    distinct = set(answers)
    few = 2 <= len(distinct) <= min(MAX_LABELS, len(answers) // 2)
    return few and all(map(label_like, distinct))


def labels_prompt(rows: Iterable[Example]) -> str:
    """An instruction that lists the labels found in the training rows: what an untuned base has to be told to be compared fairly.

    Raises DatasetError when the answers do not look like labels.
    """
    answers = references(rows)
    if not is_label_like(answers):
        raise DatasetError(
            f"the {len(answers)} answers do not look like labels ({len(set(answers))} distinct), so they cannot be listed in a prompt.",
            remedy="Compare with a prompt of your own instead.",
        )
    listed = "\n".join(f"- {label}" for label in sorted({" ".join(answer.split()) for answer in answers}))
    return f"Classify the message. Answer with exactly one of these labels, spelled as it is here, and nothing else:\n{listed}"


def as_chat(example: Example, *, system: str | None = None) -> ChatExample:
    """The row as a conversation that ends with its reference, `system` in front of it and of any system turn that is there already."""
    chat = _conversation(example)
    return msgspec.structs.replace(chat, messages=_instructed(chat.messages, system)) if system else chat


def with_worse_answer(pair: PreferenceExample) -> PreferenceExample:
    """The pair, asked for its worse answer."""
    return msgspec.structs.replace(pair, chosen=pair.rejected)


def _conversation(example: Example) -> ChatExample:
    if isinstance(example, ChatExample):
        return example
    if isinstance(example, LabelledExample):
        return ChatExample((Message("user", example.text or ""), Message("assistant", reference(example) or "")))
    if isinstance(example, PreferenceExample):
        return ChatExample(example.prompt + example.chosen, tools=example.tools, parallel_tool_calls=example.parallel_tool_calls)
    return ChatExample((*example.messages, Message("assistant", example.reference or "")), tools=example.tools)


def _instructed(messages: tuple[Message, ...], system: str) -> tuple[Message, ...]:
    first = messages[0] if messages else None
    if first is None or first.role not in ("system", "developer"):
        return (Message("system", system), *messages)
    if isinstance(first.content, tuple):
        content: str | tuple[Part, ...] = (TextPart(f"{system}\n\n"), *first.content)
    else:
        content = f"{system}\n\n{first.content or ''}".rstrip()
    return (msgspec.structs.replace(first, content=content), *messages[1:])
