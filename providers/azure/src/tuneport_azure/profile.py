"""Which resource is meant and with whose credentials: the table `[providers.<name>]` of tuneport.toml, and the variables of the SDKs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field
from tuneport_openai.profile import Quirk

from tuneport.errors import ConfigError
from tuneport.provider import ProviderSettings
from tuneport.tables import Table, read_table
from tuneport_azure.wire.addresses import Place, place_of, scope_of
from tuneport_azure.wire.clouds import PUBLIC, Cloud, cloud_of, is_of_azure
from tuneport_azure.wire.versions import is_v1_only, version_problem

KEY = "AZURE_OPENAI_API_KEY"
TOKEN = "AZURE_OPENAI_AD_TOKEN"
ENDPOINT = "AZURE_OPENAI_ENDPOINT"
VERSION = "OPENAI_API_VERSION"
MANAGEMENT_URL = PUBLIC.management_url

TrainingType = Literal["standard", "global", "developer"]
"""Standard trains in the resource's own region, global wherever there is room, developer there as well, cheaper, with pauses."""

_V1 = frozenset({"", "v1", "preview", "latest"})
_NAME = Annotated[str, Field(min_length=1)]


class AzureProfile(Table):
    """`[providers.<name>]` with `provider = "azure"`: one resource.

    endpoint          its address (else AZURE_OPENAI_ENDPOINT); `api_version` v1, or a dated one (else OPENAI_API_VERSION, unless the
                      address is one of v1's or of a Foundry project, else v1)
    api_key_env       the variable that holds its key (AZURE_OPENAI_API_KEY)
    credential        key, or entra; without it the key is taken if there is one, then AZURE_OPENAI_AD_TOKEN, then Microsoft Entra;
                      a token goes to another host than Azure's only where `entra` is written here
    subscription, resource_group, account   where it stands in the management plane, for deployments (else AZURE_SUBSCRIPTION_ID,
                      AZURE_RESOURCE_GROUP, and the account with the name in its address)
    training_type     standard, global or developer, where a recipe does not say
    management_url    of another cloud than the one that the endpoint's host is of
    requests_at_once  how many rows are asked at a time when a model answers a data set
    """

    provider: str = "azure"
    endpoint: str | None = None
    api_version: str | None = None
    api_key_env: _NAME | None = None
    credential: Literal["key", "entra"] | None = None
    subscription: _NAME | None = None
    resource_group: _NAME | None = None
    account: _NAME | None = None
    training_type: TrainingType = "global"
    management_url: str | None = None
    requests_at_once: Annotated[int, Field(ge=1, le=256)] = 8


@dataclass(frozen=True, slots=True)
class Resource:
    """One Azure OpenAI resource. `name` is the first part of its URIs, `resource` its own, with which ids there begin.

    endpoint     scheme and host, no path;  `project`: the path of a Foundry project, or ''
    api_version  None is the v1 API
    credential   key, token (one that somebody else fetched) or entra;  `key_source` says in words where it comes from
    account      its name in the management plane where somebody gave it, else ''
    """

    name: str
    resource: str
    endpoint: str
    key_source: str
    credential: Literal["key", "token", "entra"]
    api_version: str | None = None
    project: str = ""
    key: str | None = field(default=None, repr=False)
    ad_token: str | None = field(default=None, repr=False)
    subscription: str | None = None
    resource_group: str | None = None
    account: str = ""
    management_url: str = MANAGEMENT_URL
    training_type: TrainingType = "global"
    requests_at_once: int = 8

    @property
    def scope(self) -> str:
        """The host: what a job belongs to, whoever asks for it, in which version, and by which of the resource's hosts."""
        return scope_of(self.endpoint)

    @property
    def cloud(self) -> Cloud:
        """Whose tokens it takes."""
        return cloud_of(self.scope)

    @property
    def base_url(self) -> str:
        """Of the v1 API."""
        return f"{self.endpoint}{self.project}/openai/v1/"

    @property
    def quirks(self) -> frozenset[Quirk]:
        """Whether v1 has the Uploads API is not documented; the largest file that is taken goes in one request."""
        return frozenset({"no_uploads"})


