"""The Models API of a resource: bases, and the tuned models that its jobs made."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from tuneport_openai.emulator.models import BASES_MADE
from tuneport_openai.emulator.world import TunedModel, unix

from tuneport.testing.emulator import Answer, Request, json_answer
from tuneport_azure.emulator import refusals
from tuneport_azure.emulator.bases import AzureBase
from tuneport_azure.emulator.jobs import settle
from tuneport_azure.emulator.versions import DataRoutes
from tuneport_azure.emulator.world import AzureWorld


class AzureModels:
    """Serves /models."""

    def __init__(self, world: AzureWorld, routes: DataRoutes) -> None:
        self._world = world
        routes.add("GET /models", self.page)
        routes.add("GET /models/{model}", self.retrieve)

    def page(self, request: Request) -> Answer:
        return json_answer({"object": "list", "data": list(self._models(request).values())})

    def retrieve(self, request: Request) -> Answer:
        found = self._models(request).get(request.params["model"])
        if found is None:
            raise refusals.not_found("model", request.params["model"])
        return json_answer(found)

    def _models(self, request: Request) -> dict[str, dict[str, Any]]:
        world, account = self._world, self._world.caller(request)
        settle(account, world)
        bases = {base.name: base for base in world.bases.values() if isinstance(base, AzureBase)}
        location = world.resource(request).location
        shown = {name: _base_json(base, location) for name, base in bases.items()}
        tuned = [model for name in world.models if ":" not in name and (model := world.tuned(account, name)) is not None]
        return shown | {model.name: _tuned_json(model, bases[model.job.root.name]) for model in tuned}


def _base_json(base: AzureBase, location: str) -> dict[str, Any]:
    """`fine_tune` is said of OpenAI's own models only."""
    tunable = bool(base.training_types(location)) and base.format == "OpenAI"
    return {
        "id": base.name,
        "object": "model",
        "status": "succeeded",
        "created_at": unix(BASES_MADE),
        "model": None,
        "fine_tune": None,
        "capabilities": _capabilities(fine_tune=tunable, inference=True),
        "lifecycle_status": "generally-available",
        "deprecation": {"fine_tune": _unix(base.trains_until), "inference": _unix(base.answers_until)},
    }


def _tuned_json(model: TunedModel, base: AzureBase) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "status": "succeeded",
        "created_at": unix(model.created_at),
        "model": base.name,
        "fine_tune": model.job.id,
        "capabilities": _capabilities(fine_tune=base.format == "OpenAI", inference=False),
        "lifecycle_status": "generally-available",
        "deprecation": {"fine_tune": _unix(base.trains_until), "inference": _unix(base.tuned_until)},
    }


def _capabilities(*, fine_tune: bool, inference: bool) -> dict[str, bool]:
    return {"fine_tune": fine_tune, "inference": inference, "completion": False, "chat_completion": True, "embeddings": False}


def _unix(day: date) -> int | None:
    return unix(datetime(day.year, day.month, day.day, tzinfo=UTC))
