"""One answer as its client gets it: whole, or as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from tuneport_local.serving import wire
from tuneport_local.serving.calls import Piece, Reader
from tuneport_local.serving.engine import Done, Failed, Happening, Order, Said
from tuneport_local.serving.request import ChatRequest, Refusal
from tuneport_local.serving.wire import Call, Head


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on its way: what was asked, its order, and where the engine is heard."""

    request: ChatRequest
    order: Order
    heard: asyncio.Queue[Happening]
    reader: Reader
    head: Head


@dataclass(slots=True)
class _Whole:
    """What has come so far."""

    said: dict[str, list[str]] = field(default_factory=lambda: {"content": [], "thoughts": []})
    calls: list[Call] = field(default_factory=list)


async def collected(answer: Answer) -> dict[str, Any]:
    """The whole answer. Raises Refusal when the engine fails."""
    whole, done = _Whole(), Done("stop", 0)
    async for part in _parts(answer, await answer.heard.get()):
        if isinstance(part, Piece):
            whole.said[part.kind].append(part.text)
        elif isinstance(part, Call):
            whole.calls.append(part)
        else:
            done = part
    return wire.completion(
        answer.head,
        content="".join(whole.said["content"]),
        thoughts="".join(whole.said["thoughts"]),
        calls=whole.calls,
        finish=_finish(done, called=bool(whole.calls)),
        prompt_tokens=len(answer.order.prompt),
        completion_tokens=done.tokens,
    )


async def streamed(answer: Answer, first: Happening) -> AsyncIterator[bytes]:
    """The events of a stream. A failure is its last one. Left by its reader, it gives up the order."""
    follows = answer.request.usage_in_stream
    calls, done = 0, Done("stop", 0)
    try:
        yield wire.event(wire.chunk(answer.head, {"role": "assistant", "content": "", "refusal": None}, usage_follows=follows))
        async for part in _parts(answer, first):
            if isinstance(part, Done):
                done = part
                continue
            delta = wire.call_delta(part, calls) if isinstance(part, Call) else {_DELTAS[part.kind]: part.text}
            calls += isinstance(part, Call)
            yield wire.event(wire.chunk(answer.head, delta, usage_follows=follows))
        yield wire.event(wire.chunk(answer.head, {}, finish=_finish(done, called=calls > 0), usage_follows=follows))
        if follows:
            yield wire.event(wire.usage_chunk(answer.head, prompt_tokens=len(answer.order.prompt), completion_tokens=done.tokens))
        yield wire.DONE
    except Refusal as refusal:
        yield wire.event(wire.error(refusal))
    finally:
        answer.order.given_up = True


_DELTAS = {"content": "content", "thoughts": "reasoning_content"}


async def _parts(answer: Answer, first: Happening) -> AsyncIterator[Piece | Call | Done]:
    """Words, thoughts and calls as they come, and the end. Raises Refusal when the engine fails. One call ends it where one is allowed."""
    happening = first
    while isinstance(happening, Said):
        for part in answer.reader.feed(happening.text):
            yield part
            if isinstance(part, Call) and answer.request.one_call:
                answer.order.given_up = True
                yield Done("stop", happening.tokens)
                return
        happening = await answer.heard.get()
    if isinstance(happening, Failed):
        raise happening.refusal
    for part in answer.reader.end():
        yield part
        if isinstance(part, Call) and answer.request.one_call:
            break
    yield happening


def _finish(done: Done, *, called: bool) -> str:
    return "tool_calls" if called and done.finish == "stop" else done.finish
