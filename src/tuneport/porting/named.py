"""What is to be ported: an archive, a job, or a tuned model whose job is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport import uri as uris
from tuneport.archive.bundle import MANIFEST, read_manifest
from tuneport.errors import ConfigError, JobFailed, Refused, TuneportError, UnknownJob, UnknownModel, Unreachable, UsageError

if TYPE_CHECKING:
    from tuneport.client import Client
    from tuneport.job import Job
    from tuneport.model import Model


@dataclass(frozen=True, slots=True)
class Named:
    """`uri` is the job's, or the model's where no job is known. One of `archive` and `job` at most; `problem` is why no more is known;
    `tuned` is the URI of its model, where that is known."""

    uri: str
    archive: Path | None = None
    job: Job | None = None
    model: Model | None = None
    problem: TuneportError | None = None
    tuned: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What it may have been known by at an earlier time: the job's URI, and the tuned model's."""
        return tuple(dict.fromkeys(filter(None, (self.uri, self.tuned))))


def look_up(named: str, *, client: Client) -> Named:
    """An archive's folder, a job or a tuned model. Asks the provider only for what this registry does not know.

    A provider that says nothing is no failure yet: the user may have all that it takes. Raises ConfigError, UsageError, JobFailed.
    """
    if (folder := _archive(Path(named))) is not None:
        manifest = read_manifest(folder)
        return Named(str(manifest.get("job") or folder.name), archive=folder, tuned=manifest.get("model"))
    registry = client.registry
    found = [registry.job(named)] if registry.job(named) else registry.match(named) or [j for j in registry.jobs() if j.model == named]
    if len(found) == 1 and found[0] is not None:
        return _job(found[0], client)
    if len(found) > 1 or ":" not in named:
        return _job(client.job(named, refresh=False), client)
    try:
        return _elsewhere(named, client)
    except (Unreachable, Refused) as error:
        return Named(named, problem=error)


def _archive(path: Path) -> Path | None:
    """The bundle in that folder, or the only one below it."""
    if not path.is_dir():
        return None
    if (path / MANIFEST).is_file():
        return path
    below = sorted(each.parent for each in path.glob(f"*/{MANIFEST}"))
    if len(below) == 1:
        return below[0]
    if not below:
        raise ConfigError(f"{path} holds no archive: there is no {MANIFEST} in it.", remedy="Name an archive's folder, a job or a model.")
    raise UsageError(f"{path} holds {len(below)} archives: {', '.join(each.name for each in below[:4])}.", remedy="Name one of them.")


def _job(job: Job, client: Client) -> Named:
    """A job that has ended, as far as can be known."""
    now = client.job(job)
    if not now.state.terminal:
        raise JobFailed(f"{now.uri} is {now.state}: there is no tune to carry yet.", remedy=f"Wait for it: tuneport jobs wait {now.uri}")
    return Named(now.uri, job=now, tuned=now.model)


def _elsewhere(named: str, client: Client) -> Named:
    """A URI that this registry does not know: a job of its provider, or the tuned model of one, or a model of which no job is told."""
    try:
        return _job(client.job(named, refresh=False), client)
    except UnknownJob:
        pass
    provider, model_id = uris.split(named)
    for snapshot in client.trainer(provider).list():
        if snapshot.model == model_id:
            return _job(client.job(f"{provider}:{snapshot.provider_id}", refresh=False), client)
    try:
        model = client.server(provider).model(model_id)
    except UnknownModel:
        return Named(named, problem=UnknownModel(f"{named} is neither a job nor a model that {provider} knows."))
    if model.kind != "tuned":
        raise UsageError(f"{named} is a base model, not a tuned one.", remedy="Name a tuned model, the job that made it, or an archive.")
    return Named(named, model=model)
