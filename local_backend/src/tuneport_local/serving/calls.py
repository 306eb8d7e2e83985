"""Where in an answer's text the model thinks, talks, and calls tools. How it writes a call is what its chat template writes for one.

Three places say so, the first that does counts: a response template that came with the tokenizer; a call of our own put through the chat
template; what transformers knows of the model's kind. The splitting itself is the response parser of transformers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

from tuneport_local.serving.wire import Call, new_call_id

_NAME = "tuneport_probe"
_ARGUMENTS = {"place": "Tuneport"}
_TOOL = {
    "type": "function",
    "function": {
        "name": _NAME,
        "description": "Looks.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}
_OPENING = "TUNEPORTxASKED"


@dataclass(frozen=True, slots=True)
class Speech:
    """How one model's answers are written.

    `template` is a response template of transformers, None for text that is words alone; `tools`: whether tools can be shown to the model
    and its calls be read; `json_marks`: what stands around a call that is one JSON object.
    """

    template: Mapping[str, Any] | None = None
    tools: bool = False
    json_marks: tuple[str, str] | None = None

    @property
    def marks(self) -> str:
        """The template as text, to look for control tokens in that it needs to see."""
        return json.dumps(self.template or {}, ensure_ascii=False).replace("\\", "")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of an answer: words, or thoughts before them."""

    kind: Literal["content", "thoughts"]
    text: str


def speech_of(tokenizer: Any, model_type: str, *, ends: tuple[str, ...]) -> Speech:
    """How the model with this tokenizer writes. `ends`: the texts of the tokens that end its turn."""
    shown = _shows_tools(tokenizer)
    own = getattr(tokenizer, "response_template", None)
    if own is not None:
        return Speech(own, tools=shown and "tool_calls" in own.get("fields", {}))
    probed = _probed(tokenizer, ends=ends) if shown else None
    known = _known(model_type)
    if probed is None:
        return Speech(known, tools=shown and known is not None and "tool_calls" in known["fields"])
    field, marks = probed
    fields = {name: value for name, value in (known or {}).get("fields", {}).items() if name not in ("tool_calls", "content")}
    return Speech(
        {
            "defaults": {"role": "assistant"},
            "start_anchor": (known or {}).get("start_anchor", _OPENING),
            "fields": {**fields, "tool_calls": field, "content": {"content": "text"}},
        },
        tools=True,
        json_marks=marks,
    )


class Reader:
    """Splits one answer as it comes. A call that cannot be read is given as the words that it is made of."""

    def __init__(self, speech: Speech, *, prompt: str, tools: list[dict[str, Any]]) -> None:
        template = _without_calls(speech.template) if speech.template is not None and not tools else speech.template
        self._parser = _parser(template, prompt=prompt, tools=tools) if template is not None else None
        self._unread = ""
        self._body = ""

    def feed(self, text: str) -> Iterator[Piece | Call]:
        """What is certain with this text."""
        if self._parser is None:
            yield from [Piece("content", text)] if text else []
            return
        self._unread += text
        yield from self._told(lambda parser: parser.feed(text))

    def end(self) -> Iterator[Piece | Call]:
        """What is left at the end of the answer."""
        if self._parser is not None:
            yield from self._told(lambda parser: parser.finalize()[1])

    def _told(self, ask: Callable[[Any], list[dict[str, Any]]]) -> Iterator[Piece | Call]:
        try:
            events = ask(self._parser)
        except (ValueError, KeyError, TypeError, RuntimeError):  # the parser's, of a call that is not what its template says
            self._parser = None
            yield from [Piece("content", self._unread)] if self._unread else []
            return
        for event in events:
            yield from self._event(event)

    def _event(self, event: dict[str, Any]) -> Iterator[Piece | Call]:
        called, kind, text = event["field"] == "tool_calls", event["type"], event.get("text") or ""
        if kind == "region_chunk" and called:
            self._body += text
        elif kind == "region_chunk" and text:
            self._read(text)
            yield Piece("content" if event["field"] == "content" else "thoughts", text)
        elif kind == "region_close" and called:
            self._read(self._body)
            self._body = ""
            yield from _calls(event["value"])

    def _read(self, text: str) -> None:
        """What is told need not be told again should the parser give up."""
        self._unread = self._unread[max(self._unread.find(text), 0) + len(text) :]


