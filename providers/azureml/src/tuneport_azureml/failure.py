"""What is known of a failed request, whatever class of exception tells of it: status, code, and the vendor's words without keys."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tuneport.redaction import without_secrets

MOST_WORDS = 500
"""Characters of the vendor's that are handed on."""
MOST_SAID = 300
"""Of one credential's."""
LEAST_PIECE = 8
"""Characters of a question in an answer that are taken for a quotation."""
SAY_NOTHING = frozenset(
    {"DecodeError", "IncompleteReadError", "DeserializationError", "SerializationError", "ValueError", "JSONDecodeError"}
)
"""Whose text quotes the answer, or the request."""
_TRIED = re.compile(r"^\t(\w+?)(?:Credential)?: (.*(?:\n(?!\t).*)*)", re.MULTILINE)
_ABSENT = re.compile(r"unavailable|not (?:found|installed|be found|configured)|requires? the|no accounts", re.IGNORECASE)
_ADVICE = re.compile(r"\s*(?:Visit https?:|See the troubleshooting|To mitigate this|Trace ID:|Correlation ID:|Content: ).*", re.DOTALL)
_OBJECT = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>:? ?")
_POOL = re.compile(r"\w+Pool\(host='([^']+)', port=(\d+)\): .*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Failure:
    """What is known of a failed request. `words` are the vendor's, without secrets; `status` is None where nothing was answered."""

    doing: str
    creating: bool
    words: str
    status: int | None = None
    code: str = ""
    retry_after_s: float | None = None

    def sentence(self, lead: str) -> str:
        """`<lead> while <doing> (<status>, <code>): <words>`"""
        facts = ", ".join(dict.fromkeys(filter(None, (str(self.status or ""), self.code))))
        said = f": {self.words.rstrip('.')}" if self.words else ""
        return f"{lead} while {self.doing}{f' ({facts})' if facts else ''}{said}."


def failure_of(error: Exception, *, doing: str, creating: bool) -> Failure:
    """What an exception of azure-core, or of a client above it, tells of a request."""
    said, response = getattr(error, "error", None), getattr(error, "response", None)
    status = getattr(error, "status_code", None)
    code = getattr(said, "code", None) or getattr(error, "error_code", None)
    code = getattr(code, "value", code)
    headers = getattr(response, "headers", None)
    return Failure(
        doing=doing,
        creating=creating,
        words=_hidden(" ".join(_words(error, said).split()), _tokens_of(response))[:MOST_WORDS],
        status=status if isinstance(status, int) else None,
        code=without_secrets(code) if isinstance(code, str) and len(code) <= 80 and code.isprintable() else "",
        retry_after_s=retry_after_s({str(k).casefold(): str(v) for k, v in headers.items()} if isinstance(headers, Mapping) else {}),
    )


def without_question(error: Exception, body: Mapping[str, Any]) -> Exception:
    """A model's refusal, without its words where these repeat what it was asked: that is a row, perhaps."""
    said = getattr(error, "error", None)
    words = f"{_text(said)} {' '.join(_text(each) for each in getattr(said, 'details', None) or ())}"
    asked = [str(each.get("content") or "") for each in body.get("messages", ()) if isinstance(each, Mapping)]
    if said is not None and any(piece in words for text in asked for piece in _pieces(text)):
        said.message, said.details = None, []
    return error


def _pieces(text: str) -> Iterable[str]:
    """Parts of a question that no sentence of the service's holds by chance."""
    lines = [line.strip() for line in text.splitlines()]
    return [line[:40] for line in lines if len(line) >= LEAST_PIECE]


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds, or a date; None where there is neither."""
    said = headers.get("retry-after")
    if said is None:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            at = parsedate_to_datetime(said)
            now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
            seconds = (at - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _words(error: Exception, said: Any) -> str:
    """What Azure said. A body that is no error's may be anybody's page or row, and is not handed on."""
    if said is not None:
        details = (getattr(said, "details", None) or ())[:1]
        return ": ".join(dict.fromkeys(filter(None, (_text(said), *(_text(each) for each in details)))))
    answered = isinstance(getattr(error, "status_code", None), int)
    if answered or type(error).__name__ in SAY_NOTHING:
        return ""
    return _shortened(str(getattr(error, "message", None) or error))


def _text(said: Any) -> str:
    message = getattr(said, "message", None)
    return message if isinstance(message, str) else ""


def _shortened(text: str) -> str:
    """Of a whole chain of credentials: which were tried, and what those said that were there at all."""
    tried = _TRIED.findall(text)
    if not tried:
        return _plain(text)
    there = [f"{name} said: {_plain(words)}" for name, words in tried if not _ABSENT.search(words)]
    return "; ".join((f"tried {', '.join(name for name, _ in tried)}", *there))


def _plain(text: str) -> str:
    found = _POOL.sub(lambda pool: f"{pool[1]}:{pool[2]}: no connection", _OBJECT.sub("", text))
    return " ".join(_ADVICE.sub("", found).split())[:MOST_SAID].rstrip(" .")


def _hidden(text: str, tokens: Iterable[str]) -> str:
    for token in tokens:
        text = text.replace(token, "[hidden]")
    return without_secrets(text)


def _tokens_of(response: Any) -> list[str]:
    """What the request was signed with, in case the answer repeats it."""
    request = getattr(response, "request", None)
    headers = getattr(request, "headers", None)
    sent = {str(name).casefold(): str(value) for name, value in headers.items()} if isinstance(headers, Mapping) else {}
    query = str(getattr(request, "url", "")).partition("?")[2]
    signature = next((part.partition("=")[2] for part in query.split("&") if part.startswith("sig=")), "")
    return [token for token in (sent.get("authorization", "").rpartition(" ")[2], signature) if len(token) >= 4]
