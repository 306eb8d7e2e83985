"""Rows as the service's tasks read them: messages of a conversation, a text with its label, a document with its summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from tuneport.errors import DatasetError
from tuneport.examples import Example
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
}
"""Which key of a row is what: hyperparameters of the pipelines (Azure/azureml-assets, read 2026-11-21)."""
_BLOCK_BYTES = 1 << 16


def writer(task: str) -> Callable[[Dataset], Chunks]:
    """What makes a dataset the bytes of a file. Raises DatasetError, when the bytes are asked for, for a row that has no such form."""
    if task in FORMATS:
        return lambda dataset: lambda: dataset.chunks(format=FORMATS[task])
    return lambda dataset: lambda: _written(dataset)


def summary_row(example: Example) -> dict[str, Any]:
    """A document and its summary. Raises BadRow for a row that is more than one question with its answer."""
    chat = as_chat(example, lambda _: None)
    if [turn.role for turn in chat.messages] != ["user", "assistant"]:
        raise BadRow("a row to summarize is one message of the user, the document, and one of the assistant, its summary.")
    document, summary = (turn.text for turn in chat.messages)
    return {"document": document, "summary": summary}


def _written(dataset: Dataset) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    block = bytearray()
    for line, example in dataset.numbered():
        try:
            block += encode(summary_row(example)) + b"\n"
        except BadRow as error:
            raise DatasetError(f"{dataset.name}:{line}: {error}", line=line) from None
        if len(block) >= _BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)
