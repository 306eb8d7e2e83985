"""Where a datastore's blobs lie, and where a run's history is told: hosts that a token or a signature is sent to, so they are looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from tuneport.errors import Refused, Unreachable
from tuneport.replies import Json, object_in, text_in
from tuneport_azureml.profile import Workspace
from tuneport_azureml.wire.clouds import is_loopback

FOLDER = "tuneport"
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"[$a-z0-9][a-z0-9-]{1,62}")
_ADDRESS = re.compile(r"/datastores/([\w-]{1,255})/paths/(.+)")


@dataclass(frozen=True, slots=True)
class Store:
    """A blob container of a workspace's. `account_url` has no slash at its end; `signed`: the datastore holds a secret to ask for."""

    name: str
    account_url: str
    container: str
    signed: bool


def data_uri(place: Workspace, datastore: str, path: str) -> str:
    """The address that a data asset has."""
    where = f"azureml://subscriptions/{place.subscription}/resourcegroups/{place.group}/workspaces/{place.workspace}"
    return f"{where}/datastores/{datastore}/paths/{path}"


def blob_path(name: str) -> str:
    return f"{FOLDER}/{name}.jsonl"


def store_of(place: Workspace, datastore: Json, *, name: str | None = None) -> Store:
    """The container that a datastore stands for: the workspace's own for data, or the one of that name. Raises Refused for one that is no
    blob storage of Azure's, Unreachable for an answer that leaves out where its blobs lie."""
    name = name or place.datastore
    properties = object_in(datastore, "properties")
    said = [text_in(properties, key) for key in ("datastoreType", "accountName", "containerName")]
    kind, account, container = (each or "" for each in said)
    if not kind or (kind.casefold() == "azureblob" and None in said):
        raise Unreachable(f"{place.name}: the answer does not say where the blobs of the datastore {name} lie.", remedy="Try again later.")
    if kind.casefold() != "azureblob" or not _ACCOUNT.fullmatch(account) or not _CONTAINER.fullmatch(container):
        raise Refused(
            f"{place.name}: the datastore {name} is {kind}, and data go to blob storage.",
            remedy=f"Set datastore in [providers.{place.name}] to one of type AzureBlob, such as workspaceblobstore.",
        )
    credentials = (text_in(object_in(properties, "credentials"), "credentialsType") or "None").casefold()
    endpoint = text_in(properties, "endpoint") or place.cloud.storage
    if is_loopback(endpoint) and place.local:
        url = f"http://{endpoint}/{account}"
    elif endpoint == place.cloud.storage:
        url = f"https://{account}.blob.{endpoint}"
    else:
        raise Refused(f"{place.name}: the datastore {name} is at {endpoint}, which is not {place.cloud.storage}.")
    return Store(name, url, container, credentials not in ("none", "aad"))


def blob_address(uri: str) -> tuple[str, str] | None:
    """Datastore and path of something that a workspace names by its datastore; None for any other address."""
    found = _ADDRESS.search(uri)
    return None if found is None else (found[1], found[2].strip("/"))


def api_url(place: Workspace, workspace: Json) -> str:
    """Scheme and host of the run history, from the workspace's MLflow address (`azureml://westus2.api.azureml.ms/mlflow/v1.0/…`).

    Raises Refused for a host that is not Microsoft's.
    """
    said = text_in(object_in(workspace, "properties"), "mlFlowTrackingUri") or ""
    netloc = urlsplit(said).netloc
    if place.local and is_loopback(netloc):
        return f"http://{netloc}"
    if netloc.casefold().endswith(place.cloud.api_hosts):
        return f"https://{netloc}"
    raise Refused(f"{place.name}: the workspace {place.workspace} names no address of its run history.")


def is_log_address(place: Workspace, url: str) -> bool:
    """Whether a log's signed address is one of the cloud's storage."""
    host = urlsplit(url).hostname or ""
    return (place.local and is_loopback(url)) or (url.startswith("https://") and host.endswith(f".{place.cloud.storage}"))
