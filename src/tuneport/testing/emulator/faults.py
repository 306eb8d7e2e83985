"""What can go wrong with one request, each kind a value.

Those with `after_effect` True happen when the request has been served: the vendor has done what was asked, and the client does not hear it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Literal

from tuneport.testing.emulator.answers import Answer

Body = Literal["json", "html", "empty"]
Spoiled = Literal["any", "json", "listing", "upload"]
UNKNOWN_WORD = "hibernating"


@dataclass(frozen=True, slots=True)
class Fault:
    """Anything that goes wrong. `spoils`: what it needs of the request to show at all (any, a JSON answer, a listing, an upload)."""

    spoils: ClassVar[Spoiled] = "any"

    def __str__(self) -> str:
        values = [f"{field.name}={getattr(self, field.name)}" for field in fields(self)]
        return f"{type(self).__name__}({', '.join(values)})"


@dataclass(frozen=True, slots=True)
class RateLimited(Fault):
    """429 without effect. `retry_after_s` None: no such header; `as_date` spells it as a date, by the emulator's clock like `Date`."""

    retry_after_s: float | None = 1.0
    as_date: bool = False


@dataclass(frozen=True, slots=True)
class ServerError(Fault):
    """A 5xx with an error in the vendor's JSON, a proxy's HTML page, or nothing at all as its body."""

    status: int = 500
    body: Body = "json"
    after_effect: bool = False


@dataclass(frozen=True, slots=True)
class Reset(Fault):
    """The connection is reset. With `after_bytes`, while the body comes in: when that much of it has arrived."""

    after_effect: bool = False
    after_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Silence(Fault):
    """The request is accepted and never answered, until `EmulatorServer.release` or the client gives up."""

    after_effect: bool = False


@dataclass(frozen=True, slots=True)
class SlowBody(Fault):
    """The answer comes in `pieces`, `pause_s` seconds of real time between two."""

    pieces: int = 8
    pause_s: float = 0.02


@dataclass(frozen=True, slots=True)
class Truncated(Fault):
    """Only `share` of the answer's body arrives. `admitted`: Content-Length says so, and what is cut is not the connection but the JSON."""

    share: float = 0.5
    admitted: bool = False


@dataclass(frozen=True, slots=True)
class LaggingList(Fault):
    """This listing leaves out what was made in the last `lag_s` seconds."""

    lag_s: float = 120.0
    spoils: ClassVar[Spoiled] = "listing"


@dataclass(frozen=True, slots=True)
class IgnoredFilters(Fault):
    """This listing answers as if nothing had been filtered."""

    spoils: ClassVar[Spoiled] = "listing"


@dataclass(frozen=True, slots=True)
class UnknownWord(Fault):
    """A field that holds one of a few words holds one that nobody has documented."""

    word: str = UNKNOWN_WORD
    spoils: ClassVar[Spoiled] = "json"


@dataclass(frozen=True, slots=True)
class MissingField(Fault):
    """A field is left out: `name`, or one by chance."""

    name: str | None = None
    spoils: ClassVar[Spoiled] = "json"


@dataclass(frozen=True, slots=True)
class ExtraField(Fault):
    """A field that no documentation mentions."""

    name: str = "x_undocumented"
    spoils: ClassVar[Spoiled] = "json"


@dataclass(frozen=True, slots=True)
class Says(Fault):
    """This answer, in the vendor's own words, in place of the right one. With `after_effect` the request has been served all the same."""

    answer: Answer
    after_effect: bool = False


@dataclass(frozen=True, slots=True)
class PartKept(Fault):
    """Of what is uploaded only `share` is kept, as when a connection breaks; whether the vendor admits it is the vendor's habit."""

    share: float = 0.5
    spoils: ClassVar[Spoiled] = "upload"
