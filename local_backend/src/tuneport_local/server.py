"""The Server of this machine: tuned models and their bases answer in this process. torch comes with the first answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.errors import Unsupported, UsageError
from tuneport.model import Deployment, Model, Prediction
from tuneport.provider import Capability, Generation, Need, ProviderSettings
from tuneport_local.jobs.home import Jobs
from tuneport_local.jobs.named import tuned_named
from tuneport_local.jobs.trained import trained
from tuneport_local.jobs.tuned import model_of
from tuneport_local.machine.threads import share_cores
from tuneport_local.support import support

if TYPE_CHECKING:
    from tuneport.combining import Combination
    from tuneport.examples import Example, Message
    from tuneport.exporting import Export, Exported
    from tuneport.serving import Open, Served, Service
    from tuneport_local.bases.residents import Residents
    from tuneport_local.heads.answers import HeadAnswers


class LocalServer:
    """Answers with the models of one home. A base is loaded once, however many of its tunes are asked."""

    gives: frozenset[Need] = frozenset({"text", "log_probabilities", "labels", "scores"})
    engines = ("torch", "vllm")

    def __init__(self, settings: ProviderSettings) -> None:
        self._name = settings.name
        self._home = settings.home
        self._clock = settings.clock
        self._environ = settings.environ
        self._jobs = Jobs(settings.home, clock=settings.clock)
        self._residents: Residents | None = None
        self._heads: HeadAnswers | None = None

    def model(self, model_id: str) -> Model:
        """A tuned model by its job's id or the beginning of it (8 characters at least), a checkpoint by `<job>@<step>`, an
        adapter or an exported model by its folder, a base by name."""
        if (found := tuned_named(model_id, jobs=self._jobs, provider=self._name)) is not None:
            return found
        from tuneport_local.bases.weights import resolve

        resolve(model_id, home=self._home)
        return Model(uri=f"{self._name}:{model_id}", provider=self._name, id=model_id, base=model_id, kind="base")

    def models(self) -> Sequence[Model]:
        finished = [model_of(folder, provider=self._name) for folder in self._jobs.all() if trained(folder.path) is not None]
        return sorted(finished, key=lambda model: str(model.created_at), reverse=True)

    def predict(
        self, target: Model | Deployment, rows: Iterable[Example], *, generation: Generation, needs: frozenset[Need]
    ) -> Iterator[Prediction]:
        model = self._model(target)
        gives = self.gives_of(model)
        if unknown := needs - gives:
            raise Unsupported(f"{model.uri} gives {' and '.join(sorted(gives))}, not {', '.join(sorted(unknown))}.")
        if "text" not in gives:
            return self._headed().predict(model, rows)
        return self._resident().predict(model, rows, generation=generation, needs=needs)

    def gives_of(self, target: Model | Deployment) -> frozenset[Need]:
        """Labels, or scores, of a model with a head of its own; text and log-probabilities of any other."""
        from tuneport_local.heads.head import head_in

        path = self._model(target).path
        head = None if path is None else head_in(Path(path))
        if head is None:
            return frozenset({"text", "log_probabilities"})
        return frozenset({"labels" if head.labels else "scores"})

    def chat(self, target: Model | Deployment, messages: Sequence[Message], *, generation: Generation) -> Iterator[str]:
        if not messages:
            raise UsageError("there is no message to answer.")
        self._refuse_headed(self._model(target), "talk")
        return self._resident().chat(self._model(target), messages, generation=generation)

    def deploy(self, model: Model, *, options: Mapping[str, Any]) -> Deployment:
        raise Unsupported(support(Capability.DEPLOY).reason)

    def deployments(self) -> Sequence[Deployment]:
        return ()

    def undeploy(self, deployment_id: str) -> None:
        raise Unsupported(support(Capability.DEPLOY).reason)

    def serve(self, models: Sequence[Served], service: Service, *, ready: Callable[[Open], object]) -> None:
        """`torch` answers in this process; `vllm` takes its place. 'auto' is vLLM where it is installed and there is a GPU for it."""
        from tuneport_local.serving.choice import serve

        for each in models:
            self._refuse_headed(each.model, "be served as one that talks")
        share_cores()
        serve(models, service, home=self._home, clock=self._clock, engines=self.engines, ready=ready)

    def combine(self, wish: Combination) -> Model:
        share_cores()
        from tuneport_local.adapters.combining import combine

        return combine(wish, home=self._home, provider=self._name)

    def export_needs(self, model: Model, wish: Export) -> str | None:
        """A GGUF file takes a converter, which may have to be installed."""
        from tuneport_local.exporting.needs import needs

        return needs(model, wish, home=self._home, environ=self._environ)

    def export(self, model: Model, wish: Export, *, hear: Callable[[str], object]) -> Exported:
        """In this process, with the weights in its memory while it lasts."""
        from tuneport_local.exporting.export import export

        share_cores()
        return export(model, wish, home=self._home, environ=self._environ, hear=hear)

    # --- inside --------------------------------------------------------------------------------------------------------------------

    def _model(self, target: Model | Deployment) -> Model:
        if isinstance(target, Deployment):
            raise Unsupported(support(Capability.DEPLOY).reason)
        return target

    def _refuse_headed(self, model: Model, what: str) -> None:
        gives = self.gives_of(model)
        if "text" not in gives:
            raise Unsupported(
                f"{model.uri} answers with {' and '.join(gives)} and cannot {what}.", remedy="Ask it with: tuneport models predict"
            )

    def _headed(self) -> HeadAnswers:
        if self._heads is None:
            share_cores()
            from tuneport_local.heads.answers import HeadAnswers

            self._heads = HeadAnswers(self._home)
        return self._heads

    def _resident(self) -> Residents:
        if self._residents is None:
            share_cores()
            from tuneport_local.bases.residents import Residents

            self._residents = Residents(self._home)
        return self._residents
