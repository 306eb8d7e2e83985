"""Gemini's contents to canonical messages, with care: both spellings of keys, and a sentence for what is wrong.

Shape: Content, Part, FunctionCall and FunctionResponse of google.cloud.aiplatform_v1 (2.7.0, read 2026-11-21); an `id` that google-genai
(3.4.0) adds to calls and answers is kept. Clean rows go through gemini_decoding.py instead, with the same result.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from typing import Any

from tuneport.examples import ImagePart, MediaPart, Message, Part, TextPart, ToolCall
from tuneport.formats.calls import Waiting, our_id
from tuneport.formats.format import BadRow, Lose
from tuneport.formats.gemini_answers import answer_text
from tuneport.formats.json_values import json_text, kind_of


def messages_of(instruction: Any, contents: Any, lose: Lose) -> tuple[Message, ...]:
    """The messages. Calls get ids of ours, `call_1` and so on, so that other formats can pair them. Raises BadRow."""
    if not isinstance(contents, list) or not contents:
        raise BadRow(f"contents: expected a list of turns, got {kind_of(contents)}." if contents != [] else "contents: must not be empty.")
    messages = [] if instruction is None else [_system(instruction, lose)]
    reader = _Turns(lose)
    for place, content in enumerate(contents):
        messages += reader.turn(content, f"contents[{place}]")
    return tuple(messages)


def _system(instruction: Any, lose: Lose) -> Message:
    if isinstance(instruction, str):
        return Message("system", instruction)
    parts = _list_of_parts(instruction, "systemInstruction")
    _lose_keys(instruction, frozenset({"role", "parts"}), "content", lose)
    return Message("system", content_of([_part(part, f"systemInstruction.parts[{place}]", lose) for place, part in enumerate(parts)]))


def _lose_keys(value: Mapping[str, Any], known: frozenset[str], what: str, lose: Lose) -> None:
    for key in sorted(value.keys() - known):
        if value[key] not in (None, {}, [], False, ""):
            lose(f"{what}.{key}")


class _Turns:
    """Numbers the calls of one row and remembers those that are not answered yet."""

    def __init__(self, lose: Lose) -> None:
        self._lose = lose
        self._calls = 0
        self._waiting = Waiting()

    def turn(self, content: Any, place: str) -> list[Message]:
        """One content as one message, or as one for each answer of a tool and one for the rest."""
        raw = [_camel(part) for part in _list_of_parts(content, place)]
        _lose_keys(content, frozenset({"role", "parts"}), "content", self._lose)
        role = content.get("role", "user")
        if role == "model":
            return [self._model(raw, place)]
        if role not in ("user", "function", "tool"):
            raise BadRow(f"{place}.role: the role must be user or model.")
        answers = [
            self._answer(part["functionResponse"], f"{place}.parts[{at}]") for at, part in enumerate(raw) if "functionResponse" in part
        ]
        rest = [_part(part, f"{place}.parts[{at}]", self._lose) for at, part in enumerate(raw) if "functionResponse" not in part]
        return answers + ([Message("user", content_of(rest))] if rest or not answers else [])

    def _model(self, parts: list[Mapping[str, Any]], place: str) -> Message:
        said: list[Part | None] = []
        calls: list[ToolCall] = []
        for at, part in enumerate(parts):
            if "functionCall" in part:
                calls.append(self._call(part["functionCall"], f"{place}.parts[{at}]"))
            else:
                if calls:
                    self._lose("part.order")
                said.append(_part(part, f"{place}.parts[{at}]", self._lose))
        if calls:
            self._waiting.called(calls)
        return Message("assistant", content_of(said) if said or not calls else None, tuple(calls))

    def _call(self, call: Any, place: str) -> ToolCall:
        if not isinstance(call, dict) or not isinstance(call.get("name"), str) or not isinstance(call.get("args") or {}, dict):
            raise BadRow(f"{place}.functionCall: needs a name and an object of args.")
        _lose_keys(call, frozenset({"name", "args", "id"}), "functionCall", self._lose)
        self._calls += 1
        given = call.get("id")
        call_id = given if isinstance(given, str) and given else our_id(self._calls)
        return ToolCall(call["name"], json_text(call.get("args") or {}), call_id)

    def _answer(self, answer: Any, place: str) -> Message:
        if not isinstance(answer, dict) or not isinstance(answer.get("name"), str) or not isinstance(answer.get("response") or {}, dict):
            raise BadRow(f"{place}.functionResponse: needs a name and an object of response.")
        _lose_keys(answer, frozenset({"name", "response", "id"}), "functionResponse", self._lose)
        given = answer.get("id")
        call = (self._waiting.answered(given) if isinstance(given, str) and given else None) or self._waiting.named(answer["name"])
        text = answer_text(answer.get("response") or {})
        return Message("tool", text, (), None, answer["name"]) if call is None else Message("tool", text, (), call.id)


_CAMEL = {"function_call": "functionCall", "function_response": "functionResponse", "inline_data": "inlineData", "file_data": "fileData"}


def _camel(part: Any) -> Mapping[str, Any]:
    """Both spellings of proto JSON are in use."""
    if not isinstance(part, dict):
        raise BadRow(f"a part is an object, this one is {kind_of(part)}.")
    return {_CAMEL.get(str(key), str(key)): value for key, value in part.items() if value is not None}


def _list_of_parts(content: Any, place: str) -> list[Any]:
    if not isinstance(content, dict):
        raise BadRow(f"{place}: expected an object, got {kind_of(content)}.")
    parts = content.get("parts")
    if not isinstance(parts, list) or not parts:
        raise BadRow(
            f"{place}.parts: expected a list of parts, got {kind_of(parts)}." if parts != [] else f"{place}.parts: must not be empty."
        )
    return parts


_CARRIED = ("text", "inlineData", "fileData")


def _part(part: Any, place: str, lose: Lose) -> Part | None:
    """None for a part that Tuneport does not carry, a thought of the model's among them; its loss is told."""
    part = _camel(part)
    if part.get("thought"):
        lose("part.thought")
        return None
    known = next((key for key in _CARRIED if part.get(key) is not None), "")
    _lose_keys(part, frozenset({known}), "part", lose)
    if not known:
        if not part:
            raise BadRow(f"{place}: the part is empty.")
        return None
    value = part[known]
    if known == "text":
        if not isinstance(value, str):
            raise BadRow(f"{place}.text: expected a string, got {kind_of(value)}.")
        return TextPart(value)
    return _read_media(value, f"{place}.{known}", inline=known == "inlineData", lose=lose)


