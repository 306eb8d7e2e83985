"""`[options.local.azureml]` of a recipe: which workspace, which machine, which container. What the profile says is filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from tuneport.errors import ConfigError, RecipeError
from tuneport.nearest import did_you_mean
from tuneport.provider import ProviderSettings
from tuneport.settings import Settings as Configuration
from tuneport.tables import Table, read_table
from tuneport_azureml.profile import AzureMLProfile, JobTier, Workspace, workspace_of
from tuneport_azureml.wire.bundles import ASSET, IMAGE
from tuneport_azureml.wire.tags import problem

WHERE = "options.local.azureml"
PROVIDER = "azureml"
_Text = Annotated[str, Field(min_length=1)]
_SIZE = re.compile(r"[0-9]+[bkmg]", re.IGNORECASE)
_IMAGE = re.compile(r"[a-z0-9][\w./:@-]{0,400}", re.ASCII)
_NAME = re.compile(r"[\w.()-]{1,90}")
_PLACE = ("subscription", "resource_group", "workspace", "cloud", "token_env", "management_url")
"""What of a profile says which workspace is meant, and who asks: the keys it has in our settings too."""


class RentingOptions(Table):
    """profile         the name of a provider profile: else `azureml`
    compute         the named compute that the job runs on;  `instance_type`: the size of a serverless machine: else the profile's
    gpus            how many GPUs that machine has
    job_tier        spot, basic, standard or premium, of a serverless machine: else the profile's
    environment     an environment of a registry or of the workspace;  `image`: a container image that becomes one
    experiment      what the job is listed under in the studio;  `datastore`: where its folder lies: else the profile's
    identity        user or managed: as whom the machine reaches a datastore that holds no secret
    shm_size        the container's shared memory: a number and b, k, m or g
    max_hours       after so many the service cancels the job
    tags            of your own on it
    """

    profile: _Text | None = None
    compute: _Text | None = None
    instance_type: _Text | None = None
    instance_count: int = 1
    gpus: Annotated[int, Field(ge=0, le=64)] = 1
    job_tier: JobTier | None = None
    environment: _Text | None = None
    image: _Text | None = None
    experiment: _Text | None = None
    datastore: _Text | None = None
    identity: Literal["user", "managed"] | None = None
    shm_size: _Text | None = None
    max_hours: Annotated[float, Field(gt=0, le=24 * 90)] | None = None
    tags: dict[_Text, str] = Field(default_factory=dict)

    @field_validator("tags")
    @classmethod
    def _fit(cls, value: dict[str, str]) -> dict[str, str]:
        if found := problem(value):
            raise ValueError(found)
        return value

    @field_validator("compute", "experiment", "datastore", "instance_type")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        """They become parts of addresses."""
        if value is not None and not _NAME.fullmatch(value):
            raise ValueError(f"{value[:90]!r} is no name")
        return value

    @field_validator("instance_count")
    @classmethod
    def _one(cls, value: int) -> int:
        if value != 1:
            raise ValueError("a job runs on one machine there, with as many GPUs as that has; several machines: engine 'ray'")
        return value

    @field_validator("shm_size")
    @classmethod
    def _size(cls, value: str | None) -> str | None:
        if value is not None and not _SIZE.fullmatch(value):
            raise ValueError(f"{value[:40]!r} is none; it is a number and b, k, m or g, such as 8g")
        return value

    @model_validator(mode="after")
    def _one_of_two(self) -> RentingOptions:
        if self.compute and self.instance_type:
            raise ValueError("a job runs on a named compute or on an instance_type, not on both")
        if self.environment and self.image:
            raise ValueError("a job runs in an environment or in an image, not in both")
        if self.environment and not ASSET.fullmatch(self.environment):
            raise ValueError(
                f"environment {self.environment[:90]!r} is none; azureml://registries/REGISTRY/environments/NAME/versions/N or "
                "azureml:NAME:VERSION is, and a container image goes under image"
            )
        if self.image and not _IMAGE.fullmatch(self.image):
            raise ValueError(f"image {self.image[:90]!r} is no name of a container image, such as {IMAGE}")
        return self


def read(options: Mapping[str, Any], configuration: Configuration) -> dict[str, Any]:
    """All that a launch needs beside its order, without secrets. Raises RecipeError and ConfigError."""
    asked = read_table(RentingOptions, options, place=WHERE, error=RecipeError)
    name = _profile_named(asked.profile, configuration)
    table = dict(configuration.providers.get(name, {}))
    profile = read_table(AzureMLProfile, table, place=f"[providers.{name}]", error=ConfigError)
    place = workspace_of(_provider(name, table, configuration))
    own = bool(asked.compute or asked.instance_type)
    compute = asked.compute if own else profile.compute
    size = asked.instance_type if own else _only(profile.instance_types, name)
    tier = asked.job_tier or (profile.job_tier if size else None)
    _refuse(compute, size, tier)
    found: dict[str, Any] = {
        "profile": name,
        "subscription": place.subscription,
        "resource_group": place.group,
        "workspace": place.workspace,
        "cloud": profile.cloud,
        "token_env": profile.token_env,
        "management_url": place.management_url if place.management_url != place.cloud.management_url else None,
        "compute": compute,
        "instance_type": size,
        "gpus": asked.gpus,
        "job_tier": tier,
        "environment": asked.environment,
        "image": asked.image or (None if asked.environment else IMAGE),
        "experiment": asked.experiment or profile.experiment,
        "datastore": asked.datastore or profile.datastore,
        "identity": asked.identity,
        "shm_size": asked.shm_size,
        "max_hours": asked.max_hours,
        "tags": dict(asked.tags),
    }
    return {key: value for key, value in found.items() if value is not None and value != {}}


def workspace(settings: Mapping[str, Any], configuration: Configuration) -> Workspace:
    """The workspace that was read once; who asks is told by the environment of this process."""
    table: dict[str, Any] = {key: settings[key] for key in _PLACE if key in settings}
    table |= {"provider": PROVIDER, "experiment": settings["experiment"], "datastore": settings["datastore"]}
    if "compute" in settings:
        table["compute"] = settings["compute"]
    elif "instance_type" in settings:
        table["instance_types"] = [settings["instance_type"]]
    return workspace_of(_provider(str(settings["profile"]), table, configuration))


def _provider(name: str, table: Mapping[str, Any], configuration: Configuration) -> ProviderSettings:
    return ProviderSettings(name=name, home=configuration.home, environ=configuration.environ, profile=table)


def _profile_named(name: str | None, configuration: Configuration) -> str:
    """Of a profile of ours. Raises RecipeError."""
    ours = [each for each, table in configuration.providers.items() if table.get("provider", each) == PROVIDER]
    if name is None or name == PROVIDER:
        return PROVIDER
    if name not in ours:
        said = did_you_mean(name, [*ours, PROVIDER]) if name not in configuration.providers else "it is of another provider."
        raise RecipeError(
            f"{WHERE}: profile {name!r} is none of azureml's; {said}", remedy="Profiles are [providers.NAME] in tuneport.toml."
        )
    return name


def _only(sizes: list[str], name: str) -> str | None:
    if len(sizes) > 1:
        raise RecipeError(
            f"{WHERE}: [providers.{name}] names {len(sizes)} instance_types, and a job runs on one.", remedy="Set instance_type."
        )
    return sizes[0] if sizes else None


def _refuse(compute: str | None, size: str | None, tier: str | None) -> None:
    if compute is None and size is None:
        raise RecipeError(
            f"{WHERE}: no machine is named, and without one the service takes one that has no GPU.",
            remedy='Set instance_type, such as "Standard_NC24ads_A100_v4", or compute.',
        )
    if tier is not None and size is None:
        raise RecipeError(
            f"{WHERE}: job_tier is of serverless machines; whether the compute {compute!r} is of low priority was said when it was made.",
            remedy="Leave job_tier out, or set instance_type in place of compute.",
        )
