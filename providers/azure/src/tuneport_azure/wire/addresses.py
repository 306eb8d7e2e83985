"""Addresses of resources: the forms in which people copy them, as one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from tuneport.errors import ConfigError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
WANTED = "It looks like https://RESOURCE.openai.azure.com (Azure portal: the resource, Keys and Endpoint)."
_HOSTS = re.compile(r"([^.]+)\.(?:services\.ai|cognitiveservices)\.(azure\.\w+)")
"""The further hosts of a resource, which are equivalent (API lifecycle page, March 2026)."""
_PROJECT = re.compile(r"(/api/projects/[^/]+)(.*)")
_NO_RESOURCE = {
    "api.openai.com": "that is OpenAI's own address; this provider is for Azure",
    "management.azure.com": "that is the management plane",
    "portal.azure.com": "that is the Azure portal",
    "ai.azure.com": "that is the Foundry portal",
    "oai.azure.com": "that is the Azure OpenAI portal",
}
_REGIONAL = ".api.cognitive.microsoft.com"


@dataclass(frozen=True, slots=True)
class Place:
    """A resource by its name; `endpoint` is scheme and host, `project` the path of a Foundry project, or ''.

    On loopback several resources share a host: there the first part of the path is the name, and stays with the endpoint.
    """

    resource: str
    endpoint: str
    project: str = ""

    @property
    def scope(self) -> str:
        """The host, the same for all of a resource's."""
        return scope_of(self.endpoint)

    @property
    def on_loopback(self) -> bool:
        """Whether it is on this machine."""
        return urlsplit(self.endpoint).hostname in LOOPBACK


def scope_of(endpoint: str) -> str:
    """The host in an endpoint (on loopback with the name in its path), the same for all hosts of a resource."""
    return _HOSTS.sub(r"\1.openai.\2", endpoint.partition("://")[2])


def place_of(url: str, *, where: str) -> Place:
    """The resource at an address, with or without `/openai` and `/openai/v1` at its end. Raises ConfigError, which repeats no more of the
    address than its host."""
    if not url:
        raise ConfigError(f"{where}: no endpoint is named.", remedy=f"Set AZURE_OPENAI_ENDPOINT, or endpoint in the profile. {WANTED}")
    parts = _split(url.strip())
    _refuse(parts, where=where)
    assert parts is not None
    host, path = (parts.hostname or "").casefold(), parts.path.rstrip("/")
    path = re.sub(r"/openai(?:/v1)?$", "", path)
    if host in LOOPBACK:
        return _on_loopback(parts, path, where=where)
    project, rest = _project(path)
    if rest:
        raise ConfigError(f"{where}: the endpoint at {host} has a path, {rest!r}, that is none of a resource's.", remedy=WANTED)
    return Place(host.partition(".")[0], f"https://{parts.netloc.casefold().removesuffix(':443')}", project)


def _project(path: str) -> tuple[str, str]:
    """(the path of the project, what follows it)."""
    found = _PROJECT.fullmatch(path)
    return (found[1], found[2]) if found else ("", path)


def _on_loopback(parts: SplitResult, path: str, *, where: str) -> Place:
    name, slash, rest = path.strip("/").partition("/")
    project, further = _project(slash + rest)
    if not name or further or name == "api":
        raise ConfigError(
            f"{where}: on this machine the first part of the path names the resource.",
            remedy="It looks like http://127.0.0.1:8400/RESOURCE.",
        )
    return Place(name, f"{parts.scheme}://{parts.netloc}/{name}", project)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _refuse(parts: SplitResult | None, *, where: str) -> None:
    why = _why_not(parts)
    if why is not None:
        raise ConfigError(f"{where}: the endpoint cannot be used: {why}.", remedy=WANTED)


def _why_not(parts: SplitResult | None) -> str | None:
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        return "it has no scheme and host"
    host = parts.hostname.casefold()
    if parts.username or parts.password or parts.query or parts.fragment:
        return f"that of {host} holds a user, a key or a query, which do not belong there"
    if parts.scheme == "http" and host not in LOOPBACK:
        return f"http://{host} is not encrypted, and the credentials could be read on their way"
    if host.endswith(_REGIONAL):
        return f"{host} is the address of a region, not of a resource"
    if "." not in host and host not in LOOPBACK:
        return f"{host} is a name, not an address"
    return _NO_RESOURCE.get(host)