_MEDIA_KEYS = frozenset({"mimeType", "mime_type", "data", "fileUri", "file_uri"})


def _read_media(value: Any, place: str, *, inline: bool, lose: Lose) -> Part:
    at = value if isinstance(value, dict) else {}
    _lose_keys(at, _MEDIA_KEYS, "part", lose)
    mime_type = at.get("mimeType", at.get("mime_type"))
    address = at.get("data") if inline else at.get("fileUri", at.get("file_uri"))
    if not isinstance(mime_type, str) or not isinstance(address, str) or not mime_type:
        raise BadRow(f"{place}: needs a mimeType and {'data' if inline else 'a fileUri'}.")
    return inline_part(mime_type, address) if inline else file_part(mime_type, address)


def inline_part(mime_type: str, data: str) -> Part:
    """Base64 data as a data: address."""
    url = f"data:{mime_type};base64,{data}"
    return ImagePart(url) if mime_type.startswith("image/") else MediaPart(url, mime_type)


def file_part(mime_type: str, url: str) -> Part:
    """An image's type is kept where its address does not tell it."""
    if not mime_type.startswith("image/"):
        return MediaPart(url, mime_type)
    return ImagePart(url, None, None if mimetypes.guess_type(url.partition("?")[0])[0] == mime_type else mime_type)


def content_of(parts: Sequence[Part | None]) -> str | tuple[Part, ...]:
    """One text bare, anything else as parts."""
    kept = tuple(part for part in parts if part is not None)
    if len(kept) == 1 and isinstance(kept[0], TextPart):
        return kept[0].text
    return kept or ""
