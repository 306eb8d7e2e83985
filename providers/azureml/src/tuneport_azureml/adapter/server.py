"""Tuned models answer through endpoints, which the management plane makes and ends: serverless ones, or online ones on machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneport.answering import in_order
from tuneport.errors import NotFound, TuneportError, UnknownModel, Unreachable, Unsupported, UsageError
from tuneport.examples import ChatExample
from tuneport.model import Deployment, DeploymentPlan, Model, Prediction
from tuneport.provider import Generation, Need, ProviderSettings
from tuneport.reference import as_chat
from tuneport_azureml.adapter.asking import Asks
from tuneport_azureml.adapter.connection import Connection
from tuneport_azureml.adapter.deploying import begin, end
from tuneport_azureml.adapter.endpoints import Endpoints
from tuneport_azureml.adapter.models import Models
from tuneport_azureml.adapter.online import Online
from tuneport_azureml.adapter.serverless import Serverless
from tuneport_azureml.profile import workspace_of
from tuneport_azureml.wire.endpoints import Standing
from tuneport_azureml.wire.names import endpoint_name

if TYPE_CHECKING:
    import requests
    from azure.core.credentials import TokenCredential

    from tuneport.examples import Example, Message

AT_ONCE = 8
"""Rows that are asked at a time; an endpoint takes 1,000 a minute."""


class AzureMLServer:
    """The models and serverless endpoints of one workspace.

    An endpoint tells the log-probabilities of what it says, not of a reference: so none are given.
    """

    gives: frozenset[Need] = frozenset({"text"})

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        session: requests.Session | None = None,
        credential: Callable[[], TokenCredential] | None = None,
    ) -> None:
        self._place = workspace_of(settings)
        self._connection = Connection(self._place, clock=settings.clock, session=session, credential=credential)
        self._models = Models(self._connection)
        self._serverless = Serverless(self._connection, self._models)
        self._kinds: tuple[Endpoints, ...] = (self._serverless, Online(self._connection, self._models))

    # --- models ----------------------------------------------------------------------------------------------------------------------

    def model(self, model_id: str) -> Model:
        """A registered model, the model of a job, a base, or what answers at an endpoint. Raises UnknownModel."""
        kind = self._kind(model_id)
        return self._models.find(model_id) if kind is None else self._at(kind, kind.name(model_id))

    def models(self) -> Sequence[Model]:
        """The tuned models of the workspace, the youngest first."""
        return self._models.listed()

    def _kind(self, own: str) -> Endpoints | None:
        """Of an endpoint's id; None for anything else."""
        return next((each for each in self._kinds if endpoint_name(self._place, own, kind=each.kind) is not None), None)

    def _at(self, kind: Endpoints, name: str) -> Model:
        try:
            standing = self._connection.patiently(lambda: kind.look(name))
        except NotFound as error:
            raise UnknownModel(f"{self._place.name} has no endpoint {name!r}: {error.message}", remedy=f"See: {kind.look_again}") from None
        found = kind.deployment(standing)
        details = {"model": found.model, "state": found.state}
        return Model(uri=found.uri, provider=found.provider, id=found.id, created_at=found.created_at, details=details)

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
        return in_order(rows, lambda row: asks.answer(_question(row), generation=generation), at_once=AT_ONCE)

    def chat(self, target: Model | Deployment, messages: Sequence[Message], *, generation: Generation) -> Iterator[str]:
        """The answer to a conversation, piece by piece."""
        if not messages:
            raise UsageError("there is no message to answer.")
        return self._asks(target).pieces(ChatExample(tuple(messages)), generation=generation)

    def _asks(self, target: Model | Deployment) -> Asks:
        """Who answers for it: the endpoint itself, or the youngest that serves the model. Raises NotFound, Unreachable."""
        kind = self._kind(target.id)
        if kind is not None:
            standing = self._connection.patiently(lambda: kind.look(kind.name(target.id)))
            return Asks.at(kind, standing, uri=target.uri)
        assert isinstance(target, Model)
        serving: list[Standing] = []
        for each in (self._serverless,) if target.kind == "base" else self._kinds:
            found = each.serving(target)
            if ready := next((one for one in found if one.phase == "ready"), None):
                return Asks.at(each, ready, uri=target.uri)
            serving += found
        raise self._nothing_serves(target, serving)

    def _nothing_serves(self, model: Model, serving: Sequence[Standing]) -> TuneportError:
        for each in serving:
            if each.phase in ("starting", "unknown"):
                return Unreachable(
                    f"{model.uri} does not answer yet: its endpoint {each.name} is {each.state}.",
                    remedy=f"Look: {self._serverless.look_again}",
                )
        failed = f" ({serving[0].name} is {serving[0].state})" if serving else ""
        deploy = f"tuneport models deploy {model.uri}" if model.kind == "tuned" else "the studio's model catalogue"
        return NotFound(f"{model.uri} answers only through an endpoint, and none serves it{failed}.", remedy=f"Deploy it: {deploy}")

    # --- deployments -----------------------------------------------------------------------------------------------------------------

    def deployment_plan(self, model: Model, *, options: Mapping[str, Any]) -> DeploymentPlan:
        """What `deploy` would send and cost; only reads. Raises Refused where the name is another model's, RecipeError for options."""
        return self._kind_for(model).plan(model, options=options)

    def deploy(self, model: Model, *, options: Mapping[str, Any]) -> Deployment:
        """Begins to serve the model, unless it is served under that name. `options`: name; of an online endpoint machine and machines."""
        return begin(self._kind_for(model), model, options=options)

    def deployment(self, deployment_id: str) -> Deployment:
        """One endpoint as it is now. Raises NotFound."""
        kind = self._kind(deployment_id) or self._serverless
        return kind.deployment(kind.look(kind.name(deployment_id)))

    def deployments(self) -> Sequence[Deployment]:
        """The serverless endpoints, and the online ones that Tuneport made; the youngest first."""
        found = [each.deployment(standing) for each in self._kinds for standing in each.standing()]
        return sorted(found, key=lambda each: str(each.created_at), reverse=True)

    def undeploy(self, deployment_id: str) -> None:
        """Ends an endpoint, and sees it gone. Raises NotFound when it is not there."""
        end(self._kind(deployment_id) or self._serverless, deployment_id)

    def _kind_for(self, model: Model) -> Endpoints:
        """As the service has it: what was tuned on its own machines is served there, what was tuned on others on such."""
        tuned = self._serverless.tuned(model)
        return self._kinds[1] if tuned.details.get("machines") else self._serverless


def _question(row: Example) -> ChatExample:
    """What is asked of a row: everything before its reference."""
    chat = as_chat(row)
    asked = chat.messages[:-1] if chat.messages and chat.messages[-1].role == "assistant" else chat.messages
    return ChatExample(asked, chat.tools)
