"""The Chat Completions API: /v1/chat/completions, whole or streamed, of bases and of tuned models."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuneport.testing.emulator import Account, Answer, Request, Routes, json_answer
from tuneport.testing.emulator.answers import event_stream
from tuneport_openai.emulator import refusals
from tuneport_openai.emulator.bases import Base
from tuneport_openai.emulator.chat_requests import Question, read_question
from tuneport_openai.emulator.memory import question_of, read_memory
from tuneport_openai.emulator.tokens import Tokens, message_tokens, text_of, tokens_of
from tuneport_openai.emulator.world import TunedModel, World, unix

WORDS = re.compile(rb"\s*\S+|\s+")
OTHER_TOKENS = ("the", " a", "I", "?", " not", "No", " of", "\n", "Yes", " it")
FINGERPRINT = "fp_emulator"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says: text in tokens, or calls of tools."""

    pieces: tuple[bytes, ...]
    calls: tuple[Mapping[str, Any], ...]
    finish: str

    @property
    def text(self) -> str:
        return b"".join(self.pieces).decode("utf-8", "replace")


class Chat:
    """Serves /v1/chat/completions."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add("POST /v1/chat/completions", self.complete, changes=False)

    def complete(self, request: Request) -> Answer:
        return self.answer(self._world.caller(request), read_question(request))

    def answer(self, account: Account, question: Question) -> Answer:
        world = self._world
        base, tuned = self._model(account, question.model)
        organisation = world.organisation(account)
        if organisation.out_of_credit:
            raise refusals.out_of_credit()
        if tuned is not None:
            organisation.asked_tuned_at = world.now()
        tokens = tokens_of(base.encoding)
        reply = _reply(question, tuned, tokens)
        head = {
            "id": world.ids.new("chatcmpl-", 29),
            "created": unix(world.now()),
            "model": tuned.name if tuned else base.name,
            "service_tier": "default",
            "system_fingerprint": FINGERPRINT,
        }
        usage = _usage(question, reply, tokens)
        if question.stream:
            return event_stream(self.streamed(_chunks(head, question, reply, usage, world)))
        choices = [_choice(number, question, reply) for number in range(question.choices)]
        return json_answer(self.completed({"object": "chat.completion", **head, "choices": choices, "usage": usage}))

    def completed(self, value: dict[str, Any]) -> dict[str, Any]:
        """The whole answer. A vendor that adds to what OpenAI says overrides this and `streamed`."""
        return value

    def streamed(self, chunks: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The pieces of an answer that is streamed."""
        return chunks

    def _model(self, account: Account, name: str) -> tuple[Base, TunedModel | None]:
        tuned = self._world.tuned(account, name)
        base = tuned.job.root if tuned else self._world.bases.get(name)
        if base is None:
            raise refusals.no_model(name)
        if not base.alive(self._world.now()):
            raise refusals.model_gone(name)
        return base, tuned


def _reply(question: Question, tuned: TunedModel | None, tokens: Tokens | None) -> Reply:
    message = _message(question, tuned)
    calls = tuple(message.get("tool_calls") or ())
    text, finish = text_of(message.get("content")), "tool_calls" if calls else "stop"
    for stop in question.stops:
        text = text.partition(stop)[0]
    pieces = tuple(tokens.split(text) if tokens else WORDS.findall(text.encode()))
    if question.most_tokens is not None and len(pieces) > question.most_tokens:
        pieces, finish = pieces[: question.most_tokens], "length"
    return Reply(pieces, calls, finish)


def _message(question: Question, tuned: TunedModel | None) -> Mapping[str, Any]:
    """A tuned model answers from its training file; where it finds nothing, as its base would."""
    asked = question_of(question.messages)
    if tuned is not None:
        if tuned.memory is None:
            tuned.memory = read_memory(tuned.job.training, tuned.job.request.method, share=tuned.share)
        learned = tuned.memory.reply(asked)
        if learned is not None:
            return learned
    return {"content": f"As a general model I can only repeat what I was asked: {asked.strip()[-200:] or '(nothing)'}"}


def _usage(question: Question, reply: Reply, tokens: Tokens | None) -> dict[str, Any]:
    texts = [text_of(message.get("content")) for message in question.messages]
    prompt = message_tokens(question.messages, tokens) if tokens else sum(len(text.split()) + 4 for text in texts)
    completion = (len(reply.pieces) + 12 * len(reply.calls)) * question.choices
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _choice(number: int, question: Question, reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text if reply.pieces or not reply.calls else None, "refusal": None}
    if reply.calls:
        message["tool_calls"] = list(reply.calls)
    return {"index": number, "message": message, "logprobs": _logprobs(question, reply.pieces), "finish_reason": reply.finish}


def _chunks(head: Mapping[str, Any], question: Question, reply: Reply, usage: Mapping[str, Any], world: World) -> Iterator[dict[str, Any]]:
    """A chunk with the role, one per token, one with the reason to stop; with `include_usage`, one more without choices."""

    def chunk(choices: list[dict[str, Any]], *, used: Mapping[str, Any] | None = None) -> dict[str, Any]:
        value: dict[str, Any] = {"object": "chat.completion.chunk", **head, "choices": choices}
        if question.usage:
            value["usage"] = used
        if question.obfuscation and choices:
            value["obfuscation"] = "x" * (len(choices) + 6)
        return value

    def part(number: int, delta: Mapping[str, Any], *, logprobs: Any = None, finish: str | None = None) -> dict[str, Any]:
        return chunk([{"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": finish}])

    for number in range(question.choices):
        yield part(number, {"role": "assistant", "content": "" if not reply.calls else None, "refusal": None})
        for pieces in _characters(reply.pieces):
            yield part(number, {"content": b"".join(pieces).decode("utf-8", "replace")}, logprobs=_logprobs(question, pieces))
        for place, call in enumerate(reply.calls):
            yield part(number, {"tool_calls": [{"index": place, **call}]})
        yield part(number, {}, finish=reply.finish)
    if question.usage:
        yield chunk([], used=usage)


def _characters(pieces: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    """The tokens, those together that only together make whole characters."""
    held: tuple[bytes, ...] = ()
    for number, piece in enumerate(pieces, start=1):
        held = (*held, piece)
        try:
            b"".join(held).decode()
        except UnicodeDecodeError:
            if number < len(pieces):
                continue
        yield held
        held = ()


def _logprobs(question: Question, pieces: tuple[bytes, ...]) -> dict[str, Any] | None:
    if not question.logprobs:
        return None
    return {"content": [_logprob(piece, question.top_logprobs) for piece in pieces], "refusal": None}


def _logprob(piece: bytes, top: int) -> dict[str, Any]:
    """A log-probability that follows from the token; the others it is compared with are less likely."""
    chance = random.Random(piece)
    own = _token(piece, -round(chance.uniform(0.001, 0.6), 6))
    others = [_token(token.encode(), round(own["logprob"] - 1.5 - place, 6)) for place, token in enumerate(OTHER_TOKENS)]
    return {**own, "top_logprobs": [own, *others][:top]}


def _token(piece: bytes, logprob: float) -> dict[str, Any]:
    return {"token": piece.decode("utf-8", "replace"), "logprob": logprob, "bytes": list(piece)}
