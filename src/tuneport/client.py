"""`Client`: what the SDK user and the command line both call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from tuneport import uri as uris
from tuneport.errors import ConfigError, CredentialsRefused, JobFailed, Unsupported
from tuneport.job import Job, JobState
from tuneport.job_client import JobClient

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    from tuneport.asking_costs import Asking
    from tuneport.dataset import Dataset
    from tuneport.evaluate import Evaluation
    from tuneport.examples import Example, Message
    from tuneport.exporting import Export, Exported, Exports
    from tuneport.graders import Grader
    from tuneport.model import Deployment, DeploymentPlan, Model, Prediction
    from tuneport.porting.port import Ported
    from tuneport.porting.wishes import Hear, What, Wishes
    from tuneport.provider import Generation, Need, Server
    from tuneport.recipe import Recipe
    from tuneport.sweeping.space import Choices, Range
    from tuneport.sweeping.sweep import Swept
    from tuneport.sweeping.wishes import Heard
    from tuneport.watching import Watch

T = TypeVar("T")
AgainstWord = Literal["base", "base+labels"]


class Client(JobClient):
    """One client for every provider.

    `home` is the state folder (default: TUNEPORT_HOME, else the platform's user data folder). `providers` are plug-ins given by hand,
    beside the installed ones. Nothing is opened before it is used. A context manager. Many processes may work on one home; threads may
    not share a client.
    """

    # models

    def model(self, model: str | Model | Job) -> Model:
        """A model by URI (`local:<id>`, `local:smollm2-135m-instruct`), or the tuned model of a job, given as such or by a unique beginning
        of its URI or id. Raises UnknownModel, JobFailed."""
        from tuneport.model import Model

        if isinstance(model, Model):
            return model
        if isinstance(model, Job):
            return self._model_of(model)
        if (job := self.registry.job(model)) is not None:
            return self._model_of(job)
        jobs = self.registry.match(model)
        if len(jobs) == 1 or ":" not in model:
            return self._model_of(jobs[0] if len(jobs) == 1 else self._known(model))
        provider, model_id = uris.split(model)
        return self.server(provider).model(model_id)

    def _model_of(self, job: Job) -> Model:
        now = self.job(job)
        if now.state is not JobState.SUCCEEDED:
            raise JobFailed(f"{now.uri} is {now.state} and has no tuned model.", remedy=f"See: tuneport jobs show {now.uri}")
        return self.trainer(now.provider).result(now.provider_id or "")

    def models(self, *, provider: str | None = None) -> list[Model]:
        """The tuned models that can be asked, at one provider or at all that serve."""
        return self._everywhere(provider, lambda server: server.models())

    def watch(self, *, provider: str | None = None) -> Watch:
        """Until when each tuned model and deployment answers, of the registry and of every provider that answers, and what to do."""
        from tuneport.owned_models import take_inventory
        from tuneport.watching import watch

        inventory = take_inventory(self.registry, self._connections, provider=provider)
        return watch(inventory, on=self.clock.now().date(), profiles=self.settings.providers)

    # deployments

    def deployment_plan(self, model: str | Model | Job, *, options: Mapping[str, Any] | None = None) -> DeploymentPlan:
        """What deploying would send, and what it would cost every hour. Raises Unsupported where models answer without a deployment."""
        from tuneport.deploying import plan_of

        target = self.model(model)
        return plan_of(self.server(target.provider), target, options=options or {})

    def deploy(
        self, model: str | Model | Job, *, options: Mapping[str, Any] | None = None, plan: DeploymentPlan | None = None
    ) -> Deployment:
        """Begins to deploy a tuned model and returns at once; `wait_deployed` follows it. It may cost money from now on, asked or not:
        see `deployment_plan`. A second call for the same model and name gives the same deployment. `options` are the provider's,
        `plan` what `deployment_plan` gave for them."""
        from tuneport.deploying import begin

        target = self.model(model)
        return begin(self.server(target.provider), target, options=options or {}, clock=self.clock, plan=plan)

    def wait_deployed(
        self, deployment: Deployment, *, timeout_s: float | None = None, hear: Callable[[Deployment], object] = lambda _: None
    ) -> Deployment:
        """The deployment once it answers, or has failed for its `reason`. Raises WaitTimeout and NotFound, and leaves it alone."""
        from tuneport.deploying import follow

        return follow(self.server(deployment.provider), deployment, clock=self.clock, timeout_s=timeout_s, hear=hear)

    def deployments(self, *, provider: str | None = None) -> list[Deployment]:
        """What is deployed at one provider, or at all that deploy."""
        return self._everywhere(provider, lambda server: server.deployments())

    def undeploy(self, deployment: str | Deployment) -> None:
        """Ends a deployment and what it costs; the model stays. Raises NotFound when it is not there."""
        provider, deployment_id = uris.split(deployment if isinstance(deployment, str) else deployment.uri)
        self.server(provider).undeploy(deployment_id)

    def _everywhere(self, provider: str | None, ask: Callable[[Server], Sequence[T]]) -> list[T]:
        """What the servers of that provider, or of all, say. One of which nothing is known here need not be set up."""
        if provider is not None:
            return list(ask(self.server(provider)))
        found: list[T] = []
        for name in (info.name for info in self.providers() if info.serves):
            try:
                found += ask(self.server(name))
            except (ConfigError, CredentialsRefused):
                if name in self.registry.providers():
                    raise
        return found

    # asking

    def predict(self, model: str | Model | Job, rows: Iterable[Example], *, generation: Generation | None = None) -> Iterator[Prediction]:
        """One answer per row, in order: text, or a label or score from a model that answers with these."""
        from tuneport.media_paths import placed
        from tuneport.provider import Generation, given_by

        target = self.model(model)
        server = self.server(target.provider)
        gives = given_by(server, target)
        needs: frozenset[Need] = frozenset({"text"}) if "text" in gives else gives
        return server.predict(target, placed(rows), generation=generation or Generation(), needs=needs)

    def chat(self, model: str | Model | Job, messages: Sequence[Message], *, generation: Generation | None = None) -> Iterator[str]:
        """The answer to a conversation, piece by piece."""
        from tuneport.provider import Generation

        target = self.model(model)
        return self.server(target.provider).chat(target, messages, generation=generation or Generation())

    def evaluate(
        self,
        model: str | Model | Job,
        rows: Iterable[Example],
        *,
        against: AgainstWord | str | Model | Sequence[AgainstWord | str | Model] = (),
        labels_from: Iterable[Example] | None = None,
        metrics: Sequence[str] | None = None,
        grader: Grader | None = None,
        generation: Generation | None = None,
        seed: int = 0,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> Evaluation:
        """Measures a model on held-out rows, and against others on the same rows with paired intervals.

        `against` names models by URI, or 'base' (the model's own base as it is) and 'base+labels' (the base with the labels of
        `labels_from`, else of the data it was tuned on, listed in its prompt). A `grader` scores every answer: metric `reward`.
        """
        from tuneport.contenders import contenders
        from tuneport.evaluate import evaluate
        from tuneport.media_paths import placed
        from tuneport.reference import references

        known = list(labels_from or ())
        first, *others = contenders(self.model(model), against, models=self, labels_from=known if labels_from is not None else None)
        return evaluate(
            first,
            list(placed(rows)),
            against=others,
            metrics=metrics,
            grader=grader,
            labels=references(known),
            generation=generation,
            seed=seed,
            on_progress=on_progress,
        )

    def asking(
        self,
        model: str | Model | Job,
        rows: Dataset,
        *,
        against: AgainstWord | str | Model | Sequence[AgainstWord | str | Model] = (),
        labels_from: Iterable[Example] | None = None,
        generation: Generation | None = None,
    ) -> tuple[Asking, ...]:
        """What `evaluate` of the same, or `predict` with the same `generation`, costs by the price book: the requests to each model. Asks
        none of them anything."""
        from tuneport.asking_costs import evaluation_costs
        from tuneport.contenders import contenders
        from tuneport.evaluate import room_for
        from tuneport.reference import references

        found = contenders(self.model(model), against, models=self, labels_from=labels_from)
        most = (generation or room_for(references(rows))).max_tokens
        return evaluation_costs(found, rows, most_tokens=most, client=self)

    # taking a model out

    def export_needs(self, model: str | Model | Job, wish: Export) -> str | None:
        """What `export` of the same would have to install first, in a sentence; None for nothing. Raises like it."""
        target = self.model(model)
        return self._exports(target).export_needs(target, wish)

    def export(self, model: str | Model | Job, wish: Export, *, hear: Callable[[str], object] = lambda _: None) -> Exported:
        """Writes the model into a folder that other programs load, and checks that it answers there as it does here: see `Exported.ok`.
        Raises Unsupported where models do not leave their provider, or not in that form."""
        target = self.model(model)
        return self._exports(target).export(target, wish, hear=hear)

    def _exports(self, model: Model) -> Exports:
        from tuneport.exporting import Exports
        from tuneport.provider import Capability

        support = self.trainer(model.provider).support(Capability.EXPORT)
        if not support:
            raise Unsupported(f"{model.uri} cannot be exported: {support.reason}.", remedy="Its data and settings can: tuneport archive")
        server = self.server(model.provider)
        if not isinstance(server, Exports):
            raise Unsupported(f"{model.uri} cannot be exported: this is not built for {model.provider} yet.")
        return server

    def combine(
        self,
        parts: Sequence[tuple[str | Model | Job, float]],
        *,
        to: str | Path,
        how: str = "cat",
        density: float = 0.5,
        seed: int = 0,
    ) -> Model:
        """One adapter of several for one base, each with its weight, in a new folder: see `tuneport.combining.Combination`. Raises
        Unsupported for models that do not go together, UsageError."""
        from pathlib import Path

        from tuneport.combining import Combination, Combines

        chosen = tuple((self.model(model), weight) for model, weight in parts)
        wish = Combination(chosen, Path(to), how, density, seed)  # type: ignore[arg-type]  # Combination refuses what is none
        owners = sorted({model.provider for model, _ in chosen})
        server = self.server(owners[0])
        if len(owners) > 1 or not isinstance(server, Combines):
            raise Unsupported(f"adapters are combined where they lie on this machine, not at {' and '.join(owners)}.")
        return server.combine(wish)

    # porting

    def port(
        self, named: str | Path | Job | Model, wishes: Wishes, *, agree: Collection[What] = ("train", "ask"), hear: Hear = lambda _: None
    ) -> Ported:
        """Carries the tune of a job, a model or an archive to another provider and proves the copy; the same call goes on where an earlier
        one was stopped. The call itself agrees to pay for training and answers, a deployment or the old terms only if `agree` says so."""
        from tuneport.porting.port import port
        from tuneport.porting.wishes import agreeing

        return port(str(getattr(named, "uri", named)), wishes, client=self, confirm=agreeing(*agree), hear=hear)

    # sweeping

    def sweep(
        self,
        recipe: Recipe,
        space: Mapping[str, str | Range | Choices | Sequence[Any]],
        *,
        provider: str,
        trials: int,
        max_cost_usd: Decimal | None = None,
        metric: str | None = None,
        direction: str | None = None,
        parallel: int = 1,
        seed: int = 0,
        prune: Literal["auto", "always", "never"] = "auto",
        out: Path | None = None,
        hear: Callable[[Heard], object] = lambda _: None,
    ) -> Swept:
        """Trains `recipe` with other values in the fields of `space`, at most `trials` times, and finds the best; the same call goes on
        where an earlier one was stopped. `space` says for a dotted name a range ('1e-5..1e-3:log') or choices ([4, 8, 16]).

        The call itself agrees to spend up to `max_cost_usd`, which all trials together never pass by their quotes. See
        `tuneport.sweeping.wishes.Wishes` for the rest. Raises Unsupported without Optuna, JobFailed where every trial failed.
        """
        from tuneport.sweeping.space import dimension
        from tuneport.sweeping.sweep import sweep
        from tuneport.sweeping.wishes import Wishes

        wishes = Wishes(
            recipe=recipe,
            provider=provider,
            space={name: dimension(given, name=name) for name, given in space.items()},
            trials=trials,
            max_cost_usd=max_cost_usd,
            metric=metric,
            direction=direction,
            parallel=parallel,
            seed=seed,
            prune=prune,
            out=out,
        )
        return sweep(wishes, client=self, confirm=lambda _: None, hear=hear)
