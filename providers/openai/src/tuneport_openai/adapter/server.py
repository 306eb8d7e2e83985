"""Tuned models and their bases answer over the chat API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from tuneport.answering import in_order
from tuneport.catalogue.catalogue import base_name
from tuneport.chat_completions import delta_of, prediction_of
from tuneport.errors import NotFound, UnknownModel, Unsupported, UsageError
from tuneport.model import Deployment, Model, Prediction
from tuneport.provider import Generation, Need, ProviderSettings
from tuneport.reference import as_chat
from tuneport.replies import time_in
from tuneport_openai.adapter import jobs
from tuneport_openai.adapter.connection import Connection, DialectConnection, Raw, Reply
from tuneport_openai.adapter.dialects import dialect_of
from tuneport_openai.adapter.names import is_checkpoint, is_tuned
from tuneport_openai.profile import endpoint_of
from tuneport_openai.wire.chats import chat_body
from tuneport_openai.wire.dialect import Dialect

if TYPE_CHECKING:
    import httpx2
    import openai

    from tuneport.examples import Example, Message

ANSWER_S = 600.0
"""How long a model may think before it says a word: the SDK's own limit."""
NO_DEPLOYMENTS = "a tuned model answers there without a deployment: the vendor has none."


class DialectServer:
    """Asks models over the chat API of whoever speaks the dialect. What models there are, and whether they are deployed, subclasses say.

    The API tells the log-probabilities of what a model says, not of a reference: so none are given.
    """

    gives: frozenset[Need] = frozenset({"text"})

    def __init__(self, connection: DialectConnection, *, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self._name = connection.address.name

    def _asked_as(self, target: Model | Deployment) -> str:
        """What a request names as its `model`."""
        return target.id

    def predict(
        self, target: Model | Deployment, rows: Iterable[Example], *, generation: Generation, needs: frozenset[Need]
    ) -> Iterator[Prediction]:
        """Several rows at a time, as `tuneport.answering` says."""
        if missing := needs - self.gives:
            raise Unsupported(
                f"{self._name} gives text, not {', '.join(sorted(missing))}: its log-probabilities are of the model's own words."
            )
        return self._predict(self._asked_as(target), rows, generation)

    def _predict(self, model_id: str, rows: Iterable[Example], generation: Generation) -> Iterator[Prediction]:
        _ = self._connection.client  # made once, before several threads ask for it
        return in_order(rows, lambda row: self._answer(model_id, row, generation), at_once=self._connection.address.requests_at_once)

    def _answer(self, model_id: str, row: Example, generation: Generation) -> Prediction:
        chat = as_chat(row)
        asked = chat.messages[:-1] if chat.messages and chat.messages[-1].role == "assistant" else chat.messages
        body = chat_body(asked, model=model_id, generation=generation, tools=chat.tools, dialect=self._dialect)
        return self._connection.patiently(lambda: self._prediction(body))

    def _prediction(self, body: Reply) -> Prediction:
        completion = self._connection.ask("asking a model", lambda client: _complete(client, body))
        with self._connection.translating("reading an answer"):
            return prediction_of(completion)

    def chat(self, target: Model | Deployment, messages: Sequence[Message], *, generation: Generation) -> Iterator[str]:
        if not messages:
            raise UsageError("there is no message to answer.")
        return self._chat(chat_body(messages, model=self._asked_as(target), generation=generation, dialect=self._dialect))

    def _chat(self, body: Reply) -> Iterator[str]:
        """Begun again as long as nothing was said; what breaks off later is said to have."""
        stream = self._connection.patiently(lambda: self._begin(body))
        with self._connection.translating("reading an answer"):
            for chunk in stream:
                if piece := delta_of(chunk.to_dict()):
                    yield piece

    def _begin(self, body: Reply) -> Any:
        client = self._connection.client

        def begin() -> Any:
            with self._connection.translating("asking a model"):
                return client.chat.completions.create(model=body["model"], messages=body["messages"], stream=True, extra_body=_rest(body))

        return self._connection.authorized(begin)

    def _patient(self, doing: str, send: Any) -> Reply:
        return self._connection.patiently(lambda: self._connection.ask(doing, send))


class OpenAIServer(DialectServer):
    """The models of one account, which answer without a deployment."""

    def __init__(self, settings: ProviderSettings, *, http_client: httpx2.Client | None = None) -> None:
        self._endpoint = endpoint_of(settings)
        connection = Connection(self._endpoint, clock=settings.clock, timeout_s=ANSWER_S, http_client=http_client)
        super().__init__(connection, dialect=dialect_of(self._endpoint))

    def model(self, model_id: str) -> Model:
        try:
            row = self._patient("asking for a model", lambda client: client.models.with_raw_response.retrieve(model_id))
        except (NotFound, UnknownModel) as error:
            name = self._endpoint.name
            raise UnknownModel(
                f"{name} has no model {model_id!r}: {error.message}", remedy=f"See: tuneport models list --provider {name}"
            ) from None
        return self._model(row | {"id": model_id}, tuned=is_tuned(model_id))

    def models(self) -> Sequence[Model]:
        """Tuned models by their names, the youngest first. Endpoints that name them otherwise are asked for the models of their jobs."""
        made = self._made_by_jobs() if self._endpoint.compatible else frozenset()
        rows = self._connection.patiently(
            lambda: self._connection.rows("listing models", lambda client: client.models.with_raw_response.list())
        )
        tuned = [row for row in rows if row["id"] in made or (is_tuned(row["id"]) and not is_checkpoint(row["id"]))]
        return sorted((self._model(row, tuned=True) for row in tuned), key=lambda model: str(model.created_at), reverse=True)

    def _made_by_jobs(self) -> frozenset[str]:
        return frozenset(str(job.get("fine_tuned_model")) for job in jobs.since(jobs.pages(self._connection), None))

    def deploy(self, model: Model, *, options: Mapping[str, Any]) -> Deployment:
        self._refuse_deployments()

    def deployments(self) -> Sequence[Deployment]:
        return ()

    def undeploy(self, deployment_id: str) -> None:
        self._refuse_deployments()

    # --- inside --------------------------------------------------------------------------------------------------------------------

    def _refuse_deployments(self) -> NoReturn:
        raise Unsupported(f"{self._endpoint.name}: {NO_DEPLOYMENTS}")

    def _model(self, row: Reply, *, tuned: bool) -> Model:
        model_id = str(row["id"])
        return Model(
            uri=f"{self._endpoint.name}:{model_id}",
            provider=self._endpoint.name,
            id=model_id,
            base=base_name(model_id),
            kind="tuned" if tuned else "base",
            created_at=time_in(row, "created"),
            details={key: row[key] for key in ("shutdown_date", "owned_by") if row.get(key)},
        )


def _complete(client: openai.OpenAI, body: Reply) -> Raw:
    return client.chat.completions.with_raw_response.create(model=body["model"], messages=body["messages"], extra_body=_rest(body))


def _rest(body: Reply) -> Reply:
    return {key: value for key, value in body.items() if key not in ("model", "messages", "stream")}
