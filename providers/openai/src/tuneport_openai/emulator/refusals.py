"""Errors as OpenAI spells them: {"error": {"message", "type", "param", "code"}}.

Codes and wordings were read in public issue threads, client libraries' fixtures and copies of the documentation (2026-11-21). What no
source gave (marked "not published") has `code` null, so that no client can come to rely on an invention of this emulator.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuneport.testing.emulator import Problem, Refusal, json_answer
from tuneport.testing.emulator.keys import masked

INVALID = "invalid_request_error"
DOCS = "https://platform.openai.com/docs"


def body(message: str, *, kind: str = INVALID, param: str | None = None, code: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def refusal(
    status: int,
    message: str,
    *,
    kind: str = INVALID,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Refusal:
    return Refusal(json_answer(body(message, kind=kind, param=param, code=code), status=status, headers=headers))


def refuse(problem: Problem) -> Refusal:
    """What the API says about a parameter it cannot accept."""
    message, code = _sentence(problem)
    return refusal(400, message, param=problem.path or None, code=code)


def _sentence(problem: Problem) -> tuple[str, str | None]:
    path, given, allowed = problem.path, problem.given, problem.allowed
    match problem.kind:
        case "missing":
            return f"Missing required parameter: '{path}'.", "missing_required_parameter"
        case "unknown":
            return f"Unknown parameter: '{path}'.", "unknown_parameter"
        case "type":
            return f"Invalid type for '{path}': expected {allowed}, but got {given} instead.", "invalid_type"
        case "word":
            words = ", ".join(f"'{word}'" for word in allowed) if isinstance(allowed, tuple) else str(allowed)
            return f"Invalid value: '{given}'. Supported values are: {words}.", "invalid_value"
        case "low":
            kind = "integer" if isinstance(given, int) else "decimal"
            message = f"Invalid '{path}': {kind} below minimum value. Expected a value >= {allowed}, but got {given} instead."
            return message, f"{kind}_below_min_value"
        case "high":
            kind = "integer" if isinstance(given, int) else "decimal"
            message = f"Invalid '{path}': {kind} above maximum value. Expected a value <= {allowed}, but got {given} instead."
            return message, f"{kind}_above_max_value"
        case "long":
            message = f"Invalid '{path}': string too long. Expected a string with maximum length {allowed}, but got length {given} instead."
            return message, "string_above_max_length"
        case "many":
            return f"Invalid '{path}': too many entries. Expected at most {allowed}, but got {given} instead.", "too_many_entries"
        case "duplicate":
            return f"Duplicate parameter: '{path}'.", "duplicate_parameter"
        case "unreadable":
            return "We could not parse the JSON body of your request: the OpenAI API expects a JSON payload.", None


# who may come in


def no_key() -> Refusal:
    return refusal(401, "You didn't provide an API key. You need to provide it in an Authorization header using Bearer auth.")


def wrong_key(key: str) -> Refusal:
    message = f"Incorrect API key provided: {masked(key)}. You can find your API key at https://platform.openai.com/account/api-keys."
    return refusal(401, message, code="invalid_api_key")


def other_organisation() -> Refusal:
    return refusal(401, "OpenAI-Organization header should match organization for API key", code="mismatched_organization")


def other_project() -> Refusal:
    return refusal(401, "OpenAI-Project header should match project for API key", code="mismatched_project")


def no_scope(scope: str) -> Refusal:
    """A restricted key, or a member without the role: not to be taken for a platform that is closed."""
    message = (
        f"You have insufficient permissions for this operation. Missing scopes: {scope}. Check that you have the correct role in your "
        "organization and project, and if you're using a restricted API key, that it has the necessary scopes."
    )
    return refusal(403, message)


def closed() -> Refusal:
    """The self-serve platform is closed to this organisation. Status from users' reports; wording and code: not published."""
    message = (
        "Your organization is not permitted to create fine-tuning jobs: self-serve fine-tuning is being wound down. "
        "See https://developers.openai.com/api/docs/deprecations."
    )
    return refusal(403, message)


def out_of_credit() -> Refusal:
    """429 like a rate limit, but no waiting helps: there is no Retry-After."""
    message = f"You exceeded your current quota, please check your plan and billing details. For more information, read {DOCS}."
    return refusal(429, message, kind="insufficient_quota", code="insufficient_quota")


def too_many_jobs(most: int, base: str) -> Refusal:
    message = (
        f"This fine-tune request has been rate-limited. Your organization has reached the maximum of {most} active requests for '{base}'."
    )
    return refusal(429, message, kind="requests", code="rate_limit_exceeded")


# what is not there


def no_file(file_id: str) -> Refusal:
    return refusal(404, f"No such File object: {file_id}", param="id")


def no_upload(upload_id: str) -> Refusal:
    return refusal(404, f"No such Upload object: {upload_id}", param="upload_id")


def no_job(job_id: str) -> Refusal:
    return refusal(404, f"Could not find fine tune: {job_id}", param="fine_tune_id", code="fine_tune_not_found")


def no_model(model: str) -> Refusal:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return refusal(404, message, param="model", code="model_not_found")


def model_gone(model: str) -> Refusal:
    return refusal(404, f"The model `{model}` has been deprecated, learn more here: {DOCS}/deprecations", code="model_not_found")


def no_cursor(after: str) -> Refusal:
    return refusal(404, f"No such object: {after}", param="after")


# files and jobs


def too_large(size_bytes: int, most: int) -> Refusal:
    message = f"Maximum content size limit ({most}) exceeded ({size_bytes} bytes read)"
    return refusal(413, message, kind="server_error")


def not_jsonl() -> Refusal:
    return refusal(400, "Invalid file format for Fine-Tuning API. Must be .jsonl")


def not_processed(file_id: str, param: str) -> Refusal:
    message = f"File '{file_id}' is still being processed and is not ready to be used for fine-tuning. Please try again later."
    return refusal(400, message, param=param)


def file_unusable(file_id: str, param: str) -> Refusal:
    return refusal(400, f"File '{file_id}' is in an error state and cannot be used for fine-tuning.", param=param)


def wrong_purpose(file_id: str, param: str) -> Refusal:
    return refusal(400, f"File '{file_id}' does not have the purpose 'fine-tune'.", param=param)


def training_file_gone(file_id: str, param: str) -> Refusal:
    """The file that a job is to be made from is not there (status and code: not published)."""
    return refusal(400, f"Invalid {param}: {file_id} does not exist.", param=param)


def not_tunable(model: str) -> Refusal:
    """Unknown bases, bases that never could be tuned, and retired ones alike."""
    return refusal(400, f"Model {model} is not available for fine-tuning or does not exist.", code="model_not_available")


def no_such_method(model: str, method: str) -> Refusal:
    """A base that can be tuned, but not so (wording and code: not published)."""
    return refusal(400, f"The model {model} does not support fine-tuning with method '{method}'.", param="method")


def not_in_that_state(what: str, job_id: str, status: str) -> Refusal:
    return refusal(400, f"Cannot {what} job {job_id}: its status is {status}.")
