"""What Google's refusals mean: by ErrorInfo's reason, the quotas and fields that were named, and where there are none by the words.

Reasons: google/api/error_reason.proto. Words: reports of what the live services answer (issue trackers of the SDKs, read 2026-11-21).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tuneport.errors import (
    CredentialsRefused,
    FileGone,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    TuneportError,
    UnknownModel,
)
from tuneport_vertex.failure import CONSOLE, Failure

Meaning = Callable[[Failure], TuneportError]

CHECK = "See which project, region and sign-in are used: tuneport providers check"
SIGN_IN = "Sign in: gcloud auth application-default login; or set GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_OAUTH_ACCESS_TOKEN."
AGAIN = (
    "Sign in again: gcloud auth application-default login; a token in a variable has to be fetched anew: "
    "gcloud auth print-access-token. What was begun there goes on."
)
REGIONS = "Current Gemini models are tuned in us-central1 and europe-west4 (location in the profile). All that are: tuneport models bases"


class NotTrained(Refused):
    """A base that is not tuned there, in that way, or any more."""


class OtherRegion(Refused):
    """A bucket that lies in another region than the tuning."""


class NoBucket(NotFound):
    """It is the bucket that is not there, and not an object in it."""


# --- what the words are about -----------------------------------------------------------------------------------------------------------

_PROJECT = re.compile(
    r"permission denied on resource project|\bproject '?[\w.:-]+'? (?:was )?not (?:be )?found"
    r"|project .{0,60}(?:may not exist|has been deleted)|unknown project|invalid project|consumer .{0,60}invalid",
    re.IGNORECASE,
)
_API_OFF = re.compile(r"has not been used in project .{0,80}(?:before|disabled)|\bapi (?:is )?(?:disabled|not enabled)", re.IGNORECASE)
_API = re.compile(r"\b([a-z][\w-]{1,60}\.googleapis\.com)\b")
_BILLING = re.compile(r"billing", re.IGNORECASE)
_AGENT = re.compile(r"service account `?\[?([\w.-]+@[\w.-]+)", re.IGNORECASE)
_PERMISSION = re.compile(
    r"(?<![\w.@-])((?:aiplatform|storage|iam|serviceusage|resourcemanager|cloudkms)\.[A-Za-z]{2,40}\.[A-Za-z]{2,40})\b"
)
_PERIMETER = re.compile(r"organization'?s? policy|vpcServiceControls|access context|security perimeter", re.IGNORECASE)
_PLACE = re.compile(r"constraints/gcp\.resourceLocations|violates constraint", re.IGNORECASE)
_CONCURRENT = re.compile(r"concurrent|tuning_jobs|\btuning jobs?\b.{0,40}\b(?:running|in progress|at (?:a|the same) time)", re.IGNORECASE)
_STANDING = re.compile(r"per ?day|quota metrics? exceed|\bgpus?\b|accelerator|_gpus\b", re.IGNORECASE)
_BUCKET_REGION = re.compile(
    r"bucket.{0,200}\b(?:is )?in (?:the )?(?:location|region)|bucket.{0,120}(?:same|different|another) (?:regional )?(?:location|region)",
    re.IGNORECASE,
)
_RETIRED = re.compile(r"retired|deprecated|discontinued|no longer (?:available|supported|offered)|end of life", re.IGNORECASE)
_MODEL = re.compile(r"\b(?:base|source|publisher|tuned|foundation)?[ _]?model\b|\bgemini-|\bgemma|\bllama|\bqwen", re.IGNORECASE)
_NOT_TUNED = re.compile(
    r"not (?:be )?(?:supported|available|allowed|enabled|valid|tunable|offered|recognized)|does not support|do(?:es)? not exist"
    r"|cannot be tuned|unsupported|invalid|not found",
    re.IGNORECASE,
)
_TUNED = re.compile(r"tun(?:e|ed|ing|able)", re.IGNORECASE)
_SOMEBODYS = re.compile(r"\bprojects/[^/\s]+|gs://\S+")
"""Names that people give, which may hold those of models: a project gemini-demo."""
_ADAPTER = re.compile(r"adapter.?size", re.IGNORECASE)
_REGION = re.compile(r"\b(?:location|region)\b", re.IGNORECASE)
_AMOUNT = re.compile(
    r"\b(?:rows?|lines?|examples?|records?|tokens?|bytes|dataset|file size)\b.{0,120}"
    r"\b(?:exceed|more than|too (?:many|large|long|big)|maximum|at most|limit|fewer than|at least|minimum)"
    r"|\b(?:exceed\w*|more than|too many|maximum|limit of)\b.{0,120}\b(?:rows?|lines?|examples?|records?|tokens?|bytes)\b",
    re.IGNORECASE,
)
_DATASET = re.compile(r"dataset_?uri|gs://|training (?:data|file)|cloud storage|gcs object|bucket", re.IGNORECASE)
_GONE = re.compile(r"not (?:be )?found|not exist|no such object|cannot (?:be )?(?:access|read|open)|doesn't exist|deleted", re.IGNORECASE)
_NO_BUCKET = re.compile(r"bucket does not exist|no such bucket|bucket .{0,80}not (?:be )?(?:found|exist)", re.IGNORECASE)
_EXPIRED = re.compile(r"expired", re.IGNORECASE)


# --- credentials, projects, services ----------------------------------------------------------------------------------------------------


def signed_out(failure: Failure) -> TuneportError:
    """401: a token that is refused, or none."""
    if failure.reason == "ACCESS_TOKEN_EXPIRED" or _EXPIRED.search(failure.words):
        return CredentialsRefused(failure.sentence("the access token has expired"), reason=failure.words, remedy=AGAIN)
    return CredentialsRefused(failure.sentence("the credentials were refused"), reason=failure.words, remedy=AGAIN)


def forbidden(failure: Failure) -> TuneportError:
    """403, by its reason or words; what is left is a role that is missing."""
    for is_it, meaning in _FORBIDDEN:
        if is_it(failure):
            return meaning(failure)
    return _no_role(failure)


def _api_off(failure: Failure) -> TuneportError:
    service = failure.metadata.get("service") or next(iter(_API.findall(failure.words)), "aiplatform.googleapis.com")
    consumer = failure.metadata.get("consumer", "").removeprefix("projects/")
    link = next((each for each in (*failure.links, *CONSOLE.findall(failure.words)) if "/apis/" in each), "")
    page = link or f"https://console.cloud.google.com/apis/library/{service}" + (f"?project={consumer}" if consumer else "")
    return Refused(
        failure.sentence(f"the API {service} is off in {f'project {consumer}' if consumer else 'the project'}", words=False),
        reason=failure.words,
        remedy=f"Turn it on: {page} (or: gcloud services enable {service}), wait a few minutes, and try again.",
    )


def _wrong_project(failure: Failure) -> TuneportError:
    named = failure.metadata.get("consumer", "").removeprefix("projects/")
    return CredentialsRefused(
        failure.sentence(f"the project {f'{named} ' if named else ''}does not exist, or this identity may not use it"),
        reason=failure.words,
        remedy="Give the project's id, not its name: project in the profile, or GOOGLE_CLOUD_PROJECT. To list them: gcloud projects list",
    )


def _no_billing(failure: Failure) -> TuneportError:
    return Refused(
        failure.sentence("the project has no billing"),
        reason=failure.words,
        remedy="Link a billing account: https://console.cloud.google.com/billing/linkedaccount",
    )


def _perimeter(failure: Failure) -> TuneportError:
    return Refused(
        failure.sentence("a policy of the organisation forbids that from here"),
        reason=failure.words,
        remedy="Ask those who keep its policies; from a network inside its perimeter it may be allowed.",
    )


def _no_role(failure: Failure) -> TuneportError:
    missing = failure.metadata.get("permission") or next(iter(_PERMISSION.findall(failure.words)), "")
    lead = f"this identity lacks the permission {missing}" if missing else "this identity may not do that"
    return CredentialsRefused(failure.sentence(lead), reason=failure.words, remedy=_role_for(missing))


def _role_for(permission: str) -> str:
    if permission.startswith("storage."):
        return "Ask for the role Storage Object User (roles/storage.objectUser) on the bucket; to see its region, Storage Bucket Viewer."
    if permission.startswith("iam."):
        return "Ask for the role Service Account User (roles/iam.serviceAccountUser) on that service account."
    return "Ask the project's owner for the role Vertex AI User (roles/aiplatform.user)."


def _slow_down(failure: Failure) -> TuneportError:
    return RateLimited(failure.sentence("Google asked to wait"), retry_after_s=failure.retry_after_s, remedy="Try again later.")


def _standing(failure: Failure) -> TuneportError:
    return QuotaExceeded(
        failure.sentence("a quota of the project is used up"),
        reason=failure.words,
        remedy="See and raise it: https://console.cloud.google.com/iam-admin/quotas",
    )


def _reason_in(*reasons: str) -> Callable[[Failure], bool]:
    return lambda failure: failure.reason in reasons


def _says(pattern: re.Pattern[str]) -> Callable[[Failure], bool]:
    return lambda failure: pattern.search(failure.words) is not None


_FORBIDDEN: tuple[tuple[Callable[[Failure], bool], Meaning], ...] = (
    (_reason_in("SERVICE_DISABLED", "accessNotConfigured", "SERVICE_NOT_ACTIVATED"), _api_off),
    (_reason_in("BILLING_DISABLED", "accountDisabled", "billingNotEnabled"), _no_billing),
    (_reason_in("CONSUMER_INVALID", "CONSUMER_SUSPENDED", "USER_PROJECT_DENIED", "RESOURCE_PROJECT_INVALID", "notFound"), _wrong_project),
    (_reason_in("SECURITY_POLICY_VIOLATED", "ORG_RESTRICTION_VIOLATION", "LOCATION_POLICY_VIOLATED"), _perimeter),
    (_reason_in("RATE_LIMIT_EXCEEDED", "rateLimitExceeded", "userRateLimitExceeded"), _slow_down),
    (_reason_in("RESOURCE_QUOTA_EXCEEDED", "QUOTA_EXCEEDED", "quotaExceeded", "dailyLimitExceeded"), _standing),
    (_says(_API_OFF), _api_off),
    (_says(_PROJECT), _wrong_project),
    (_says(_PERIMETER), _perimeter),
    (lambda failure: _BILLING.search(failure.words) is not None and "." not in failure.metadata.get("permission", ""), _no_billing),
)
"""What a 403 can mean beside a role that is missing: the first that fits."""


# --- quotas -----------------------------------------------------------------------------------------------------------------------------


def limited(failure: Failure) -> TuneportError:
    """429: jobs that run at the same time, a quota that waiting does not refill soon, or a rate."""
    if failure.creating and _CONCURRENT.search(failure.about):
        return QuotaExceeded(
            failure.sentence("the project already runs as many tuning jobs as it may"),
            reason=failure.words,
            remedy="Wait for one to end (with --queue the submit does), or ask for more: https://console.cloud.google.com/iam-admin/quotas "
            "(the metric global_concurrent_tuning_jobs; one at a time unless raised).",
            concurrent=True,
        )
    if failure.metadata.get("quota_limit_value") == "0" or _STANDING.search(failure.about):
        return _standing(failure)
    return _slow_down(failure)


# --- 400 and 404 ------------------------------------------------------------------------------------------------------------------------


def rejected(failure: Failure) -> TuneportError:
    """400, 404, 412 and their like: by what they are about."""
    for is_it, meaning in _REJECTED:
        if is_it(failure):
            return meaning(failure)
    if failure.status == 404:
        return NotFound(failure.sentence("Google knows nothing of that"), reason=failure.words, remedy=CHECK)
    return Refused(failure.sentence("Google refused"), reason=failure.words)


def _other_region(failure: Failure) -> TuneportError:
    return OtherRegion(
        failure.sentence("the bucket lies in another region than the tuning"),
        reason=failure.words,
        remedy="Take a bucket in the tuning's region (bucket in the profile), or tune in the bucket's (location): tuneport providers check",
    )


def _agent_lacks(failure: Failure) -> TuneportError:
    agent = next(iter(_AGENT.findall(failure.words)), "the service account of the job")
    return CredentialsRefused(
        failure.sentence(f"{agent} cannot read the bucket"),
        reason=failure.words,
        remedy=f"Give {agent} the role Storage Object Viewer (roles/storage.objectViewer) on it; it is Google's or the job's, not yours.",
    )


def _not_tuned(failure: Failure) -> TuneportError:
    if _RETIRED.search(failure.words):
        lead = "that base is retired: it is not tuned any more"
    elif failure.status == 404:
        return UnknownModel(failure.sentence("Google knows no such model there"), remedy=f"{REGIONS}.")
    else:
        lead = "that base is not tuned in this region, or not in that way"
    return NotTrained(failure.sentence(lead), reason=failure.words, remedy=f"{REGIONS}.")


def _adapter(failure: Failure) -> TuneportError:
    return Refused(
        failure.sentence("that adapter size is not offered for this base"),
        reason=failure.words,
        remedy="Give another method.lora.rank (1, 2, 4, 8, 16 or 32 by base), or leave it out.",
    )


def _too_much(failure: Failure) -> TuneportError:
    return Refused(
        failure.sentence("the data are over a limit of the tuning"),
        reason=failure.words,
        remedy="See which rows: tuneport data check FILE --for vertex:MODEL. Fewer rows: tuneport data sample",
    )


def _file_gone(failure: Failure) -> TuneportError:
    return FileGone(failure.sentence("a file of the job is not there"), reason=failure.words)


def _no_bucket(failure: Failure) -> TuneportError:
    return NoBucket(
        failure.sentence("there is no such bucket"),
        reason=failure.words,
        remedy="Look at bucket in the profile, or TUNEPORT_VERTEX_BUCKET. To make one: gcloud storage buckets create gs://NAME -l REGION",
    )


def _region(failure: Failure) -> TuneportError:
    return NotTrained(failure.sentence("that is not offered in this region"), reason=failure.words, remedy=f"{REGIONS}.")


def _invalid_key(failure: Failure) -> TuneportError:
    return CredentialsRefused(failure.sentence("the credentials were refused"), reason=failure.words, remedy=SIGN_IN)


def _about_a_model(failure: Failure) -> bool:
    words = _SOMEBODYS.sub("", failure.words)
    if not _MODEL.search(words):
        return False
    return _RETIRED.search(words) is not None or (
        _NOT_TUNED.search(words) is not None and (failure.status == 404 or _TUNED.search(words) is not None)
    )


def _unread_by_the_agent(failure: Failure) -> bool:
    return _AGENT.search(failure.words) is not None and "storage." in failure.words


def _data_gone(failure: Failure) -> bool:
    return failure.creating and _DATASET.search(failure.about) is not None and _GONE.search(failure.words) is not None


def _of_no_region(failure: Failure) -> bool:
    return failure.creating and _REGION.search(failure.words) is not None and _NOT_TUNED.search(failure.words) is not None


_REJECTED: tuple[tuple[Callable[[Failure], bool], Meaning], ...] = (
    (_reason_in("SERVICE_DISABLED", "accessNotConfigured"), _api_off),
    (_reason_in("API_KEY_INVALID", "CREDENTIALS_MISSING", "ACCOUNT_STATE_INVALID"), _invalid_key),
    (_reason_in("BILLING_DISABLED", "accountDisabled"), _no_billing),
    (_reason_in("CONSUMER_INVALID", "RESOURCE_PROJECT_INVALID"), _wrong_project),
    (_says(_BUCKET_REGION), _other_region),
    (_unread_by_the_agent, _agent_lacks),
    (_says(_PLACE), _perimeter),
    (_says(_NO_BUCKET), _no_bucket),
    (_says(_ADAPTER), _adapter),
    (_about_a_model, _not_tuned),
    (_data_gone, _file_gone),
    (_says(_AMOUNT), _too_much),
    (_says(_PROJECT), _wrong_project),
    (_of_no_region, _region),
)
"""What a 400 or 404 can be about: the first that fits."""

STATUSES: Mapping[int, Meaning] = {401: signed_out, 403: forbidden, 429: limited}
