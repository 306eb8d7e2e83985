"""Open models on rented machines: looking at their endpoints, and beginning new ones, once, whatever is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuneport.catalogue import catalogue
from tuneport.errors import Ambiguous, NotFound, RecipeError, Refused, TuneportError, Unreachable, Unsupported
from tuneport.model import Deployment, DeploymentPlan, Model
from tuneport.plan import PlannedRequest
from tuneport.redaction import warn
from tuneport_vertex.adapter.connection import Connection
from tuneport_vertex.adapter.ending import end_endpoint
from tuneport_vertex.adapter.endpoints import Endpoints
from tuneport_vertex.errors import status_error
from tuneport_vertex.wire import ids
from tuneport_vertex.wire.bases import is_gemini
from tuneport_vertex.wire.standing import Endpoint, Operation, State, Wanted, deploy_body, said, state_of, wanted

LOOKS_S, PAUSE_S = 120.0, 10.0
"""How long an endpoint is looked for after a reply that was lost, and the time between two looks."""
ENDPOINTS: ids.Kind = "endpoints"


class Deployments:
    """The endpoints of one place that run on rented machines. `begun` are the operations that this process has begun, by full names."""

    def __init__(self, connection: Connection, endpoints: Endpoints) -> None:
        self._place = connection.place
        self._clock = connection.clock
        self._endpoints = endpoints
        self._begun: dict[str, Operation] = {}

    @property
    def look_again(self) -> str:
        """The command that shows them."""
        return f"tuneport models deployments --provider {self._place.name}"

    # --- looking ---------------------------------------------------------------------------------------------------------------------

    def listed(self) -> Sequence[Deployment]:
        """Those on rented machines and those that are to be, the youngest first."""
        found = [each for location in self._locations() for each in self._at(location) if each.rented or _serves(each) is not None]
        found.sort(key=lambda each: str(each.created_at), reverse=True)
        return [self._deployment(each) for each in found]

    def get(self, text: str) -> Deployment:
        """One as it is now, also while its endpoint is still to come. Raises NotFound."""
        name = ids.resource(self._place, text, kind=ENDPOINTS)
        try:
            return self._deployment(self._endpoints.endpoint(name.full))
        except NotFound as error:
            begun = self._begun.get(name.full)
            if begun is None:
                raise NotFound(
                    f"{self._place.name}: there is no endpoint {name.public}: {error.message}", remedy=f"See: {self.look_again}"
                ) from None
            return self._coming(name, begun)

    def serving(self, model: str) -> list[Deployment]:
        """Those of one tuned model."""
        return [each for each in self.listed() if each.model == model]

    def _coming(self, name: ids.ResourceName, begun: Operation) -> Deployment:
        """What the operation says where the endpoint does not stand yet. Raises NotFound where it has stood."""
        now = begun if begun.done else self._endpoints.operation(begun.name)
        self._begun[name.full] = now
        if now.endpoint and now.endpoint.rpartition("/")[2] != name.id:  # the service gave it a name of its own
            return self._deployment(self._endpoints.endpoint(self._named(now.endpoint)))
        if now.done and not now.error:
            raise NotFound(f"{self._place.name}: the endpoint {name.public} is not there any more.", remedy=f"See: {self.look_again}")
        state = State("FAILED", "failed", said(now.error)) if now.error else State("DEPLOYING", "starting")
        return self._told(name.public, "", state)

    def _deployment(self, endpoint: Endpoint) -> Deployment:
        known = self._endpoints.operations(endpoint.name) if not endpoint.deployed else []
        begun = self._begun.get(self._named(endpoint.name))
        if not endpoint.deployed and begun is not None and not begun.done:
            known.append(self._endpoints.operation(begun.name))
        state = state_of(endpoint, known, now=self._clock.now())
        first = endpoint.deployed[0] if endpoint.deployed else None
        model = _serves(endpoint) or (first.model if first else "")
        details: dict[str, Any] = {"display_name": endpoint.display_name} if not _serves(endpoint) and endpoint.display_name else {}
        if first is not None and first.machine:
            details |= {"machine": first.machine, "gpus": f"{first.count} x {first.accelerator}", "replicas": first.replicas}
        return self._told(ids.public(self._place, endpoint.name), model, state, endpoint=endpoint, details=details)

    def _told(
        self, public: str, model: str, state: State, *, endpoint: Endpoint | None = None, details: Mapping[str, Any] | None = None
    ) -> Deployment:
        return Deployment(
            uri=f"{self._place.name}:{public}",
            provider=self._place.name,
            id=public,
            model=ids.public(self._place, model),
            state=state.word,
            phase=state.phase,
            reason=state.reason,
            created_at=endpoint.created_at if endpoint is not None else None,
            details=dict(details or {}),
        )

    def _at(self, location: str) -> list[Endpoint]:
        """A region that does not answer hides no other, where it is one of many; what stands there may cost, so that it is said."""
        try:
            return self._endpoints.endpoints(location)
        except (Refused, Unreachable) as error:
            if location == self._place.location:
                raise
            warn(f"{self._place.name}: what stands in {location} is not known: {error.message}")
            return []

    def _locations(self) -> tuple[str, ...]:
        if self._place.location != "global":
            return (self._place.location,)
        return tuple(sorted({region for base in catalogue().of("vertex") for region in base.regions} - {"global"}))

    def _named(self, full: str) -> str:
        """A full name with the project as the profile has it."""
        return ids.full(self._place, full, kind=ENDPOINTS)

    # --- planning --------------------------------------------------------------------------------------------------------------------

    def plan(self, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
        """What deploying would send and cost; only reads. Raises Unsupported where the model answers without, Refused where the name is
        taken, RecipeError for options."""
        from tuneport_vertex.adapter import hosting

        _refuse_others(model)
        asked = wanted(options, model=model)
        region, weights = self._region(asked, model), self._weights(asked, model)
        rented = hosting.machine_for(model.base, asked=asked.machine)
        destination = f"projects/{self._place.project}/locations/{region}"
        name = ids.resource(self._place, f"{destination}/{ENDPOINTS}/{asked.name}", kind=ENDPOINTS)
        stands = self._stands(name, model, asked)
        spec = {"machineType": rented.machine, "acceleratorType": rented.accelerator, "acceleratorCount": rented.count}
        body = deploy_body(asked, destination=destination, weights=weights, machine_spec=spec, model=model.id)
        requests = [PlannedRequest(f"POST /v1beta1/{destination}:deploy", body)]
        if stands is not None and stands.phase in ("failed", "ending"):
            requests.insert(0, PlannedRequest(f"DELETE /v1/{name.full}", {}))
        return DeploymentPlan(
            uri=f"{self._place.name}:{name.public}",
            provider=self._place.name,
            id=name.public,
            model=model.id,
            requests=tuple(requests),
            costs=hosting.costs(rented, model.base, region=region, replicas=asked.replicas, on=self._clock.now().date()),
            rules=hosting.rules(rented, least=asked.replicas, most=asked.most_replicas, weights=weights),
            stands=stands,
        )

    def _region(self, asked: Wanted, model: Model) -> str:
        here = self._place.location
        if here != "global":
            if asked.region not in (None, here):
                raise RecipeError(
                    f"region is {asked.region}, and {self._place.name} is set up for {here}.",
                    remedy=f'Give it a profile of its own: [providers.NAME] with provider = "vertex", location = "{asked.region}".',
                )
            return here
        lies = ids.parsed(model.id)
        found = asked.region or (lies.location if lies is not None and lies.location != "global" else None)
        if found not in self._locations():
            raise RecipeError(
                f"in which region to deploy {model.id} is not said.", remedy=f"Name it: --set region=… ({', '.join(self._locations())})"
            )
        return str(found)

    def _weights(self, asked: Wanted, model: Model) -> str:
        found = asked.weights or model.details.get("weights")
        if not found:
            raise RecipeError(
                f"where the weights of {model.uri} lie is not known: no job of {self._place.scope} tells of them.",
                remedy="Name the folder with the safetensors: --set weights=gs://BUCKET/…/checkpoints/final",
            )
        return str(found)

    def _stands(self, name: ids.ResourceName, model: Model, asked: Wanted) -> Deployment | None:
        """What is there under that name. Raises Refused for another model's, or one on another machine than was asked for."""
        try:
            found = self.get(name.public)
        except NotFound:
            return None if asked.named else next(iter(self.serving(model.id)), None)
        if found.model != model.id and (found.model or name.full not in self._begun):
            what = f"{found.model} is deployed there" if found.model else "an endpoint stands there that was not made from here"
            raise Refused(f"{self._place.name}: the name {name.id} is taken: {what}.", remedy="Give another: --name NAME")
        machine = found.details.get("machine")
        if asked.machine is not None and machine not in (None, asked.machine):
            raise Refused(
                f"{self._place.name}: {name.id} stands already, on {machine}.",
                remedy=f"End it first: tuneport models undeploy {found.uri}; or give another name: --name NAME",
            )
        return replace(found, model=model.id)

    # --- changing --------------------------------------------------------------------------------------------------------------------

    def begin(self, model: Model, *, options: Mapping[str, Any]) -> Deployment:
        """Begins to deploy, unless it stands; one that failed is ended first. Raises as `plan` does, and Ambiguous where it cannot be told
        whether it was begun."""
        plan = self.plan(model, options=options)
        if plan.stands is not None and plan.sends_nothing:
            return plan.stands
        name = ids.resource(self._place, plan.id, kind=ENDPOINTS)
        if plan.stands is not None:
            self._begun.pop(name.full, None)
            self.end(plan.id, missing_ok=True)
        try:
            begun = self._endpoints.deploy(plan.requests[-1].body)
        except Ambiguous as error:
            return self._after_a_lost_reply(plan, error)
        if begun.error:
            raise status_error(begun.error, doing=f"deploying {plan.model}")
        self._begun[name.full] = begun
        return self._told(name.public, plan.model, State("DEPLOYING", "starting"))

    def _after_a_lost_reply(self, plan: DeploymentPlan, lost: Ambiguous) -> Deployment:
        """The endpoint comes up some time after the request, if it was heard. Its name is ours, so that it cannot come twice."""
        began = self._clock.monotonic()
        while self._clock.monotonic() - began <= LOOKS_S:
            self._clock.sleep(PAUSE_S)
            try:
                found = self.get(plan.id)
            except NotFound:
                continue
            except TuneportError:
                break
            if found.model == plan.model:
                return found
            break
        raise Ambiguous(lost.message, remedy=f"If it was begun, it costs. Look, and again in some minutes: {self.look_again}") from None

    def end(self, text: str, *, missing_ok: bool = False) -> None:
        """Ends one and sees it gone. Raises NotFound when it is not there."""
        name = ids.resource(self._place, text, kind=ENDPOINTS)
        try:
            end_endpoint(self._endpoints, name.full, clock=self._clock)
        except NotFound as error:
            if not missing_ok:
                raise NotFound(f"{self._place.name}: {error.message}", remedy=f"See: {self.look_again}") from None


def _serves(endpoint: Endpoint) -> str | None:
    """The tuned model that the endpoint's display name says, where we deployed it."""
    return endpoint.display_name if ids.parsed(endpoint.display_name) is not None else None


def _refuse_others(model: Model) -> None:
    """Raises Unsupported for what is not deployed by anybody, or is already."""
    found = ids.parsed(model.id)
    if found is not None and found.kind == "endpoints":
        raise Unsupported(f"{model.uri} is an endpoint already.", remedy=f"Ask it: tuneport models chat {model.uri}")
    if is_gemini(model.base):
        at = f" ({model.details['endpoint']})" if model.details.get("endpoint") else ""
        raise Unsupported(f"{model.uri} answers without a deployment: Google serves tuned Gemini models by itself{at}.")
    if model.kind == "base":
        raise Unsupported(f"{model.uri} is no tuned model: Tuneport deploys tuned models only, so far.")
    if found is not None and found.checkpoint:
        raise Unsupported(f"{model.uri} is a checkpoint: where the weights of one lie is not documented.")
