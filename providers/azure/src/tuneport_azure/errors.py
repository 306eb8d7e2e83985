"""Every exception of Azure's SDKs as one of ours: classes by name, the management plane's codes by word. No SDK is imported.

Credential failures come before any answer, though their classes are those of answers. What Azure said goes along on one line, without
tokens, also without the very one that the request was signed with; the pages that azure-identity writes are told in a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tuneport_openai.failure import MOST_WORDS, OPEN, Failure, retry_after_s

from tuneport.errors import (
    Ambiguous,
    CredentialsRefused,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    TuneportError,
    Unreachable,
)
from tuneport.redaction import without_secrets
from tuneport_azure.refusals import TokenRefused
from tuneport_azure.signing_in import shortened

SIGN_IN = "Sign in: az login; or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET."
WHERE = "Look at subscription, resource_group and account of the profile, or AZURE_SUBSCRIPTION_ID and AZURE_RESOURCE_GROUP."
MAY_DEPLOY = (
    "Ask its owner for the role Foundry Owner or Cognitive Services OpenAI Contributor there; Foundry User is enough for training only."
)
_ACTION = re.compile(r"perform action '([^']{1,120})'")
_DEPLOYS = re.compile(r"/deployments/(?:write|delete)$", re.IGNORECASE)

Meaning = Callable[[Failure], TuneportError]


def translated(error: Exception, *, doing: str, creating: bool = False) -> TuneportError:
    """The error to raise for an exception that came up while `doing`, such as "listing the deployments".

    `creating`: the request may have taken effect. An exception that neither the SDKs, their transport nor the reading of an answer raises
    is a mistake of ours, and is raised again.
    """
    found = _translated(error, {**TABLE, **PYTHONS}, doing=doing, creating=creating)
    if found is None:
        raise error
    return found


def recognised(error: Exception, *, doing: str, creating: bool = False) -> TuneportError | None:
    """As `translated`, for what Azure's own classes tell; None for any other: for exceptions that come through another SDK."""
    return _translated(error, TABLE, doing=doing, creating=creating)


def _translated(error: Exception, table: Mapping[str, Meaning], *, doing: str, creating: bool) -> TuneportError | None:
    if isinstance(error, TuneportError):
        return error
    known = (table.get(kind.__name__) for kind in type(error).__mro__ if kind.__module__.partition(".")[0] in _MODULES)
    meaning = next(filter(None, known), None)
    return None if meaning is None else meaning(failure_of(error, doing=doing, creating=creating))


# --- what is known of a failure ---------------------------------------------------------------------------------------------------------


def failure_of(error: Exception, *, doing: str, creating: bool) -> Failure:
    """What an exception of azure-core tells of a request, whichever class it is of."""
    said, response = getattr(error, "error", None), getattr(error, "response", None)
    status, code = getattr(error, "status_code", None), getattr(said, "code", None)
    headers = getattr(response, "headers", None)
    return Failure(
        doing=doing,
        creating=creating,
        closing=OPEN,
        words=_hidden(" ".join(_words(error, said).split()), _tokens_of(response))[:MOST_WORDS],
        status=status if isinstance(status, int) else None,
        code=without_secrets(code) if isinstance(code, str) and len(code) <= 80 and code.isprintable() else "",
        retry_after_s=retry_after_s({str(k).casefold(): str(v) for k, v in headers.items()} if isinstance(headers, Mapping) else {}),
    )


def _words(error: Exception, said: Any) -> str:
    """What Azure said. A body that is no error's may be anybody's page or row, and is not handed on."""
    if said is not None:
        return ": ".join(dict.fromkeys(filter(None, (_text(said), *(_text(each) for each in (getattr(said, "details", None) or ())[:1])))))
    answered = isinstance(getattr(error, "status_code", None), int) and not _is_of_identity(error)
    if answered or type(error).__name__ in _SAY_NOTHING:
        return ""
    return shortened(str(getattr(error, "message", None) or error))


def _text(said: Any) -> str:
    message = getattr(said, "message", None)
    return message if isinstance(message, str) else ""


def _is_of_identity(error: Exception) -> bool:
    return any(kind.__name__ == "ClientAuthenticationError" for kind in type(error).__mro__)


def _hidden(text: str, tokens: Iterable[str]) -> str:
    for token in tokens:
        text = text.replace(token, "[hidden]")
    return without_secrets(text)


