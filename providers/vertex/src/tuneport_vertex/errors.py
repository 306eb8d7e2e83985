"""Every exception of Google's SDKs and of their transports as one of ours, in one table by class name: nothing of them is imported.

What Google said goes along in the message and in `reason`, on one line and without tokens. A refusal says that nothing was created; a
time-out, a broken connection, 408, 409, 5xx and an answer that cannot be read say nothing about that, and are Ambiguous while something
is created. What never left was not done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneport.errors import Ambiguous, CredentialsRefused, Refused, TuneportError, Unreachable
from tuneport_vertex.failure import Failure, failure_in, failure_of
from tuneport_vertex.refusals import AGAIN, SIGN_IN, STATUSES, Meaning, rejected

__all__ = ["TABLE", "status_error", "vertex_error"]


def vertex_error(error: Exception, *, doing: str, creating: bool = False) -> TuneportError:
    """The error to raise for an exception that came up while `doing`, such as "creating the job".

    `creating`: the request may have taken effect. An exception that neither the SDKs, their transports nor the reading of an answer raises
    is a mistake of ours, and is raised again.
    """
    if isinstance(error, TuneportError):
        return error
    meaning = _meaning(error)
    if meaning is None:
        raise error
    cause = getattr(error, "cause", None)  # api_core's RetryError: what it gave up over
    if isinstance(cause, Exception) and _meaning(cause) is not None:
        return vertex_error(cause, doing=doing, creating=creating)
    return meaning(failure_of(error, doing=doing, creating=creating))


def status_error(status: Mapping[str, Any], *, doing: str, creating: bool = False) -> TuneportError:
    """The error for a google.rpc.Status inside an answer: of an operation that has failed, or of a stream."""
    return _by_status(failure_in(status, doing=doing, creating=creating))


def _meaning(error: Exception) -> Meaning | None:
    """The nearest entry of the table; None where there is none. A class whose name means two things is listed with its module."""
    for kind in type(error).__mro__:
        if kind.__module__.partition(".")[0] in _MODULES:
            found = TABLE.get(f"{kind.__module__}.{kind.__name__}") or TABLE.get(kind.__name__)
            if found is not None:
                return found
    return _unreadable if _raised_by_an_sdk(error) else None


def _raised_by_an_sdk(error: Exception) -> bool:
    """Whether an exception of Python's own, such as an AttributeError, comes from an SDK that stumbled over an answer."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and str(last.tb_frame.f_globals.get("__name__", "")).partition(".")[0] in _STUMBLING


# --- what it means ----------------------------------------------------------------------------------------------------------------------


def _unanswered(failure: Failure) -> TuneportError:
    """No answer, or one that says nothing about what was done."""
    if failure.unsent:
        return _unsent(failure)
    if failure.creating:
        return Ambiguous(failure.sentence("no clear answer came"), remedy="Whether it took effect is not known.")
    return Unreachable(failure.sentence("no answer came"), remedy="Try again later.")


def _unsent(failure: Failure) -> TuneportError:
    """The request never left: nothing happened, whatever it was."""
    return Unreachable(failure.sentence("nothing could be sent"), remedy="Look at the network and the address: tuneport providers check")


def _unreadable(failure: Failure) -> TuneportError:
    """An answer that is not what was promised: a proxy's, half of one, or one of another service."""
    said = failure.sentence("an answer came that cannot be read", words=False)
    if failure.creating:
        return Ambiguous(said, remedy="Whether it took effect is not known.")
    return Unreachable(said, remedy="Try again later, and look at the address: tuneport providers check")


def _no_credentials(failure: Failure) -> TuneportError:
    return CredentialsRefused(failure.sentence("there are no usable credentials of Google Cloud"), reason=failure.words, remedy=SIGN_IN)


def _not_renewed(failure: Failure) -> TuneportError:
    """The token has run out, or was refused, and no new one was to be had: before any answer of the service, or after its 401."""
    if failure.unsent:
        return _unsent(failure)
    words = "" if "necessary fields" in failure.words else failure.words
    lead = "the access token has expired or was refused, and no other could be had"
    said = f"{lead} while {failure.doing}{f': {words.rstrip(chr(46))}' if words else ''}."
    return CredentialsRefused(said, reason=failure.words, remedy=AGAIN)


def _sign_in_silent(failure: Failure) -> TuneportError:
    """The service that gives tokens did not answer: what was to be done was not begun."""
    return Unreachable(failure.sentence("Google's sign-in gave no answer"), remedy="Try again later.")


def _refused(failure: Failure) -> TuneportError:
    return Refused(failure.sentence("Google refused"), reason=failure.words)


def _by_status(failure: Failure) -> TuneportError:
    status = failure.status or 0
    if status in STATUSES:
        return STATUSES[status](failure)
    if status in (408, 409, 499) or status >= 500 or not status:
        return _unanswered(failure)
    if status < 400 or (status == 404 and failure.page):
        return _unreadable(failure)  # a page in place of a resource that is not there is another server's
    return rejected(failure)


