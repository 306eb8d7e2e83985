"""Talking to a model: one question, or a conversation in the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tuneport.cli.output import printable_text
from tuneport.cli.session import Session
from tuneport.errors import UsageError

if TYPE_CHECKING:
    from tuneport.examples import Message
    from tuneport.model import Model
    from tuneport.provider import Generation

HELP = "/new starts over, /system TEXT sets the instruction, Ctrl-C stops an answer, Ctrl-D or /exit leaves."


def prompt_from(argument: str | None, *, json: bool) -> str | None:
    """The question: the argument, or standard input when that is no terminal. None: have a conversation. Raises UsageError."""
    if argument is None and not sys.stdin.isatty():
        argument = sys.stdin.read()
        if not argument.strip():
            raise UsageError("there is no question: standard input is empty.", remedy="Give it as an argument, or pipe it in.")
    if argument is None and json:
        raise UsageError("a conversation has no JSON form.", remedy="Give one question as an argument, or pipe it in.")
    return argument


def ask_once(session: Session, model: Model, question: str, *, system: str | None, generation: Generation) -> None:
    """Asks and prints the answer as it comes; with JSON, once it is whole."""
    pieces = session.client.chat(model, _opened(system, question), generation=generation)
    if session.json:
        session.out.document({"model": model.uri, "answer": "".join(pieces)})
        return
    for piece in pieces:
        _put(session, piece)
    _put(session, "\n")


def converse(session: Session, model: Model, *, system: str | None, generation: Generation) -> None:
    """A conversation until Ctrl-D. Every turn sees the ones before."""
    _with_line_editing()
    session.out.say(f"Talking to {model.uri}. {HELP}", style="dim")
    messages = _opened(system)
    while (line := _read_line()) is not None:
        if line in ("/exit", "/quit"):
            return
        if line == "/new":
            messages = _opened(system)
            session.out.say("Started over.", style="dim")
        elif line.startswith("/system"):
            system = line.removeprefix("/system").strip() or None
            messages = _opened(system)
            session.out.say("Started over with that instruction." if system else "Started over without an instruction.", style="dim")
        elif line.startswith("/"):
            session.out.say(HELP)
        elif line:
            messages = _turn(session, model, messages, line, generation=generation)
    session.out.say()


def _turn(session: Session, model: Model, messages: tuple[Message, ...], line: str, *, generation: Generation) -> tuple[Message, ...]:
    """Asks, prints, and returns the conversation with both turns. An answer that was stopped stays as far as it came."""
    from tuneport.examples import Message

    asked = (*messages, Message("user", line))
    said = ""
    try:
        for piece in session.client.chat(model, asked, generation=generation):
            said += piece
            _put(session, piece)
    except KeyboardInterrupt:
        _put(session, " …")
    _put(session, "\n")
    return (*asked, Message("assistant", said)) if said else messages


def _opened(system: str | None, question: str | None = None) -> tuple[Message, ...]:
    from tuneport.examples import Message

    first = (Message("system", system),) if system else ()
    return first if question is None else (*first, Message("user", question.rstrip("\n")))


def _read_line() -> str | None:
    try:
        return input("> ").strip()
    except (EOFError, KeyboardInterrupt):
        return None


def _put(session: Session, text: str) -> None:
    session.out.stream.write(printable_text(text))
    session.out.stream.flush()


def _with_line_editing() -> None:
    """Arrow keys and history, where Python has them."""
    try:
        import readline  # noqa: F401
    except ImportError:
        return