def _calls(value: Any) -> Iterator[Piece | Call]:
    """The call, or the calls, that a region held; a text is what could not be read."""
    for each in value if isinstance(value, list) else [value]:
        function = each.get("function") if isinstance(each, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if isinstance(function, dict) and isinstance(name, str) and name:
            given = function.get("arguments", function.get("parameters", {}))
            yield Call(new_call_id(), name, given if isinstance(given, str) else json.dumps(given, ensure_ascii=False))
        else:
            said = function if function is not None else each
            yield Piece("content", said if isinstance(said, str) else json.dumps(said, ensure_ascii=False))


def _parser(template: Mapping[str, Any], *, prompt: str, tools: list[dict[str, Any]]) -> Any:
    from transformers.utils.chat_parsing import ResponseParser

    anchored = template.get("start_anchor") != _OPENING
    return ResponseParser(dict(template), prefix=prompt if anchored else "", tools=tools)


def _without_calls(template: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """For a request without tools: what looks like a call is words then. None where nothing but words is left."""
    fields = {name: field for name, field in template["fields"].items() if name != "tool_calls"}
    return {**template, "fields": fields} if set(fields) - {"content"} else None


# --- how a chat template writes a call -------------------------------------------------------------------------------------------------


def _rendered(tokenizer: Any, messages: list[dict[str, Any]], *, prompt: bool = False, tools: bool = True) -> str | None:
    try:
        offered = [_TOOL] if tools else None
        return str(tokenizer.apply_chat_template(messages, tools=offered, tokenize=False, add_generation_prompt=prompt))
    except Exception:  # a template may refuse in any way it likes
        return None


def _shows_tools(tokenizer: Any) -> bool:
    asked = [{"role": "user", "content": "?"}]
    return bool(tokenizer.chat_template) and _NAME in (_rendered(tokenizer, asked, prompt=True) or "")


def _probed(tokenizer: Any, *, ends: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, str] | None] | None:
    """The response template's field for calls, and the marks around one in JSON; None where a call is not to be recognised."""
    asked = [{"role": "user", "content": "?"}]
    call = {"type": "function", "id": "call00001", "function": {"name": _NAME, "arguments": _ARGUMENTS}}
    before = _rendered(tokenizer, asked, prompt=True)
    whole = _rendered(tokenizer, [*asked, {"role": "assistant", "content": "", "tool_calls": [call]}])
    if before is None or whole is None or not whole.startswith(before):
        return None
    written = whole[len(before) :]
    written = written[: min((place for end in ends if (place := written.find(end)) >= 0), default=len(written))]
    return _in_one(written) or _name_first(written)


def _in_one(written: str) -> tuple[dict[str, Any], tuple[str, str] | None] | None:
    """`<tool_call>{"name": …, "arguments": {…}}</tool_call>`: the name and the arguments in one JSON object between marks."""
    for start in [place.start() for place in re.finditer(r"\{", written)]:
        try:
            value, length = json.JSONDecoder().raw_decode(written[start:])
        except ValueError:
            continue
        keys = {key for key in value if value[key] == _ARGUMENTS}
        if value.get("name") == _NAME and keys & {"arguments", "parameters"}:
            marks = written[:start].strip(), written[start + length :].strip()
            function = {"name": "{content.name}", "arguments": f"{{content.{min(keys & {'arguments', 'parameters'})}}}"}
            return (_field(re.escape(marks[0]), marks[1], function), marks) if all(marks) else None
    return None


def _name_first(written: str) -> tuple[dict[str, Any], tuple[str, str] | None] | None:
    """`<tool_call>name {…}</tool_call>`: the name before a JSON object of the arguments."""
    start, place = written.find("{"), written.find(_NAME)
    try:
        value, length = json.JSONDecoder().raw_decode(written[start:])
    except ValueError:
        return None
    if not 0 <= place < start or value != _ARGUMENTS:
        return None
    opened, between, closed = written[:place].strip(), written[place + len(_NAME) : start].strip(), written[start + length :].strip()
    pattern = rf"{re.escape(opened)}\s*(?P<name>[\w.\-]+)\s*{re.escape(between)}\s*(?=\{{)"
    return (_field(pattern, closed, {"name": "{name}", "arguments": "{content}"}), None) if opened and closed else None


def _field(opened: str, closed: str, function: dict[str, str]) -> dict[str, Any]:
    shape = {"type": "function", "function": function}
    return {"open_pattern": rf"\s*{opened}", "close": closed, "repeats": True, "content": "json", "transform": shape}


def _known(model_type: str) -> dict[str, Any] | None:
    """The response template that transformers keeps for this kind of model."""
    try:
        from transformers.cli.serving.utils import get_response_template
    except ImportError:  # it lies beside transformers' own server, where another version may not have it
        return None
    found: dict[str, Any] | None = get_response_template(object(), SimpleNamespace(config=SimpleNamespace(model_type=model_type)))
    return found
