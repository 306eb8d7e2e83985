"""`tuneport models serve`: models of this machine behind an OpenAI-compatible server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli.output import note
from tuneport.cli.session import Session, session_of
from tuneport.errors import Unsupported, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneport.serving import Open, Served

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    context: typer.Context,
    models: Annotated[list[str], typer.Argument(metavar="MODEL", help="Models on this machine: URIs, or the jobs that made them.")],
    *,
    names: Annotated[
        list[str] | None,
        typer.Option("--as", metavar="NAME", help="What clients call it, its URI otherwise; one for each MODEL, in order."),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; other than here, others reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes a free one.")] = 8000,
    engine: Annotated[str, typer.Option("--engine", metavar="NAME", help="What answers: auto, or an engine of the provider.")] = "auto",
    grace: Annotated[
        float, typer.Option("--grace", metavar="SECONDS", min=0, help="How long answers may go on after it is told to stop.")
    ] = 30.0,
) -> None:
    """Serve models of this machine to OpenAI's clients, until Ctrl-C. The key they need is TUNEPORT_SERVE_KEY, or made and shown once."""
    from tuneport.serving import Serves, Service, key_of, named

    session = session_of(context)
    served = named([session.client.model(model) for model in models], names or ())
    (provider, *others) = dict.fromkeys(each.model.provider for each in served)
    if others:
        raise UsageError(f"models of {provider} and {', '.join(others)} cannot be served together.", remedy="Serve them apart.")
    server = session.client.server(provider)
    if not isinstance(server, Serves):
        raise Unsupported(f"models of {provider} are not on this machine; they are asked at {provider} itself.")
    key, made = key_of(session.client.settings.environ)

    def ready(opened: Open) -> None:
        _say_open(session, opened, served, key=key if made else None)

    if not session.json:
        note(f"loading {', '.join(each.name for each in served)}")
    if host not in LOOPBACK:
        note(f"{host} can be reached by others, and what is said there is not encrypted.")
    server.serve(served, Service(key, host, port, engine, grace), ready=ready)


def _say_open(session: Session, opened: Open, served: Sequence[Served], *, key: str | None) -> None:
    """The address, the names, and the key where nobody knows it yet: this is the one place where it is shown."""
    if session.json:
        names = [{"name": each.name, "model": each.model.uri} for each in served]
        session.out.record("serving", {"url": opened.url, "engine": opened.engine, "pid": os.getpid(), "models": names, "key": key})
        return
    session.out.say(f"Serving at {opened.url} ({opened.engine}). Ctrl-C stops it.")
    session.out.table(("Name", "Model", "Base"), [(each.name, each.model.uri, each.model.base or "") for each in served])
    if key is not None:
        session.out.raw(f"Key, made for this run: {key}")
    session.out.stream.flush()
