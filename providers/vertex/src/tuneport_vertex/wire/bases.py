"""The names of bases, as the API has them and as people say them."""

from __future__ import annotations

import re

_LONG = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?publishers/(?P<publisher>[^/]+)/models/(?P<model>[^/]+)")


def short_base(name: str) -> str:
    """`google/gemma3@gemma-3-4b-it` for `publishers/google/models/gemma3@gemma-3-4b-it`; Google's own without `google/`, where they have
    no version behind an @; any other name as it is."""
    found = _LONG.fullmatch(name)
    publisher, model = (found["publisher"], found["model"]) if found else ("", name)
    if not found and name.startswith("google/") and "@" not in name:
        return name.removeprefix("google/")
    return model if publisher in ("", "google") and "@" not in model else f"{publisher}/{model}" if publisher else name


def is_gemini(base: str | None) -> bool:
    """Whether a base is a Gemini, which answers by itself once it is tuned."""
    return base is not None and short_base(base).casefold().startswith("gemini")


def generation_of(base: str) -> float:
    """`3.5` for gemini-3.5-flash; 0 for anything that does not say."""
    found = re.match(r"gemini-(\d+(?:\.\d+)?)", short_base(base).casefold())
    return float(found[1]) if found else 0.0
