"""Tuned models answer: a Gemini at the endpoint that its job has made, an open one at an endpoint on machines that are rented for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneport.answering import in_order
from tuneport.errors import NotFound, TuneportError, Unreachable, Unsupported, UsageError
from tuneport.examples import ChatExample
from tuneport.model import Deployment, DeploymentPlan, Model, Prediction
from tuneport.provider import Generation, Need, ProviderSettings
from tuneport.reference import as_chat
from tuneport_vertex.adapter.asking import ANSWER_S, Asks, Gemini, OpenModel
from tuneport_vertex.adapter.connection import Connection
from tuneport_vertex.adapter.deployments import Deployments
from tuneport_vertex.adapter.endpoints import Endpoints
from tuneport_vertex.adapter.inlining import inlined
from tuneport_vertex.adapter.models import Models
from tuneport_vertex.adapter.signing_in import signed_in_place
from tuneport_vertex.wire import ids
from tuneport_vertex.wire.bases import generation_of, is_gemini
from tuneport_vertex.wire.tunes import MULTI_REGION_SINCE, answering

if TYPE_CHECKING:
    from tuneport.examples import Example, Message


class VertexServer:
    """The models and endpoints of one place.

    Gemini tells the log-probabilities of what it says, not of a reference: so none are given.
    """

    gives: frozenset[Need] = frozenset({"text"})

    def __init__(self, settings: ProviderSettings) -> None:
        self._place = signed_in_place(settings)
        self._connection = Connection(self._place, clock=settings.clock, timeout_s=ANSWER_S)
        self._endpoints = Endpoints(self._connection)
        self._models = Models(self._connection, self._endpoints)
        self._deployments = Deployments(self._connection, self._endpoints)

    # --- models ----------------------------------------------------------------------------------------------------------------------

    def model(self, model_id: str) -> Model:
        """A tuned model, a checkpoint (`…#ID`), a base, the model of a job, or what answers at an endpoint. Raises UnknownModel."""
        return self._models.find(model_id)

    def models(self) -> Sequence[Model]:
        """The tuned models of the place, the youngest first, with their jobs and endpoints."""
        return self._models.listed()

    # --- asking ----------------------------------------------------------------------------------------------------------------------

    def predict(
        self, target: Model | Deployment, rows: Iterable[Example], *, generation: Generation, needs: frozenset[Need]
    ) -> Iterator[Prediction]:
        """Several rows at a time, the answers in order."""
        if missing := needs - self.gives:
            raise Unsupported(
                f"{self._place.name} gives text, not {', '.join(sorted(missing))}: its log-probabilities are of the model's own words."
            )
        asks = self._asks(target)
        return in_order(rows, lambda row: asks.answer(_question(row), generation=generation), at_once=self._place.requests_at_once)

    def chat(self, target: Model | Deployment, messages: Sequence[Message], *, generation: Generation) -> Iterator[str]:
        """The answer to a conversation, piece by piece."""
        if not messages:
            raise UsageError("there is no message to answer.")
        return self._asks(target).pieces(ChatExample(inlined(messages)), generation=generation)

    def _asks(self, target: Model | Deployment) -> Asks:
        """Who answers for it. Raises NotFound and Unreachable where nobody does (yet)."""
        name = ids.parsed(target.id)
        if isinstance(target, Deployment) or (name is not None and name.kind == "endpoints"):
            return self._at_endpoint(target.uri, target.id, base=target.base if isinstance(target, Model) else None)
        if target.kind == "base":
            return self._base(target)
        model = target if target.details.get("endpoint") else self._models.find(target.id)
        if is_gemini(model.base) or (model.base is None and model.details.get("endpoint")):
            return self._tuned(model)
        return self._deployed(model)

    def _base(self, model: Model) -> Asks:
        """Bases of the third generation on answer in no region, but where tuned ones are served too."""
        if not is_gemini(model.base):
            raise Unsupported(
                f"{model.uri} is an open base, which answers from rented machines only; Tuneport rents them for tuned models only, so far.",
                remedy="Deploy it in Model Garden, and ask its endpoint by its id.",
            )
        here, late = self._place.location, generation_of(model.id) >= MULTI_REGION_SINCE
        location = self._place.serving_location if late or here == "global" else here
        return self._gemini(model.uri, model.id, location=location, base=model.id)

    def _tuned(self, model: Model) -> Asks:
        endpoint = model.details.get("endpoint")
        if not endpoint:
            raise NotFound(
                f"{model.uri} has no endpoint where it answers: it was ended, or the tuning keeps the last checkpoint only.",
                remedy="Deploy it anew in the console of Vertex AI; the model itself stays.",
            )
        return self._gemini_at(model.uri, ids.resource(self._place, str(endpoint), kind="endpoints"), base=model.base)

    def _deployed(self, model: Model) -> Asks:
        """Of several the youngest that is ready."""
        serving = self._deployments.serving(model.id)
        ready = [each for each in serving if each.phase == "ready"]
        if not ready:
            raise _nothing_serves(model, serving, name=self._place.name)
        return self._at_endpoint(model.uri, ready[0].id, base=model.base)

    def _at_endpoint(self, uri: str, endpoint_id: str, *, base: str | None) -> Asks:
        name = ids.resource(self._place, endpoint_id, kind="endpoints")
        endpoint = self._endpoints.endpoint(name.full)
        if endpoint.rented or endpoint.dns:
            return OpenModel.at(self._connection, uri, endpoint, name=name.full)
        return self._gemini_at(uri, name, base=base or self._base_at(name.public))

    def _base_at(self, endpoint_id: str) -> str | None:
        """What an endpoint's model is made of, which says how it is told to think; None where nobody says."""
        try:
            return self._models.find(endpoint_id).base
        except TuneportError:
            return None

    def _gemini_at(self, uri: str, name: ids.ResourceName, *, base: str | None) -> Gemini:
        """At the endpoint's own location, or where its generation answers."""
        name = ids.resource(self._place, answering(self._place, name.full, base), kind="endpoints")
        return self._gemini(uri, name.full, location=name.location, base=base)

    def _gemini(self, uri: str, name: str, *, location: str, base: str | None) -> Gemini:
        _ = self._connection.client(location)  # made once, before several threads ask for it
        return Gemini(self._connection, uri, name, location, base)

    # --- deployments -----------------------------------------------------------------------------------------------------------------

    def deployment_plan(self, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
        """What `deploy` would send and cost; only reads. Raises Unsupported for a tuned Gemini, which answers without."""
        return self._deployments.plan(model, options=options)

    def deploy(self, model: Model, *, options: Mapping[str, Any]) -> Deployment:
        """Begins to serve an open model, unless it is served under that name.

        `options`: name, machine, replicas, most_replicas, spot, weights and, where the place is `global`, region.
        """
        return self._deployments.begin(model, options=options)

    def deployment(self, deployment_id: str) -> Deployment:
        """One deployment as it is now. Raises NotFound."""
        return self._deployments.get(deployment_id)

    def deployments(self) -> Sequence[Deployment]:
        """Those on rented machines, the youngest first; tuned Gemini models stand without."""
        return self._deployments.listed()

    def undeploy(self, deployment_id: str) -> None:
        """Ends a deployment, and sees it gone. Raises NotFound when it is not there."""
        self._deployments.end(deployment_id)


def _question(row: Example) -> ChatExample:
    """What is asked of a row: everything before its reference."""
    chat = as_chat(row)
    asked = chat.messages[:-1] if chat.messages and chat.messages[-1].role == "assistant" else chat.messages
    return ChatExample(inlined(asked), chat.tools)


def _nothing_serves(model: Model, serving: Sequence[Deployment], *, name: str) -> TuneportError:
    for each in serving:
        if each.phase in ("starting", "unknown"):
            return Unreachable(
                f"{model.uri} does not answer yet: its deployment {each.id} is {each.state}.",
                remedy=f"Look: tuneport models deployments --provider {name}",
            )
    failed = f" ({serving[0].id} is {serving[0].state}: {serving[0].reason})" if serving else ""
    return NotFound(
        f"{model.uri} is an open model, which answers only from machines that are rented for it, and none serves it{failed}.",
        remedy=f"Deploy it: tuneport models deploy {model.uri}",
    )
