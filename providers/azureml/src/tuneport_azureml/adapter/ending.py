"""What deleting a job means: its registered model, then its record. Both go for good; the studio's own way is to hide them (archive).

The files of the model stay in the datastore, and are stored, and billed, until somebody removes them there.
"""

from __future__ import annotations

from collections.abc import Callable

from tuneport.clock import Clock
from tuneport.errors import Ambiguous, NotFound, RateLimited, Refused, Unreachable
from tuneport.retry import wait_s
from tuneport_azureml.adapter.connection import Connection, Reply, found_or_none
from tuneport_azureml.adapter.endpoints import Endpoints
from tuneport_azureml.adapter.jobs import ended
from tuneport_azureml.adapter.models import Models
from tuneport_azureml.adapter.online import Online
from tuneport_azureml.adapter.serverless import Serverless
from tuneport_azureml.wire.jobs import registered
from tuneport_azureml.wire.names import model_parts

GONE_S, PAUSE_S = 600.0, 5.0


def delete(connection: Connection, job: Reply) -> None:
    """Raises Refused for a job that has not ended, or whose model an endpoint serves, and Unreachable where something does not go."""
    name, provider = str(job["name"]), connection.place.name
    if not ended(job):
        raise Refused(f"{name} has not ended, and is not deleted.", remedy=f"Cancel it first: tuneport jobs cancel {provider}:{name}")
    model = registered(job)
    parts = model_parts(model or "")
    if model is not None and parts is not None:
        for kind in (Serverless, Online):
            _refuse_served(kind(connection, Models(connection)), model)
        _gone(connection, f"/models/{parts[0]}/versions/{parts[1]}", what=f"the model {parts[0]}")
    try:
        _gone(connection, f"/jobs/{name}", what=f"the job {name}")
    except Refused as error:
        raise Refused(
            f"{provider} keeps the record of the job {name}: {error.message}",
            reason=error.reason,
            remedy=f"Hide it instead: az ml job archive --name {name}",
        ) from None


def _refuse_served(endpoints: Endpoints, model: str) -> None:
    """One that answers, and costs, would go on without a model that anybody finds."""
    serving = next((each for each in endpoints.standing() if each.model(endpoints.region) == model), None)
    if serving is not None:
        uri = endpoints.deployment(serving).uri
        raise Refused(
            f"{model} is served by {uri}, which costs; nothing was deleted.", remedy=f"End it first: tuneport models undeploy {uri}"
        )


def _gone(connection: Connection, path: str, *, what: str) -> None:
    """Deletes what is at a path below the workspace, and sees it gone. What is not there is gone."""
    doing = f"deleting {what}"

    def there() -> bool:
        return found_or_none(lambda: connection.arm("GET", path, doing=f"looking at {what}")) is not None

    def remove() -> None:
        try:
            connection.arm("DELETE", path, doing=doing)
        except NotFound:
            return

    _until(lambda: not there(), remove, clock=connection.clock, what=what)


def _until(done: Callable[[], bool], step: Callable[[], None], *, clock: Clock, what: str) -> None:
    """`step` until it is done; what has no answer is looked after and done again, which is harmless."""
    began = clock.monotonic()
    while clock.monotonic() - began <= GONE_S:
        try:
            if done():
                return
            step()
            if done():
                return
        except (Ambiguous, RateLimited, Unreachable) as error:
            clock.sleep(wait_s(error, otherwise_s=PAUSE_S))
        else:
            clock.sleep(PAUSE_S)
    raise Unreachable(f"{what} is not gone after {GONE_S / 60:.0f} minutes.", remedy="Try again later.")
