"""Serverless endpoints of a workspace: looking at them, and what deploying a model would send and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from tuneport.errors import NotFound, Refused, Unsupported
from tuneport.model import Deployment, DeploymentPlan, Model
from tuneport.plan import PlannedRequest
from tuneport.quote import QuoteLine
from tuneport.replies import Json, object_in, text_in
from tuneport.span import Span
from tuneport_azureml.adapter.connection import VERSION, Connection, found_or_none
from tuneport_azureml.adapter.models import Models
from tuneport_azureml.errors import translated
from tuneport_azureml.wire.endpoints import Region, Standing, put_body, served_as, standing_of, wanted_name
from tuneport_azureml.wire.names import ENDPOINTS, endpoint_id, endpoint_name, model_parts

HOSTING = QuoteLine(
    "hosting", Span.exactly(1), "hosting hour", None, note="told in the studio alone: Pricing and terms of the model's deployment"
)
RULES = (
    "Every hour is billed from when it is made until it is ended, asked or not, and tokens besides; the studio alone tells the prices.",
    "Up to 200,000 tokens and 1,000 requests a minute, and one endpoint for each model of a workspace.",
    "It takes minutes until it answers. Ended, the model stays and can be deployed again.",
)
"""MicrosoftDocs/azure-ai-docs, fine-tune-serverless (2026-01-28): hosting costs, cost and quota considerations."""
MARKETPLACE = "A model of another maker than Microsoft takes a subscription to its offer in Azure Marketplace, which is made in the studio."


class Endpoints:
    """Those of one workspace."""

    def __init__(self, connection: Connection, models: Models) -> None:
        self.connection = connection
        self.place = connection.place
        self._models = models

    @cached_property
    def region(self) -> Region:
        workspace = self.connection.patiently(lambda: self.connection.arm("GET", "", doing="looking at the workspace"))
        location, own = text_in(workspace, "location"), text_in(object_in(workspace, "properties"), "workspaceId")
        if location is None or own is None:
            raise Refused(f"{self.place.name}: the workspace does not say where it is, so nothing of it can be served.")
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
            return [_standing(row, doing=doing) for page in self.connection.rows(f"/{ENDPOINTS}", doing=doing) for row in page]

        return sorted(self.connection.patiently(read), key=lambda each: str(each.created_at), reverse=True)

    def look(self, name: str) -> Standing:
        """One by its name. Raises NotFound."""
        doing = f"looking at the endpoint {name}"
        return _standing(self.connection.arm("GET", f"/{ENDPOINTS}/{name}", doing=doing), doing=doing)

    def name(self, given: str) -> str:
        """The name in `serverlessEndpoints/NAME`. Raises NotFound for what is no endpoint's id."""
        found = endpoint_name(self.place, given)
        if found is None:
            raise NotFound(f"{given!r} is no endpoint of {self.place.name}.", remedy=f"See: {self.look_again}")
        return found

    def serving(self, model: Model) -> list[Standing]:
        """Those that serve it, a base by its registry's id without the version."""
        if model.kind == "base":
            asset = str(model.details.get("asset", "")).partition("/versions/")[0].casefold()
            return [each for each in self.standing() if each.serves.partition("/versions/")[0].casefold() == asset]
        wanted = served_as(model.id, self.region).casefold()
        return [each for each in self.standing() if each.serves.casefold() == wanted]

    def deployment(self, standing: Standing) -> Deployment:
        """For those who ask."""
        own = endpoint_id(standing.name)
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

    def listed(self) -> Sequence[Deployment]:
        return [self.deployment(each) for each in self.standing()]

    # --- what deploying would send -----------------------------------------------------------------------------------------------------

    def plan(self, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
        """Raises Refused where the name is another model's, RecipeError for options, Unsupported for a model that is not served so."""
        tuned = self._served_so(model)
        name = wanted_name(options, model=tuned.id, scope=self.place.scope)
        body = put_body(tuned.id, self.region)
        own = endpoint_id(name)
        address = f"PUT {self.place.id}/{ENDPOINTS}/{name}?api-version={VERSION}"
        microsofts = str(tuned.details.get("registry", "azureml")) == "azureml"
        return DeploymentPlan(
            uri=f"{self.place.name}:{own}",
            provider=self.place.name,
            id=own,
            model=tuned.id,
            requests=(PlannedRequest(address, body),),
            costs=(HOSTING,),
            rules=RULES if microsofts else (*RULES, MARKETPLACE),
            stands=self._before(name, tuned),
        )

    def _served_so(self, model: Model) -> Model:
        if model.kind != "tuned" or model_parts(model.id) is None:
            raise Unsupported(
                f"{model.uri} is no tuned model of this workspace: Tuneport deploys those only, so far.",
                remedy="Deploy a base in the studio's model catalogue.",
            )
        tuned = model if "task" in model.details else self._models.tuned(model.id)
        if (task := str(tuned.details.get("task", "ChatCompletion"))).casefold() != "chatcompletion":
            raise Unsupported(
                f"{model.uri} was tuned to {task}, and serverless endpoints serve models that chat.",
                remedy="Put it on a managed online endpoint, on a machine by the hour: the studio, Deploy, Real-time endpoint.",
            )
        if machines := tuned.details.get("machines"):
            raise Unsupported(
                f"{model.uri} was tuned on machines of your own naming ({machines}), and Azure ML serves such models on managed online "
                "endpoints only, which Tuneport does not make yet.",
                remedy="Deploy it in the studio: Deploy, Real-time endpoint. To serve one without machines, tune it without any.",
            )
        return tuned

    def _before(self, name: str, model: Model) -> Deployment | None:
        """What stands under that name. Raises Refused for another model's."""
        found = found_or_none(lambda: self.connection.patiently(lambda: self.look(name)))
        if found is None:
            return None
        if found.model(self.region) != model.id:
            raise Refused(
                f"{self.place.name}: the name {name} is taken: an endpoint of {found.model(self.region)} stands there.",
                remedy="Give another: --name NAME",
            )
        return self.deployment(replace(found, name=name))


_FAILED = "the service does not say why; the activity log of the workspace in the portal may"


def _standing(row: Json, *, doing: str) -> Standing:
    try:
        return standing_of(row)
    except ValueError as error:
        raise translated(error, doing=doing) from None
