"""Letting models of one's own answer others: an OpenAI-compatible server on this machine, for as long as it is left running.

A provider whose models can be served so has a server that is a `Serves`; it is looked for with isinstance.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tuneport.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from tuneport.model import Model

KEY_VARIABLE = "TUNEPORT_SERVE_KEY"
"""The environment variable that holds the key which clients must show."""


_LONGEST_GRACE_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Served:
    """One model under the name by which clients ask for it."""

    name: str
    model: Model


@dataclass(frozen=True, slots=True)
class Service:
    """How models are served. `port` 0 takes a free one; `engine` is a provider's word, 'auto' leaves it to the machine; `grace_s` is how
    long answers that have begun may go on once the server has been told to stop."""

    key: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    engine: str = "auto"
    grace_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.grace_s <= _LONGEST_GRACE_S:
            raise UsageError(f"the time that answers have to end is from 0 to {_LONGEST_GRACE_S:g} seconds, not {self.grace_s:g}.")
        if not self.key.strip():
            raise ConfigError("a server without a key would answer anybody.", remedy=f"Give one, in {KEY_VARIABLE} for example.")


@dataclass(frozen=True, slots=True)
class Open:
    """What a server says as soon as it answers, or hands over to an engine that will: its address, and which engine it is."""

    url: str
    engine: str


@runtime_checkable
class Serves(Protocol):
    """A server whose models can answer others over HTTP, from this machine."""

    engines: tuple[str, ...]
    """What `Service.engine` may say beside 'auto'."""

    def serve(self, models: Sequence[Served], service: Service, *, ready: Callable[[Open], object]) -> None:
        """Answers until SIGINT or SIGTERM, then returns. Raises before `ready` what keeps it from serving: ConfigError for the address,
        Unsupported for the engine, UnknownModel and Unreachable for the weights."""


def url_at(host: str, port: int) -> str:
    """The address under which OpenAI's clients find a server."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def named(models: Sequence[Model], names: Sequence[str] = ()) -> tuple[Served, ...]:
    """The models under these names, in order; those left over under their URIs. Raises UsageError for a name that says nothing or two."""
    if len(names) > len(models):
        raise UsageError(f"{len(names)} names are given for {len(models)} models.", remedy="One name for each model, in the same order.")
    given = [*names, *(model.uri for model in models[len(names) :])]
    if empty := [name for name in given if not name.strip()]:
        raise UsageError(f"{empty[0]!r} is no name for a model.")
    if twice := [name for place, name in enumerate(given) if name in given[:place]]:
        raise UsageError(f"two models would be called {twice[0]!r}.", remedy="Give each a name of its own.")
    return tuple(Served(name, model) for name, model in zip(given, models, strict=True))


def key_of(environ: Mapping[str, str]) -> tuple[str, bool]:
    """The key that clients must show, and whether it was made just now: that of the environment, else a new one. Raises ConfigError."""
    key = environ.get(KEY_VARIABLE)
    if key is None:
        return f"tp-{secrets.token_urlsafe(32)}", True
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"{KEY_VARIABLE} holds no usable key.", remedy="Letters, digits and signs without spaces; or unset it.")
    return key, False
