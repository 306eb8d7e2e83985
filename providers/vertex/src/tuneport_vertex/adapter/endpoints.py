"""Models, endpoints and operations, by the clients of google-cloud-aiplatform over REST. They are imported when used: that takes 1.4 s.

Everything comes out as values of ours; nothing is repeated here, and operations are followed by whoever began them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from tuneport.errors import NotFound, UnknownModel
from tuneport.replies import object_in, objects_in, text_in, time_in
from tuneport_vertex.adapter.connection import Connection, Reply
from tuneport_vertex.adapter.plain import answered, json_object
from tuneport_vertex.wire.registered import Registered
from tuneport_vertex.wire.standing import Deployed, Endpoint, Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.auth.transport.requests import AuthorizedSession

T = TypeVar("T")

PAGE = 100
TIMEOUT_S = 120.0


class Endpoints:
    """The model registry and the endpoints of one place, in whichever location they lie. Names are full names throughout."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._clients: dict[tuple[str, str], Any] = {}
        self._session: AuthorizedSession | None = None

    # --- the registry ------------------------------------------------------------------------------------------------------------------

    def model(self, name: str) -> Registered:
        """One version of a model, the default one where none is named. Raises NotFound."""
        client = self._client("models", _location(name))
        return self._read("asking for a model", lambda: _registered(client.get_model(name=name, retry=None, timeout=TIMEOUT_S)))

    def models(self, location: str) -> list[Registered]:
        """All of a location, each in its default version."""
        client, request = self._client("models", location), {"parent": self._parent(location), "page_size": PAGE}
        return self._read(
            "listing models",
            lambda: [_registered(each) for each in client.list_models(request=request, retry=None, timeout=TIMEOUT_S)],
        )

    def versions(self, name: str) -> list[str]:
        """The ids of all versions of a model, which is named without one. Raises NotFound."""
        client, request = self._client("models", _location(name)), {"name": name, "page_size": PAGE}
        return self._read(
            "listing the versions of a model",
            lambda: [each.version_id for each in client.list_model_versions(request=request, retry=None, timeout=TIMEOUT_S)],
        )

    def delete_model(self, name: str) -> Operation:
        """Begins to delete a model with all its versions. Raises NotFound, Refused where it is deployed somewhere."""
        client = self._client("models", _location(name))
        return self._begun("deleting a model", lambda: client.delete_model(name=name, retry=None, timeout=TIMEOUT_S))

    def delete_version(self, name: str) -> Operation:
        """Begins to delete one version, which is named behind an @. Raises NotFound; Refused where it is the only one."""
        client = self._client("models", _location(name))
        return self._begun("deleting a version of a model", lambda: client.delete_model_version(name=name, retry=None, timeout=TIMEOUT_S))

    # --- endpoints -------------------------------------------------------------------------------------------------------------------

    def endpoint(self, name: str) -> Endpoint:
        """One as it is now. Raises NotFound."""
        client = self._client("endpoints", _location(name))
        return self._read("looking at an endpoint", lambda: _endpoint(client.get_endpoint(name=name, retry=None, timeout=TIMEOUT_S)))

    def endpoints(self, location: str) -> list[Endpoint]:
        """All of a location."""
        client, request = self._client("endpoints", location), {"parent": self._parent(location), "page_size": PAGE}
        return self._read(
            "listing endpoints",
            lambda: [_endpoint(each) for each in client.list_endpoints(request=request, retry=None, timeout=TIMEOUT_S)],
        )

    def deploy(self, body: Mapping[str, Any]) -> Operation:
        """Begins to deploy weights to an endpoint of their own; `body` as REST spells it. Raises Ambiguous where it may have begun."""
        from google.cloud.aiplatform_v1beta1.types import DeployRequest

        request = DeployRequest.from_json(json.dumps(body))
        client = self._client("garden", _location(str(body["destination"])))
        return self._begun("deploying a model", lambda: client.deploy(request=request, retry=None, timeout=TIMEOUT_S))

    def undeploy(self, name: str, deployed: str, *, heir: str = "") -> Operation:
        """Begins to take a model from an endpoint. What still has traffic is not taken, unless another that is deployed there, `heir`, gets
        all of it."""
        client = self._client("endpoints", _location(name))
        request: dict[str, Any] = {"endpoint": name, "deployed_model_id": deployed} | ({"traffic_split": {heir: 100}} if heir else {})
        return self._begun("undeploying a model", lambda: client.undeploy_model(request=request, retry=None, timeout=TIMEOUT_S))

    def delete_endpoint(self, name: str) -> Operation:
        """Begins to delete an endpoint; nothing may be deployed at it."""
        client = self._client("endpoints", _location(name))
        return self._begun("deleting an endpoint", lambda: client.delete_endpoint(name=name, retry=None, timeout=TIMEOUT_S))

    # --- operations ------------------------------------------------------------------------------------------------------------------

    def operation(self, name: str) -> Operation:
        """One as it is now. Raises NotFound."""
        return self._json("looking at an operation", name, _told)

    def operations(self, endpoint: str) -> list[Operation]:
        """Those of an endpoint that the service still tells of: what was begun with it lately."""

        def read(found: Reply) -> list[Operation]:
            return list(map(_told, objects_in(found, "operations")))

        return self._json("looking at what an endpoint is doing", f"{endpoint}/operations", read)

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def _parent(self, location: str) -> str:
        return f"projects/{self._connection.place.project}/locations/{location}"

    def _read(self, doing: str, read: Callable[[], T]) -> T:
        return self._connection.patiently(lambda: _named(lambda: self._connection.sent(doing, read)))

    def _json(self, doing: str, path: str, read_as: Callable[[Reply], T]) -> T:
        """What a path is answered with, as `read_as` understands it. The clients would refuse an operation with metadata of a version that
        is not imported."""
        if self._session is None:
            self._session = self._connection.session()
        session, url = self._session, f"{self._connection.address(_location(path))}/v1/{path}"

        def read() -> T:
            return read_as(json_object(answered(session.get(url, timeout=TIMEOUT_S, allow_redirects=False))))

        return self._read(doing, read)

    def _begun(self, doing: str, begin: Callable[[], Any]) -> Operation:
        found = _named(lambda: self._connection.sent(doing, lambda: _operation(begin().operation), creating=True))
        if not (found.name or found.done):
            raise self._connection.unreadable(doing, "an operation without a name", creating=True)
        return found

    def _client(self, kind: str, location: str) -> Any:
        """The client of a service in a location. Raises CredentialsRefused where nobody is signed in."""
        if (kind, location) not in self._clients:
            address = self._connection.address(location)
            credentials = self._connection.sign_in.credentials(address)
            make = _maker(kind)
            with self._connection.translating("connecting"):
                self._clients[kind, location] = make(credentials=credentials, transport="rest", client_options={"api_endpoint": address})
        return self._clients[kind, location]


