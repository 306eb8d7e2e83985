"""Where requests go and with whose key: the table `[providers.<name>]` of tuneport.toml, and the variables of OpenAI's own SDK."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field

from tuneport.errors import ConfigError
from tuneport.provider import ProviderSettings
from tuneport.tables import Table, read_table

OPENAI_URL = "https://api.openai.com/v1"
LOOPBACK = ("localhost", "127.0.0.1", "::1")

Quirk = Literal["no_metadata", "no_validation_wait", "no_uploads", "no_pause", "no_checkpoints"]
"""What a compatible endpoint does not do as OpenAI does:

no_metadata         drops what is written on a job: a lost one is found by its files, base, seed, suffix and time
no_validation_wait  files have no `status`, or one that never becomes `processed`: an uploaded file is taken to be ready
no_uploads          has no Uploads API: a file of any size goes in one request
no_pause            cannot pause and resume a job
no_checkpoints      keeps no checkpoints of a job
"""


class OpenAIProfile(Table):
    """`[providers.<name>]` with `provider = "openai"`.

    base_url          of a compatible endpoint, with its version (`https://…/v1`); `api_key_env` names the variable that holds its key
    organization      ids to send along where a key belongs to several; `project` likewise
    requests_at_once  how many rows are asked at a time when a model answers a data set
    """

    provider: str = "openai"
    base_url: str | None = None
    api_key_env: Annotated[str, Field(min_length=1)] | None = None
    organization: str | None = None
    project: str | None = None
    quirks: list[Quirk] = Field(default_factory=list)
    requests_at_once: Annotated[int, Field(ge=1, le=256)] = 8


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One account at one address. `name` is the first part of its URIs, `key_source` the variable that the key comes from.

    `compatible` says that it is not OpenAI who answers there, but somebody who speaks its dialect.
    """

    name: str
    base_url: str
    key_source: str
    key: str | None = field(default=None, repr=False)
    organization: str | None = None
    project: str | None = None
    compatible: bool = False
    quirks: frozenset[Quirk] = frozenset()
    requests_at_once: int = 8

    @property
    def scope(self) -> str:
        """The address without its scheme, then organization and project as far as they are told. A key may change; what it opens stays."""
        parts = urlsplit(self.base_url)
        return "/".join(filter(None, (parts.netloc, parts.path.strip("/"), self.organization, self.project)))

    @property
    def in_the_clear(self) -> bool:
        """Whether the key would cross a network unencrypted."""
        parts = urlsplit(self.base_url)
        return parts.scheme == "http" and parts.hostname not in LOOPBACK


def endpoint_of(settings: ProviderSettings) -> Endpoint:
    """The endpoint that a profile and the environment name. Raises ConfigError.

    A profile with an address of its own takes nothing from OPENAI_*, and one with a key of its own neither organization nor project: what
    belongs to one account is not sent to another.
    """
    place = f"[providers.{settings.name}]"
    profile = read_table(OpenAIProfile, settings.profile, place=place, error=ConfigError)
    given = {name: value.strip() for name, value in settings.environ.items() if value.strip()}
    elsewhere = profile.base_url is not None and not _is_openai(profile.base_url)
    if elsewhere and profile.api_key_env is None:
        raise ConfigError(
            f"{place}: base_url is {_shown(profile.base_url)}, and no api_key_env says which variable holds the key for it.",
            remedy='Name one: api_key_env = "…_API_KEY". The key in OPENAI_API_KEY is only sent to OpenAI.',
        )
    key_source = profile.api_key_env or "OPENAI_API_KEY"
    own = {} if elsewhere or key_source != "OPENAI_API_KEY" else given
    return Endpoint(
        name=settings.name,
        base_url=_checked(profile.base_url or given.get("OPENAI_BASE_URL") or OPENAI_URL, place=place),
        key_source=key_source,
        key=given.get(key_source),
        organization=profile.organization or own.get("OPENAI_ORG_ID"),
        project=profile.project or own.get("OPENAI_PROJECT_ID"),
        compatible=elsewhere,
        quirks=frozenset(profile.quirks),
        requests_at_once=profile.requests_at_once,
    )


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _is_openai(url: str) -> bool:
    parts = _split(url)
    host = (parts.hostname or "") if parts else ""
    return host == "openai.com" or host.endswith(".openai.com")


def _checked(url: str, *, place: str) -> str:
    """The address as it is used: without a slash at its end. What else it may hold (a password, a query) would end up in a scope."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ConfigError(
            f"{place}: the address {_shown(url)} cannot be used.",
            remedy="It looks like https://host/v1, without a user, a password or a query.",
        )
    return url.rstrip("/")


def _shown(url: str | None) -> str:
    """The host alone, which holds no secret."""
    parts = _split(url or "")
    return repr(parts.hostname if parts and parts.hostname else "(not an address)")
