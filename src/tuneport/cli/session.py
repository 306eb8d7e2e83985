"""What every command gets: the global options, the client they lead to, and where to print."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.cli.output import Output

if TYPE_CHECKING:
    from tuneport.client import Client

OpenClient = Callable[[Path | None], "Client"]
"""Opens a client on a state folder (None: the configured one)."""


def open_client(home: Path | None) -> Client:
    """A client on the installed providers."""
    from tuneport.client import Client

    return Client(home=home)


class Session:
    """One run of the command line. `json` and `home` are set by the global options before any command runs."""

    def __init__(self, opening: OpenClient = open_client) -> None:
        self._opening = opening
        self.json = False
        self.home: Path | None = None

    @cached_property
    def client(self) -> Client:
        """The client, opened at first use."""
        return self._opening(self.home)

    @cached_property
    def out(self) -> Output:
        """Standard output, in the form that was asked for."""
        return Output(json=self.json)

    @property
    def can_ask(self) -> bool:
        """Whether somebody sits at a terminal who can be asked."""
        return self.out.terminal and sys.stdin.isatty()

    def command(self, *words: str | Path) -> str:
        """A command to type next, on the same home."""
        from shlex import join

        home = ("--home", str(self.home)) if self.home else ()
        return join(["tuneport", *map(str, words), *home])

    def close(self) -> None:
        """Closes the client if one was opened."""
        if "client" in self.__dict__:
            self.client.close()


def session_of(context: Any) -> Session:
    """The session of a command's context."""
    session: Session = context.obj
    return session
