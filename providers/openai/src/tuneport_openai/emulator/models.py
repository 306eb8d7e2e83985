"""The Models API: /v1/models."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_openai.emulator import refusals
from tuneport_openai.emulator.bases import Base
from tuneport_openai.emulator.jobs import settle
from tuneport_openai.emulator.world import TunedModel, World, unix

BASES_MADE = datetime(2024, 7, 18, tzinfo=UTC)


class Models:
    """Serves /v1/models."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add("GET /v1/models", self.page)
        routes.add("GET /v1/models/{model}", self.retrieve)
        routes.add("DELETE /v1/models/{model}", self.delete)

    def page(self, request: Request) -> Answer:
        """All on one page, as the SDK expects. Models past their shutdown date are not listed."""
        world, account, now = self._world, self._world.caller(request), self._world.now()
        for job in list(world.jobs.values()):  # what has ended meanwhile has a model now
            settle(job, world)
        bases = [_base_json(base, name) for name, base in world.bases.items() if base.alive(now)]
        tuned = [model for name in world.models if (model := world.tuned(account, name)) and model.job.root.alive(now)]
        return json_answer({"object": "list", "data": [*bases, *(_tuned_json(model, world) for model in tuned)]})

    def retrieve(self, request: Request) -> Answer:
        name = request.params["model"]
        tuned = self._world.tuned(self._world.caller(request), name)
        base = tuned.job.root if tuned else self._world.bases.get(name)
        if base is None or not base.alive(self._world.now()):
            raise refusals.no_model(name)
        return json_answer(_tuned_json(tuned, self._world) if tuned else _base_json(base, name))

    def delete(self, request: Request) -> Answer:
        """A model's checkpoints stay."""
        name = request.params["model"]
        if name in self._world.bases:
            raise refusals.refusal(403, "You can only delete models that your organization owns.")
        if self._world.tuned(self._world.caller(request), name) is None:
            raise refusals.no_model(name)
        del self._world.models[name]
        return json_answer({"id": name, "object": "model", "deleted": True})


def _base_json(base: Base, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": unix(BASES_MADE), "owned_by": "system", "shutdown_date": _shutdown(base)}


def _tuned_json(model: TunedModel, world: World) -> dict[str, Any]:
    owner = world.organisation(model.job.owner).slug
    shutdown = _shutdown(model.job.root)
    return {"id": model.name, "object": "model", "created": unix(model.created_at), "owned_by": owner, "shutdown_date": shutdown}


def _shutdown(base: Base) -> str | None:
    return base.retires.isoformat() if base.retires else None