def _named(ask: Callable[[], T]) -> T:
    """A model of the registry that is not there is no unknown base, though the vendor's words are the same."""
    try:
        return ask()
    except UnknownModel as error:
        raise NotFound(error.message) from None


def _maker(kind: str) -> Any:
    if kind == "garden":  # custom weights are in its beta only
        from google.cloud.aiplatform_v1beta1.services.model_garden_service import ModelGardenServiceClient

        return ModelGardenServiceClient
    if kind == "models":
        from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient

        return ModelServiceClient
    from google.cloud.aiplatform_v1.services.endpoint_service import EndpointServiceClient

    return EndpointServiceClient


def _location(name: str) -> str:
    """`us` in `projects/P/locations/us/…`."""
    return name.split("/")[3]


# --- their values as ours --------------------------------------------------------------------------------------------------------------


def _registered(model: Any) -> Registered:
    """Raises ValueError for one without a name, of which nothing can be said."""
    if not model.name:
        raise ValueError("a model without a name")
    source = model.base_model_source
    garden, genie = source.model_garden_source, source.genie_source
    return Registered(
        name=model.name.partition("@")[0],
        version=model.version_id,
        display_name=model.display_name,
        base=genie.base_model_uri or (f"{garden.public_model_name}@{garden.version_id}" if garden.version_id else garden.public_model_name),
        source=model.model_source_info.source_type.name,
        endpoints=tuple(each.endpoint for each in model.deployed_models),
        weights=model.artifact_uri,
        labels=dict(model.labels),
        created_at=_time(model, "version_create_time") or _time(model, "create_time"),
        checkpoints=tuple(each.checkpoint_id for each in model.checkpoints),
        default_checkpoint=model.default_checkpoint_id,
    )


def _endpoint(endpoint: Any) -> Endpoint:
    """Raises ValueError for one without a name."""
    if not endpoint.name:
        raise ValueError("an endpoint without a name")
    return Endpoint(
        name=endpoint.name,
        display_name=endpoint.display_name,
        dns=endpoint.dedicated_endpoint_dns,
        created_at=_time(endpoint, "create_time"),
        deployed=tuple(map(_deployed, endpoint.deployed_models)),
    )


def _deployed(each: Any) -> Deployed:
    spec = each.dedicated_resources.machine_spec
    version = f"@{each.model_version_id}" if each.model_version_id and "@" not in each.model else ""
    return Deployed(
        id=each.id,
        model=each.model + version,
        machine=spec.machine_type,
        accelerator=getattr(spec.accelerator_type, "name", str(spec.accelerator_type)) if spec.accelerator_count else "",
        count=spec.accelerator_count,
        replicas=each.dedicated_resources.min_replica_count,
        available=each.status.available_replica_count if "status" in each else None,
        message=each.status.message if "status" in each else "",
        checkpoint=each.checkpoint_id,
    )


def _operation(operation: Any) -> Operation:
    """What was just begun, from the message of google.longrunning; it may have failed at once."""
    error = {"code": operation.error.code, "message": operation.error.message} if operation.HasField("error") else {}
    return Operation(operation.name, done=operation.done, error=error)


def _told(reply: Mapping[str, Any]) -> Operation:
    """An operation as JSON has it. Raises ValueError for one without a name."""
    if not text_in(reply, "name"):
        raise ValueError("an operation without a name")
    return Operation(
        text_in(reply, "name") or "",
        done=reply.get("done") is True,
        error=object_in(reply, "error"),
        endpoint=text_in(object_in(reply, "response"), "endpoint") or "",
        began_at=time_in(object_in(object_in(reply, "metadata"), "genericMetadata"), "createTime"),
    )


def _time(message: Any, key: str) -> datetime | None:
    if key not in message:
        return None
    found = getattr(message, key)
    return datetime.fromtimestamp(found.timestamp(), found.tzinfo)
