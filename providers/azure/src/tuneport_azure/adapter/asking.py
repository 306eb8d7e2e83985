"""Asking a deployment: its answers, its content filter, and the minutes in which it is said to be ready and is not heard of yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tuneport_openai.failure import OPEN, Closing, Failure, failure_of

from tuneport.errors import NotFound, Refused, TuneportError, Unreachable
from tuneport_azure.adapter.connection import AzureConnection

_MISSING = re.compile(r"DeploymentNotFound|API deployment for this resource does not exist")
_NOT_READY = re.compile(r"DeploymentNotReady|DeploymentError")
_FILTERED = re.compile(r"content_?filter|ResponsibleAIPolicyViolation", re.IGNORECASE)


class NotDeployed(NotFound):
    """The data plane knows no such deployment: there is none, or it has not heard of it yet."""


class NotReady(Unreachable):
    """The data plane knows the deployment, which does not answer yet."""


class Filtered(Refused):
    """The content filter refused the question."""


class AskingConnection(AzureConnection):
    """The connection of a server: tells apart what is worth waiting for, and what is one question's own fault."""

    def _translated(self, error: Exception, *, doing: str, creating: bool, closing: Callable[[], Closing]) -> TuneportError:
        kind = _kind_of(error)
        if kind is not None:
            return kind(failure_of(error, doing=doing, creating=False, closing=OPEN), error)
        return super()._translated(error, doing=doing, creating=creating, closing=closing)


def _kind_of(error: Exception) -> Callable[[Failure, Exception], TuneportError] | None:
    """By its code; where a refusal came without one, or cut off, by its words."""
    if getattr(error, "status_code", None) not in (400, 404):
        return None
    code = getattr(error, "code", None)
    said = code if isinstance(code, str) and code else str(error)
    return next((kind for words, kind in _KINDS if words.search(said)), None)


def _not_deployed(failure: Failure, _: Exception) -> TuneportError:
    return NotDeployed(failure.sentence("there is no such deployment, or not yet"), reason=failure.words)


def _not_ready(failure: Failure, _: Exception) -> TuneportError:
    return NotReady(failure.sentence("the deployment does not answer yet"))


def _filtered(failure: Failure, error: Exception) -> TuneportError:
    why = ", ".join(filtered_for(getattr(error, "body", None)))
    return Filtered(
        failure.sentence(f"the content filter of the deployment refused the question{f' for {why}' if why else ''}"),
        reason=failure.words,
        remedy="Its policy is the deployment's own (portal: Guardrails).",
    )


_KINDS = ((_MISSING, _not_deployed), (_NOT_READY, _not_ready), (_FILTERED, _filtered))


def filtered_for(body: Any) -> list[str]:
    """What the filter found, `hate (high)`; nothing where it does not say."""
    inner = body.get("innererror") if isinstance(body, Mapping) else None
    results = inner.get("content_filter_result") if isinstance(inner, Mapping) else None
    found = results.items() if isinstance(results, Mapping) else ()
    return [
        f"{name} ({result['severity']})" if isinstance(result.get("severity"), str) else str(name)
        for name, result in found
        if isinstance(result, Mapping) and result.get("filtered") is True
    ]