def resource_of(settings: ProviderSettings) -> Resource:
    """The resource that a profile and the environment name. Raises ConfigError with a sentence for each way to name none.

    The key in AZURE_OPENAI_API_KEY is taken to belong to the resource that AZURE_OPENAI_ENDPOINT names: another one does not get it, nor
    does any host a token that is not Azure's, unless the profile says `credential = "entra"`.
    """
    where = f"[providers.{settings.name}]"
    profile = read_table(AzureProfile, settings.profile, place=where, error=ConfigError)
    given = {name: value.strip() for name, value in settings.environ.items() if value.strip()}
    address = profile.endpoint or given.get(ENDPOINT) or ""
    place = place_of(address, where=where)
    key_source = profile.api_key_env or KEY
    elsewhere = profile.api_key_env is None and profile.endpoint is not None and _names_another(given.get(ENDPOINT), place)
    key, token = None if elsewhere else given.get(key_source), given.get(TOKEN)
    credential = _credential(profile.credential, key=key, token=token, key_source=key_source, where=where)
    if credential != "key" and profile.credential is None:
        _refuse_others(place, token=credential == "token", where=where)
    return Resource(
        name=settings.name,
        resource=place.resource,
        endpoint=place.endpoint,
        project=place.project,
        api_version=_version(profile.api_version or ("" if is_v1_only(address) else given.get(VERSION, "")), place=place, where=where),
        credential=credential,
        key_source=_source(credential, key_source),
        key=key if credential == "key" else None,
        ad_token=token if credential == "token" else None,
        subscription=profile.subscription or given.get("AZURE_SUBSCRIPTION_ID"),
        resource_group=profile.resource_group or given.get("AZURE_RESOURCE_GROUP"),
        account=profile.account or "",
        management_url=_management(profile.management_url or cloud_of(place.scope).management_url, where=where),
        training_type=profile.training_type,
        requests_at_once=profile.requests_at_once,
    )


def _names_another(endpoint: str | None, place: Place) -> bool:
    if endpoint is None:
        return False
    try:
        return place_of(endpoint, where=ENDPOINT).scope != place.scope
    except ConfigError:
        return True


def _refuse_others(place: Place, *, token: bool, where: str) -> None:
    """To this machine a token goes that somebody gave; that of Entra is refused without encryption, where it would be fetched."""
    here = place.on_loopback and (token or place.endpoint.startswith("http://"))
    if here or is_of_azure(place.scope):
        return
    raise ConfigError(
        f"{where}: there is no key for {place.scope}, and a token goes to hosts of Azure's resources only.",
        remedy=f'Set its key (api_key_env), or if {TOKEN if token else "your sign-in"} is to go there: credential = "entra".',
    )


def _credential(
    wanted: Literal["key", "entra"] | None, *, key: str | None, token: str | None, key_source: str, where: str
) -> Literal["key", "token", "entra"]:
    if wanted == "key" and key is None:
        raise ConfigError(
            f'{where}: credential is "key", and {key_source} holds none for this resource.', remedy=f"Set it: export {key_source}=…"
        )
    if wanted != "entra" and key is not None:
        return "key"
    return "token" if token is not None else "entra"


def _source(credential: str, key_source: str) -> str:
    return {"key": key_source, "token": TOKEN}.get(credential, "Microsoft Entra (azure-identity)")


def _version(text: str, *, place: Place, where: str) -> str | None:
    version = text.strip()
    if version.casefold() in _V1:
        return None
    if problem := version_problem(version):
        raise ConfigError(f"{where}: {problem}", remedy='Leave it out for the v1 API, or write a date: api_version = "2025-04-01-preview".')
    if place.project:
        raise ConfigError(
            f"{where}: the address of a Foundry project takes no api_version, and it is {version!r}.",
            remedy="Leave it out, or name the resource's own address: https://RESOURCE.openai.azure.com",
        )
    return version


def _management(url: str, *, where: str) -> str:
    if not re.fullmatch(r"https://[^/?#@\s]+|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?", url.rstrip("/")):
        raise ConfigError(f"{where}: management_url cannot be used.", remedy=f"It looks like {MANAGEMENT_URL}.")
    return url.rstrip("/")
