"""`[options.local.vertex]`: the machine that a job is to run on, read into plain values that say where it is as well."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from tuneport.errors import ConfigError, RecipeError
from tuneport.nearest import did_you_mean
from tuneport.provider import ProviderSettings
from tuneport.settings import Settings as Configuration
from tuneport.tables import Table, read_table
from tuneport_vertex.adapter.signing_in import DefaultCredentials, signed_in_place
from tuneport_vertex.launching.machines import equipped
from tuneport_vertex.profile import BUCKET, Place, VertexProfile
from tuneport_vertex.wire.labels import problem

PLUGIN = "vertex"
WHERE = "options.local.vertex"
_NAME = Annotated[str, Field(min_length=1)]
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._-]*(?::\d+)?(?:/[a-zA-Z0-9._-]+)*(?::[\w.-]{1,128})?(?:@sha256:[0-9a-f]{64})?")
_PYTHON = re.compile(r"[.-]py(?:thon)?3\.?(\d{1,2})(?!\d)")
_CPU_IMAGE = re.compile(r"-cpu(?![a-z])")
_OLDEST_PYTHON = 11
_ACCOUNT = re.compile(r"[^@\s/]+@[^@\s/]+")
_NETWORK = re.compile(r"projects/[^/\s]+/global/networks/[^/\s]+")
_KEPT = ("token_env", "endpoint", "storage_endpoint", "kms_key")
"""What else a profile says, and a worker needs that does not find tuneport.toml."""


class VertexMachine(Table):
    """profile            the table of tuneport.toml that says project, region, bucket and sign-in (vertex)
    machine_type       as Compute Engine calls it, such as g2-standard-12
    accelerator_type   NVIDIA_TESLA_T4 and the like, with `accelerator_count`, for a machine that has none built in
    image              of the container: one with Python 3.11 or newer, and with PyTorch for CUDA where the machine has a GPU
    spot               machines at a discount that may be taken away; the job goes on from its last checkpoint
    restart_job_on_worker_restart   as the API has it
    max_hours          after which Vertex AI ends the job; else its own limit, 7 days
    bucket             else the profile's: what this machine and that one both see;  boot_disk_gb: of the machine (100)
    service_account    who the job runs as, else the profile's;  network: projects/NUMBER/global/networks/NAME;  labels: your own
    """

    profile: _NAME = PLUGIN
    machine_type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$")]
    accelerator_type: _NAME | None = None
    accelerator_count: Annotated[int, Field(ge=1, le=16)] | None = None
    image: _NAME
    spot: bool = False
    restart_job_on_worker_restart: bool = False
    max_hours: Annotated[float, Field(gt=0)] | Annotated[int, Field(ge=1)] | None = None
    bucket: Annotated[str, Field(pattern=r"^(gs://)?[a-z0-9][a-z0-9._-]+[a-z0-9](/.*)?$")] | None = None
    boot_disk_gb: Annotated[int, Field(ge=100, le=64_000)] | None = None
    service_account: _NAME | None = None
    network: _NAME | None = None
    labels: dict[_NAME, str] = Field(default_factory=dict)

    @field_validator("labels")
    @classmethod
    def _fit(cls, value: dict[str, str]) -> dict[str, str]:
        if found := problem(value):
            raise ValueError(found)
        return value

    @field_validator("image")
    @classmethod
    def _runs_ours(cls, value: str) -> str:
        if not _IMAGE.fullmatch(value):
            raise ValueError(f"{value!r} is no address of a container image; it looks like us-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE:TAG")
        python = _PYTHON.search(value)
        if python is not None and int(python[1]) < _OLDEST_PYTHON:
            raise ValueError(
                f"{value} has Python 3.{python[1]} by its name, and ours needs 3.{_OLDEST_PYTHON} or newer; name another image"
            )
        return value

    @field_validator("service_account")
    @classmethod
    def _an_account(cls, value: str | None) -> str | None:
        if value is not None and not _ACCOUNT.fullmatch(value):
            raise ValueError(f"{value!r} is no e-mail; it looks like NAME@PROJECT.iam.gserviceaccount.com")
        return value

    @field_validator("network")
    @classmethod
    def _a_network(cls, value: str | None) -> str | None:
        if value is not None and not _NETWORK.fullmatch(value):
            raise ValueError(f"{value!r} is no network; it looks like projects/12345/global/networks/NAME, with the project's number")
        return value

    @model_validator(mode="after")
    def _together(self) -> VertexMachine:
        accelerator, _ = equipped(self.machine_type, self.accelerator_type, self.accelerator_count)
        if accelerator and _CPU_IMAGE.search(self.image):
            raise ValueError(
                f"{self.image} is made for processors by its name, and {self.machine_type} has {accelerator}; name one with CUDA"
            )
        return self


def read(options: Mapping[str, Any], configuration: Configuration, *, default: DefaultCredentials) -> dict[str, Any]:
    """The machine with what the profile says of its place, in plain values. Raises RecipeError naming the key, ConfigError."""
    missing = next((key for key in ("machine_type", "image") if key not in options), None)
    if missing is not None and set(options) <= set(VertexMachine.model_fields):
        raise _missing(missing)
    asked = read_table(VertexMachine, options, place=WHERE, error=RecipeError)
    table = dict(_profile(asked.profile, configuration))
    place = _place(asked, table, configuration, default=default)
    accelerator, count = equipped(asked.machine_type, asked.accelerator_type, asked.accelerator_count)
    values = asked.model_dump(exclude={"bucket", "service_account", "accelerator_type", "accelerator_count"})
    said = {key: table[key] for key in _KEPT if key in table}
    where = {"project": place.project, "location": place.location, "bucket": place.folder()}
    account = {"service_account": place.service_account} if place.service_account else {}
    return values | {"accelerator_type": accelerator, "accelerator_count": count, "place": where | account | said}


def place_in(settings: Mapping[str, Any], configuration: Configuration, *, default: DefaultCredentials, clock: Any) -> Place:
    """The place of settings that `read` has made, wherever tuneport.toml is. Raises ConfigError."""
    return signed_in_place(_settings(settings["profile"], settings["place"], configuration, clock=clock), default=default)


def _missing(key: str) -> RecipeError:
    if key == "machine_type":
        return RecipeError(f"{WHERE}: machine_type is missing.", remedy="Name one with a GPU, such as g2-standard-12 (1 x NVIDIA_L4).")
    return RecipeError(
        f"{WHERE}: image is missing: the container that the job runs in.",
        remedy="Name one with Python 3.11 or newer and PyTorch for CUDA, that the job may read: in Artifact Registry or on Docker Hub.",
    )


def _profile(name: str, configuration: Configuration) -> Mapping[str, Any]:
    """The table of a profile. Raises ConfigError where there is none of that name, or it is another provider's."""
    mine = [each for each, table in configuration.providers.items() if table.get("provider", each) == PLUGIN]
    if name in mine or (name == PLUGIN and name not in configuration.providers):
        return configuration.providers.get(name, {})
    if name in configuration.providers:
        raise ConfigError(f"{WHERE}: profile {name!r} is one of {configuration.providers[name].get('provider', name)}.", remedy=_mine(mine))
    raise ConfigError(f"{WHERE}: there is no profile {name!r}; {did_you_mean(name, [*mine, PLUGIN])}", remedy=_mine(mine))