def _tokens_of(response: Any) -> list[str]:
    """What the request was signed with, in case the answer repeats it."""
    headers = getattr(getattr(response, "request", None), "headers", None)
    sent = {str(name).casefold(): str(value) for name, value in headers.items()} if isinstance(headers, Mapping) else {}
    found = [sent.get(name, "").rpartition(" ")[2] for name in ("authorization", "x-ms-authorization-auxiliary", "api-key")]
    return [token for token in found if len(token) >= 4]


# --- what it means ----------------------------------------------------------------------------------------------------------------------


def _unanswered(failure: Failure) -> TuneportError:
    if failure.creating:
        return Ambiguous(failure.sentence("no clear answer came"), remedy="Whether it took effect is not known.")
    return Unreachable(failure.sentence("no answer came"), remedy="Try again later.")


def _unsent(failure: Failure) -> TuneportError:
    """The request never left: nothing happened, whatever it was."""
    return Unreachable(failure.sentence("nothing could be sent"), remedy="Look at the address and the network: tuneport providers check")


def _unreadable(failure: Failure) -> TuneportError:
    said = failure.sentence("an answer came that cannot be read")
    if failure.creating:
        return Ambiguous(said, remedy="Whether it took effect is not known.")
    return Unreachable(said, remedy="Try again later, and look at the address: tuneport providers check")


def _undecoded(failure: Failure) -> TuneportError:
    """A status of an error says enough, whatever page comes with it."""
    return _by_status(failure) if (failure.status or 0) >= 400 else _unreadable(failure)


def _signed_out(failure: Failure) -> TuneportError:
    """No token, or one that was refused. Only an answer of the management plane has a code."""
    if failure.code:
        return _by_code(failure)
    if failure.status == 401:
        return _credentials(failure)
    return CredentialsRefused(failure.sentence("no token of Microsoft Entra could be had"), reason=failure.words, remedy=SIGN_IN)


def _credentials(failure: Failure) -> TuneportError:
    return TokenRefused(failure.sentence("the token was refused"), reason=failure.words, remedy=_AGAIN)


def _expired(failure: Failure) -> TuneportError:
    return TokenRefused(failure.sentence("the token has expired"), reason=failure.words, remedy=_AGAIN)


_AGAIN = "Sign in again: az login; a token in AZURE_MANAGEMENT_TOKEN has to be set anew. What was begun there goes on."


def _role(failure: Failure) -> TuneportError:
    """Roles that let one train let nobody deploy: that takes the management plane."""
    action = next(iter(_ACTION.findall(failure.words)), "")
    if _DEPLOYS.search(action) or (failure.creating and not action):
        lead = "this identity may perhaps train, but it may not deploy: it was refused"
        return CredentialsRefused(failure.sentence(lead), reason=failure.words, remedy=MAY_DEPLOY)
    remedy = f"Ask its owner for a role that has {action}." if action else "Ask its owner for a role that may do this."
    return CredentialsRefused(failure.sentence("the role of this identity does not allow that"), reason=failure.words, remedy=remedy)


def _refused(failure: Failure) -> TuneportError:
    return Refused(failure.sentence("Azure refused"), reason=failure.words)


def _quota(failure: Failure) -> TuneportError:
    remedy = "Give a smaller capacity, end another deployment, or ask for more quota in the portal."
    return QuotaExceeded(failure.sentence("there is not enough quota"), reason=failure.words, remedy=remedy)


def _busy(failure: Failure) -> TuneportError:
    """409 RequestConflict and its like: one change at a time in an account; this one was not begun."""
    return RateLimited(
        failure.sentence("another change is under way in the account"), retry_after_s=failure.retry_after_s, remedy="Try again soon."
    )


def _limited(failure: Failure) -> TuneportError:
    return RateLimited(failure.sentence("Azure asked to wait"), retry_after_s=failure.retry_after_s, remedy="Try again later.")


def _not_found(failure: Failure) -> TuneportError:
    return NotFound(failure.sentence("Azure knows nothing of that"), reason=failure.words)


def _misplaced(failure: Failure) -> TuneportError:
    return NotFound(failure.sentence("there is no such place"), reason=failure.words, remedy=WHERE)


def _by_code(failure: Failure) -> TuneportError:
    meaning = CODES.get(failure.code.casefold()) or (_quota if "quota" in failure.code.casefold() else None)
    return (meaning or _by_status)(failure)


