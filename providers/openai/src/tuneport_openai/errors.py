"""Every exception of the SDK as one of ours, in one table by class name: nothing of the SDK is imported.

What the vendor said goes along in the message and in `reason`, on one line and without keys, also without the very key of the request.
A refusal says that nothing was created; a time-out, a broken connection, 408, 409, 5xx and an answer that cannot be read say nothing about
that, and are Ambiguous while something is created.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tuneport.errors import (
    Ambiguous,
    CredentialsRefused,
    FileGone,
    NotFound,
    PlatformClosed,
    QuotaExceeded,
    RateLimited,
    Refused,
    TuneportError,
    UnknownModel,
    Unreachable,
)
from tuneport_openai.failure import OPEN, Closing, Failure, failure_of

QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "daily_rate_limit_exceeded"})
MODEL_CODES = frozenset({"model_not_found", "model_not_available"})
_SCOPES = re.compile(r"missing scopes?|\bscopes? (?:is|are) missing", re.IGNORECASE)
_ABOUT_THE_CALLER = re.compile(r"verif(?:y|ied|ication)|\bprojects?\b|\broles?\b|\bmembers?\b|\bip address", re.IGNORECASE)
_CLOSED = re.compile(
    r"fine-?tun.{0,80}(?:no longer|not (?:open|available) to|closed|closing|discontinued|w(?:i|ou)nd(?:ing|ed)? down|sunset)"
    r"|(?:no longer|discontinued|closed).{0,80}fine-?tun",
    re.IGNORECASE,
)
_FILE_GONE = re.compile(
    r"no such|not (?:be )?found|not exist|deleted|expired|invalid (?:training|validation)_file|invalid[ _]file[ _]id", re.IGNORECASE
)
_CONTENTS = re.compile(r"\b(?:line|example|row)s? \d|format", re.IGNORECASE)
_FILE_KEYS = frozenset({"training_file", "validation_file", "file_id", "file"})
_CHECK = "See which key and address are used: tuneport providers check"


def translated(error: Exception, *, doing: str, creating: bool = False, closing: Closing = OPEN) -> TuneportError:
    """The error to raise for an exception that came up while `doing`, such as "creating the job".

    `creating`: the request may have taken effect. `closing`: what to say where a platform that is closing refuses to create a job. An
    exception that neither the SDK, its transport nor the reading of an answer raises is a mistake of ours, and is raised again.
    """
    if isinstance(error, TuneportError):
        return error
    meaning = _meaning(type(error))
    if meaning is None:
        raise error
    return meaning(failure_of(error, doing=doing, creating=creating, closing=closing))


def _meaning(kind: type[Exception]) -> Callable[[Failure], TuneportError] | None:
    """The nearest entry of the table; None where there is none. The SDK's root class itself is raised where no key can be had."""
    known = (each for each in kind.__mro__ if each.__name__ in TABLE and each.__module__.partition(".")[0] in _MODULES)
    nearest = next(known, None)
    if nearest is None:
        return None
    return _credentials if nearest is kind and kind.__name__ == "OpenAIError" else TABLE[nearest.__name__]


# --- what it means ----------------------------------------------------------------------------------------------------------------------


def _unanswered(failure: Failure) -> TuneportError:
    """No answer, or one that says nothing about what was done."""
    if failure.creating:
        return Ambiguous(failure.sentence("no clear answer came"), remedy="Whether it took effect is not known.")
    return Unreachable(failure.sentence("no answer came"), remedy="Try again later.")


def _unreadable(failure: Failure) -> TuneportError:
    """An answer that is not what was promised: a proxy's, half of one, or one of another service."""
    said = failure.sentence("an answer came that cannot be read")
    if failure.creating:
        return Ambiguous(said, remedy="Whether it took effect is not known.")
    return Unreachable(said, remedy="Try again later, and look at the address: tuneport providers check")


def _in_stream(failure: Failure) -> TuneportError:
    """An error that came in the middle of an answer, without a status of its own."""
    if failure.code in QUOTA_CODES and not failure.creating:
        return _quota(failure)
    return _unanswered(failure)


def _credentials(failure: Failure) -> TuneportError:
    return CredentialsRefused(failure.sentence("the credentials were refused"), reason=failure.words, remedy=_CHECK)


def _refused(failure: Failure) -> TuneportError:
    return Refused(failure.sentence("the provider refused"), reason=failure.words)


def _quota(failure: Failure) -> TuneportError:
    return QuotaExceeded(
        failure.sentence("a limit of the account is reached"), reason=failure.words, remedy="Look at the account's billing and limits."
    )


