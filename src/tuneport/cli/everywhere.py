"""Asking every provider for a list: one that does not answer is said, and the others are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    silent: dict[str, TuneportError] = {}
    for name in (info.name for info in session.client.providers() if info.serves and info.problem is None):
        try:
            found += ask(name)
        except Unsupported:
            continue
        except TuneportError as error:
            silent[name] = error
    told = say_silent(session, silent, "{name} did not answer: {error}")
    return found, [error.exit_code for error in told.values()]


def say_silent(
    session: Session, silent: Mapping[str, TuneportError], sentence: str, *, named: str | None = None
) -> dict[str, TuneportError]:
    """Notes why providers did not answer: each with its reason; those of which nothing is known here, and which are not set up, in one
    line, unless they were `named`. Gives the others back."""
    known = {named, *session.client.registry.providers(), *session.client.settings.providers}
    unset = [name for name, error in silent.items() if isinstance(error, ConfigError | CredentialsRefused) and name not in known]
    told = {name: error for name, error in silent.items() if name not in unset}
    for name, error in told.items():
        note(sentence.format(name=name, error=error))
    if unset:
        note(f"not set up, and so not asked: {', '.join(unset)}. To see why: tuneport providers check")
    return told
