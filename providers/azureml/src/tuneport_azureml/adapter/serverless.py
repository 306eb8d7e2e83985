"""Serverless endpoints: on the service's own machines, for models that were tuned to chat on these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneport.errors import Refused, TuneportError, Unreachable
from tuneport.model import DeploymentPlan, Model
from tuneport.plan import PlannedRequest
from tuneport.quote import QuoteLine
from tuneport.replies import Json
from tuneport.span import Span
from tuneport_azureml.adapter.connection import VERSION
from tuneport_azureml.adapter.endpoints import Endpoints, Step
from tuneport_azureml.wire.endpoints import Standing, put_body, standing_of, wanted_name
from tuneport_azureml.wire.names import ENDPOINTS, endpoint_id

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


class Serverless(Endpoints):
    """Those of one workspace."""

    kind = ENDPOINTS

    def told(self, row: Json) -> Standing:
        return standing_of(row)

    def taken(self, standing: Standing) -> TuneportError:
        if standing.serves:
            return super().taken(standing)
        return Unreachable(f"the endpoint {standing.name} does not say which model it serves.", remedy="Try again in a minute.")

    def serving(self, model: Model) -> list[Standing]:
        """Those that serve it, a base by its registry's id without the version."""
        if model.kind != "base":
            return super().serving(model)
        asset = str(model.details.get("asset", "")).partition("/versions/")[0].casefold()
        return [each for each in self.standing() if each.serves.partition("/versions/")[0].casefold() == asset]

    def plan(self, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
        tuned = self.tuned(model)
        if (task := str(tuned.details.get("task", "ChatCompletion"))).casefold() != "chatcompletion":
            raise Refused(  # not Unsupported, which would say that it answers without an endpoint
                f"{model.uri} was tuned to {task}, and Tuneport lets those answer that were tuned to chat.",
                remedy="Put it on a managed online endpoint, on a machine by the hour: the studio, Deploy, Real-time endpoint.",
            )
        name = wanted_name(options, model=tuned.id, scope=self.place.scope)
        own = endpoint_id(name)
        address = f"PUT {self.place.id}/{ENDPOINTS}/{name}?api-version={VERSION}"
        microsofts = str(tuned.details.get("registry", "azureml")) == "azureml"
        return DeploymentPlan(
            uri=f"{self.place.name}:{own}",
            provider=self.place.name,
            id=own,
            model=tuned.id,
            requests=(PlannedRequest(address, put_body(tuned.id, self.region)),),
            costs=(HOSTING,),
            rules=RULES if microsofts else (*RULES, MARKETPLACE),
            stands=self.before(name, tuned),
        )

    def steps(self, name: str, plan: DeploymentPlan) -> list[Step]:
        return [Step(f"/{ENDPOINTS}/{name}", plan.requests[0].body)]
