"""Which project and region are meant and with whose credentials: the table `[providers.<name>]` of tuneport.toml, and the variables that
Google's own SDKs read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from tuneport.errors import ConfigError
from tuneport.provider import ProviderSettings
from tuneport.tables import Table, read_table

PROJECT = "GOOGLE_CLOUD_PROJECT"
LOCATION = "GOOGLE_CLOUD_LOCATION"
BUCKET = "TUNEPORT_VERTEX_BUCKET"
TOKEN = "GOOGLE_OAUTH_ACCESS_TOKEN"
ENDPOINT = "GOOGLE_VERTEX_BASE_URL"
STORAGE_ENDPOINT = "STORAGE_EMULATOR_HOST"
DEFAULT_LOCATION = "us-central1"
ADC = "application default credentials"

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
Thinking = Literal["least", "usual"]
MultiRegion = Literal["us", "eu"]
"""Where tuned Gemini 3.x models answer, whatever region they were tuned in (facts of 2026-11-21)."""

_NAME = Annotated[str, Field(min_length=1)]
_PROJECT = re.compile(r"(?:[a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|\d+")
_LOCATION = re.compile(r"[a-z]+(?:-[a-z]+\d+)?")
_BUCKET = re.compile(r"(?:gs://)?([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(.*))?")
_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")


class VertexProfile(Table):
    """`[providers.<name>]` with `provider = "vertex"`: one project in one tuning region.

    project           else GOOGLE_CLOUD_PROJECT, else that of the credentials
    location          the tuning region; else GOOGLE_CLOUD_LOCATION, else us-central1
    bucket            NAME or gs://NAME/FOLDER, where data and results go; else TUNEPORT_VERTEX_BUCKET
    serving_location  us or eu, where tuned Gemini 3.x models are asked; else the one that the tuning region lies in
    service_account   the e-mail of the account that jobs run as;  `kms_key` the full name of the key that encrypts what they make
    token_env         the variable that holds an access token (GOOGLE_OAUTH_ACCESS_TOKEN, where that is set); else application default
                      credentials
    endpoint          another address of the API (else GOOGLE_VERTEX_BASE_URL), `storage_endpoint` of Cloud Storage (else
                      STORAGE_EMULATOR_HOST)
    thinking          least or usual: how much Gemini thinks before it answers; for tuned tasks Google advises little
    requests_at_once  how many rows are asked at a time when a model answers a data set
    """

    provider: str = "vertex"
    project: _NAME | None = None
    location: _NAME | None = None
    bucket: _NAME | None = None
    serving_location: MultiRegion | None = None
    service_account: _NAME | None = None
    kms_key: _NAME | None = None
    token_env: _NAME | None = None
    endpoint: _NAME | None = None
    storage_endpoint: _NAME | None = None
    thinking: Thinking = "least"
    requests_at_once: Annotated[int, Field(ge=1, le=256)] = 8


@dataclass(frozen=True, slots=True)
class Place:
    """One project in one tuning region. `name` is the first part of its URIs.

    bucket       its name, None where nobody gave one;  `prefix`: the folder in it, without slashes at its ends, or ''
    token        an access token that somebody fetched;  None: application default credentials, or nothing on loopback
    endpoint     of the API, None where the region says it;  `storage_endpoint` likewise of Cloud Storage
    """

    name: str
    project: str
    location: str
    serving_location: MultiRegion
    bucket: str | None = None
    prefix: str = ""
    service_account: str | None = None
    kms_key: str | None = None
    token: str | None = field(default=None, repr=False)
    token_source: str = ADC
    endpoint: str | None = None
    storage_endpoint: str | None = None
    thinking: Thinking = "least"
    requests_at_once: int = 8

    @property
    def scope(self) -> str:
        """What a job belongs to: a job of another region is another job."""
        return f"{self.project}/{self.location}"

    @property
    def parent(self) -> str:
        """The location as the API names it."""
        return f"projects/{self.project}/locations/{self.location}"

    def folder(self, *names: str) -> str:
        """An address in the bucket under the profile's folder, without a slash at its end. Raises ConfigError where there is no bucket."""
        if self.bucket is None:
            raise no_bucket(self.name)
        return "/".join(filter(None, (f"gs://{self.bucket}", self.prefix, *names)))


def no_bucket(name: str) -> ConfigError:
    """What to say where data have to go to a bucket and nobody named one."""
    return ConfigError(
        f"{name}: Vertex AI reads training data from Cloud Storage, and no bucket is named.",
        remedy=f'Set bucket = "gs://NAME" in [providers.{name}], or {BUCKET}; data that lie at a gs:// address already need none.',
    )


