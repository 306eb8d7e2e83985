"""URIs: `<provider or profile>:<id at the provider>`. The id may hold colons and slashes itself."""

from __future__ import annotations

from tuneport.errors import UsageError


def split(uri: str) -> tuple[str, str]:
    """(provider, id). Raises UsageError for anything without both."""
    provider, colon, rest = uri.partition(":")
    if not colon or not provider or not rest:
        raise UsageError(f"{uri!r} is not a URI; write <provider>:<id>, for example local:4f1c09a2.", remedy="See: tuneport jobs list")
    return provider, rest
