"""What a provider takes of training data: the dated, sourced table limits.toml, and what of it applies to one model and method."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from tuneport.errors import UsageError
from tuneport.nearest import did_you_mean, refuse_unknown_keys

EVERY_ROLE = frozenset({"system", "developer", "user", "assistant", "tool"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider takes. None is not known, and no limit; `max_file_bytes` is of the file as it lies there.

    max_test_*    of the rows to validate on; shares are of the training file's rows or bytes;  test_required: without any, no job
    image_roles   whose messages may hold images;  image_schemes of their addresses: https, data, gs
    text_only     of preference rows;  one_answer: exactly one assistant message on each side
    bom           whether the file should begin with a byte order mark
    *suffix*      of the tuned model's name, which a recipe has and not a file: see `suffix_problem`
    """

    min_rows: int = 1
    max_rows: int | None = None
    max_file_bytes: int | None = None
    max_tokens: int | None = None
    max_test_rows: int | None = None
    max_test_share: float | None = None
    max_test_bytes_share: float | None = None
    test_required: bool | None = None
    roles: frozenset[str] = EVERY_ROLE
    first_role: str | None = None
    tools: bool | None = None
    weights: bool | None = None
    images: bool | None = None
    media: bool | None = None
    max_image_rows: int | None = None
    max_images: int | None = None
    max_image_bytes: int | None = None
    image_types: frozenset[str] | None = None
    image_schemes: frozenset[str] | None = None
    image_roles: frozenset[str] | None = None
    text_only: bool | None = None
    one_answer: bool | None = None
    forbidden_tokens: frozenset[str] = frozenset()
    bom: bool | None = None
    max_suffix_chars: int | None = None
    suffix_without: str | None = None


def suffix_problem(suffix: str, limits: Limits) -> str | None:
    """Why a provider with these limits would refuse the suffix of a tuned model's name; None where it would not."""
    most = limits.max_suffix_chars
    if most is not None and len(suffix) > most:
        return f"the suffix {suffix!r} has {len(suffix)} characters; at most {most} are taken."
    refused = next((char for char in suffix if char in (limits.suffix_without or "")), None)
    return None if refused is None else f"the suffix {suffix!r} holds {refused!r}, which is not taken."


@dataclass(frozen=True, slots=True)
class Target:
    """What data are checked for. `known`: whether anything is known of this model with this method; `sources` are where its limits come
    from, with their dates. Without a provider only general rules apply."""

    method: str = "sft"
    provider: str | None = None
    model: str | None = None
    limits: Limits = Limits()
    known: bool = True
    unknown: str = ""
    sources: tuple[str, ...] = ()


GENERAL = Target()
"""General rules only."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the table. Empty `methods` or `models` fit every one."""

    provider: str
    source: str
    as_of: str
    methods: tuple[str, ...]
    models: tuple[str, ...]
    values: Mapping[str, Any]

    def fits(self, *, method: str, model: str | None) -> bool:
        wanted = None if model is None else model.casefold()
        return (not self.methods or method in self.methods) and (
            not self.models or (wanted is not None and any(fnmatchcase(wanted, pattern.casefold()) for pattern in self.models))
        )


_SETS = frozenset({"roles", "image_types", "image_schemes", "image_roles", "forbidden_tokens"})
_ABOUT = ("provider", "source", "as_of", "methods", "models")


@cache
def _table() -> tuple[_Row, ...]:
    text = files("tuneport").joinpath("limits.toml").read_text(encoding="utf-8")
    return tuple(map(_read, tomllib.loads(text)["limits"]))


def _read(row: Mapping[str, Any]) -> _Row:
    refuse_unknown_keys(row, (*_ABOUT, *(field.name for field in fields(Limits))))
    values = {key: frozenset(value) if key in _SETS else value for key, value in row.items() if key not in _ABOUT}
    return _Row(row["provider"], row["source"], row["as_of"], tuple(row.get("methods", ())), tuple(row.get("models", ())), values)


def providers() -> tuple[str, ...]:
    """The providers of which anything is known."""
    return tuple(dict.fromkeys(row.provider for row in _table()))


def target(text: str | None = None, *, method: str = "sft") -> Target:
    """What PROVIDER or PROVIDER:MODEL takes for `method`. A model of which nothing is known, or none, gets what holds for all of them.

    Raises UsageError for an unknown provider.
    """
    if text is None:
        return Target(method=method)
    provider, _, rest = text.partition(":")
    model = rest or None
    if provider not in providers():
        raise UsageError(f"no limits are known of a provider {provider!r}; {did_you_mean(provider, providers())}")
    rows = [row for row in _table() if row.provider == provider]
    fitting = [row for row in rows if row.fits(method=method, model=model)]
    limits = Limits()
    for row in fitting:
        limits = replace(limits, **row.values)
    sources = tuple(f"{row.source}, {row.as_of}" for row in fitting)
    unknown = _unknown(rows, provider=provider, method=method, model=model)
    return Target(method, provider, model, limits, not unknown, unknown, sources)


def _unknown(rows: Sequence[_Row], *, provider: str, method: str, model: str | None) -> str:
    """The sentence that says what is not known of the model and the method; '' when they are known."""
    offered = [row for row in rows if row.models and (not row.methods or method in row.methods)]
    if not offered:
        return f"no model of {provider} is known here to take method {method}."
    models = list(dict.fromkeys(pattern for row in offered for pattern in row.models))
    if model is None and models != ["*"]:
        return f"no model is named, so that only the limits of all models of {provider} were looked at."
    if model is not None and not any(row.fits(method=method, model=model) for row in offered):
        return f"nothing is known of {provider}'s model {model!r} with method {method}; {did_you_mean(model, models)}"
    return ""