TABLE: Mapping[str, Meaning] = {
    # google-genai 2.34.0
    "APIError": _by_status,
    "ClientError": _by_status,
    "ServerError": _by_status,
    "UnknownApiResponseError": _unreadable,
    "UnknownFunctionCallArgumentError": _unreadable,
    "UnsupportedFunctionError": _refused,
    "FunctionInvocationError": _unreadable,
    "EphemeralTokenAPIKeyError": _no_credentials,
    # google-genai's other client, of interactions
    "ContinuationInterruptedError": _unanswered,
    "ContinuationTimeoutError": _unanswered,
    "GeminiNextGenAPIClientError": _unanswered,
    "APIStatusError": _by_status,
    "APIConnectionError": _unanswered,
    "APITimeoutError": _unanswered,
    "APIResponseValidationError": _unreadable,
    "BadRequestError": _by_status,
    "AuthenticationError": _by_status,
    "PermissionDeniedError": _by_status,
    "NotFoundError": _by_status,
    "ConflictError": _by_status,
    "UnprocessableEntityError": _by_status,
    "RateLimitError": _by_status,
    "InternalServerError": _by_status,
    "GenAiError": _by_status,
    "GenAiDefaultError": _by_status,
    "CreateInteractionClientError": _by_status,
    "CreateInteractionServerError": _by_status,
    "GetInteractionByIDClientError": _by_status,
    "GetInteractionByIDServerError": _by_status,
    "CancelInteractionByIDClientError": _by_status,
    "CancelInteractionByIDServerError": _by_status,
    "DeleteInteractionClientError": _by_status,
    "DeleteInteractionServerError": _by_status,
    "ResponseValidationError": _unreadable,
    "NoResponseError": _unanswered,
    "TemporaryError": _unanswered,
    "PermanentError": _unanswered,
    # google-api-core 2.44.0: what the clients of models, endpoints and storage raise
    "GoogleAPIError": _unanswered,
    "GoogleAPICallError": _by_status,
    "RetryError": _unanswered,
    "DuplicateCredentialArgs": _refused,
    "Redirection": _by_status,
    "MovedPermanently": _by_status,
    "NotModified": _by_status,
    "TemporaryRedirect": _by_status,
    "ResumeIncomplete": _by_status,
    "BadRequest": _by_status,
    "InvalidArgument": _by_status,
    "FailedPrecondition": _by_status,
    "OutOfRange": _by_status,
    "Unauthorized": _by_status,
    "Unauthenticated": _by_status,
    "Forbidden": _by_status,
    "PermissionDenied": _by_status,
    "NotFound": _by_status,
    "MethodNotAllowed": _by_status,
    "Conflict": _by_status,
    "AlreadyExists": _by_status,
    "Aborted": _by_status,
    "LengthRequired": _by_status,
    "PreconditionFailed": _by_status,
    "RequestRangeNotSatisfiable": _by_status,
    "TooManyRequests": _by_status,
    "ResourceExhausted": _by_status,
    "Cancelled": _by_status,
    "Unknown": _by_status,
    "DataLoss": _by_status,
    "MethodNotImplemented": _by_status,
    "BadGateway": _by_status,
    "ServiceUnavailable": _by_status,
    "GatewayTimeout": _by_status,
    "DeadlineExceeded": _by_status,
    "ResumableTransferError": _unanswered,
    "TransferStalledError": _unanswered,
    "UnseekableStreamError": _unanswered,
    "UploadCancelledError": _unanswered,
    "MissingStatusHeaderError": _unreadable,
    "AsyncRestUnsupportedParameterError": _refused,
    "FeatureGatingError": _refused,
    "EmptyUniverseError": _refused,
    "UniverseMismatchError": _no_credentials,
    "InvalidOperationException": _refused,
    # google-auth 2.62.2
    "GoogleAuthError": _not_renewed,
    "TransportError": _sign_in_silent,
    "RefreshError": _not_renewed,
    "UserAccessTokenError": _not_renewed,
    "DefaultCredentialsError": _no_credentials,
    "MutualTLSChannelError": _no_credentials,
    "ClientCertError": _no_credentials,
    "OAuthError": _not_renewed,
    "ReauthFailError": _not_renewed,
    "ReauthSamlChallengeFailError": _not_renewed,
    "MalformedError": _no_credentials,
    "InvalidResource": _no_credentials,
    "InvalidOperation": _no_credentials,
    "InvalidValue": _no_credentials,
    "InvalidType": _no_credentials,
    "google.auth.exceptions.OSError": _no_credentials,
    "google.auth.exceptions.TimeoutError": _sign_in_silent,
    "google.auth.exceptions.ResponseError": _sign_in_silent,
    # google-cloud-storage 3.17.1, and google-resumable-media 2.11.0 below it
    "InvalidResponse": _by_status,
    "DataCorruption": _unanswered,
    "InvalidPathError": _refused,
    # protobuf and pydantic: bodies that are not what they should be
    "google.protobuf.json_format.Error": _unreadable,
    "google.protobuf.message.Error": _unreadable,
    "ValidationError": _unreadable,
    # transports: requests 2.34 and urllib3 2 below it; httpx 0.28 and httpx2 2.16
    "RequestException": _unanswered,
    "requests.exceptions.HTTPError": _by_status,
    "requests.exceptions.JSONDecodeError": _unreadable,
    "requests.exceptions.RetryError": _unanswered,
    "InvalidJSONError": _unreadable,
    "InvalidSchema": _unsent,
    "MissingSchema": _unsent,
    "URLRequired": _unsent,
    "InvalidHeader": _unsent,
    "HTTPError": _unanswered,
    "HTTPStatusError": _by_status,
    "httpx.TransportError": _unanswered,
    "httpx2.TransportError": _unanswered,
    "PoolTimeout": _unsent,
    "UnsupportedProtocol": _unsent,
    "StreamError": _unanswered,
    "InvalidURL": _unsent,
    "CookieConflict": _unreadable,
    "CookieConflictError": _unreadable,
    # Python's
    "HTTPException": _unanswered,
    "ValueError": _unreadable,
    "OSError": _unanswered,
}
"""Classes by name, with what they mean; the nearest to an exception's own class counts. One of the SDKs that is missing fails a test."""

_MODULES = frozenset({"google", "pydantic_core", "requests", "urllib3", "httpx", "httpx2", "http", "builtins"})
_STUMBLING = frozenset({"google", "pydantic", "proto", "requests", "urllib3", "httpx", "httpx2"})
