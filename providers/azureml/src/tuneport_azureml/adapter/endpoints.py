"""Endpoints of a workspace, of whichever kind: looking at them, and what all kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tuneport.errors import NotFound, Refused, TuneportError, Unreachable, Unsupported
from tuneport.model import Deployment, DeploymentPlan, Model
from tuneport.replies import Json, object_in, text_in
from tuneport_azureml.adapter.connection import Connection, found_or_none
from tuneport_azureml.adapter.models import Models
from tuneport_azureml.errors import translated
from tuneport_azureml.wire.endpoints import Region, Standing
from tuneport_azureml.wire.names import endpoint_id, endpoint_name, model_parts


@dataclass(frozen=True, slots=True)
class Step:
    """One PUT of a deployment, below the workspace."""

    path: str
    body: Mapping[str, Any]


class Endpoints:
    """Endpoints of one kind in one workspace. A kind says what it is called, how one is told, and what deploying a model sends."""

    kind = ""

    def __init__(self, connection: Connection, models: Models) -> None:
        self.connection = connection
        self.place = connection.place
        self.models = models

    def told(self, row: Json) -> Standing:
        """An endpoint as a list or a GET has it. Raises ValueError for one without a name."""
        raise NotImplementedError

    def is_ours(self, row: Json) -> bool:
        """Whether a row of the list may serve a tuned model."""
        return True

    def plan(self, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
        """Raises Refused for a name of another model and a model not served so, RecipeError for options and Unsupported for a base."""
        raise NotImplementedError

    def steps(self, name: str, plan: DeploymentPlan) -> list[Step]:
        """What is to be PUT, one after the other; what stands already is left out."""
        raise NotImplementedError

    @cached_property
    def region(self) -> Region:
        workspace = self.connection.patiently(lambda: self.connection.arm("GET", "", doing="looking at the workspace"))
        location, own = text_in(workspace, "location"), text_in(object_in(workspace, "properties"), "workspaceId")
        if location is None or own is None:
            raise Unreachable(f"{self.place.name}: the workspace does not say where it is, so nothing of it can be served.")
        return Region(location, own)

    @property
    def look_again(self) -> str:
        """The command that shows them."""
        return f"tuneport models deployments --provider {self.place.name}"

    # --- looking -----------------------------------------------------------------------------------------------------------------------

    def standing(self) -> list[Standing]:
        """All that stand, the youngest first."""
        doing = "listing endpoints"

        def read() -> list[Standing]:
            return [
                self._told(row, doing=doing)
                for page in self.connection.rows(f"/{self.kind}", doing=doing)
                for row in page
                if self.is_ours(row)
            ]

        return sorted(self.connection.patiently(read), key=lambda each: str(each.created_at), reverse=True)

    def look(self, name: str) -> Standing:
        """One by its name. Raises NotFound."""
        doing = f"looking at the endpoint {name}"
        return self._told(self.connection.arm("GET", f"/{self.kind}/{name}", doing=doing), doing=doing)

    def name(self, given: str) -> str:
        """The name in an endpoint's id. Raises NotFound for what is none of this kind."""
        found = endpoint_name(self.place, given, kind=self.kind)
        if found is None:
            raise NotFound(f"{given!r} is no endpoint of {self.place.name}.", remedy=f"See: {self.look_again}")
        return found

    def serving(self, model: Model) -> list[Standing]:
        """Those that serve it, the youngest first."""
        return [each for each in self.standing() if each.model(self.region) == model.id]

    def deployment(self, standing: Standing) -> Deployment:
        """For those who ask."""
        own = endpoint_id(standing.name, kind=self.kind)
        return Deployment(
            uri=f"{self.place.name}:{own}",
            provider=self.place.name,
            id=own,
            model=standing.model(self.region),
            state=standing.state,
            phase=standing.phase,
            reason=standing.reason or (_FAILED if standing.phase == "failed" else ""),
            created_at=standing.created_at,
            details={"serves": standing.serves, "location": self.region.location},
        )

    # --- for the kinds -----------------------------------------------------------------------------------------------------------------

    def tuned(self, model: Model) -> Model:
        """A tuned model of this workspace, with what its job says of it. Raises Unsupported for any other."""
        if model.kind != "tuned" or model_parts(model.id) is None:
            raise Unsupported(
                f"{model.uri} is no tuned model of this workspace: Tuneport deploys those only, so far.",
                remedy="Deploy a base in the studio's model catalogue.",
            )
        return model if "task" in model.details else self.models.tuned(model.id)

    def before(self, name: str, model: Model) -> Deployment | None:
        """What stands under that name. Raises Refused for another model's."""
        found = found_or_none(lambda: self.connection.patiently(lambda: self.look(name)))
        if found is None:
            return None
        if found.model(self.region) != model.id:
            raise self.taken(found)
        return self.deployment(replace(found, name=name))

    def taken(self, standing: Standing) -> TuneportError:
        """That the name is another model's."""
        stands = f"an endpoint of {standing.model(self.region) or 'another model'} stands there"
        return Refused(f"{self.place.name}: the name {standing.name} is taken: {stands}.", remedy="Give another: --name NAME")

    def _told(self, row: Json, *, doing: str) -> Standing:
        try:
            return self.told(row)
        except ValueError as error:
            raise translated(error, doing=doing) from None


_FAILED = "the service does not say why; the activity log of the workspace in the portal may"
