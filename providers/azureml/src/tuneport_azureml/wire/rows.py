"""Rows as the service's tasks read them: messages of a conversation, a text with its label, a document with its summary, and a question
about a context with the place where its answer stands there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from tuneport.errors import DatasetError
from tuneport.examples import ChatExample, Example
from tuneport.formats.format import BadRow
from tuneport.formats.recast import as_chat
from tuneport.planned_data import Chunks

if TYPE_CHECKING:
    from tuneport.dataset import Dataset

FORMATS = {"chat_completion": "azureml", "text_classification": "classification"}
"""The core's format for the rows of a task."""
KEYS = {
    "text_classification": {"sentence1_key": "text", "label_key": "label"},
    "summarization": {"document_key": "document", "summary_key": "summary"},
    "question_answering": {
        "question_key": "question",
        "context_key": "context",
        "answers_key": "answers",
        "answer_start_key": "answer_start",
        "answer_text_key": "text",
    },
}
"""Which key of a row is what: hyperparameters of the pipelines (Azure/azureml-assets, read 2026-11-21 and 22), with the names that the rows
have in Azure/azureml-examples, question-answering (SQuAD)."""
_BLOCK_BYTES = 1 << 16
_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")


def writer(task: str) -> Callable[[Dataset], Chunks]:
    """What makes a dataset the bytes of a file. Raises DatasetError, when the bytes are asked for, for a row that has no such form."""
    if task in FORMATS:
        return lambda dataset: lambda: dataset.chunks(format=FORMATS[task])
    row = _ROWS[task]
    return lambda dataset: lambda: _written(dataset, row)


def summary_row(example: Example) -> dict[str, Any]:
    """A document and its summary. Raises BadRow for a row that is more than one question with its answer."""
    chat = as_chat(example, lambda _: None)
    if [turn.role for turn in chat.messages] != ["user", "assistant"]:
        raise BadRow("a row to summarize is one message of the user, the document, and one of the assistant, its summary.")
    document, summary = (turn.text for turn in chat.messages)
    return {"document": document, "summary": summary}


def question_row(example: Example) -> dict[str, Any]:
    """A question, its context, and where in it the answer begins, in characters. Raises BadRow where the answer stands there more than
    once, or not word for word; no sentence repeats the row."""
    context, question, answer = _asked(as_chat(example, lambda _: None))
    times = _times(answer, context)
    if times != 1:
        found = "does not stand in the context word for word" if not times else f"stands in the context {times} times"
        raise BadRow(f"the answer {found}; question answering learns the one place where it stands.")
    return {"question": question, "context": context, "answers": {"text": [answer], "answer_start": [context.index(answer)]}}


def _asked(chat: ChatExample) -> tuple[str, str, str]:
    """Context, question and answer: the context is the system's turn, or all paragraphs of the user's before its last one."""
    roles, texts = [turn.role for turn in chat.messages], [turn.text.strip() for turn in chat.messages]
    if roles == ["system", "user", "assistant"]:
        context, question, answer = texts
    elif roles == ["user", "assistant"]:
        (asked, answer), (context, question) = texts, ("", "")
        if len(paragraphs := _PARAGRAPHS.split(asked)) > 1:
            question = paragraphs[-1]
            context = asked[: -len(question)].rstrip()
    else:
        context = question = answer = ""
    if not (context and question and answer):
        raise BadRow(
            "a row of question answering is a context and a question, with the answer: a turn of the system and one of the user, or one of "
            "the user whose last paragraph, behind an empty line, is the question; and one of the assistant."
        )
    return context, question, answer


def _times(answer: str, context: str) -> int:
    """How often it stands there, also where two places overlap."""
    count, at = 0, context.find(answer)
    while at >= 0:
        count, at = count + 1, context.find(answer, at + 1)
    return count


_ROWS: dict[str, Callable[[Example], dict[str, Any]]] = {"summarization": summary_row, "question_answering": question_row}


def _written(dataset: Dataset, row: Callable[[Example], dict[str, Any]]) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    block = bytearray()
    for line, example in dataset.numbered():
        try:
            block += encode(row(example)) + b"\n"
        except BadRow as error:
            raise DatasetError(f"{dataset.name}:{line}: {error}", line=line) from None
        if len(block) >= _BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)
