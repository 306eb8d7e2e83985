"""The one seam between a fake trainer and its cloud, where faults come in: every request is one `send`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from tuneport.errors import (
    Ambiguous,
    CredentialsRefused,
    FileGone,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    TuneportError,
    Unreachable,
)

Reply = dict[str, Any]
"""A decoded JSON body."""

Kind = Literal["create", "upload", "read", "action"]
"""What a request does: creates a job, uploads a file, changes nothing, or changes an existing job."""


class HttpAnswer(Exception):
    """An answer that is not 2xx, as a server sends it. `code` is the machine-readable reason in its body."""

    def __init__(self, status: int, code: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{status} {code}".rstrip())
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class NoAnswer(Exception):
    """No answer, or none that can be read: a time-out, a reset connection, a body that is not JSON."""


class Wire(Protocol):
    """Carries one request. Raises HttpAnswer or NoAnswer."""

    def send(self, call: str, effect: Callable[[], Reply], *, kind: Kind) -> Reply: ...


class DirectWire:
    """A wire on which nothing goes wrong."""

    def send(self, call: str, effect: Callable[[], Reply], *, kind: Kind) -> Reply:
        return effect()


_REFUSALS: dict[str, type[Refused]] = {"file_gone": FileGone, "quota": QuotaExceeded}
_REFUSED_STATUS: dict[int, type[Refused]] = {401: CredentialsRefused, 403: CredentialsRefused, 404: NotFound}


def to_error(error: HttpAnswer | NoAnswer, *, call: str, kind: Kind) -> TuneportError:
    """The one table of this fake's errors: what each answer means for a request of that kind."""
    nothing_clear: type[Unreachable] = Unreachable if kind == "read" else Ambiguous
    if isinstance(error, NoAnswer):
        return nothing_clear(f"{call}: {error}.")
    if error.status == 429:
        return RateLimited(f"{call}: too many requests (429).", retry_after_s=error.retry_after_s)
    if error.status in (408, 409) or error.status >= 500:
        return nothing_clear(f"{call}: the server answered {error.status}.")
    if error.code == "full":
        return QuotaExceeded(f"{call}: refused with {error}.", reason=error.code, concurrent=True)
    refusal = _REFUSALS.get(error.code) or _REFUSED_STATUS.get(error.status, Refused)
    return refusal(f"{call}: refused with {error}.", reason=error.code)
