"""The fake cloud's models, answering: every answer follows from the question, so that a test can say what it will be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneport.errors import UnknownModel, Unsupported
from tuneport.model import Deployment, Model, Prediction
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.wire import DirectWire, HttpAnswer, NoAnswer, Reply, Wire, to_error

if TYPE_CHECKING:
    from tuneport.examples import Example, Message
    from tuneport.provider import Generation, Need


class FakeServer:
    """Serves the bases and every tuned model of a `FakeCloud`. It answers with the last words of the question."""

    gives: frozenset[Need] = frozenset({"text"})

    def __init__(self, cloud: FakeCloud, *, name: str, bases: tuple[str, ...], wire: Wire | None = None) -> None:
        self._cloud = cloud
        self._name = name
        self._bases = bases
        self._wire: Wire = wire or DirectWire()

    def _send(self, call: str, effect: Callable[[], Reply]) -> Reply:
        try:
            return self._wire.send(call, effect, kind="read")
        except (HttpAnswer, NoAnswer) as error:
            raise to_error(error, call=call, kind="read") from None

    def model(self, model_id: str) -> Model:
        known = {model.id: model for model in (*self._base_models(), *self.models())}
        if model_id not in known:
            raise UnknownModel(f"{self._name} has no model {model_id!r}.", remedy=f"Run: tuneport models list --provider {self._name}")
        return known[model_id]

    def _base_models(self) -> list[Model]:
        return [Model(uri=f"{self._name}:{base}", provider=self._name, id=base, base=base, kind="base") for base in self._bases]

    def models(self) -> Sequence[Model]:
        rows = self._send("GET /models", self._cloud.list_models)["data"]
        return [
            Model(
                uri=f"{self._name}:{row['id']}", provider=self._name, id=row["id"], base=row["base"], job_uri=f"{self._name}:{row['job']}"
            )
            for row in rows
        ]

    def predict(
        self, target: Model | Deployment, rows: Iterable[Example], *, generation: Generation, needs: frozenset[Need]
    ) -> Iterator[Prediction]:
        if needs - self.gives:
            raise Unsupported(f"{self._name} answers with text only, not {', '.join(sorted(needs - self.gives))}: the vendor cannot.")
        from tuneport.examples import ChatExample, Message, PromptExample

        for row in rows:
            messages = row.messages if isinstance(row, ChatExample | PromptExample) else (Message("user", getattr(row, "text", "") or ""),)
            asked = messages[:-1] if messages and messages[-1].role == "assistant" else messages
            yield _cut("".join(self.chat(target, asked, generation=generation)), generation)

    def chat(self, target: Model | Deployment, messages: Sequence[Message], *, generation: Generation) -> Iterator[str]:
        answer = self._send("POST /chat", lambda: self._cloud.answer(target.id, [message.text for message in messages]))["text"]
        for n, word in enumerate(answer.split(" ")):
            yield word if n == 0 else f" {word}"

    def deploy(self, model: Model, *, options: Mapping[str, Any]) -> Deployment:
        raise Unsupported(f"a tuned model answers at {self._name} without a deployment: the vendor has none.")

    def deployments(self) -> Sequence[Deployment]:
        return ()

    def undeploy(self, deployment_id: str) -> None:
        raise Unsupported(f"{self._name} has no deployments: the vendor has none.")


def _cut(text: str, generation: Generation) -> Prediction:
    words = text.split(" ")
    finish = "stop" if len(words) <= generation.max_tokens else "length"
    return Prediction(text=" ".join(words[: generation.max_tokens]), finish=finish, tokens=(0, min(len(words), generation.max_tokens)))
