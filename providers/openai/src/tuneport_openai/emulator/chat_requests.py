"""What POST /v1/chat/completions accepts (the SDK's CompletionCreateParams), as far as this emulator answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneport.testing.emulator import Fields, Problem, Refusal, Request
from tuneport_openai.emulator import refusals

ROLES = ("developer", "system", "user", "assistant", "tool", "function")
ACCEPTED_AS_THEY_COME = (
    "frequency_penalty",
    "logit_bias",
    "metadata",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "store",
    "tool_choice",
    "tools",
    "user",
    "verbosity",
)


@dataclass(frozen=True, slots=True)
class Question:
    """A request for a completion. `most_tokens` None: as many as the answer has."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    choices: int
    most_tokens: int | None
    stops: tuple[str, ...]
    logprobs: bool
    top_logprobs: int
    stream: bool
    usage: bool
    obfuscation: bool


def refuse(problem: Problem) -> Refusal:
    """Chat completions are older than the rest, and have a wording of their own for what they do not know."""
    if problem.kind == "unknown":
        return refusals.refusal(400, f"Unrecognized request argument supplied: {problem.path}")
    return refusals.refuse(problem)


def read_question(request: Request) -> Question:
    said = request.fields(refuse=refuse)
    for name in ACCEPTED_AS_THEY_COME:
        said.raw(name)
    said.number("temperature", nullable=True, least=0, most=2)
    said.number("top_p", nullable=True, least=0, most=1)
    stream = said.flag("stream", nullable=True) or False
    options = said.nested("stream_options", nullable=True)
    if options is not None and not stream:
        raise refusals.refusal(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options")
    logprobs = said.flag("logprobs", nullable=True) or False
    top = said.whole("top_logprobs", nullable=True, least=0, most=20)
    if top is not None and not logprobs:
        raise refusals.refusal(400, "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", param="top_logprobs")
    question = Question(
        model=said.text("model", required=True) or "",
        messages=_messages(said),
        choices=said.whole("n", nullable=True, least=1, most=128) or 1,
        most_tokens=_most_tokens(said),
        stops=_stops(said),
        logprobs=logprobs,
        top_logprobs=top or 0,
        stream=stream,
        usage=bool(options and options.flag("include_usage", nullable=True)),
        obfuscation=options is None or options.flag("include_obfuscation", nullable=True) is not False,
    )
    if options is not None:
        options.done()
    said.done()
    return question


def _messages(said: Fields) -> Sequence[Mapping[str, Any]]:
    raw = said.items("messages", required=True) or []
    if not raw:
        raise refusals.refusal(400, "Invalid 'messages': empty array. Expected at least one message.", param="messages", code="empty_array")
    for number, message in enumerate(raw):
        one = Fields(message, refuse=refuse, path=f"messages[{number}]")
        one.text("role", required=True, words=ROLES)
        if not isinstance(message.get("content"), str | list | None):
            raise refuse(Problem("type", one.at("content"), given="something else", allowed="a string"))
    return raw


def _most_tokens(said: Fields) -> int | None:
    new, old = (said.whole(name, nullable=True, least=1) for name in ("max_completion_tokens", "max_tokens"))
    if new is not None and old is not None:
        raise refusals.refusal(
            400, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", param="max_tokens"
        )
    return new if new is not None else old


def _stops(said: Fields) -> tuple[str, ...]:
    raw = said.raw("stop")
    stops = [raw] if isinstance(raw, str) else raw or []
    if not isinstance(stops, list) or len(stops) > 4 or not all(isinstance(stop, str) for stop in stops):
        raise refuse(Problem("type", "stop", given="something else", allowed="a string or an array of at most 4"))
    return tuple(stops)
