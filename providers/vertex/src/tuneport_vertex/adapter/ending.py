"""Ending what stands: endpoints with all that is deployed at them, and models. Each is looked at until it is gone, by our own clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest

from tuneport.clock import Clock
from tuneport.errors import Ambiguous, NotFound, RateLimited, Refused, Unreachable
from tuneport.retry import wait_s
from tuneport_vertex.adapter.endpoints import Endpoints
from tuneport_vertex.errors import status_error
from tuneport_vertex.wire import ids
from tuneport_vertex.wire.standing import Endpoint, Operation

GONE_S, PAUSE_S = 1200.0, 5.0
"""How long an end is followed, and the time between two looks."""
REFUSALS = 3
"""How often a change may be refused, while another is under way perhaps, before it is taken at its word."""


def end_endpoint(endpoints: Endpoints, name: str, *, clock: Clock) -> None:
    """Takes everything from an endpoint and deletes it, with the copies of models that deploying has made. Raises NotFound when it is not
    there, Unreachable where it does not go."""
    found = endpoints.endpoint(name)

    def step() -> None:
        now = endpoints.endpoint(name)
        for each, heir in zip_longest(now.deployed, now.deployed[1:]):
            begun = endpoints.undeploy(name, each.id, heir=heir.id if heir is not None else "")
            followed(endpoints, begun, doing=f"undeploying {each.id}", clock=clock)
        if not now.deployed:
            followed(endpoints, endpoints.delete_endpoint(name), doing="deleting an endpoint", clock=clock)

    _until_gone(step, what=f"the endpoint {name}", clock=clock)
    for copy in _copies(found):
        if _is_copy(endpoints, copy, of=found):
            delete_model(endpoints, copy, clock=clock, missing_ok=True)


def delete_model(endpoints: Endpoints, name: str, *, clock: Clock, missing_ok: bool = False) -> None:
    """Deletes a model of the registry, in all its versions or in the one that is named, and ends the endpoints that serve it and nothing
    else. The other versions, which were tuned further from it perhaps, stay.

    Raises NotFound when it is not there.
    """
    bare, _, version = name.partition("@")
    try:
        standing = endpoints.model(name)
    except NotFound:
        if missing_ok:
            return
        raise
    for endpoint in standing.endpoints:
        with suppress(NotFound):
            _take_from(endpoints, endpoint, model=name, clock=clock)

    def step() -> None:
        endpoints.model(name)
        alone = not version or set(endpoints.versions(bare)) <= {version}
        begun = endpoints.delete_model(bare) if alone else endpoints.delete_version(name)
        followed(endpoints, begun, doing="deleting a model", clock=clock)

    _until_gone(step, what=f"the model {name}", clock=clock)


def _take_from(endpoints: Endpoints, name: str, *, model: str, clock: Clock) -> None:
    """Ends an endpoint that serves that model; where it serves others besides, they stay there. Raises NotFound when it is not there."""
    deployed = endpoints.endpoint(name).deployed
    ours = [each for each in deployed if _is_of(each.model, model)]
    if len(ours) == len(deployed):
        end_endpoint(endpoints, name, clock=clock)
        return
    for each in ours:
        followed(endpoints, endpoints.undeploy(name, each.id), doing=f"undeploying {each.id}", clock=clock)


def _is_of(deployed: str, model: str) -> bool:
    """Whether what is deployed is that model, in the version that is named, if one is; a version may go by an alias, which is none."""
    found, asked = ids.parsed(deployed), ids.parsed(model)
    if found is None or asked is None or found.id != asked.id:
        return False
    return asked.version in ("", found.version) or not found.version.isdigit()


def followed(endpoints: Endpoints, operation: Operation, *, doing: str, clock: Clock) -> Operation:
    """The operation once it is done. Raises what it failed with; NotFound where nobody knows it any more."""
    began = clock.monotonic()
    while not operation.done:
        if clock.monotonic() - began > GONE_S:
            raise Unreachable(f"{doing} is not done after {GONE_S / 60:.0f} minutes.", remedy="Look again later; it goes on by itself.")
        clock.sleep(PAUSE_S)
        operation = endpoints.operation(operation.name)
    if operation.error:
        raise status_error(operation.error, doing=doing)
    return operation


def _copies(endpoint: Endpoint) -> tuple[str, ...]:
    """The models that deploying may have put into the registry for an endpoint of ours, whose display name is the tuned model: what is
    deployed there and is not that one, and what goes by the endpoint's own name, should nothing have come of it."""
    told, own = ids.parsed(endpoint.display_name), ids.parsed(endpoint.name)
    if told is None or own is None:
        return ()
    deployed = (ids.parsed(each.model) for each in endpoint.deployed)
    found = [replace(each, version="") for each in deployed if each is not None and each.id != told.id]
    named = [] if own.id.isdigit() else [replace(own, kind="models")]
    return tuple(dict.fromkeys(each.full for each in (*found, *named)))


def _is_copy(endpoints: Endpoints, model: str, *, of: Endpoint) -> bool:
    """Whether the registry's model was made for that endpoint: it says the same tuned model, and serves nowhere else. Anything else that
    was deployed there is somebody's own."""
    try:
        found = endpoints.model(model)
    except NotFound:
        return False
    return found.display_name == of.display_name and {_last(each) for each in found.endpoints} <= {_last(of.name)}


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _until_gone(step: Callable[[], None], *, what: str, clock: Clock) -> None:
    """`step` again and again, until it finds nothing any more. A reply that was lost is looked after by the next step."""
    began, refused = clock.monotonic(), 0
    while clock.monotonic() - began <= GONE_S:
        try:
            step()
        except NotFound:
            return
        except RateLimited as error:
            clock.sleep(wait_s(error, otherwise_s=PAUSE_S))
        except Ambiguous:
            clock.sleep(PAUSE_S)
        except Refused as error:
            refused += 1
            if type(error) is not Refused or refused >= REFUSALS:
                raise
            clock.sleep(PAUSE_S)
    raise Unreachable(f"{what} is not gone after {GONE_S / 60:.0f} minutes; as long as it stands, it may cost.")
