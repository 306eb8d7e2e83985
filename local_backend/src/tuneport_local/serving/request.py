"""A chat completion as clients ask for it, checked before anything is computed. What cannot be done is refused, not passed over.

Form: https://platform.openai.com/docs/api-reference/chat/create as openai 3.52.0 types it, read on 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from tuneport.examples import Message, Tool
from tuneport.formats.chat import read_conversation
from tuneport.formats.format import BadRow
from tuneport.formats.json_values import convert, json_object
from tuneport.provider import Generation

_SEEDS = 1 << 40
_STOP_CHARACTERS = 500
"""Of one stop string: after every token all its beginnings are looked for, by the one thread that answers everybody."""
_COLDEST = 1e-4
"""Below this temperature the likeliest token is always drawn, and divided by much less no number is one any more."""


class Refusal(Exception):
    """What a client is told in place of an answer. `code` is OpenAI's word for it where there is one."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request. `max_tokens` None leaves the length to what the model can see; `one_call`: not more than one tool call."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    one_call: bool
    stream: bool
    usage_in_stream: bool
    max_tokens: int | None
    generation: Generation


_Count = Annotated[int, msgspec.Meta(ge=1)]


class _StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class _Format(msgspec.Struct, frozen=True):
    type: str


class _Settings(msgspec.Struct, frozen=True):
    """All of a request but its conversation. Sampling that is left out is OpenAI's: temperature 1, top_p 1."""

    model: str
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], msgspec.Meta(max_length=16)] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    response_format: _Format | None = None
    modalities: list[str] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None


_CONVERSATION = frozenset({"messages", "tools", "functions"})
_WITHOUT_EFFECT = frozenset(
    {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "verbosity"}
)
"""What says nothing of the answer here, so that leaving it aside changes none."""
_SETTINGS = frozenset(_Settings.__struct_fields__)


def read_request(body: bytes) -> ChatRequest:
    """The request in `body`. Raises Refusal."""
    try:
        row = json_object(body)
    except BadRow as error:
        said = str(error)
        raise Refusal(f"The body of the request is {said}" if said.startswith("not") else "The body must be a JSON object.") from None
    _refuse_unknown(row)
    settings: _Settings = _converted({key: value for key, value in row.items() if key in _SETTINGS}, _Settings)
    _refuse_impossible(settings)
    messages, tools = _conversation(row)
    offered, one_call = _choice(settings, tools)
    limits = [each for each in (settings.max_completion_tokens, settings.max_tokens) if each is not None]
    return ChatRequest(
        model=settings.model,
        messages=messages,
        tools=offered,
        one_call=one_call,
        stream=bool(settings.stream),
        usage_in_stream=bool(settings.stream_options and settings.stream_options.include_usage),
        max_tokens=min(limits, default=None),
        generation=_generation(settings),
    )


def _refuse_unknown(row: Mapping[str, Any]) -> None:
    for key in row:
        if key not in _SETTINGS | _CONVERSATION | _WITHOUT_EFFECT:
            raise Refusal(f"Unrecognized request argument supplied: {key[:64]}", param=key[:64], code="unknown_parameter")


def _converted(value: Any, wanted: Any) -> Any:
    try:
        return convert(value, wanted)
    except BadRow as error:
        said = str(error)
        place = said.partition(": ")[0]
        missing = said.startswith("the key")
        raise Refusal(
            f"Invalid request: {said}",
            param=said.split('"')[1] if missing else place if place != said else None,
            code="missing_required_parameter" if missing else "invalid_value",
        ) from None


def _refuse_impossible(settings: _Settings) -> None:
    """What would change the answer and cannot be done."""
    for name, asked, why in (
        ("n", settings.n not in (None, 1), "one answer a request"),
        ("logprobs", settings.logprobs, "answers without log-probabilities"),
        ("top_logprobs", settings.top_logprobs, "answers without log-probabilities"),
        ("frequency_penalty", settings.frequency_penalty, "no penalties"),
        ("presence_penalty", settings.presence_penalty, "no penalties"),
        ("logit_bias", settings.logit_bias, "no biases"),
        ("modalities", settings.modalities not in (None, ["text"]), "text alone"),
        ("reasoning_effort", settings.reasoning_effort not in (None, "none"), "no levels of reasoning"),
        (
            "response_format",
            settings.response_format is not None and settings.response_format.type != "text",
            "free text: nothing here makes an answer follow a schema",
        ),
    ):
        if asked:
            raise Refusal(f"{name} cannot be used here: this server gives {why}. Leave it out.", param=name, code="unsupported_parameter")


def _conversation(row: Mapping[str, Any]) -> tuple[tuple[Message, ...], tuple[Tool, ...]]:
    """Messages and tools by the rules that training data are read by."""
    if "messages" not in row:
        raise Refusal("Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter")
    try:
        messages, tools, _ = read_conversation({key: row[key] for key in _CONVERSATION & row.keys()}, _refuse_untold)
    except BadRow as error:
        place = str(error).partition(":")[0]
        raise Refusal(f"Invalid request: {error}", param=place if " " not in place else "messages", code="invalid_value") from None
    return messages, tools


_REPEATED = frozenset(
    {"message.refusal", "message.annotations", "message.audio", "message.reasoning_content", "message.reasoning", "tool_call.index"}
)
"""What clients send back of an earlier answer, as they got it, and what no chat template reads."""


def _refuse_untold(kind: str) -> None:
    if kind not in _REPEATED:
        place, _, key = kind.partition(".")
        raise BadRow(f"a {place.replace('_', ' ')} has an unknown key {key[:64]!r}.")


def _choice(settings: _Settings, tools: tuple[Tool, ...]) -> tuple[tuple[Tool, ...], bool]:
    """The tools that are shown to the model, and whether it may call but one."""
    choice = settings.tool_choice
    if choice not in (None, "auto", "none"):
        raise Refusal(
            "tool_choice can be 'auto' or 'none' here: nothing makes the model call a tool that it does not choose by itself.",
            param="tool_choice",
            code="unsupported_value",
        )
    return (() if choice == "none" else tools), settings.parallel_tool_calls is False


def _generation(settings: _Settings) -> Generation:
    stop = [settings.stop] if isinstance(settings.stop, str) else settings.stop or []
    if "" in stop:
        raise Refusal("stop holds an empty text, which every answer would end with.", param="stop", code="invalid_value")
    if any(len(each) > _STOP_CHARACTERS for each in stop):
        raise Refusal(f"stop holds a text of more than {_STOP_CHARACTERS} characters.", param="stop", code="invalid_value")
    temperature = 1.0 if settings.temperature is None else settings.temperature
    return Generation(
        temperature=temperature if temperature >= _COLDEST else 0.0,
        top_p=1.0 if settings.top_p is None else settings.top_p,
        seed=None if settings.seed is None else settings.seed % _SEEDS,
        stop=tuple(stop),
    )
