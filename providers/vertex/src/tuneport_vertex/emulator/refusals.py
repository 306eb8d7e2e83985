"""Errors as Google's APIs spell them: google.rpc.Status as JSON, and the storage service's own older form.

Codes and wordings were read in public issue threads, client libraries and copies of the documentation (2026-11-21). What no source gave
is worded plainly and marked "not published": no client may come to rely on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tuneport.testing.emulator import Answer, Problem, Refusal, json_answer

HTTP_STATUS: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
CODES: Mapping[str, int] = {
    "CANCELLED": 1,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
}
"""google.rpc.Code: what an error inside a resource says."""
WORDS = {status: word for word, status in reversed(list(HTTP_STATUS.items()))}
TYPES = "type.googleapis.com/google.rpc."


def body(word: str, message: str, *, details: Sequence[Mapping[str, Any]] = (), status: int | None = None) -> dict[str, object]:
    error: dict[str, object] = {"code": status or HTTP_STATUS[word], "message": message, "status": word}
    return {"error": error | ({"details": list(details)} if details else {})}


def refusal(word: str, message: str, *, details: Sequence[Mapping[str, Any]] = (), headers: Mapping[str, str] | None = None) -> Refusal:
    return Refusal(json_answer(body(word, message, details=details), status=HTTP_STATUS[word], headers=headers))


def reason(why: str, **metadata: str) -> dict[str, Any]:
    """A google.rpc.ErrorInfo."""
    return {"@type": f"{TYPES}ErrorInfo", "reason": why, "domain": "googleapis.com", "metadata": metadata}


# what is wrong with a body


def bad_payload(problems: Sequence[tuple[str, str]]) -> Refusal:
    """A body that does not fit its type: (where, what), as the JSON front end says it."""
    violations = [{"field": where, "description": what} if where else {"description": what} for where, what in problems]
    details = [{"@type": f"{TYPES}BadRequest", "fieldViolations": violations}]
    return refusal("INVALID_ARGUMENT", "\n".join(what for _, what in problems), details=details)


def unknown_name(name: str, where: str) -> tuple[str, str]:
    at = f" at '{where}'" if where else ""
    return where, f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'


def bad_value(where: str, kind: str, given: object) -> tuple[str, str]:
    return where, f"Invalid value at '{where}' ({kind}), {json.dumps(given, ensure_ascii=False)}"


def found_errors(problems: Iterable[tuple[str, str]]) -> Refusal:
    """Fields that are there but will not do, all at once (wording: GoogleCloudPlatform/generative-ai issue 2081)."""
    listed = list(problems)
    said = "".join(f"{number}.Field: {field}; Message: {what}\t" for number, (field, what) in enumerate(listed, start=1))
    violations = [{"field": field, "description": what} for field, what in listed]
    details = [{"@type": f"{TYPES}BadRequest", "fieldViolations": violations}]
    return refusal("INVALID_ARGUMENT", f"List of found errors:\t{said}", details=details)


def refuse(problem: Problem) -> Refusal:
    """What the front end says about JSON or a query that the toolkit's readers reject."""
    match problem.kind:
        case "unreadable":
            return refusal("INVALID_ARGUMENT", f"Invalid JSON payload received. {problem.given}")
        case "unknown":
            return bad_payload(
                [(problem.path, f'Invalid JSON payload received. Unknown name "{problem.path}": Cannot bind query parameter.')]
            )
        case "duplicate":
            return bad_payload([(problem.path, f"Invalid JSON payload received. Duplicate name {problem.path!r}.")])
        case _:
            return bad_payload([(problem.path, f"Invalid value at '{problem.path}': {problem.given!r}, expected {problem.allowed!r}")])


# who may do what


def no_credentials() -> Refusal:
    message = (
        "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication "
        "credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return refusal("UNAUTHENTICATED", message, details=[reason("CREDENTIALS_MISSING", service="aiplatform.googleapis.com")])


def bad_credentials(*, expired: bool) -> Refusal:
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication "
        "credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    why = "ACCESS_TOKEN_EXPIRED" if expired else "ACCESS_TOKEN_TYPE_UNSUPPORTED"
    return refusal("UNAUTHENTICATED", message, details=[reason(why, service="aiplatform.googleapis.com")])


def no_permission(permission: str, resource: str) -> Refusal:
    message = f"Permission '{permission}' denied on resource '//aiplatform.googleapis.com/{resource}' (or it may not exist)."
    return refusal("PERMISSION_DENIED", message, details=[reason("IAM_PERMISSION_DENIED", permission=permission, resource=resource)])


def api_off(project: str, *, service: str, title: str) -> Refusal:
    url = f"https://console.developers.google.com/apis/api/{service}/overview?project={project}"
    message = (
        f"{title} has not been used in project {project} before or it is disabled. Enable it by visiting {url} then retry. If you enabled "
        "this API recently, wait a few minutes for the action to propagate to our systems and retry."
    )
    details = [reason("SERVICE_DISABLED", service=service, consumer=f"projects/{project}", activationUrl=url, serviceTitle=title)]
    return refusal("PERMISSION_DENIED", message, details=details)


# what is not there, or not now


def not_found(kind: str, name: str) -> Refusal:
    return refusal("NOT_FOUND", f"The {kind} does not exist: {name}.")


def out_of_quota(metrics: str) -> Refusal:
    """Wording: GoogleCloudPlatform/vertex-ai-samples issues 700 and 3479. No RetryInfo: waiting a moment does not help."""
    return refusal("RESOURCE_EXHAUSTED", f"The following quota metrics exceed quota limits: {metrics}")


def too_many_requests(retry_after_s: float | None = None) -> Answer:
    """The answer to a caller that is too fast; with a number, a google.rpc.RetryInfo and the header."""
    details = [] if retry_after_s is None else [{"@type": f"{TYPES}RetryInfo", "retryDelay": f"{retry_after_s:g}s"}]
    headers = {} if retry_after_s is None else {"retry-after": f"{retry_after_s:g}"}
    message = (
        "Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429."
    )
    return json_answer(body("RESOURCE_EXHAUSTED", message, details=details), status=429, headers=headers)


# the storage service


def storage(status: int, why: str, message: str) -> Refusal:
    """The form of the JSON API of Cloud Storage: `errors` with a reason, no `status` word."""
    error = {"code": status, "message": message, "errors": [{"message": message, "domain": "global", "reason": why}]}
    return Refusal(json_answer({"error": error}, status=status))
