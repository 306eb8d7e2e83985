"""Endpoints and what is deployed at them, as far as Tuneport looks; and how an open model is asked to be deployed. Pure.

Facts: google-cloud-aiplatform 2.7.0 (Endpoint, DeployedModel, DeployRequest, DeployedModel.Status), read 2026-11-21.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tuneport.errors import RecipeError
from tuneport.model import Model, Phase
from tuneport.nearest import did_you_mean
from tuneport_vertex.wire import ids

OPTIONS = ("name", "machine", "region", "replicas", "most_replicas", "spot", "weights")
MOST_REPLICAS = 128
YOUNG = timedelta(hours=1)
"""How long an endpoint without a model is taken to be on its way, where no operation says otherwise: deploying takes up to 45 minutes."""

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
_WEIGHTS = re.compile(r"gs://[a-z0-9][a-z0-9._-]+/\S+")


@dataclass(frozen=True, slots=True)
class Deployed:
    """One model at an endpoint. `machine` is '' where Google serves it by itself, as it does with Gemini; `available` is how many of its
    machines answer, None where nobody says."""

    id: str
    model: str
    machine: str = ""
    accelerator: str = ""
    count: int = 0
    replicas: int = 0
    available: int | None = None
    message: str = ""
    checkpoint: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint; `name` is its full name, `dns` the host where it answers, '' for the shared one of its region."""

    name: str
    display_name: str = ""
    dns: str = ""
    created_at: datetime | None = None
    deployed: tuple[Deployed, ...] = ()

    @property
    def rented(self) -> bool:
        """Whether it runs on machines that are paid by the hour."""
        return any(each.machine for each in self.deployed)


@dataclass(frozen=True, slots=True)
class Operation:
    """Something long that was begun. `error` is a google.rpc.Status, empty where there is none; `endpoint` what it has made."""

    name: str
    done: bool = False
    error: Mapping[str, Any] = field(default_factory=dict)
    endpoint: str = ""
    began_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class State:
    """How a deployment stands, in a word of ours: Google has none for it."""

    word: str
    phase: Phase
    reason: str = ""


def state_of(endpoint: Endpoint, operations: Sequence[Operation] = (), *, now: datetime) -> State:
    """How an endpoint stands; `operations` are its own, and needed only where nothing is deployed at it (yet)."""
    if endpoint.deployed:
        waiting = [each for each in endpoint.deployed if each.available == 0]
        if len(waiting) == len(endpoint.deployed):
            return State("NO_MACHINE_ANSWERS", "starting", waiting[0].message)
        return State("DEPLOYED", "ready")
    if any(not each.done for each in operations):
        return State("DEPLOYING", "starting")
    last = max(operations, key=lambda each: str(each.began_at), default=None)
    if last is not None and last.error:
        return State("FAILED", "failed", said(last.error))
    if last is None and endpoint.created_at is not None and now - endpoint.created_at < YOUNG:
        return State("DEPLOYING", "starting")
    return State("EMPTY", "failed", "no model is deployed at the endpoint")


def said(status: Mapping[str, Any]) -> str:
    """A google.rpc.Status in one line."""
    return " ".join(str(status.get("message") or status.get("code") or "").split())[:500]


# --- deploying -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an open model is to be deployed. `named`: somebody chose the name. `region` and `machine` are None where nobody says."""

    name: str
    named: bool = False
    machine: str | None = None
    region: str | None = None
    replicas: int = 1
    most_replicas: int = 1
    spot: bool = False
    weights: str | None = None


def wanted(options: Mapping[str, Any], *, model: Model) -> Wanted:
    """The options of `deploy`. Raises RecipeError naming the option."""
    for key in options:
        if key not in OPTIONS:
            raise RecipeError(f"{key!r} is no option of a deployment; {did_you_mean(key, OPTIONS)}")
    replicas = _whole(options, "replicas", 1)
    return Wanted(
        name=_fitting(options.get("name"), _NAME, "name", "2 to 63 small letters, digits and '-', and begins with a letter")
        or default_name(model),
        named=options.get("name") is not None,
        machine=options.get("machine"),
        region=_fitting(options.get("region"), _REGION, "region", "a region such as us-central1"),
        replicas=replicas,
        most_replicas=max(replicas, _whole(options, "most_replicas", replicas)),
        spot=_yes(options, "spot"),
        weights=_fitting(options.get("weights"), _WEIGHTS, "weights", "a folder gs://BUCKET/… with safetensors and a tokenizer"),
    )


def default_name(model: Model) -> str:
    """`tuneport-1234567890-1` for version 1 of that model: the same at every call."""
    found = ids.parsed(model.id)
    words = (found.id, found.version, found.checkpoint) if found else (model.id,)
    return re.sub(r"[^a-z0-9]+", "-", "-".join(filter(None, ("tuneport", *words))).casefold())[:63].strip("-")


def deploy_body(asked: Wanted, *, destination: str, weights: str, machine_spec: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The body of `locations.deploy` (v1beta1). The display names say which tuned model answers there."""
    resources: dict[str, Any] = {
        "machineSpec": dict(machine_spec),
        "minReplicaCount": asked.replicas,
        "maxReplicaCount": asked.most_replicas,
    }
    return {
        "destination": destination,
        "customModel": {"gcsUri": weights},
        "modelConfig": {"modelUserId": asked.name, "modelDisplayName": model},
        "endpointConfig": {"endpointUserId": asked.name, "endpointDisplayName": model},
        "deployConfig": {"dedicatedResources": resources | ({"spot": True} if asked.spot else {})},
    }


def _whole(options: Mapping[str, Any], key: str, usual: int) -> int:
    value = options.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_REPLICAS:
        raise RecipeError(f"{key} is {value!r}; it is a number of machines, from 1 to {MOST_REPLICAS}.")
    return value


def _yes(options: Mapping[str, Any], key: str) -> bool:
    value = options.get(key, False)
    if not isinstance(value, bool):
        raise RecipeError(f"{key} is {value!r}; it is true or false.")
    return value


def _fitting(value: Any, pattern: re.Pattern[str], key: str, what: str) -> str | None:
    if value is not None and (not isinstance(value, str) or not pattern.fullmatch(value)):
        raise RecipeError(f"{key} is {value!r}; it is {what}.")
    return value.rstrip("/") if isinstance(value, str) else None
