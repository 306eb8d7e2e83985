"""Managed online endpoints: machines by the hour, for models that were tuned to chat on machines of one's own naming."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tuneport.errors import RecipeError, Refused
from tuneport.model import DeploymentPlan, Model
from tuneport.plan import PlannedRequest
from tuneport.quote import QuoteLine
from tuneport.replies import Json, object_in, text_in
from tuneport.span import Span
from tuneport_azureml.adapter.connection import VERSION, found_or_none
from tuneport_azureml.adapter.endpoints import Endpoints, Step
from tuneport_azureml.adapter.sizes import price_of, size_named
from tuneport_azureml.wire.endpoints import MODEL, Standing
from tuneport_azureml.wire.names import endpoint_id
from tuneport_azureml.wire.online import DEPLOYMENT, ONLINE, Wanted, deployment_body, endpoint_body, standing_of, wanted
from tuneport_azureml.wire.tags import tags_of_resource

RULES = (
    "Machines are billed by the hour from when they are set up until the endpoint is ended, asked or not; disks and traffic besides.",
    "They count against the quota of the subscription's family of machines, of which Azure keeps a fifth more for upgrades.",
    "It takes some ten to twenty minutes until it answers. Ended, the model stays and can be deployed again.",
)


class Online(Endpoints):
    """Those of one workspace that say by their tag which model they serve; others are somebody's own."""

    kind = ONLINE

    def told(self, row: Json) -> Standing:
        path = f"/{ONLINE}/{text_in(row, 'name')}/deployments/{DEPLOYMENT}"
        bare = standing_of(row, None)
        if bare.phase in ("starting", "ending"):
            return bare
        inner = found_or_none(lambda: self.connection.arm("GET", path, doing=f"looking at the deployment of {bare.name}"))
        return standing_of(row, inner)

    def is_ours(self, row: Json) -> bool:
        return MODEL in tags_of_resource(row)

    def plan(self, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
        tuned = self.tuned(model)
        if (task := str(tuned.details.get("task", "ChatCompletion"))).casefold() != "chatcompletion":
            raise Refused(  # not Unsupported, which would say that it answers without an endpoint
                f"{model.uri} was tuned to {task}, and Tuneport lets those answer that were tuned to chat.",
                remedy="Deploy it in the studio: Deploy, Real-time endpoint.",
            )
        asked = wanted(options, model=tuned.id, scope=self.place.scope)
        machine = asked.machine or self._usual(tuned)
        own = endpoint_id(asked.name, kind=ONLINE)
        address = f"PUT {self.place.id}/{ONLINE}/{asked.name}"
        body = deployment_body(tuned.id, self.region, workspace=self.place.id, machine=machine, machines=asked.machines)
        return DeploymentPlan(
            uri=f"{self.place.name}:{own}",
            provider=self.place.name,
            id=own,
            model=tuned.id,
            requests=(
                PlannedRequest(f"{address}?api-version={VERSION}", endpoint_body(tuned.id, self.region)),
                PlannedRequest(f"{address}/deployments/{DEPLOYMENT}?api-version={VERSION}", body),
            ),
            costs=(self._cost(machine, asked),),
            rules=RULES,
            stands=self.before(asked.name, tuned),
        )

    def steps(self, name: str, plan: DeploymentPlan) -> list[Step]:
        first, second = (request.body for request in plan.requests)
        path = f"/{ONLINE}/{name}"
        there = plan.stands is not None and plan.stands.state not in ("Failed", "Canceled")
        return [*([] if there else [Step(path, first)]), Step(f"{path}/deployments/{DEPLOYMENT}", second)]

    def _usual(self, model: Model) -> str:
        """The size that the model was tuned on. Raises RecipeError where there is not one alone."""
        told = str(model.details.get("machines", ""))
        if told and "," not in told and not told.startswith("Standard_"):
            doing = f"looking at the compute {told}"
            row = found_or_none(lambda: self.connection.patiently(lambda: self.connection.arm("GET", f"/computes/{told}", doing=doing)))
            told = text_in(object_in(object_in(row or {}, "properties"), "properties"), "vmSize") or ""
        if not told or "," in told:
            raise RecipeError("it is not known on which size of machine the model fits.", remedy="Name one: --set machine=SIZE")
        return told

    def _cost(self, machine: str, asked: Wanted) -> QuoteLine:
        """By the retail price that the service tells of its region today. Raises RecipeError for a size that it does not have."""
        row = size_named(self.connection, self.region.location, machine)
        if row is None:
            raise RecipeError(f"{self.region.location} has no machines of size {machine}.", remedy="See: az ml compute list-sizes")
        amount, currency = price_of(row)
        each = f"{asked.machines} x {machine}" if asked.machines > 1 else machine
        if amount is None:
            return QuoteLine(each, Span.exactly(1), "hosting hour", None, note="the service tells no price of that size")
        return QuoteLine(
            each,
            Span.exactly(1),
            "hosting hour",
            Decimal(str(amount)) * asked.machines,
            currency=currency,
            as_of=self.connection.clock.now().date().isoformat(),
            source=f"retail price of {self.region.location}, as Azure ML lists its sizes (vmSizes)",
            confidence="vendor page",
        )
