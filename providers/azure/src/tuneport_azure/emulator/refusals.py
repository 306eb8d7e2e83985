"""Errors as Azure OpenAI's data plane spells them: {"error": {"code", "message"}}, without OpenAI's `type` and `param`.

Codes: Microsoft's specification of the authoring API (2024-10-21); wordings: public reports (read 2026-11-21). What no source gave is said
in this emulator's own words.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuneport.testing.emulator import Refusal, json_answer

CODES = {400: "invalidPayload", 404: "notFound", 409: "conflict", 413: "invalidPayload", 429: "tooManyRequests"}


def body(code: str, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message}}


def refusal(status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> Refusal:
    return Refusal(json_answer(body(code, message), status=status, headers=headers))


def invalid(message: str) -> Refusal:
    return refusal(400, "invalidPayload", message)


def respelled(refused: Refusal) -> Refusal:
    """A refusal in OpenAI's spelling, in Azure's."""
    answer = refused.answer
    error = answer.value.get("error") if isinstance(answer.value, dict) else None
    if not isinstance(error, dict) or "type" not in error:
        return refused
    return refusal(answer.status, CODES.get(answer.status, "invalidPayload"), str(error["message"]))


# who may come in


def wrong_key() -> Refusal:
    """One answer for a wrong key, the key of another resource, and a wrong endpoint."""
    message = (
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription "
        "and use a correct regional API endpoint for your resource."
    )
    return refusal(401, "401", message)


def bad_token() -> Refusal:
    message = (
        "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired."
    )
    return Refusal(json_answer({"statusCode": 401, "message": message}, status=401))


def no_data_action(principal: str, method: str, path: str) -> Refusal:
    message = (
        f"The principal `{principal}` lacks the required data action `Microsoft.CognitiveServices/accounts/OpenAI/fine-tunes/write` to "
        f"perform `{method} {path}` operation."
    )
    return refusal(401, "PermissionDenied", message)


def keys_disabled() -> Refusal:
    return refusal(403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource.")


def network_closed() -> Refusal:
    return refusal(403, "403", "Access denied due to Virtual Network/Firewall rules.")


def no_such_path() -> Refusal:
    """A wrong path, a doubled /openai, a missing or an unknown api-version."""
    return refusal(404, "404", "Resource not found")


def no_version_here() -> Refusal:
    return refusal(400, "BadRequest", "API version not supported")


# files and jobs


def not_found(what: str, name: str) -> Refusal:
    return refusal(404, "notFound", f"The {what} '{name}' does not exist.")


def quota(status: int, message: str) -> Refusal:
    return refusal(status, "quotaExceeded", message)


def wrong_state(status: int, what: str, job_id: str, now: str) -> Refusal:
    return refusal(status, "unexpectedEntityState", f"Cannot {what} the fine-tuning job '{job_id}': its status is '{now}'.")


def unreadable_job() -> Refusal:
    """The whole body is lost when its trainingType is none of the enumeration."""
    return invalid("The fineTuningJob field is required.")


def not_tunable(base: str | None, training_type: str) -> Refusal:
    """Whether it is the base, the region or the tier, the sentence is the same. `base` None: the older wording."""
    if base is None:
        return invalid("The specified base model does not support fine-tuning.")
    return invalid(f"The specified base model {base} does not support fine-tuning with {training_type} TrainingType.")


def needs_reinforcement(model: str) -> Refusal:
    return invalid(f"Finetuning with {model} requires the reinforcement method of finetuning.")


def no_such_method(model: str, method: str) -> Refusal:
    return invalid(f"Finetuning with {model} does not support the {method} method.")


def file_not_ready() -> Refusal:
    return invalid("The specified file reference must point to a completed file import.")


def too_large() -> Refusal:
    return refusal(413, "invalidPayload", "The maximum allowed size is 512 MB.")


# deployments


def no_deployment() -> Refusal:
    message = (
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a "
        "moment and try again."
    )
    return refusal(404, "DeploymentNotFound", message)


def deployment_not_ready(name: str) -> Refusal:
    return refusal(400, "DeploymentNotReady", f"The deployment '{name}' is not ready to answer yet.")


def throttled(retry_after_s: int) -> Refusal:
    message = f"Requests to this deployment have exceeded the call rate limit of its capacity. Please retry after {retry_after_s} seconds."
    return refusal(429, "RateLimitReached", message, headers={"retry-after": str(retry_after_s)})


def filtered_prompt() -> Refusal:
    calm = {"filtered": False, "severity": "safe"}
    found = {"hate": {"filtered": True, "severity": "high"}, "self_harm": calm, "sexual": calm, "violence": calm}
    error = {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {**found, "jailbreak": {"detected": False, "filtered": False}},
        },
    }
    return Refusal(json_answer({"error": error}, status=400))
