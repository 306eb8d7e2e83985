"""Answers to plain signed requests, which no client of Google's has a call for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests


def answered(response: requests.Response) -> requests.Response:
    """The answer, if it is one. Raises the exception of google-api-core that fits its status, ValueError for a redirection: nobody follows
    one, since the token would go along."""
    from google.api_core.exceptions import from_http_response

    if response.status_code >= 400:
        raise from_http_response(response)
    if response.status_code >= 300:
        raise ValueError("an answer was expected")
    return response


def json_object(response: requests.Response) -> dict[str, Any]:
    """The JSON object of an answer. Raises ValueError for anything else."""
    found = response.json()
    if not isinstance(found, dict):
        raise ValueError("a JSON object was expected")  # noqa: TRY004 - unreadable, like JSON that is none
    return found
