"""Asking every provider for a list: one that does not answer is said, and the others are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tuneport.cli.output import note
from tuneport.cli.session import Session
from tuneport.errors import ConfigError, CredentialsRefused, TuneportError, Unsupported

T = TypeVar("T")


def listed(session: Session, provider: str | None, ask: Callable[[str], Sequence[T]]) -> tuple[list[T], list[int]]:
    """What `ask` gives for each provider that serves, and the exit codes of those that did not answer. The one that was named must.

    A provider of which nothing is known here need not be set up, and one that has no such list has nothing to say.
    """
    if provider is not None:
        return list(ask(provider)), []
    found: list[T] = []
    codes: list[int] = []
    for name in (info.name for info in session.client.providers() if info.serves and info.problem is None):
        try:
            found += ask(name)
        except Unsupported:
            continue
        except TuneportError as error:
            if not isinstance(error, ConfigError | CredentialsRefused) or name in session.client.registry.providers():
                codes.append(error.exit_code)
            note(f"{name} did not answer: {error}")
    return found, codes
