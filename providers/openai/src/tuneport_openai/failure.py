"""What is known of a failed request, whatever class of exception tells of it: status, code, and the vendor's words without keys."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tuneport.redaction import without_secrets

MOST_WORDS = 500
"""Characters of the vendor's that are handed on."""
_MASKED = re.compile(r"(?<![\w-])[\w-]*\*{2,}[\w-]*|(?<=api key provided: )\S+|(?<=api key: )\S+", re.IGNORECASE)
_WITHOUT_A_MESSAGE = frozenset({"APIResponseValidationError"})
"""Whose body is an answer and no error's."""
_SAYS = ("message", "error_description", "detail", "error", "msg")


@dataclass(frozen=True, slots=True)
class Closing:
    """What is known of a platform that is closing: a sentence with its dates, without a full stop, and where else one can go. Both are ''
    where none is known to be closing."""

    sentence: str = ""
    remedy: str = ""


OPEN = Closing()
"""Of a platform that is not known to be closing."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What is known of a failed request. `words` are the vendor's, without secrets; `kind` is its type of error; `status` is None where
    nothing was answered."""

    doing: str
    creating: bool
    closing: Closing
    words: str
    status: int | None = None
    code: str = ""
    param: str = ""
    kind: str = ""
    retry_after_s: float | None = None

    def sentence(self, lead: str) -> str:
        """`<lead> while <doing> (<status>, <code>, <param>): <words>`"""
        facts = ", ".join(dict.fromkeys(filter(None, (str(self.status or ""), self.code, self.param))))
        said = f": {self.words.rstrip('.')}" if self.words else ""
        return f"{lead} while {self.doing}{f' ({facts})' if facts else ''}{said}."


def failure_of(error: Exception, *, doing: str, creating: bool, closing: Closing) -> Failure:
    """What an exception tells of a request, whichever class it is of."""
    status = getattr(error, "status_code", None)
    headers = _headers(getattr(error, "response", None))
    return Failure(
        doing=doing,
        creating=creating,
        closing=closing,
        words=_words(error),
        status=status if isinstance(status, int) else None,
        code=_word(getattr(error, "code", None)),
        param=_word(getattr(error, "param", None)),
        kind=_word(getattr(error, "type", None)),
        retry_after_s=retry_after_s(headers),
    )


def _word(value: object) -> str:
    """A code or the name of a parameter; longer texts are none."""
    return without_secrets(value) if isinstance(value, str) and len(value) <= 80 and value.isprintable() else ""


def _headers(holder: object) -> Mapping[str, str]:
    found = getattr(holder, "headers", None)
    return {str(name).casefold(): str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}


def _words(error: Exception) -> str:
    """What the vendor said, or failing that, the SDK; a page of HTML is nothing that anybody said."""
    body = None if type(error).__name__ in _WITHOUT_A_MESSAGE else getattr(error, "body", None)
    text = " ".join((str(error) if body is None else _message_in(body)).split())
    return "" if text.startswith("<") else _hidden(text, _keys_of(error))[:MOST_WORDS]


def _message_in(body: object) -> str:
    """The sentence in an error's body, which has several shapes with compatible endpoints."""
    if isinstance(body, Mapping):
        return next((found for key in _SAYS if (found := _message_in(body.get(key)))), "")
    return body if isinstance(body, str) else ""


def _hidden(text: str, keys: Iterable[str]) -> str:
    for key in keys:
        text = text.replace(key, "[hidden]")
    return _MASKED.sub("[hidden]", without_secrets(text))


def _keys_of(error: Exception) -> list[str]:
    """What the request was signed with, in case the answer repeats it."""
    try:
        headers = _headers(getattr(error, "request", None))
    except RuntimeError:  # httpx2 has no request for what failed before there was one
        return []
    found = [headers.get("authorization", "").partition(" ")[2], headers.get("api-key", "")]
    return [key for key in found if len(key) >= 4]


def retry_after_s(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """How long the vendor asks to wait, from headers with names in lower case; None where it does not say.

    Retry-After is seconds or a date, which is taken from the answer's own Date where there is one: its clock, not ours.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            value = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        return max(0.0, value) if math.isfinite(value) else None
    until, said_at = _date(headers.get("retry-after")), _date(headers.get("date"))
    return None if until is None else max(0.0, (until - (said_at or now or datetime.now(UTC))).total_seconds())


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
