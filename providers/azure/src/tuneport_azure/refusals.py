"""What Azure's refusals mean where OpenAI's table does not know them: asked first, by code and by the vendor's words.

Codes and words: facts of 2026-11-21 (authoring specification 2025-04-01-preview, and reports of what the live service answers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tuneport_openai.failure import Failure

from tuneport.errors import CredentialsRefused, FileGone, NotFound, QuotaExceeded, Refused, TuneportError, Unreachable

_NETWORK = re.compile(r"virtual network|firewall|public network access", re.IGNORECASE)
_NO_KEYS = re.compile(r"key.{0,40}(?:disabled|not (?:allowed|permitted))|(?:disabled|not (?:allowed|permitted)).{0,40}key", re.IGNORECASE)
_NOT_TUNED = re.compile(r"does not support fine-?tuning", re.IGNORECASE)
_NO_IMPORT = re.compile(r"must point to a completed file import", re.IGNORECASE)
_STATES = frozenset({"unexpectedEntityState", "conflict"})
_NOT_READY = frozenset({"DeploymentNotReady", "DeploymentError"})

ROLES = "To train it needs a role such as Foundry User, to deploy one such as Cognitive Services Contributor, on the resource."


class TokenRefused(CredentialsRefused):
    """A token that was refused as such, not what its owner may do: another one may be taken."""


class NotTrained(Refused):
    """A base that is not trained there in that way; the vendor does not say which of several reasons it has."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked and how: what the sentences name. `credential` is key, token or entra."""

    profile: str
    resource: str
    credential: str
    key_source: str
    version: str | None = None


def refusal(failure: Failure, asked: Asked) -> TuneportError | None:
    """The error for a refusal of Azure's; None where OpenAI's table says it."""
    if failure.code == "quotaExceeded":
        return QuotaExceeded(
            failure.sentence(f"a limit of the resource {asked.resource} is reached"),
            reason=failure.words,
            remedy=f"See how many jobs it has: tuneport providers check {asked.profile}. Jobs that have ended can be deleted.",
        )
    if failure.status == 401:
        return _unauthorized(failure, asked)
    if failure.status == 403:
        return _forbidden(failure, asked)
    if failure.status in (400, 404, 409):
        return _rejected(failure, asked)
    return None


def _unauthorized(failure: Failure, asked: Asked) -> TuneportError:
    """401. The gateway says one thing for a wrong key, the key of another resource, and a wrong address."""
    if failure.code == "PermissionDenied":
        return _no_role(failure, asked)
    if asked.credential == "key":
        return CredentialsRefused(
            failure.sentence(f"{asked.resource} refused the key in {asked.key_source}"),
            reason=failure.words,
            remedy=f"It is wrong, or the key of another resource, or the endpoint is: tuneport providers check {asked.profile}",
        )
    expired = {"token": "Fetch another one: az account get-access-token --resource https://cognitiveservices.azure.com"}
    return TokenRefused(
        failure.sentence(f"{asked.resource} refused the token of {asked.key_source}"),
        reason=failure.words,
        remedy=expired.get(asked.credential, "Sign in anew, such as with: az login. The job goes on in any case."),
    )


def _no_role(failure: Failure, asked: Asked) -> CredentialsRefused:
    return CredentialsRefused(
        failure.sentence(f"the identity of {asked.key_source} may not do that in {asked.resource}"), reason=failure.words, remedy=ROLES
    )


def _forbidden(failure: Failure, asked: Asked) -> TuneportError | None:
    if _NETWORK.search(failure.words):
        return Refused(
            failure.sentence(f"{asked.resource} does not let this network in"),
            reason=failure.words,
            remedy="Ask from a network that its firewall allows, or have this one added (Azure portal: the resource, Networking).",
        )
    if failure.code == "AuthenticationTypeDisabled" or (asked.credential == "key" and _NO_KEYS.search(failure.words)):
        return CredentialsRefused(
            failure.sentence(f"{asked.resource} takes no keys"),
            reason=failure.words,
            remedy=f'Use Microsoft Entra: credential = "entra" in [providers.{asked.profile}], and az login.',
        )
    if failure.code in ("PermissionDenied", "AuthorizationFailed", "forbidden"):
        return _no_role(failure, asked)
    return None


def _rejected(failure: Failure, asked: Asked) -> TuneportError | None:
    if _NOT_TUNED.search(failure.words):
        return NotTrained(
            failure.sentence(
                f"{asked.resource} does not train that base in that way: it is unknown, retired, or not offered in its region as that type"
            ),
            reason=failure.words,
            remedy=f"What its region offers: tuneport providers check {asked.profile}. Often another training_type is.",
        )
    if failure.creating and _NO_IMPORT.search(failure.words):
        return FileGone(failure.sentence("a file cannot be used"), reason=failure.words)
    if failure.code in _STATES and not failure.creating:
        return Refused(failure.sentence("the provider refused in the state that this is in"), reason=failure.words)
    if failure.code == "DeploymentNotFound":
        return NotFound(
            failure.sentence(f"{asked.resource} has no such deployment"),
            reason=failure.words,
            remedy="One that was made in the last minutes may need some more; idle ones are removed: tuneport models list",
        )
    if failure.code in _NOT_READY:
        return Unreachable(failure.sentence("the deployment does not answer yet"), remedy="Try again in a few minutes.")
    if failure.status == 404 and failure.code == "404":
        return _no_such_path(failure, asked)
    return None


def _no_such_path(failure: Failure, asked: Asked) -> NotFound:
    version = f"api_version {asked.version}" if asked.version else "the v1 API"
    return NotFound(
        failure.sentence(f"{asked.resource} knows nothing of that"),
        reason=failure.words,
        remedy=f"See whether the endpoint is right, and has {version}: tuneport providers check {asked.profile}",
    )
