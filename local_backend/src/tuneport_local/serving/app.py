"""The HTTP side: routes, the key, and answers as they come. Nothing here computes."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tuneport.clock import Clock
from tuneport_local.serving import wire
from tuneport_local.serving.answer import Answer, collected, streamed
from tuneport_local.serving.calls import Reader
from tuneport_local.serving.complaint import complain
from tuneport_local.serving.engine import Engine, Failed, Happening, Order
from tuneport_local.serving.menu import Menu, Offer, tools_for
from tuneport_local.serving.request import ChatRequest, Refusal, read_request
from tuneport_local.serving.wire import Head

_BODY_BYTES = 8 << 20
_Found = TypeVar("_Found")


def build(menu: Menu, engine: Engine, *, key: str, clock: Clock) -> ASGIApp:
    """The application. `engine` has been started."""
    front = Front(menu, engine, clock)
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", front.chat, methods=["POST"]),
            Route("/v1/models", front.models, methods=["GET"]),
            Route("/v1/models/{name:path}", front.model, methods=["GET"]),
            Route("/health", front.health, methods=["GET"]),
        ],
        exception_handlers={Refusal: _refused, HTTPException: _no_such_route, ClientDisconnect: _went_away, Exception: _failed},
    )
    return Keyed(app, key=key)


class Keyed:
    """Lets through who shows the key. Anybody may ask whether the server is well."""

    def __init__(self, app: ASGIApp, *, key: str) -> None:
        self._app = app
        self._shown = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/health" or self._is_shown(scope):
            await self._app(scope, receive, send)
            return
        given = any(name == b"authorization" for name, _ in scope["headers"])
        said = "Incorrect API key provided." if given else "You didn't provide an API key: send it as 'Authorization: Bearer KEY'."
        refusal = Refusal(said, status=401, code="invalid_api_key" if given else None)
        await _response(wire.error(refusal), status=401)(scope, receive, send)

    def _is_shown(self, scope: Scope) -> bool:
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(values) == 1 and hmac.compare_digest(values[0], self._shown)


class Front:
    """What the routes do."""

    def __init__(self, menu: Menu, engine: Engine, clock: Clock) -> None:
        self._menu = menu
        self._engine = engine
        self._clock = clock
        self._rendering = ThreadPoolExecutor(1, thread_name_prefix="tuneport-prompts")

    async def chat(self, request: Request) -> Response:
        """POST /v1/chat/completions"""
        asked_for = read_request(await _body(request))
        offer = self._menu.find(asked_for.model)
        answer = await self._ordered(asked_for, offer)
        if not asked_for.stream:
            return _response(await _unless_gone(request, collected(answer), answer.order))
        first = await _unless_gone(request, answer.heard.get(), answer.order)
        if isinstance(first, Failed):
            raise first.refusal
        return StreamingResponse(streamed(answer, first), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    async def models(self, request: Request) -> Response:
        """GET /v1/models"""
        return _response({"object": "list", "data": [_entry(offer) for offer in self._menu.offers]})

    async def model(self, request: Request) -> Response:
        """GET /v1/models/NAME"""
        return _response(_entry(self._menu.find(request.path_params["name"])))

    async def health(self, request: Request) -> Response:
        """GET /health"""
        well = self._engine.alive
        return _response({"status": "ok" if well else "stopping", **self._engine.load}, status=200 if well else 503)

    async def _ordered(self, asked: ChatRequest, offer: Offer) -> Answer:
        loop = asyncio.get_running_loop()
        prompt = await loop.run_in_executor(self._rendering, offer.prompt, asked.messages, asked.tools)
        heard: asyncio.Queue[Happening] = asyncio.Queue()

        def hear(happening: Happening) -> None:
            loop.call_soon_threadsafe(heard.put_nowait, happening)

        longest = prompt.room if asked.max_tokens is None else min(asked.max_tokens, prompt.room)
        order = Order(offer.served.name, prompt.tokens, replace(asked.generation, max_tokens=longest), hear)
        self._engine.take(order)
        reader = Reader(offer.speech, prompt=prompt.text, tools=tools_for(asked.tools))
        return Answer(asked, order, heard, reader, Head.new(asked.model, created=self._clock.now().timestamp()))


def _entry(offer: Offer) -> dict[str, Any]:
    model = offer.served.model
    return wire.model(offer.served.name, created=offer.created, base=model.base if model.kind == "tuned" else None)


# --- requests --------------------------------------------------------------------------------------------------------------------------


async def _body(request: Request) -> bytes:
    """The request's body. Raises Refusal for one that is too large, before it is all there."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_BYTES:
            raise Refusal(f"The request is larger than {_BODY_BYTES >> 20} MiB.", status=413, code="request_too_large")
    return bytes(body)


async def _unless_gone(request: Request, wanted: Coroutine[Any, Any, _Found], order: Order) -> _Found:
    """What is wanted. When the client goes away before it is there, the order is given up."""
    task, gone = asyncio.ensure_future(wanted), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        if not task.done():
            order.given_up = True
        task.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


# --- refusals --------------------------------------------------------------------------------------------------------------------------


def _response(document: dict[str, Any], *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status_code=status, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    refusal = error if isinstance(error, Refusal) else Refusal("The server failed.", status=500)
    response = _response(wire.error(refusal), status=refusal.status)
    if refusal.status == 429:
        response.headers["Retry-After"] = "1"
    return response


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    known = "This server has POST /v1/chat/completions and GET /v1/models."
    said = f"Not allowed to {request.method} here." if status == 405 else f"Unknown request URL: {request.method} {request.url.path[:200]}."
    return _response(wire.error(Refusal(f"{said} {known}", status=status, code="unknown_url")), status=status)


async def _went_away(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


async def _failed(request: Request, error: Exception) -> Response:
    complain("a request failed", error)
    return await _refused(request, Refusal(f"The server failed ({type(error).__name__}).", status=500, code="server_failed"))
