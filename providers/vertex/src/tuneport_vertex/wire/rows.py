"""Rows as the service reads them: Gemini's turns, OpenAI's messages for open models, prompts with references for reinforcement.

Reinforcement: `{"systemInstruction", "contents", "tools", "references": {name: text}}`, the shape of ReinforcementTuningExample of
google-genai 2.34 and of docs.cloud.google.com, reinforcement tuning, tuning dataset (2026-11-21). References are text: a key of a row that
is none goes as JSON, and all of them once more together under `tuneport_item`, so that a Python grader sees them as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from tuneport.errors import DatasetError
from tuneport.examples import Example, Message, PromptExample
from tuneport.formats.format import BadRow
from tuneport.formats.gemini_contents import contents_of
from tuneport.formats.gemini_tools import from_tools
from tuneport.formats.recast import as_chat, as_prompt
from tuneport.planned_data import Chunks

if TYPE_CHECKING:
    from tuneport.dataset import Dataset

GEMINI = {"sft": "gemini", "dpo": "gemini-preference"}
OPEN = {"sft": "chat"}
ITEM = "tuneport_item"
"""The reference that holds all of a row's keys as JSON."""
_BLOCK_BYTES = 1 << 16


def format_of(method: str, *, gemini: bool) -> str | None:
    """The core's format for the rows of a method; None for the rows that only Vertex AI has."""
    return (GEMINI if gemini else OPEN).get(method)


def writer(method: str, *, gemini: bool, distilled: bool = False) -> Callable[[Dataset], Chunks]:
    """What makes a dataset the bytes of a file. Raises DatasetError, when the bytes are asked for, for a row that has no such form."""
    if distilled:
        return lambda dataset: lambda: _written(dataset, _question_row)
    named = format_of(method, gemini=gemini)
    if named is None:
        return lambda dataset: lambda: _written(dataset, prompt_row)
    return lambda dataset: lambda: dataset.chunks(format=named)


def prompt_row(example: Example) -> dict[str, Any]:
    """A prompt and what its grader may look at. Raises BadRow for a row that does not end with the user."""
    prompt = as_prompt(example, _unheard)
    return _asked(prompt.messages, prompt) | _references(prompt)


def _question_row(example: Example) -> dict[str, Any]:
    """A conversation without its last answer, which a teacher is to give."""
    if isinstance(example, PromptExample):
        return _asked(example.messages, example)
    chat = as_chat(example, _unheard)
    messages = chat.messages[:-1] if chat.messages and chat.messages[-1].role == "assistant" else chat.messages
    return _asked(messages, chat)


def _asked(messages: tuple[Message, ...], example: Any) -> dict[str, Any]:
    if not messages or messages[-1].role not in ("user", "tool"):
        raise BadRow("the last message is not the user's, and a prompt ends with it.")
    instruction, contents = contents_of(messages, _unheard)
    row: dict[str, Any] = {} if instruction is None else {"systemInstruction": instruction}
    row["contents"] = contents
    if example.tools:
        row["tools"] = from_tools(example.tools, _unheard)
    return row


def _references(prompt: PromptExample) -> dict[str, Any]:
    item = dict(prompt.extra) | ({} if prompt.reference is None else {"reference": prompt.reference})
    if not item:
        return {}
    texts = {str(key): value if isinstance(value, str) else _json(value) for key, value in item.items()}
    return {"references": texts | ({} if all(isinstance(value, str) for value in item.values()) else {ITEM: _json(item)})}


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


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _unheard(_: str) -> None:
    """What a row loses is told by the checks."""