def _mine(names: list[str]) -> str:
    return f"Profiles of vertex: {', '.join(names)}." if names else 'A profile is a table [providers.NAME] with provider = "vertex".'


def _place(asked: VertexMachine, table: dict[str, Any], configuration: Configuration, *, default: DefaultCredentials) -> Place:
    read_table(VertexProfile, table, place=f"[providers.{asked.profile}]", error=ConfigError)
    given = {"bucket": asked.bucket, "service_account": asked.service_account}
    merged = table | {key: value for key, value in given.items() if value is not None}
    from tuneport.clock import SystemClock

    place = signed_in_place(_settings(asked.profile, merged, configuration, clock=SystemClock()), default=default)
    if not _REGION.fullmatch(place.location):
        raise ConfigError(
            f"[providers.{asked.profile}]: location is {place.location}, and machines are rented in a region.",
            remedy="Set location there to one such as us-central1.",
        )
    if place.bucket is None:
        raise ConfigError(
            f"{WHERE}: no bucket is named: the job's folder has to lie where this machine and Vertex AI's both see it.",
            remedy=f'Set bucket = "gs://NAME" there or in [providers.{asked.profile}], or {BUCKET}; it has to lie in {place.location}.',
        )
    return place


def _settings(name: str, table: Mapping[str, Any], configuration: Configuration, *, clock: Any) -> ProviderSettings:
    return ProviderSettings(name=name, home=configuration.home, environ=configuration.environ, profile=table, clock=clock)