def _closed(failure: Failure) -> TuneportError:
    """The vendor's words do not say until when, and where else: the catalogue does."""
    lead = failure.closing.sentence or "the provider takes no such jobs any more"
    said = f": {failure.words.rstrip('.')}" if failure.words else ""
    return PlatformClosed(f"{lead}{said}.", reason=failure.words, remedy=failure.closing.remedy)


def _unknown_model(failure: Failure) -> TuneportError:
    return UnknownModel(failure.sentence("the provider knows no such model"), remedy="See: tuneport models list, tuneport models bases")


def _file_gone(failure: Failure) -> TuneportError:
    return FileGone(failure.sentence("a file is no longer there"), reason=failure.words)


def _limited(failure: Failure) -> TuneportError:
    """429. Without quota, waiting does not help."""
    if QUOTA_CODES & {failure.code, failure.kind}:
        return _quota(failure)
    return RateLimited(failure.sentence("the provider asked to wait"), retry_after_s=failure.retry_after_s, remedy="Try again later.")


def _forbidden(failure: Failure) -> TuneportError:
    """403. Which code a closed platform answers with is not documented: that it refuses a job, and not for a key's scopes, has to do."""
    if "country" in failure.code or "region" in failure.code:
        return _refused(failure)
    if failure.code in MODEL_CODES:
        return _unknown_model(failure)
    if not failure.creating or _SCOPES.search(failure.words):
        return _credentials(failure)
    may_be_closed = bool(failure.closing.sentence) and not _ABOUT_THE_CALLER.search(failure.words)
    return _closed(failure) if may_be_closed or _CLOSED.search(failure.words) else _credentials(failure)


def _rejected(failure: Failure) -> TuneportError:
    """400, 404, 422 and their like: by what they are about."""
    if failure.code in QUOTA_CODES:
        return _quota(failure)
    if failure.code in MODEL_CODES or (failure.param == "model" and "not exist" in failure.words):
        return _unknown_model(failure)
    if failure.creating and _about_a_file(failure):
        return _file_gone(failure)
    if failure.creating and _CLOSED.search(failure.words):
        return _closed(failure)
    if failure.status == 404:
        return NotFound(failure.sentence("the provider knows nothing of that"), reason=failure.words, remedy=_CHECK)
    return _refused(failure)


def _about_a_file(failure: Failure) -> bool:
    named = failure.param in _FILE_KEYS or re.search(r"\bfile\b|_file\b|\bfile-", failure.words, re.IGNORECASE) is not None
    of_its_rows = _CONTENTS.search(f"{failure.words} {failure.code}") is not None
    return named and not of_its_rows and _FILE_GONE.search(f"{failure.words} {failure.code}") is not None


def _gone(failure: Failure) -> TuneportError:
    """410: what is gone is the whole service, when something is to be created."""
    return _closed(failure) if failure.creating else NotFound(failure.sentence("that is no longer there"), reason=failure.words)


STATUSES: Mapping[int, Callable[[Failure], TuneportError]] = {
    401: _credentials,
    402: _quota,
    403: _forbidden,
    408: _unanswered,
    409: _unanswered,
    410: _gone,
    429: _limited,
}


def _by_status(failure: Failure) -> TuneportError:
    status = failure.status or 0
    if status in STATUSES:
        return STATUSES[status](failure)
    return _rejected(failure) if 400 <= status < 500 else _unanswered(failure)


TABLE: Mapping[str, Callable[[Failure], TuneportError]] = {
    # the SDK's, openai 3.52.0
    "APIStatusError": _by_status,
    "BadRequestError": _by_status,
    "AuthenticationError": _credentials,
    "OAuthError": _credentials,
    "PermissionDeniedError": _by_status,
    "NotFoundError": _by_status,
    "ConflictError": _by_status,
    "UnprocessableEntityError": _by_status,
    "RateLimitError": _by_status,
    "InternalServerError": _by_status,
    "APIConnectionError": _unanswered,
    "APITimeoutError": _unanswered,
    "APIResponseValidationError": _unreadable,
    "APIError": _in_stream,
    "SubjectTokenProviderError": _credentials,
    "LengthFinishReasonError": _refused,
    "ContentFilterFinishReasonError": _refused,
    "InvalidWebhookSignatureError": _refused,
    "WebSocketConnectionClosedError": _unanswered,
    "WebSocketQueueFullError": _unanswered,
    "OpenAIError": _unanswered,
    # its transport's, which come out of streams
    "HTTPError": _unanswered,
    "StreamError": _unanswered,
    "InvalidURL": _refused,
    # Python's
    "ValueError": _unreadable,
    "OSError": _unanswered,
}
"""Classes by name, with what they mean; the nearest to an exception's own class counts. A class of the SDK that is missing fails a test."""

_MODULES = frozenset({"openai", "httpx2", "httpx", "builtins"})
