"""Which workspace is meant and with whose credentials: the table `[providers.<name>]` of tuneport.toml, and Azure's own variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from tuneport.errors import ConfigError
from tuneport.provider import ProviderSettings
from tuneport.tables import Table, read_table
from tuneport_azureml.wire.clouds import Cloud, cloud_of, is_loopback

SUBSCRIPTION = "AZURE_SUBSCRIPTION_ID"
GROUP = "AZURE_RESOURCE_GROUP"
WORKSPACE = "AZUREML_WORKSPACE_NAME"
TOKEN = "AZURE_MANAGEMENT_TOKEN"
ENDPOINT = "AZUREML_DEV_URL_MFE"

JobTier = Literal["spot", "basic", "standard", "premium"]
_Text = Annotated[str, Field(min_length=1)]
_SUBSCRIPTION = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NAME = re.compile(r"[\w.()-]{1,90}")


class AzureMLProfile(Table):
    """`[providers.<name>]` with `provider = "azureml"`: one workspace.

    subscription    else AZURE_SUBSCRIPTION_ID;  `resource_group`: else AZURE_RESOURCE_GROUP;  `workspace`: else AZUREML_WORKSPACE_NAME
    compute         the named compute that jobs run on;  `instance_types`: sizes of serverless machines;  without either, the service's own
    job_tier        spot, basic, standard or premium
    experiment      what jobs are listed under in the studio
    datastore       where data go
    cloud           public, usgov or china
    token_env       the variable that holds an access token (AZURE_MANAGEMENT_TOKEN, where that is set); else whoever is signed in
    management_url  another address of the management plane, else AZUREML_DEV_URL_MFE
    """

    provider: str = "azureml"
    subscription: _Text | None = None
    resource_group: _Text | None = None
    workspace: _Text | None = None
    compute: _Text | None = None
    instance_types: list[_Text] = Field(default_factory=list)
    job_tier: JobTier | None = None
    experiment: _Text = "tuneport"
    datastore: _Text = "workspaceblobstore"
    cloud: Literal["public", "usgov", "china"] = "public"
    token_env: _Text | None = None
    management_url: _Text | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace. `name` is the first part of its URIs; `token` is one that somebody fetched, None: whoever is signed in."""

    name: str
    subscription: str
    group: str
    workspace: str
    cloud: Cloud
    management_url: str
    experiment: str
    datastore: str
    compute: str | None = None
    instance_types: tuple[str, ...] = ()
    job_tier: JobTier | None = None
    token: str | None = field(default=None, repr=False)
    token_source: str = "azure-identity"

    @property
    def scope(self) -> str:
        return f"{self.subscription}/{self.group}/{self.workspace}"

    @property
    def id(self) -> str:
        """As the management plane names it."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    @property
    def local(self) -> bool:
        """Whether it is one on this machine."""
        return is_loopback(self.management_url)


def workspace_of(settings: ProviderSettings) -> Workspace:
    """The workspace that a profile and the environment name. Raises ConfigError with a sentence for each way to name none."""
    where = f"[providers.{settings.name}]"
    profile = read_table(AzureMLProfile, settings.profile, place=where, error=ConfigError)
    given = {name: value.strip() for name, value in settings.environ.items() if value.strip()}
    cloud = cloud_of(profile.cloud)
    token, source = _token(profile, given, where=where)
    if profile.compute and profile.instance_types:
        raise ConfigError(f"{where}: a job runs on a named compute or on instance_types, and both are given.", remedy="Leave one out.")
    return Workspace(
        name=settings.name,
        subscription=_subscription(_named(profile.subscription, given, SUBSCRIPTION, "subscription", where=where), where=where),
        group=_plain(_named(profile.resource_group, given, GROUP, "resource_group", where=where), "resource_group", where=where),
        workspace=_plain(_named(profile.workspace, given, WORKSPACE, "workspace", where=where), "workspace", where=where),
        cloud=cloud,
        management_url=_address(profile.management_url or given.get(ENDPOINT) or cloud.management_url, cloud, where=where),
        experiment=_plain(profile.experiment, "experiment", where=where),
        datastore=_plain(profile.datastore, "datastore", where=where),
        compute=_plain(profile.compute, "compute", where=where) if profile.compute else None,
        instance_types=tuple(profile.instance_types),
        job_tier=profile.job_tier,
        token=token,
        token_source=source,
    )


def _named(said: str | None, given: Mapping[str, str], variable: str, key: str, *, where: str) -> str:
    found = said or given.get(variable)
    if not found:
        remedy = f"Set {key} there, or {variable}. See: az ml workspace list --query '[].[name, resource_group]'"
        raise ConfigError(f"{where}: no {key.replace('_', ' ')} is named.", remedy=remedy)
    return found


def _subscription(value: str, *, where: str) -> str:
    if not _SUBSCRIPTION.fullmatch(value):
        raise ConfigError(f"{where}: subscription is {value!r}, which is none.", remedy="It is an id: az account show --query id")
    return value.lower()


def _plain(value: str, key: str, *, where: str) -> str:
    """It becomes a part of an address."""
    if not _NAME.fullmatch(value):
        raise ConfigError(f"{where}: {key} is {value!r}, which is no name.", remedy="Letters, digits, '-', '_' and '.' are taken.")
    return value


def _token(profile: AzureMLProfile, given: Mapping[str, str], *, where: str) -> tuple[str | None, str]:
    if profile.token_env is None:
        return given.get(TOKEN), TOKEN if TOKEN in given else "azure-identity"
    if profile.token_env not in given:
        remedy = f"Set it: export {profile.token_env}=$(az account get-access-token --query accessToken -o tsv)"
        raise ConfigError(f"{where}: token_env names {profile.token_env}, which holds no token.", remedy=remedy)
    return given[profile.token_env], profile.token_env


def _address(value: str, cloud: Cloud, *, where: str) -> str:
    """Scheme and host: Microsoft's of that cloud, or one on this machine, for the token goes there. Raises ConfigError for any other."""
    parts = urlsplit(value)
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment or parts.path.strip("/"):
        raise ConfigError(f"{where}: management_url cannot be used.", remedy=f"Leave it out; it is {cloud.management_url}.")
    if not is_loopback(value) and value.rstrip("/") != cloud.management_url:
        raise ConfigError(
            f"{where}: management_url is at {host}, which is neither this machine nor {cloud.management_url}.",
            remedy="Leave it out, or set cloud.",
        )
    return value.rstrip("/")
