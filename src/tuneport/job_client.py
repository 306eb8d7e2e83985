"""The half of `Client` about jobs: submitting, following, steering."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from tuneport import uri as uris
from tuneport.clock import Clock, SystemClock
from tuneport.connections import Connections, ProviderInfo
from tuneport.errors import NotFound, UsageError
from tuneport.job import Event, Job, Metric, Snapshot
from tuneport.registry import JobRegistry
from tuneport.settings import Settings, load_settings
from tuneport.unsettled import unsettled

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.finding import Finding
    from tuneport.plan import Plan
    from tuneport.poll import PollRound
    from tuneport.provider import BaseModel, Provider, Server, Trainer
    from tuneport.quote import Quote, Usage
    from tuneport.recipe import Recipe
    from tuneport.submit import Desk, Waiting
    from tuneport.syncing import SyncResult


class JobClient:
    """Providers, plans and jobs: all of `Client` that does not ask a model."""

    def __init__(
        self,
        *,
        home: str | Path | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
        providers: Iterable[Provider] = (),
    ) -> None:
        self.settings = settings if settings is not None else load_settings(home=home)
        self.clock: Clock = clock or SystemClock()
        self._connections = Connections(self.settings, self.clock, {provider.name: provider for provider in providers})

    @cached_property
    def registry(self) -> JobRegistry:
        """The job registry, opened at first use."""
        return JobRegistry(self.settings.home, clock=self.clock)

    def close(self) -> None:
        """Closes the registry if it was opened."""
        if "registry" in self.__dict__:
            self.registry.close()
            del self.__dict__["registry"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # providers

    def providers(self) -> list[ProviderInfo]:
        """Every installed provider and configured profile; a broken one with its reason."""
        return self._connections.listing()

    def trainer(self, provider: str) -> Trainer:
        """The trainer behind a provider or profile name."""
        return self._connections.trainer(provider)

    def server(self, provider: str) -> Server:
        """The server behind a provider or profile name."""
        return self._connections.server(provider)

    def check(self, provider: str) -> Sequence[Finding]:
        """Whether the provider can be used from here, as findings."""
        return self.trainer(provider).check()

    def catalogue(self, provider: str) -> Sequence[BaseModel]:
        """The bases that can be tuned there."""
        return self.trainer(provider).catalogue()

    # before a job

    def plan(self, recipe: Recipe, *, provider: str) -> Plan:
        """What submitting would send, exactly. Sends nothing."""
        return self.trainer(provider).plan(recipe)

    def quote(
        self,
        source: Recipe | Dataset | str | Path,
        *,
        base: str | None = None,
        method: str | None = None,
        weights: Literal["lora", "full"] | None = None,
        epochs: int | None = None,
        validation: Dataset | None = None,
        providers: Sequence[str] | None = None,
        usage: Usage | None = None,
        training_hours: Decimal | None = None,
        prices: Sequence[Path] = (),
        tier: str | None = None,
    ) -> list[Quote]:
        """What a recipe or a dataset (or the file of either) would cost: at the given providers, or at all that are known or installed.

        What is said beside the source wins over it; without a base each provider's usual ones are quoted. `training_hours` are of
        reinforcement, `prices` files of one's own rows, `tier` the only price tier that is asked about. One that cannot be quoted says so
        in `availability` and `why`. Sends nothing.
        """
        from tuneport.quoting.everywhere import Question, Said, everywhere

        given = Said(base, method, weights, epochs, validation, usage, training_hours, tier)
        return everywhere(Question.of(source, given), providers=providers, connections=self._connections, prices=prices)

    def submit(
        self,
        recipe: Recipe,
        *,
        provider: str,
        force: bool = False,
        recreate: bool = False,
        max_cost_usd: Decimal | None = None,
        plan: Plan | None = None,
        queue: Waiting | None = None,
    ) -> Job:
        """Plans and submits `recipe`, once. See `tuneport.submit.submit` for what `force`, `recreate` and `queue` mean and what is raised.

        `plan` is what `plan` gave for this very recipe and provider; without it one is made, which reads and checks all the data.
        """
        from tuneport.billing import refuse_above
        from tuneport.submit import submit

        plan = plan or self.plan(recipe, provider=provider)
        if max_cost_usd is not None:
            quotes = self.quote(recipe, providers=[provider], epochs=plan.epochs, tier=plan.tier)
            refuse_above(max_cost_usd, quotes, unquoted=plan.unquoted)
        return submit(plan, desk=self._desk(provider), force=force, recreate=recreate, queue=queue)

    def _desk(self, provider: str) -> Desk:
        from tuneport.submit import Desk

        return Desk(provider=provider, trainer=self.trainer(provider), registry=self.registry, clock=self.clock)

    def jobs(self, *, provider: str | None = None, refresh: bool = False) -> list[Job]:
        """All jobs of the registry, newest first, and submits whose outcome is not known. `refresh` asks the providers first; the jobs of
        one that does not answer come back as last heard."""
        if refresh:
            self._look(self.registry.jobs(provider=provider, live_only=True), passing_over=True)
        found = unsettled(self.registry, provider=provider) + self.registry.jobs(provider=provider)
        if not found and provider is not None:
            self._connections.refuse_unknown(provider)
        return found

    def job(self, uri: str | Job, *, refresh: bool = True) -> Job:
        """One job by URI, by a unique beginning of its URI or id, or, unknown here, by asking its provider (it is then recorded).

        With `refresh` the provider is asked for its state; if it does not answer, the job comes back as last heard.
        """
        job = self._known(uri.uri if isinstance(uri, Job) else uri)
        if not refresh:
            return job
        return self._complete(job if job.state.terminal else self._look([job]).jobs[0])

    def _known(self, uri: str) -> Job:
        if (job := self.registry.job(uri)) is not None:
            return job
        matches = self.registry.match(uri)
        if len(matches) == 1:
            return matches[0]
        if len(matches) > 1:
            some = ", ".join(job.uri for job in matches[:4])
            raise UsageError(f"{uri!r} fits {len(matches)} jobs: {some}.", remedy="Write more of it.")
        return self._adopt(uri)

    def _adopt(self, uri: str) -> Job:
        from tuneport.errors import UnknownJob
        from tuneport.syncing import adopt

        provider, provider_id = uris.split(uri)
        if provider_id.startswith("?"):
            raise UnknownJob(f"{uri} is a submit whose outcome is not known, not a job yet.", remedy="Run: tuneport jobs sync")
        try:
            return adopt(provider_id, desk=self._desk(provider))
        except NotFound as error:
            raise UnknownJob(error.message, remedy="See: tuneport jobs list") from None

    def _look(self, jobs: Sequence[Job], *, passing_over: bool = False) -> PollRound:
        from tuneport.poll import look_once

        return self._completed(look_once(jobs, trainers=self._trainers(jobs, passing_over=passing_over), registry=self.registry))

    def _trainers(self, jobs: Sequence[Job], *, passing_over: bool = False) -> dict[str, Trainer]:
        return self._connections.trainers({job.provider for job in jobs if not job.state.terminal}, passing_over=passing_over)

    def _complete(self, job: Job) -> Job:
        from tuneport.billing import with_bill

        return with_bill(job, trainer=self.trainer, registry=self.registry)

    def _completed(self, look: PollRound) -> PollRound:
        """The look with what was billed for the jobs that have just ended."""
        moved = {job.uri for job in look.changed}
        return replace(look, jobs=tuple(self._complete(job) if job.uri in moved else job for job in look.jobs))

    def follow(
        self, jobs: Sequence[Job | str], *, timeout_s: float | None = None, max_rounds: int | None = None, interval_s: float | None = None
    ) -> Iterator[PollRound]:
        """Looks at the jobs until each has ended, and yields every look; a job given twice is one. Ctrl-C only stops following.

        Raises WaitTimeout, and the refusal when waiting cannot help any of the jobs.
        """
        from tuneport.poll import follow

        known = [self.job(job, refresh=False) for job in jobs]
        rounds = follow(
            known,
            trainers=self._trainers(known),
            registry=self.registry,
            clock=self.clock,
            timeout_s=timeout_s,
            max_rounds=max_rounds,
            interval_s=interval_s,
        )
        for look in rounds:
            yield self._completed(look)

    def wait(
        self,
        job: Job | str,
        *,
        timeout_s: float | None = None,
        interval_s: float | None = None,
        on_change: Callable[[Job], None] | None = None,
    ) -> Job:
        """Follows one job to its end and returns it as it ended (look at `state`: a failed job is returned, not raised).

        Raises WaitTimeout when `timeout_s` is used up, NotFound when the provider goes on denying the job, Refused when it turns us away.
        """
        return self.wait_all([job], timeout_s=timeout_s, interval_s=interval_s, on_change=on_change)[0]

    def wait_all(
        self,
        jobs: Sequence[Job | str],
        *,
        timeout_s: float | None = None,
        interval_s: float | None = None,
        on_change: Callable[[Job], None] | None = None,
    ) -> list[Job]:
        """Like `wait`, for several jobs of any providers in one loop."""
        from tuneport.poll import ended

        known = [self.job(job, refresh=False) for job in jobs]
        last: dict[str, Job] = {}
        for look in self.follow(known, timeout_s=timeout_s, interval_s=interval_s):
            last = {job.uri: job for job in look.jobs}
            for changed in look.changed:
                if on_change is not None:
                    on_change(changed)
        return ended([last[job.uri] for job in known])

    def sync(self, *, provider: str | None = None, adopt_all: bool = False) -> list[SyncResult]:
        """Brings the registry and the providers together; see `tuneport.syncing.sync`. Without `provider`: every one that has jobs here,
        and one that does not answer is a result of its own."""
        from tuneport.syncing import sync, sync_each

        if provider is not None:
            return sync(desk=self._desk(provider), adopt_all=adopt_all)
        known = self.registry.providers()
        new = set(self._connections.names()) - known if adopt_all else set()
        return sync_each(sorted(known | new), desk=self._desk, adopt_all=adopt_all, new=new)

    def events(self, job: Job | str, *, after: str | None = None) -> Iterable[Event]:
        """The job's events in order."""
        known = self.job(job, refresh=False)
        return self.trainer(known.provider).events(known.provider_id or "", after)

    def metrics(self, job: Job | str) -> list[Metric]:
        """The job's step metrics in order of step."""
        known = self.job(job, refresh=False)
        return list(self.trainer(known.provider).metrics(known.provider_id or ""))

    def cancel(self, job: Job | str) -> Job:
        """Asks the provider to cancel; what is there so far is kept."""
        return self._act(job, lambda trainer, job_id: trainer.cancel(job_id))

    def pause(self, job: Job | str) -> Job:
        """Asks the provider to pause. Raises Unsupported where it cannot."""
        return self._act(job, lambda trainer, job_id: trainer.pause(job_id))

    def resume(self, job: Job | str) -> Job:
        """Asks the provider to go on with a paused job. Raises Unsupported where it cannot."""
        return self._act(job, lambda trainer, job_id: trainer.resume(job_id))

    def _act(self, job: Job | str, action: Callable[[Trainer, str], Snapshot]) -> Job:
        from tuneport.steering import refuse_ended, steer

        known = self.job(job, refresh=False)
        refuse_ended(known)
        return steer(known, self.trainer(known.provider), registry=self.registry, action=action)
