"""What a single training row has to be, for each method: read into the vendor's own types, like a request."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.genai import types

from tuneport.testing.emulator import Refusal
from tuneport_vertex.emulator.bases import PREFERENCE, REINFORCEMENT
from tuneport_vertex.emulator.content_requests import read_content_request
from tuneport_vertex.emulator.memory import Learned, question_of, text_of
from tuneport_vertex.emulator.reading import typed
from tuneport_vertex.emulator.tuning_requests import TuningRequest
from tuneport_vertex.emulator.world import World

IMAGE_TOKENS, OTHER_MEDIA_TOKENS = 258, 1290
MODEL_ROLES = ("user", "model", "function", "tool")
CHAT_ROLES = ("system", "user", "assistant", "tool", "developer")
SFT_KEYS = frozenset({"systemInstruction", "contents", "tools", "toolConfig", "generationConfig", "safetySettings", "labels"})


class BadRow(ValueError):
    """The row is no example: the whole file is wrong."""


class UnfitRow(ValueError):
    """The row is an example that cannot be trained on: it is dropped."""


@dataclass(frozen=True, slots=True)
class Row:
    """What counts of an example. `turns` are its contents; `sample` is what the statistics show of it."""

    learned: Learned
    characters: int
    input_tokens: int
    output_tokens: int
    turns: int
    sample: dict[str, Any] | None = None
    scores: list[float] = field(default_factory=list)


def read_row(value: object, request: TuningRequest, world: World) -> Row:
    """Raises BadRow and UnfitRow."""
    if not isinstance(value, dict):
        raise BadRow("the line is not a JSON object.")
    if request.base.is_open:
        row = _open(value)
    elif request.method == PREFERENCE:
        row = _preference(value)
    elif request.method == REINFORCEMENT:
        row = _reinforcement(value)
    else:
        row = _supervised(value)
    most = request.base.tokens_per_example
    if row.input_tokens + row.output_tokens > most:
        raise UnfitRow(f"The example has {row.input_tokens + row.output_tokens} tokens, more than the maximum of {most}.")
    if row.sample is not None:
        _check_media(value, world)
    return row


def _supervised(value: Mapping[str, Any]) -> Row:
    example = _example(value, SFT_KEYS)
    contents = example["contents"]
    if contents[-1]["role"] != "model":
        raise BadRow(f"the last content is from {contents[-1]['role']!r}; it must be from 'model'.")
    if contents[0]["role"] != "user":
        raise BadRow("the first content must be from 'user'.")
    reply = contents[-1]
    if not any(part.get("text") or "functionCall" in part for part in reply["parts"]):
        raise UnfitRow("The output of the example is empty.")
    return _row(example, contents[:-1], reply["parts"])


def _preference(value: Mapping[str, Any]) -> Row:
    completions = value.get("completions")
    if not isinstance(completions, list) or len(completions) != 2:
        raise BadRow("an example must have exactly two completions.")
    example = _example({key: inner for key, inner in value.items() if key != "completions"}, SFT_KEYS)
    if example["contents"][-1]["role"] != "user":
        raise BadRow("the last content must be from 'user'.")
    scored = [_scored(one) for one in completions]
    if scored[0][0] == scored[1][0]:
        raise BadRow("the scores of the two completions must differ.")
    best = max(scored, key=lambda one: one[0])
    row = _row(example, example["contents"], best[1])
    other = sum(_tokens(parts) for _, parts in scored)
    return Row(row.learned, row.characters, 2 * row.input_tokens, other, row.turns, row.sample, [score for score, _ in scored])


def _scored(value: object) -> tuple[float, list[dict[str, Any]]]:
    if not isinstance(value, dict) or set(value) != {"score", "completion"} or type(value["score"]) not in (int, float):
        raise BadRow("a completion has a 'score' and a 'completion'.")
    content = _contents([value["completion"]])[0]
    if content["role"] != "model":
        raise BadRow("a completion must be from 'model'.")
    return float(value["score"]), content["parts"]


def _reinforcement(value: Mapping[str, Any]) -> Row:
    problems: list[tuple[str, str]] = []
    typed(value, types.ReinforcementTuningExample, path="example", problems=problems)
    if problems:
        raise BadRow(problems[0][1])
    references = value.get("references") or {}
    example = _example({key: inner for key, inner in value.items() if key != "references"}, SFT_KEYS)
    if example["contents"][-1]["role"] != "user":
        raise BadRow("the last content must be from 'user'.")
    first = next(iter(references.values()), "")
    reply = [{"text": first if isinstance(first, str) else json.dumps(first)}]
    row = _row(example, example["contents"], reply)
    return Row(row.learned, row.characters, row.input_tokens, 0, row.turns, row.sample)


def _open(value: Mapping[str, Any]) -> Row:
    """Rows of open models: chat messages, or a prompt and its completion."""
    if set(value) == {"prompt", "completion"}:
        prompt, completion = value["prompt"], value["completion"]
        if not isinstance(prompt, str) or not isinstance(completion, str):
            raise BadRow("'prompt' and 'completion' must be strings.")
        messages: Sequence[Any] = [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
    else:
        messages = value.get("messages") or []
    if set(value) - {"messages", "prompt", "completion", "tools"} or not isinstance(messages, list) or not messages:
        raise BadRow("an example has 'messages', or 'prompt' and 'completion'.")
    contents = [_message(one) for one in messages]
    if messages[-1]["role"] != "assistant":
        raise BadRow("the last message must be from 'assistant'.")
    if not text_of(contents[-1]["parts"]) and not messages[-1].get("tool_calls"):
        raise UnfitRow("The output of the example is empty.")
    return _row({"contents": contents}, contents[:-1], contents[-1]["parts"], sampled=False)


def _message(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("role") not in CHAT_ROLES:
        raise BadRow(f"a message has a 'role', one of {', '.join(CHAT_ROLES)}.")
    if set(value) - {"role", "content", "name", "tool_calls", "tool_call_id"}:
        raise BadRow(f"a message has an unknown key: {sorted(set(value) - {'role', 'content'})[0]!r}.")
    content = value.get("content") or ""
    parts = [{"text": content}] if isinstance(content, str) else [dict(part) for part in content if isinstance(part, dict)]
    if value.get("tool_calls"):
        parts = [*[part for part in parts if part.get("text")], {"toolCalls": value["tool_calls"]}]
    return {"role": "model" if value["role"] == "assistant" else value["role"], "parts": parts}


def _example(value: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    """The row as a request for content has it. Raises BadRow."""
    contents = value.get("contents")
    if not isinstance(contents, list) or not contents:
        raise BadRow("'contents' is missing or empty.")
    if _only_text(value):
        return {**value, "contents": _contents(contents)}
    try:
        example = read_content_request(dict(value), root="example")
    except Refusal as refusal:
        error = refusal.answer.value
        assert isinstance(error, dict)
        raise BadRow(error["error"]["message"]) from None
    for name in example:
        if name not in keys:
            raise BadRow(f"'{name}' does not belong into an example.")
    example["contents"] = _contents(contents)
    return example


def _only_text(value: Mapping[str, Any]) -> bool:
    """Whether the row is of the plainest kind, which needs no reading into types: most rows are, and there may be many."""
    said = [*value["contents"], *([value["systemInstruction"]] if "systemInstruction" in value else [])]
    return set(value) <= {"contents", "systemInstruction"} and all(
        isinstance(one, dict)
        and set(one) == {"role", "parts"}
        and isinstance(one["parts"], list)
        and all(isinstance(part, dict) and set(part) == {"text"} and isinstance(part["text"], str) for part in one["parts"])
        for one in said
    )


def _contents(values: Sequence[Any]) -> list[dict[str, Any]]:
    result = []
    for value in values:
        role = value.get("role") if isinstance(value, dict) else None
        if role not in MODEL_ROLES:
            raise BadRow(f"the role {role!r} is not one of {', '.join(MODEL_ROLES)}.")
        parts = value.get("parts")
        if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) and part for part in parts):
            raise BadRow("a content has no parts.")
        result.append({"role": role, "parts": [_named(part) for part in parts]})
    return result


def _named(part: Mapping[str, Any]) -> dict[str, Any]:
    spelled = {"file_data": "fileData", "function_call": "functionCall", "function_response": "functionResponse"}
    return {spelled.get(key, key): value for key, value in part.items()}


def _row(
    example: Mapping[str, Any], asked: Sequence[Mapping[str, Any]], reply: Sequence[Mapping[str, Any]], *, sampled: bool = True
) -> Row:
    instruction = (example.get("systemInstruction") or {}).get("parts") or []
    said = [part for content in asked for part in content["parts"]]
    tools = len(json.dumps(example["tools"])) // 4 if example.get("tools") else 0
    learned = Learned(question_of(asked), tuple(reply))
    characters = len(text_of(instruction)) + len(text_of(said)) + len(text_of(reply))
    sample = {"role": "user", "parts": [{"text": question_of(asked)}]} if sampled else None
    return Row(learned, characters, _tokens(instruction) + _tokens(said) + tools, _tokens(reply), len(asked) + 1, sample)


def _tokens(parts: Sequence[Mapping[str, Any]]) -> int:
    """About four characters to a token; media count as much as the documentation says for one image, or a minute of sound."""
    return sum(_part_tokens(part) for part in parts)


def _part_tokens(part: Mapping[str, Any]) -> int:
    media = part.get("fileData") or part.get("inlineData")
    if media:
        kind = str(media.get("mimeType") or media.get("mime_type") or "")
        return IMAGE_TOKENS if kind.startswith("image/") else OTHER_MEDIA_TOKENS
    text = part.get("text")
    return math.ceil(len(text if isinstance(text, str) else json.dumps(part)) / 4)


def _check_media(value: Mapping[str, Any], world: World) -> None:
    """Files have to be in a bucket, and there."""
    for content in value.get("contents") or []:
        for part in content.get("parts") or []:
            file = part.get("fileData") or part.get("file_data")
            if file is None:
                continue
            uri = str(file.get("fileUri") or file.get("file_uri") or "")
            bucket, _, name = uri.removeprefix("gs://").partition("/")
            found = world.buckets.get(bucket)
            if not uri.startswith("gs://") or found is None or name not in found.objects:
                raise UnfitRow(f"The file {uri or '(no address)'} of the example cannot be read.")
