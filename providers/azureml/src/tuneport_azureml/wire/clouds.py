"""Azure's clouds, as azure-ai-ml 1.35.2 (_azure_environments.py) has them: a token of one is worth nothing in another."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Cloud:
    """`api_hosts` end the hosts of a workspace's run history, `serving_hosts` those of its endpoints, which were found for the
    public cloud alone; `storage` ends those of its storage accounts."""

    name: str
    management_url: str
    authority: str
    api_hosts: tuple[str, ...]
    storage: str
    serving_hosts: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """What a token for the management plane and the run history is for."""
        return f"{self.management_url}/.default"


PUBLIC = Cloud(
    "public",
    "https://management.azure.com",
    "login.microsoftonline.com",
    (".api.azureml.ms",),
    "core.windows.net",
    serving_hosts=(".models.ai.azure.com", ".inference.ai.azure.com", ".services.ai.azure.com", ".inference.ml.azure.com"),
)
CLOUDS = (
    PUBLIC,
    Cloud(
        "usgov",
        "https://management.usgovcloudapi.net",
        "login.microsoftonline.us",
        (".api.ml.azure.us",),
        "core.usgovcloudapi.net",
    ),
    Cloud("china", "https://management.chinacloudapi.cn", "login.chinacloudapi.cn", (".api.ml.azure.cn",), "core.chinacloudapi.cn"),
)
STORAGE_SCOPE = "https://storage.azure.com/.default"


def cloud_of(name: str) -> Cloud:
    return next(cloud for cloud in CLOUDS if cloud.name == name)


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    return urlsplit(url if "://" in url else f"//{url}").hostname in LOOPBACK
