"""Errors as Azure Resource Manager, Azure ML and blob storage spell them."""

from __future__ import annotations

from datetime import datetime

from tuneport.testing.emulator import Answer, Problem, Refusal, json_answer


def body(code: str, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "details": [], "additionalInfo": []}}


def error(status: int, code: str, message: str) -> Refusal:
    return Refusal(json_answer(body(code, message), status=status))


def refuse(problem: Problem) -> Refusal:
    """A body that is not what the operation's schema says."""
    where = f" at '{problem.path}'" if problem.path else ""
    return error(400, "ValidationError", f"The request is invalid: {problem.kind}{where}.")


def user_error(message: str) -> Refusal:
    return error(400, "UserError", message)


def not_found(what: str) -> Refusal:
    return error(404, "NotFound", f"{what} could not be found.")


def not_signed_in() -> Refusal:
    return error(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")


def token_expired() -> Refusal:
    return error(401, "ExpiredAuthenticationToken", "The access token has expired.")


def token_invalid() -> Refusal:
    return error(401, "InvalidAuthenticationToken", "The access token is invalid.")


def wrong_tenant() -> Refusal:
    said = "The access token is from the wrong issuer. It must match the tenant associated with this subscription."
    return error(401, "InvalidAuthenticationTokenTenant", said)


def not_authorized(principal: str, action: str, scope: str) -> Refusal:
    said = (
        f"The client '{principal}' with object id '{principal}' does not have authorization to perform action '{action}' over scope "
        f"'{scope}' or the scope is invalid."
    )
    return error(403, "AuthorizationFailed", said)


def blob_error(status: int, code: str, message: str) -> Refusal:
    """As blob storage says it: XML, and the code in a header too."""
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Refusal(Answer(status, data=text.encode(), media_type="application/xml", headers={"x-ms-error-code": code}))


def moment(at: datetime) -> str:
    """A time as Azure writes it, with seven digits of a second."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
