"""Every exception of Azure's SDKs as one of ours: classes by name, the services' codes by word. No SDK is imported.

What Azure said goes along on one line, without tokens and signatures; the pages that azure-identity writes are told in a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

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
from tuneport_azureml.failure import Failure, failure_of

SIGN_IN = "Sign in: az login; or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET."
WHERE = (
    "Look at subscription, resource_group and workspace of the profile, or AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and "
    "AZUREML_WORKSPACE_NAME."
)
AGAIN = "Sign in again: az login; a token in AZURE_MANAGEMENT_TOKEN has to be set anew. What was begun there goes on."
TENANT = "Sign in to the tenant of the subscription: az login --tenant TENANT."
ROLE = "Ask its owner for the role AzureML Data Scientist on the workspace, and Storage Blob Data Contributor on its storage."
_ACTION = re.compile(r"perform action '([^']{1,120})'")
_GONE = re.compile(r"tuneport-[0-9a-f]{32}")
_MODEL = re.compile(r"\bmodels?\b.*(?:not (?:be )?found|does not exist|not exist|could not be resolved)", re.IGNORECASE)
_COMPUTE = re.compile(r"\bcompute\b.*(?:not (?:be )?found|does not exist|not exist)", re.IGNORECASE)
_ENVIRONMENT = re.compile(r"\benvironment\b.*(?:not (?:be )?found|does not exist|not exist)", re.IGNORECASE)
_REGION = re.compile(r"\b(?:region|location)\b.*\bnot (?:supported|available|offered)", re.IGNORECASE)

Meaning = Callable[[Failure], TuneportError]


class TokenRefused(CredentialsRefused):
    """A token that was refused as such, not what its owner may do: another one may be taken."""


def translated(error: Exception, *, doing: str, creating: bool = False) -> TuneportError:
    """The error to raise for an exception that came up while `doing`, such as "listing jobs".

    `creating`: the request may have taken effect. An exception that neither the SDKs, their transport nor the reading of an answer raises
    is a mistake of ours, and is raised again.
    """
    if isinstance(error, TuneportError):
        return error
    known = (TABLE.get(kind.__name__) for kind in type(error).__mro__ if kind.__module__.partition(".")[0] in _MODULES)
    meaning = next(filter(None, known), None)
    if meaning is None:
        raise error
    return meaning(failure_of(error, doing=doing, creating=creating))


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
    """No token, or one that was refused. Only an answer has a code or a status."""
    if failure.code or failure.status:
        return _by_code(failure)
    return CredentialsRefused(failure.sentence("no token of Microsoft Entra could be had"), reason=failure.words, remedy=SIGN_IN)


def _credentials(failure: Failure) -> TuneportError:
    return TokenRefused(failure.sentence("the token was refused"), reason=failure.words, remedy=AGAIN)


def _expired(failure: Failure) -> TuneportError:
    return TokenRefused(failure.sentence("the token has expired"), reason=failure.words, remedy=AGAIN)


def _tenant(failure: Failure) -> TuneportError:
    return TokenRefused(failure.sentence("the token is of another tenant than the subscription"), reason=failure.words, remedy=TENANT)


def _role(failure: Failure) -> TuneportError:
    action = next(iter(_ACTION.findall(failure.words)), "")
    lead = f"the role of this identity does not allow {action}" if action else "the role of this identity does not allow that"
    return CredentialsRefused(failure.sentence(lead), reason=failure.words, remedy=ROLE)


def _refused(failure: Failure) -> TuneportError:
    if failure.creating and _GONE.search(failure.words):
        return FileGone(failure.sentence("a data asset is no longer there"), reason=failure.words)
    if failure.creating and (found := next((each for each in _KNOWN if each[0].search(failure.words)), None)) is not None:
        return Refused(failure.sentence(found[1]), reason=failure.words, remedy=found[2])
    return Refused(failure.sentence("Azure refused"), reason=failure.words)


_KNOWN = (
    (_COMPUTE, "the workspace has no such compute", "Look at compute of the profile or the recipe's options. See: az ml compute list"),
    (_ENVIRONMENT, "there is no such environment", "Look at environment in options.local.azureml. See: az ml environment list"),
    (_MODEL, "the registry has no such model", "Look at the asset id in the studio's model catalogue: its name and version."),
    (_REGION, "the workspace's region does not offer that", "Use a workspace in a region that the model's card names."),
)


def _quota(failure: Failure) -> TuneportError:
    remedy = "Name other instance_types or a compute that is there, or ask for more quota: the studio, Quota."
    return QuotaExceeded(failure.sentence("there is not enough quota"), reason=failure.words, remedy=remedy)


def _limited(failure: Failure) -> TuneportError:
    return RateLimited(failure.sentence("Azure asked to wait"), retry_after_s=failure.retry_after_s, remedy="Try again later.")


def _not_found(failure: Failure) -> TuneportError:
    if failure.creating:
        return _refused(failure)
    return NotFound(failure.sentence("Azure knows nothing of that"), reason=failure.words)


def _misplaced(failure: Failure) -> TuneportError:
    return Refused(failure.sentence("there is no such place"), reason=failure.words, remedy=WHERE)


def _resource(failure: Failure) -> TuneportError:
    """404 ResourceNotFound is of the workspace where that is what the words name."""
    return _misplaced(failure) if re.search(r"workspaces/[^/']+'", failure.words) else _not_found(failure)


def _by_code(failure: Failure) -> TuneportError:
    meaning = CODES.get(failure.code.casefold()) or (_quota if "quota" in failure.code.casefold() else None)
    return (meaning or _by_status)(failure)


def _by_status(failure: Failure) -> TuneportError:
    status = failure.status or 0
    if status in STATUSES:
        return STATUSES[status](failure)
    if 400 <= status < 500:
        return _quota(failure) if re.search(r"\bquota\b", failure.words, re.IGNORECASE) else _refused(failure)
    return _unanswered(failure) if status >= 500 or not status else _unreadable(failure)


STATUSES: Mapping[int, Meaning] = {
    401: _credentials,
    403: _role,
    404: _not_found,
    408: _unanswered,
    409: _unanswered,
    429: _limited,
}

CODES: Mapping[str, Meaning] = {
    "authorizationfailed": _role,
    "linkedauthorizationfailed": _role,
    "authorizationpermissionmismatch": _role,
    "expiredauthenticationtoken": _expired,
    "invalidauthenticationtoken": _credentials,
    "invalidauthenticationtokentenant": _tenant,
    "authenticationfailed": _credentials,
    "authenticationfailedmissingtoken": _credentials,
    "subscriptionnotfound": _misplaced,
    "invalidsubscriptionid": _misplaced,
    "resourcegroupnotfound": _misplaced,
    "parentresourcenotfound": _misplaced,
    "resourcenotfound": _resource,
    "toomanyrequests": _limited,
    "subscriptionrequeststhrottled": _limited,
    "serverbusy": _limited,
    "requestdisallowedbypolicy": _refused,
    "scopelocked": _refused,
    "readonlydisabledsubscription": _refused,
    "missingsubscriptionregistration": _refused,
    "containernotfound": _refused,
    "internalservererror": _unanswered,
    "internalerror": _unanswered,
    "operationtimedout": _unanswered,
    "serviceunavailable": _unanswered,
    "gatewaytimeout": _unanswered,
}
"""Codes of the management plane and of blob storage, in small letters; any other counts by its status."""

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
    # azure-storage-blob 12.31.1
    "PartialBatchErrorException": _unanswered,
    "AzureSigningError": _unsent,
    "AvroException": _unreadable,
    "DataFileException": _unreadable,
    "Error": _unreadable,
    "SchemaParseException": _unreadable,
    "SchemaResolutionException": _unreadable,
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
    # Python's: what reading an answer and the network raise
    "ValueError": _unreadable,
    "OSError": _unanswered,
}
"""Classes by name, with what they mean; the nearest to an exception's own class counts. One of the SDKs that is missing fails a test."""

_MODULES = frozenset({"azure", "msal", "builtins", "requests", "json"})
