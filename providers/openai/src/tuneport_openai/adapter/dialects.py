"""Which dialect an endpoint speaks."""

from __future__ import annotations

from tuneport_openai.profile import Endpoint
from tuneport_openai.wire.dialect import OPENAI, Dialect, compatible


def dialect_of(endpoint: Endpoint) -> Dialect:
    """OpenAI's own, or that of a compatible endpoint, of which what the catalogue knows under the name of its profile holds."""
    return compatible(endpoint.name) if endpoint.compatible else OPENAI
