"""Deployments: what is asked for, and what the management plane says of them. Facts: azure-mgmt-cognitiveservices 14.1.0, 2026-11-21."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from tuneport.errors import RecipeError
from tuneport.model import Phase
from tuneport.nearest import did_you_mean
from tuneport.replies import object_in, text_in, time_in
from tuneport_azure.wire.ids import DEPLOYMENTS

Kind = Literal["standard", "global", "developer"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SKUS: Mapping[Kind, str] = {"standard": "Standard", "global": "GlobalStandard", "developer": "DeveloperTier"}
"""As the list of models spells them."""
OPTIONS = ("name", "type", "capacity", "source")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,63}")
_SOURCE = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/([^/]+)", re.IGNORECASE)
_TUNED = re.compile(r"(?P<base>.+?)(?:-\d{4}-\d{2}-\d{2})?\.ft-(?P<digest>[0-9a-f]+)(?:-(?P<suffix>.+))?", re.IGNORECASE)

PHASES: Mapping[str, Phase] = {
    "accepted": "starting",
    "creating": "starting",
    "moving": "starting",
    "succeeded": "ready",
    "failed": "failed",
    "canceled": "failed",
    "disabled": "failed",
    "deleting": "ending",
}
"""The words of DeploymentProvisioningState, in small letters."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a model is to be deployed. `source` is the account that it was trained in, where that is another one."""

    name: str
    kind: Kind
    kind_given: bool = False
    capacity: int | None = None
    source: str | None = None

    @property
    def sku(self) -> str:
        return SKUS[self.kind]


def wanted(options: Mapping[str, Any], *, model: str, usual: Kind) -> Wanted:
    """The options of `deploy` for that model (the vendor's own id). Raises RecipeError naming the option."""
    for key in options:
        if key not in OPTIONS:
            raise RecipeError(f"{key!r} is no option of a deployment; {did_you_mean(key, OPTIONS)}")
    kind = options.get("type") or usual
    if kind not in KINDS:
        raise RecipeError(f"type is {kind!r}; {did_you_mean(kind, KINDS)}", remedy=f"It is one of {', '.join(KINDS)}.")
    capacity = options.get("capacity")
    if capacity is not None and (isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1):
        raise RecipeError(f"capacity is {capacity!r}; it is a whole number of 1,000 tokens a minute, from 1 up.")
    name = options.get("name") or default_name(model)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RecipeError(f"name is {name!r}; it takes 2 to 64 letters, digits, '-', '_' and '.', and begins with a letter or a digit.")
    return Wanted(name, kind, kind_given=bool(options.get("type")), capacity=capacity, source=_source(options.get("source")))


def _source(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _SOURCE.fullmatch(value.rstrip("/")):
        raise RecipeError(
            f"source is {value!r}; it is the id of the account that the model was trained in: "
            "/subscriptions/…/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/NAME.",
            remedy="See: az cognitiveservices account show --name NAME --resource-group GROUP --query id",
        )
    return value.rstrip("/")


def account_in(source: str) -> str:
    """The name of the account in its id."""
    return source.rstrip("/").rpartition("/")[2]


def default_name(model: str) -> str:
    """`gpt-4.1-mini-tickets-0f3c9a21` for `gpt-4.1-mini-2025-04-14.ft-0f3c9a21…-tickets`: the same at every call, and to be read."""
    found = _TUNED.fullmatch(model)
    if found is None:
        return re.sub(r"[^A-Za-z0-9_.-]", "-", model).strip("-._")[:64] or "model"
    words = (found["base"], found["suffix"], found["digest"][:8])
    return re.sub(r"[^A-Za-z0-9_.-]", "-", "-".join(filter(None, words))).strip("-._")[:64]


def base_of(model: str) -> str | None:
    """The base in the id of a tuned model; that of a checkpoint (`ftchkpt-…`) does not say."""
    base, mark, _ = model.partition(".ft-")
    return base if mark else None


def is_tuned(model: str) -> bool:
    """Whether that is a tuned model or a checkpoint of one."""
    return ".ft-" in model or model.startswith(("ftchkpt-", "ftckpt_"))


def put_body(model: str, asked: Wanted, *, capacity: int, model_format: str) -> dict[str, Any]:
    """The body of the PUT. The version of a tuned model is always "1"."""
    wire = {"format": model_format, "name": model, "version": "1"} | ({"source": asked.source} if asked.source else {})
    return {"sku": {"name": asked.sku, "capacity": capacity}, "properties": {"model": wire}}


def deployment_id(resource: str, name: str) -> str:
    """`RESOURCE/deployments/NAME`."""
    return f"{resource}/{DEPLOYMENTS}/{name}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A deployment as the management plane tells it. `model` is the vendor's own id, with its version where it is a base's."""

    name: str
    model: str
    state: str
    sku: str = ""
    capacity: int | None = None
    source: str | None = None
    created_at: datetime | None = None
    reason: str = ""

    @property
    def phase(self) -> Phase:
        return PHASES.get(self.state.casefold(), "unknown")

    @property
    def tuned(self) -> bool:
        return is_tuned(self.model)

    @property
    def kind(self) -> Kind | None:
        """None for an sku that tuned models are not said to have."""
        return next((kind for kind, sku in SKUS.items() if sku.casefold() == self.sku.casefold()), None)


def standing_of(row: Mapping[str, Any]) -> Standing:
    """A row of the list, or the answer to a GET or PUT. Raises ValueError for one without a name or a model."""
    properties, sku, system = (object_in(row, key) for key in ("properties", "sku", "systemData"))
    model = object_in(properties, "model")
    name, called = row.get("name"), model.get("name")
    if not isinstance(name, str) or not name or not isinstance(called, str) or not called:
        raise ValueError("a deployment without a name or a model")
    version, capacity = model.get("version"), sku.get("capacity")
    return Standing(
        name=name.rpartition("/")[2],
        model=called if is_tuned(called) or not version else f"{called}-{version}",
        state=str(properties.get("provisioningState") or ""),
        sku=str(sku.get("name") or ""),
        capacity=capacity if isinstance(capacity, int) else None,
        source=text_in(model, "source"),
        created_at=time_in(system, "createdAt"),
        reason=_reason(properties) or _reason(row),
    )


def _reason(holder: Mapping[str, Any]) -> str:
    """Why it failed, should the answer say so: the SDK's types have no place for it."""
    error = object_in(holder, "error")
    said = error.get("message") or error.get("code")
    return " ".join(said.split())[:500] if isinstance(said, str) else ""


def operation_failure(row: Mapping[str, Any]) -> str:
    """Why an operation failed, from the address that a PUT has answered with; '' where it has not."""
    return _reason(row) if str(row.get("status")).casefold() in ("failed", "canceled") else ""