def _by_status(failure: Failure) -> TuneportError:
    status = failure.status or 0
    if status in STATUSES:
        return STATUSES[status](failure)
    if 400 <= status < 500:
        return _refused(failure)
    return _unanswered(failure) if status >= 500 or not status else _unreadable(failure)


def _conflict(failure: Failure) -> TuneportError:
    """409 with a code of its own is a refusal: a lock, a state that forbids it. Without one nobody knows."""
    return _refused(failure) if failure.code else _unanswered(failure)


STATUSES: Mapping[int, Meaning] = {
    401: _credentials,
    403: _role,
    404: _not_found,
    408: _unanswered,
    409: _conflict,
    429: _limited,
}

CODES: Mapping[str, Meaning] = {
    "authorizationfailed": _role,
    "linkedauthorizationfailed": _role,
    "authorizationpermissionmismatch": _role,
    "expiredauthenticationtoken": _expired,
    "invalidauthenticationtoken": _credentials,
    "invalidauthenticationtokentenant": _credentials,
    "invalidauthenticationtokenaudience": _credentials,
    "authenticationfailed": _credentials,
    "authenticationfailedmissingtoken": _credentials,
    "subscriptionnotfound": _misplaced,
    "invalidsubscriptionid": _misplaced,
    "resourcegroupnotfound": _misplaced,
    "parentresourcenotfound": _misplaced,
    "insufficientquota": _quota,
    "requestconflict": _busy,
    "anotheroperationinprogress": _busy,
    "accountprovisioningstateinvalid": _busy,
    "toomanyrequests": _limited,
    "subscriptionrequeststhrottled": _limited,
    "resourcecollectionrequeststhrottled": _limited,
    "requestdisallowedbypolicy": _refused,
    "disallowedbypolicy": _refused,
    "scopelocked": _refused,
    "readonlydisabledsubscription": _refused,
    "missingsubscriptionregistration": _refused,
    "invalidresourceproperties": _refused,
    "deploymentmodelnotsupported": _refused,
    "servertimeout": _unanswered,
    "gatewaytimeout": _unanswered,
    "internalservererror": _unanswered,
    "serviceunavailable": _unanswered,
}
"""Codes of the management plane, in small letters; any other counts by its status."""

TABLE: Mapping[str, Meaning] = {
    # azure-core 1.41.0
    "AzureError": _unanswered,
    "ServiceRequestError": _unsent,
    "ServiceRequestTimeoutError": _unsent,
    "ServiceResponseError": _unanswered,
    "ServiceResponseTimeoutError": _unanswered,
    "HttpResponseError": _by_code,
    "ClientAuthenticationError": _signed_out,
    "ResourceExistsError": _by_code,
    "ResourceNotFoundError": _by_code,
    "ResourceModifiedError": _by_code,
    "ResourceNotModifiedError": _unreadable,
    "ODataV4Error": _by_code,
    "TooManyRedirectsError": _unreadable,
    "DecodeError": _undecoded,
    "IncompleteReadError": _unreadable,
    "StreamConsumedError": _unreadable,
    "StreamClosedError": _unreadable,
    "ResponseNotReadError": _unreadable,
    "DeserializationError": _unreadable,
    "SerializationError": _refused,
    "BadStatus": _unanswered,
    "BadResponse": _unreadable,
    "OperationFailed": _unanswered,
    # azure-identity 1.27.0, and msal below it
    "CredentialUnavailableError": _signed_out,
    "AuthenticationRequiredError": _signed_out,
    "MsalError": _signed_out,
    "MsalServiceError": _signed_out,
    "ManagedIdentityError": _signed_out,
    "ArcPlatformNotSupportedError": _signed_out,
    "IdTokenError": _signed_out,
    "IdTokenIssuerError": _signed_out,
    "IdTokenAudienceError": _signed_out,
    "IdTokenNonceError": _signed_out,
    "BrowserInteractionTimeoutError": _signed_out,
}
"""Classes by name, with what they mean; the nearest to an exception's own class counts. One of the SDKs that is missing fails a test."""

PYTHONS: Mapping[str, Meaning] = {"ValueError": _unreadable, "OSError": _unanswered}
"""What reading an answer and the network raise of Python's own."""

_MODULES = frozenset({"azure", "msal", "builtins"})
_SAY_NOTHING = frozenset(
    {"DecodeError", "IncompleteReadError", "DeserializationError", "SerializationError", "ValueError", "JSONDecodeError"}
)
"""Whose text quotes the answer, or the request."""
