"""What Google's services say, for tests that answer its own unmodified clients by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneport.testing.loopback import SILENT, Asked, Said, Script, answering

__all__ = ["SILENT", "TOKEN", "Asked", "Said", "Script", "answering", "detail", "info", "status"]

TOKEN = "opaque-token-0123456789"


def status(http: int, word: str, message: str = "No.", *details: Mapping[str, Any], **headers: str) -> Said:
    """A refusal as Google's services give it: a google.rpc.Status; `Retry_After` is spelled with a hyphen."""
    error = {"code": http, "message": message, "status": word, **({"details": list(details)} if details else {})}
    return Said(http, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


def detail(kind: str, **values: Any) -> dict[str, Any]:
    """One of the details of a google.rpc.Status."""
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **values}


def info(reason: str, **metadata: str) -> dict[str, Any]:
    """The detail that names the reason."""
    return detail("ErrorInfo", reason=reason, domain="googleapis.com", metadata=metadata)
