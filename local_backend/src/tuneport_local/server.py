"""The Server of this machine: tuned models and their bases answer in this process. torch comes with the first answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneport.errors import UnknownModel, Unsupported, UsageError
from tuneport.model import Deployment, Model, Prediction
from tuneport.provider import Capability, Generation, Need, ProviderSettings
from tuneport_local import marks
from tuneport_local.jobfolder import JobFolder
from tuneport_local.jobs import Jobs
from tuneport_local.support import support
from tuneport_local.tuned import model_of

if TYPE_CHECKING:
    from tuneport.examples import Example, Message
    from tuneport_local.residents import Residents


class LocalServer:
    """Answers with the models of one home. A base is loaded once, however many of its tunes are asked."""

    gives: frozenset[Need] = frozenset({"text", "log_probabilities"})

    def __init__(self, settings: ProviderSettings) -> None:
        self._name = settings.name
        self._home = settings.home
        self._jobs = Jobs(settings.home, clock=settings.clock)
        self._residents: Residents | None = None

    def model(self, model_id: str) -> Model:
        """A tuned model by its job's id or the beginning of it (8 characters or more), or a base by name."""
        tuned = self._tuned(model_id)
        if tuned is not None:
            return model_of(tuned, provider=self._name)
        from tuneport_local.weights import resolve

        resolve(model_id, home=self._home)
        return Model(uri=f"{self._name}:{model_id}", provider=self._name, id=model_id, base=model_id, kind="base")

    def models(self) -> Sequence[Model]:
        finished = [model_of(folder, provider=self._name) for folder in self._jobs.all() if marks.adapter_complete(folder)]
        return sorted(finished, key=lambda model: str(model.created_at), reverse=True)

    def predict(
        self, target: Model | Deployment, rows: Iterable[Example], *, generation: Generation, needs: frozenset[Need]
    ) -> Iterator[Prediction]:
        if unknown := needs - self.gives:
            raise Unsupported(f"a local model gives text and log-probabilities, not {', '.join(sorted(unknown))}.")
        return self._resident().predict(self._model(target), rows, generation=generation, needs=needs)

    def chat(self, target: Model | Deployment, messages: Sequence[Message], *, generation: Generation) -> Iterator[str]:
        if not messages:
            raise UsageError("there is no message to answer.")
        return self._resident().chat(self._model(target), messages, generation=generation)

    def deploy(self, model: Model, *, options: Mapping[str, Any]) -> Deployment:
        raise Unsupported(support(Capability.DEPLOY).reason)

    def deployments(self) -> Sequence[Deployment]:
        return ()

    def undeploy(self, deployment_id: str) -> None:
        raise Unsupported(support(Capability.DEPLOY).reason)

    # --- inside --------------------------------------------------------------------------------------------------------------------

    def _tuned(self, model_id: str) -> JobFolder | None:
        folder = self._jobs.get(model_id)
        found = [folder] if folder is not None else self._beginning_with(model_id)
        if len(found) > 1:
            raise UnknownModel(f"{len(found)} jobs here begin with {model_id!r}.", remedy="Give more of the id.")
        if found and not marks.adapter_complete(found[0]):
            raise UnknownModel(f"job {found[0].id} has no tuned model: it is {found[0].status().state}.")
        return found[0] if found else None

    def _beginning_with(self, start: str) -> list[JobFolder]:
        return [folder for folder in self._jobs.all() if folder.id.startswith(start)] if len(start) >= 8 else []

    def _model(self, target: Model | Deployment) -> Model:
        if isinstance(target, Deployment):
            raise Unsupported(support(Capability.DEPLOY).reason)
        return target

    def _resident(self) -> Residents:
        if self._residents is None:
            from tuneport_local.residents import Residents

            self._residents = Residents(self._home)
        return self._residents
