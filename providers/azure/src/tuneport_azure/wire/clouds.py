"""Azure's clouds. Each has addresses, authorities and audiences of its own; a token of one is worth nothing in another."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RESOURCE = re.compile(r"[^.]+\.(?:openai|services\.ai|cognitiveservices)\.azure\.(?:com|us|cn)")
"""The hosts under which Microsoft alone gives out names of resources; under others of azure.com anybody may have a machine."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """`domain` ends its hosts. `authority` gives out its tokens, and `management_scope` is of what those for the management plane are."""

    domain: str
    management_url: str
    management_scope: str
    authority: str

    @property
    def resource_scope(self) -> str:
        """What a token for a resource's own address is for (azure-ai-docs)."""
        return f"https://cognitiveservices.{self.domain}/.default"

    @property
    def project_scope(self) -> str:
        """What one for the address of a Foundry project is for: of the public cloud by azd of 2026-08-21, of the others by analogy."""
        return f"https://ai.{self.domain}/.default"


PUBLIC = Cloud("azure.com", "https://management.azure.com", "https://management.azure.com/.default", "login.microsoftonline.com")
CLOUDS = (
    PUBLIC,
    Cloud(
        "azure.us",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        "login.microsoftonline.us",
    ),
    Cloud("azure.cn", "https://management.chinacloudapi.cn", "https://management.chinacloudapi.cn/.default", "login.chinacloudapi.cn"),
)
"""As azure-mgmt-core 1.6.0 (get_arm_endpoints) and azure-identity 1.27.0 (AzureAuthorityHosts) have them; a test compares."""


def cloud_of(host: str) -> Cloud:
    """The cloud of a host; the public one where it tells of none."""
    name = host.partition("/")[0].partition(":")[0].casefold()
    return next((cloud for cloud in CLOUDS if name.endswith(f".{cloud.domain}")), PUBLIC)


def is_of_azure(host: str) -> bool:
    """Whether it is the host of a resource, which nobody but Microsoft can listen at."""
    return _RESOURCE.fullmatch(host.casefold()) is not None


def management_scope(url: str) -> str:
    """What a token for the management plane at that address is for."""
    return next((cloud.management_scope for cloud in CLOUDS if cloud.management_url == url), f"{url}/.default")
