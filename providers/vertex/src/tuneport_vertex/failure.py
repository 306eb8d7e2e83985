"""What is known of a failed request, whichever of Google's three SDKs tells of it: a google.rpc.Status, or that there was no answer.

Nothing of an answer is handed on that is no error in Google's own form: anything else may be anybody's page, or a row.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tuneport.redaction import without_secrets

MOST_WORDS = 500
"""Characters of the vendor's that are handed on."""
STATUS_OF: Mapping[str, int] = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""HTTP's status of each word of google.rpc.Code, in the order of their numbers from 1 to 16 (google/rpc/code.proto)."""
_WORD_OF = dict(enumerate(STATUS_OF, 1))
_ADDRESSED = re.compile(r"^[A-Z]+ https?://\S+: ")
"""How the clients put the request before what was said; an address may hold the secret name of an upload."""
_DELAY = re.compile(r"(\d{1,6}(?:\.\d+)?)s")
_NEVER_LEFT = frozenset(
    {"ConnectTimeout", "ConnectTimeoutError", "NewConnectionError", "NameResolutionError", "ConnectionRefusedError", "gaierror"}
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What is known of a failed request. `words` are the vendor's, without secrets; `code` is google.rpc.Code's word, or storage's reason;
    `reason` and `metadata` are ErrorInfo's; `limits` name the quotas and fields that were meant; `links` are pages of Google's console.

    `status` is None where nothing was answered. `unsent`: the request never left. `page`: the answer was somebody's HTML.
    """

    doing: str
    creating: bool = False
    words: str = ""
    status: int | None = None
    code: str = ""
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    retry_after_s: float | None = None
    unsent: bool = False
    page: bool = False

    def sentence(self, lead: str, *, words: bool = True) -> str:
        """`<lead> while <doing> (<status>, <code>, <reason>): <words>.`"""
        facts = ", ".join(dict.fromkeys(filter(None, (str(self.status or ""), self.code, self.reason))))
        said = f": {self.words.rstrip('.')}" if words and self.words else ""
        return f"{lead} while {self.doing}{f' ({facts})' if facts else ''}{said}."

    @property
    def about(self) -> str:
        """Everything that the vendor said, to be searched."""
        return " ".join((self.words, self.code, self.reason, *self.metadata.values(), *self.limits))


def failure_of(error: BaseException, *, doing: str, creating: bool) -> Failure:
    """What an exception tells of a request, whichever class it is of."""
    response = getattr(error, "response", None)
    headers = _headers(response)
    said = _status_in(error, response)
    found = _of_status(said, doing=doing, creating=creating) if said else Failure(doing, creating=creating, words=_bare_words(error))
    status = _number(getattr(error, "code", None)) or _number(getattr(error, "status_code", None)) or found.status
    return replace(
        found,
        words=_hidden(found.words, _tokens_of(response)),
        status=status or _number(getattr(response, "status_code", None)),
        retry_after_s=found.retry_after_s if found.retry_after_s is not None else retry_after_s(headers),
        unsent=_never_left(error),
        page="html" in headers.get("content-type", ""),
    )


def failure_in(status: Mapping[str, Any], *, doing: str, creating: bool = False) -> Failure:
    """What a google.rpc.Status tells that came in an answer: of a job, an operation, or a stream. Its code may be rpc's or HTTP's."""
    return _of_status(status, doing=doing, creating=creating)


def _of_status(said: Mapping[str, Any], *, doing: str, creating: bool) -> Failure:
    number = _number(said.get("code"))
    word = _word(said.get("status")) or (_WORD_OF.get(number, "") if number is not None and number < 100 else "")
    details = [each for each in _list(said.get("details")) if isinstance(each, Mapping)]
    errors = [each for each in _list(said.get("errors")) if isinstance(each, Mapping)]
    info = next((each for each in details if _is(each, "ErrorInfo")), {})
    named = info.get("metadata")
    metadata: Mapping[str, Any] = named if isinstance(named, Mapping) else {}
    return Failure(
        doing,
        creating=creating,
        words=_hidden(_text(said.get("message")), ())[:MOST_WORDS],
        status=STATUS_OF.get(word, number if number is not None and number >= 100 else None),
        code=word,
        reason=_word(info.get("reason")) or next(filter(None, (_word(each.get("reason")) for each in errors)), ""),
        metadata={str(key): _hidden(_text(value), ())[:200] for key, value in metadata.items()},
        limits=tuple(_limits_in(details)),
        links=tuple(_links_in(details, metadata)),
        retry_after_s=next(filter(None, (_delay(each.get("retryDelay")) for each in details)), None),
    )


def _status_in(error: BaseException, response: object) -> Mapping[str, Any] | None:
    """The google.rpc.Status that was answered; None where there is none, or something else was."""
    for body in (getattr(error, "details", None), _json_of(response)):
        found = body.get("error", body) if isinstance(body, Mapping) else None
        if isinstance(found, Mapping) and ("code" in found or "errors" in found) and isinstance(found.get("message", ""), str):
            return found
    return None


def _json_of(response: object) -> object:
    """The answer's JSON; None where it is none, or was not read."""
    try:
        found = json.loads(response.content)  # type: ignore[attr-defined]
    except Exception:  # a stream that was not read, bytes that are no text, no content at all
        return None
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def _bare_words(error: BaseException) -> str:
    """What a client says by itself. With an answer, or from Python's own classes, its text may quote anything."""
    if getattr(error, "response", None) is not None or type(error).__module__.partition(".")[0] not in (
        "google",
        "requests",
        "httpx",
        "httpx2",
    ):
        return ""
    said = getattr(error, "message", None) or next((each for each in error.args if isinstance(each, str)), "")
    text = " ".join(_ADDRESSED.sub("", said).split()) if isinstance(said, str) else ""
    return "" if text.startswith(("<", "{", "[")) else _hidden(text, ())[:MOST_WORDS]


def _limits_in(details: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for detail in details:
        for kind, keys in (("violations", ("subject", "quotaMetric", "quotaId")), ("fieldViolations", ("field",))):
            for each in _list(detail.get(kind)):
                if isinstance(each, Mapping):
                    yield from filter(None, (_word(each.get(key), most=200) for key in keys))


def _links_in(details: Iterable[Mapping[str, Any]], metadata: Mapping[str, Any]) -> Iterator[str]:
    """Pages of Google's console only: anything else is not to be followed on our word."""
    urls = [metadata.get("activationUrl")]
    urls += [link.get("url") for detail in details for link in _list(detail.get("links")) if isinstance(link, Mapping)]
    yield from (url for url in urls if isinstance(url, str) and CONSOLE.fullmatch(url))


CONSOLE = re.compile(r"https://console\.(?:developers|cloud)\.google\.com/[\w./?=&%:@~-]*[\w/=]")


def _is(detail: Mapping[str, Any], kind: str) -> bool:
    return str(detail.get("@type", "")).endswith(f"google.rpc.{kind}")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: object) -> int | None:
    value = getattr(value, "value", value)  # http.HTTPStatus is one, an enumeration of gRPC's is not
    return int(value) if isinstance(value, int) and not isinstance(value, bool) and value else None


def _word(value: object, *, most: int = 80) -> str:
    """A code or a name; longer texts are none."""
    return without_secrets(value) if isinstance(value, str) and len(value) <= most and value.isprintable() else ""


def _text(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _headers(response: object) -> Mapping[str, str]:
    found = getattr(response, "headers", None)
    return {str(name).casefold(): str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}


def _hidden(text: str, tokens: Iterable[str]) -> str:
    for token in tokens:
        text = text.replace(token, "[hidden]")
    return without_secrets(text)


def _tokens_of(response: object) -> list[str]:
    """What the request was signed with, in case the answer repeats it."""
    try:
        sent = _headers(getattr(response, "request", None))
    except RuntimeError:  # httpx has no request for what failed before there was one
        return []
    found = (sent.get(name, "").rpartition(" ")[2] for name in ("authorization", "x-goog-api-key"))
    return [token for token in found if len(token) >= 4]


def _never_left(error: BaseException, *, depth: int = 6) -> bool:
    """Whether there was no connection to send anything on. The reason may lie several wrappings below."""
    if type(error).__name__ in _NEVER_LEFT or (type(error).__name__ == "ConnectError" and type(error).__module__.startswith("httpx")):
        return True
    below = [getattr(error, "reason", None), error.__cause__, *error.args]
    return depth > 0 and any(_never_left(each, depth=depth - 1) for each in below if isinstance(each, BaseException))


def _delay(value: object) -> float | None:
    """RetryInfo's retryDelay: a duration as JSON has it, such as '17s' or '0.250s'."""
    found = _DELAY.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) if found else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long the vendor asks to wait, from headers with names in lower case; None where it does not say. A date is taken from the
    answer's own Date where there is one: its clock, not ours."""
    said = headers.get("retry-after", "")
    try:
        value = float(said)
    except ValueError:
        until, said_at = _date(said), _date(headers.get("date", ""))
        return None if until is None else max(0.0, (until - (said_at or datetime.now(UTC))).total_seconds())
    return max(0.0, value) if math.isfinite(value) else None


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