def place_of(settings: ProviderSettings, *, own_project: Callable[[Place], str | None] | None = None) -> Place:
    """The place that a profile and the environment name. Raises ConfigError with a sentence for each way to name none.

    `own_project` tells the project of the credentials, and is asked only where nobody else says which.
    """
    where = f"[providers.{settings.name}]"
    profile = read_table(VertexProfile, settings.profile, place=where, error=ConfigError)
    given = {name: value.strip() for name, value in settings.environ.items() if value.strip()}
    location = _fitting(profile.location or given.get(LOCATION) or DEFAULT_LOCATION, _LOCATION, "location", "us-central1", where=where)
    bucket, prefix = _bucket(profile.bucket or given.get(BUCKET), where=where)
    token, token_source = _token(profile, given, where=where)
    place = Place(
        name=settings.name,
        project=profile.project or given.get(PROJECT) or "",
        location=location,
        serving_location=profile.serving_location or serving_of(location),
        bucket=bucket,
        prefix=prefix,
        service_account=_account(profile.service_account, where=where),
        kms_key=_fitting(profile.kms_key, _KEY, "kms_key", "projects/P/locations/L/keyRings/R/cryptoKeys/K", where=where) or None,
        token=token,
        token_source=token_source,
        endpoint=_address(profile.endpoint or given.get(ENDPOINT), "endpoint", where=where),
        storage_endpoint=_address(profile.storage_endpoint or given.get(STORAGE_ENDPOINT), "storage_endpoint", where=where),
        thinking=profile.thinking,
        requests_at_once=profile.requests_at_once,
    )
    return _in_project(place, own_project, where=where)


def serving_of(location: str) -> MultiRegion:
    """Where models that were tuned in that region are served: the multi-region that it lies in."""
    return "eu" if location == "eu" or location.startswith("europe-") else "us"


def is_loopback(address: str) -> bool:
    """Whether an address is on this machine."""
    return urlsplit(address).hostname in LOOPBACK


def _in_project(place: Place, own_project: Callable[[Place], str | None] | None, *, where: str) -> Place:
    project = place.project or (own_project(place) if own_project is not None else None)
    if not project:
        raise ConfigError(
            f"{where}: no project is named.", remedy=f"Set project there, or {PROJECT}: its id is shown by: gcloud projects list"
        )
    return replace(place, project=_fitting(project, _PROJECT, "project", "my-project-1", where=where))


def _fitting(value: str | None, pattern: re.Pattern[str], key: str, like: str, *, where: str) -> str:
    """The value, which may be missing (''). Raises ConfigError for one of another form."""
    if value is not None and not pattern.fullmatch(value):
        raise ConfigError(f"{where}: {key} is {value!r}, which is none.", remedy=f"It looks like {like}.")
    return value or ""


def _token(profile: VertexProfile, given: Mapping[str, str], *, where: str) -> tuple[str | None, str]:
    if profile.token_env is None:
        return given.get(TOKEN), TOKEN if TOKEN in given else ADC
    if profile.token_env not in given:
        raise ConfigError(
            f"{where}: token_env names {profile.token_env}, which holds no token.",
            remedy=f"Set it: export {profile.token_env}=$(gcloud auth print-access-token)",
        )
    return given[profile.token_env], profile.token_env


def _account(value: str | None, *, where: str) -> str | None:
    if value is not None and not re.fullmatch(r"[^@\s/]+@[^@\s/]+", value):
        raise ConfigError(
            f"{where}: service_account is {value!r}, which is no e-mail.", remedy="It looks like NAME@PROJECT.iam.gserviceaccount.com."
        )
    return value


def _bucket(value: str | None, *, where: str) -> tuple[str | None, str]:
    if value is None:
        return None, ""
    found = _BUCKET.fullmatch(value)
    if found is None:
        raise ConfigError(f"{where}: bucket is {value!r}, which is none.", remedy="It looks like gs://NAME or gs://NAME/FOLDER.")
    return found[1], (found[2] or "").strip("/")


def _address(value: str | None, key: str, *, where: str) -> str | None:
    """Scheme and host. Raises ConfigError for one that is not encrypted and not on this machine."""
    if value is None:
        return None
    parts = urlsplit(value)
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise ConfigError(f"{where}: {key} cannot be used.", remedy="It looks like https://HOST.")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ConfigError(f"{where}: {key} is not encrypted, and {host} is not this machine.", remedy="Use https.")
    return value.rstrip("/")
