"""The tuned models and deployments that one has: what the registry knows of, and what the providers say there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

from tuneport.errors import TuneportError, Unreachable, Unsupported
from tuneport.job import JobState

if TYPE_CHECKING:
    from tuneport.connections import Connections
    from tuneport.job import Job, Snapshot
    from tuneport.model import Deployment, Model
    from tuneport.registry import JobRegistry


@dataclass(frozen=True, slots=True)
class Owned:
    """A tuned model or a deployment of one. `id` is the provider's name of it; of a deployment `id` is the model's, and the URI its own.

    `shutdown` is the day that the provider itself names for it, `removed` the day on which it removes a deployment if nothing changes (it
    is not asked, say). `free` is one's own machine, where nobody switches anything off.
    """

    uri: str
    provider: str
    id: str
    kind: Literal["model", "deployment"] = "model"
    base: str | None = None
    job_uri: str | None = None
    shutdown: date | None = None
    removed: date | None = None
    free: bool = False

    def with_more(self, other: Owned) -> Owned:
        """With what `other`, of the same URI, knows beside it."""
        return replace(
            self,
            base=self.base or other.base,
            job_uri=self.job_uri or other.job_uri,
            shutdown=self.shutdown or other.shutdown,
            free=self.free or other.free,
        )


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that is owned, and why a provider was not asked or did not answer, by its name."""

    owned: tuple[Owned, ...]
    not_asked: dict[str, TuneportError]


def take_inventory(registry: JobRegistry, connections: Connections, *, provider: str | None = None) -> Inventory:
    """Of one provider or profile, or of all; one that does not answer is passed over. Raises UnknownProvider, RegistryError."""
    found = list(from_jobs(registry.jobs(provider=provider)))
    if provider is not None and not found:
        connections.refuse_unknown(provider)
    names = [provider] if provider is not None else sorted({*connections.names(), *(each.provider for each in found)})
    not_asked: dict[str, TuneportError] = {}
    for name in names:
        here, refusal = at_provider(name, connections)
        found += here
        if refusal is not None:
            not_asked[name] = refusal
    return Inventory(_merged(found, _free_ones(names, connections)), not_asked)


def _merged(found: Iterable[Owned], free: set[str]) -> tuple[Owned, ...]:
    merged: dict[str, Owned] = {}
    for each in found:
        one = replace(each, free=each.provider in free)
        merged[one.uri] = merged[one.uri].with_more(one) if one.uri in merged else one
    return tuple(merged.values())


def _free_ones(names: Iterable[str], connections: Connections) -> set[str]:
    """The providers that send no bill: one's own machine. One that does not load is not known to be one."""
    free = set()
    for name in names:
        try:
            if not connections.provider(name).bills:
                free.add(name)
        except TuneportError:
            continue
    return free


def from_jobs(jobs: Iterable[Job]) -> Iterator[Owned]:
    """The tuned models of jobs that succeeded. One whose model nobody named yet goes by the job's URI."""
    for job in jobs:
        if job.state is JobState.SUCCEEDED:
            uri = job.model or job.uri
            yield Owned(uri, job.provider, uri.partition(":")[2], base=job.base, job_uri=job.uri)


def at_provider(name: str, connections: Connections) -> tuple[list[Owned], TuneportError | None]:
    """What is there, as far as it says, and the first refusal. What it cannot list is no refusal."""
    found: list[Owned] = []
    refusal: TuneportError | None = None
    for look in (_of_jobs, _of_models, _of_deployments):
        try:
            found += look(name, connections, found)
        except Unsupported:
            continue
        except TuneportError as error:
            refusal = refusal or error
            if isinstance(error, Unreachable):
                break
    return found, refusal


def _of_jobs(name: str, connections: Connections, _: list[Owned]) -> list[Owned]:
    return [_from_snapshot(name, each) for each in connections.trainer(name).list() if each.state is JobState.SUCCEEDED and each.model]


def _from_snapshot(name: str, job: Snapshot) -> Owned:
    return Owned(f"{name}:{job.model}", name, job.model or "", base=job.base, job_uri=f"{name}:{job.provider_id}")


def _of_models(name: str, connections: Connections, _: list[Owned]) -> list[Owned]:
    return [_from_model(each) for each in connections.server(name).models() if each.kind == "tuned"]


def _from_model(model: Model) -> Owned:
    return Owned(
        model.uri, model.provider, model.id, base=model.base, job_uri=model.job_uri, shutdown=told_day(model.details.get("shutdown_date"))
    )


def _of_deployments(name: str, connections: Connections, models: list[Owned]) -> list[Owned]:
    """Each with what is known of the model that it serves."""
    return [_from_deployment(each, models) for each in connections.server(name).deployments()]


def _from_deployment(deployment: Deployment, models: list[Owned]) -> Owned:
    served = deployment.model.removeprefix(f"{deployment.provider}:")
    alone = Owned(
        deployment.uri,
        deployment.provider,
        served,
        "deployment",
        shutdown=told_day(deployment.details.get("shutdown_date")),
        removed=deployment.removed_at.date() if deployment.removed_at else None,
    )
    for model in models:
        if model.id == served:
            alone = alone.with_more(model)
    return alone


def told_day(value: Any) -> date | None:
    """A day as providers tell it: ISO 8601, with or without a time, or seconds since 1970. None for anything else."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).date()
        return datetime.fromisoformat(value).date() if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
