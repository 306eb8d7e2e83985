"""Serverless endpoints: what is asked for, and what the management plane tells of them (azure-ai-ml 1.35.2, arm_ml_service).

That a tuned model is served so, by which id, and where it answers: Azure/azureml-examples, chat_completion_with_model_as_service, and
MicrosoftDocs/azure-ai-docs, fine-tune-serverless (2026-01-28), read 2026-11-22.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from tuneport.errors import RecipeError
from tuneport.model import Phase
from tuneport.nearest import did_you_mean
from tuneport.replies import Json, object_in, text_in, time_in
from tuneport_azureml.profile import Workspace
from tuneport_azureml.wire.clouds import is_loopback
from tuneport_azureml.wire.names import model_id, model_parts

OPTIONS = ("name",)
MOST_NAME_CHARS = 52
MODEL = "tuneport_model"
"""The tag that says which model of the workspace is served."""
CHATS = "/v1/chat/completions"
PHASES: Mapping[str, Phase] = {
    "creating": "starting",
    "updating": "starting",
    "succeeded": "ready",
    "failed": "failed",
    "canceled": "failed",
    "deleting": "ending",
}
"""The words of EndpointProvisioningState, in small letters."""
_STANDS: Mapping[str, Phase] = {"reinstating": "starting", "suspending": "failed", "suspended": "failed"}
"""Words of ServerlessEndpointState that say more than that it was made."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,51}")
_SERVED = re.compile(r"azureml://locations/[\w-]+/workspaces/([\w-]+)/models/([\w.-]+)/versions/([\w.-]+)", re.IGNORECASE)
_OF_JOB = re.compile(r"-?[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True)
class Region:
    """Where a workspace is, and its own id, by which its models are named for serving."""

    location: str
    workspace_id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """An endpoint as it is told. `serves` is the service's own id of the model; `url` where it answers, '' as long as it does not."""

    name: str
    serves: str
    state: str
    phase: Phase
    url: str = ""
    keyed: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    created_at: datetime | None = None

    def model(self, region: Region) -> str:
        """What the served model goes by here; a base by its asset id, another workspace's model by the service's own id."""
        found = _SERVED.fullmatch(self.serves)
        return model_id(found[2], found[3]) if found and found[1].casefold() == region.workspace_id.casefold() else self.serves


def served_as(model: str, region: Region) -> str:
    """The service's id of a registered model (`models/NAME/versions/V`), for serving it."""
    parts = model_parts(model)
    assert parts is not None
    return f"azureml://locations/{region.location}/workspaces/{region.workspace_id}/models/{parts[0]}/versions/{parts[1]}"


def wanted_name(options: Mapping[str, Any], *, model: str, scope: str) -> str:
    """The name of the endpoint for that model, from the options of `deploy`. Raises RecipeError naming the option."""
    for key in options:
        if key not in OPTIONS:
            raise RecipeError(f"{key!r} is no option of an endpoint; {did_you_mean(key, OPTIONS)}")
    name = options.get("name") or default_name(model, scope=scope)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RecipeError(f"name is {name!r}; it takes up to {MOST_NAME_CHARS} letters, digits and '-', and begins with a letter.")
    return name


def default_name(model: str, *, scope: str, most: int = MOST_NAME_CHARS) -> str:
    """The same at every call, and another for every model: such names are unique in a whole region."""
    parts = model_parts(model)
    words = re.sub(r"[^A-Za-z0-9]+", "-", _OF_JOB.sub("", parts[0] if parts else model)).strip("-")
    digest = hashlib.sha256(f"{scope}/{model}".casefold().encode()).hexdigest()[:8]
    head = words if words[:1].isalpha() else f"m-{words}".strip("-")
    return f"{head[: most - 9].rstrip('-')}-{digest}"


def put_body(model: str, region: Region) -> dict[str, Any]:
    """The body of the PUT: azure-ai-ml's, and the mode of authentication, which the schema calls required."""
    return {
        "location": region.location,
        "tags": {MODEL: model},
        "sku": {"name": "Consumption"},
        "properties": {"authMode": "Key", "modelSettings": {"modelId": served_as(model, region)}},
    }


def standing_of(row: Json) -> Standing:
    """A row of the list, or the answer to a GET or PUT. Raises ValueError for one without a name."""
    properties = object_in(row, "properties")
    name, state = text_in(row, "name"), text_in(properties, "provisioningState") or ""
    if name is None:
        raise ValueError("an endpoint without a name")
    phase, stands = PHASES.get(state.casefold(), "unknown"), text_in(properties, "endpointState") or ""
    told = _STANDS.get(stands.casefold()) if phase == "ready" else None
    answers, mode = object_in(properties, "inferenceEndpoint"), text_in(properties, "authMode") or "Key"
    return Standing(
        name=name,
        serves=text_in(object_in(properties, "modelSettings"), "modelId") or "",
        state=stands if told else state,
        phase=told or phase,
        url=text_in(answers, "uri") or "",
        keyed=mode.casefold() != "aad",
        headers={key: value for key, value in object_in(answers, "headers").items() if isinstance(value, str)},
        reason=_SUSPENDED if told == "failed" else "",
        created_at=time_in(object_in(row, "systemData"), "createdAt"),
    )


_SUSPENDED = "the service has suspended it; the studio says why, a subscription to the model's offer that has ended for example"


def chat_url(url: str) -> str:
    """Where an endpoint takes conversations."""
    bare = url.rstrip("/")
    return bare if bare.endswith("/chat/completions") else f"{bare}{CHATS}"


def is_serving_address(place: Workspace, url: str) -> bool:
    """Whether a key may go there: to a host of the cloud's own, or on this machine."""
    host = (urlsplit(url).hostname or "").casefold()
    return (place.local and is_loopback(url)) or (url.startswith("https://") and host.endswith(place.cloud.serving_hosts or ("\0",)))
