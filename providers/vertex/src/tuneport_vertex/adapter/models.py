"""The tuned models of a place: what its tuning jobs have made and what the model registry holds, joined; and their end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tuneport.catalogue import catalogue
from tuneport.errors import CredentialsRefused, NotFound, Refused, UnknownModel, Unreachable
from tuneport.model import Model
from tuneport.nearest import did_you_mean
from tuneport.replies import time_in
from tuneport_vertex.adapter import jobs
from tuneport_vertex.adapter.connection import Connection, Reply
from tuneport_vertex.adapter.endpoints import Endpoints
from tuneport_vertex.wire import ids, registered, tunes
from tuneport_vertex.wire.bases import is_gemini, short_base
from tuneport_vertex.wire.registered import Registered

LONGEST_JOB = timedelta(days=60)
"""How much older than its model a job can be: a search through the jobs ends there."""


class Models:
    """Tuned models by their public ids, with the jobs that made them."""

    def __init__(self, connection: Connection, endpoints: Endpoints) -> None:
        self._connection = connection
        self._place = connection.place
        self._endpoints = endpoints

    def find(self, text: str) -> Model:
        """A tuned model, a checkpoint, a base, the model of a job (`…/tuningJobs/ID`), or what answers at an endpoint (`…/endpoints/ID`).

        Raises UnknownModel.
        """
        text = text.removeprefix(f"{self._place.name}:")
        found = ids.parsed(text)
        try:
            if found is None and not text.isdigit():
                return self._base(text)
            if found is not None and found.kind == "tuningJobs":
                return self._made_by(ids.resource(self._place, text, kind="tuningJobs"))
            if found is not None and found.kind == "endpoints":
                return self._at(ids.resource(self._place, text, kind="endpoints"))
            return self._tuned(ids.resource(self._place, text, kind="models"))
        except NotFound as error:
            remedy = error.remedy or f"See: tuneport models list --provider {self._place.name}"
            raise UnknownModel(error.message, remedy=remedy) from None

    def listed(self) -> Sequence[Model]:
        """The tuned models, the youngest first. A model that a job made and the registry no longer has is left out."""
        made = [(job, model) for job in self._jobs() if (model := tunes.model_of(self._place, job)) is not None]
        shelves = self._shelves({_where(model.id) for _, model in made})
        standing = self._with_versions([model for _, model in made if _stands(model, shelves)])
        seen = {_bare(model.id) for model in standing}
        others = (each for shelf in shelves.values() for each in shelf if each.tuned and ids.parsed(each.display_name) is None)
        found = [*standing, *(self._at_a_glance(each) for each in others if _bare(ids.public(self._place, each.name)) not in seen)]
        return sorted(found, key=lambda model: str(model.created_at), reverse=True)

    # --- one ---------------------------------------------------------------------------------------------------------------------------

    def _base(self, name: str) -> Model:
        known = catalogue().find(short_base(name), provider="vertex")
        if known is None and not is_gemini(name):
            names = [each.id for each in catalogue().of("vertex")]
            raise UnknownModel(
                f"{self._place.name} has no model {name!r}; {did_you_mean(name, names)}",
                remedy=f"See: tuneport models list --provider {self._place.name}",
            )
        bare = known.id if known is not None else short_base(name)
        return Model(uri=f"{self._place.name}:{bare}", provider=self._place.name, id=bare, base=bare, kind="base")

    def _made_by(self, name: ids.ResourceName) -> Model:
        job = jobs.job(self._connection, name.full)
        model = tunes.model_of(self._place, job)
        if model is None:
            raise NotFound(f"{self._place.name}:{name.public} has made no model: it is {job.get('state', 'in no state that it says')}.")
        return model

    def _tuned(self, name: ids.ResourceName) -> Model:
        """The registry says what stands and where it answers, the job what it was trained with. Either may be silent."""
        shelf: Registered | None = None
        try:
            shelf = self._endpoints.model(name.full)
        except CredentialsRefused as error:
            refusal = error
        try:
            job = self._job_of(name if shelf is None else replace(name, version=name.version or shelf.version), shelf)
        except (Refused, Unreachable):
            if shelf is None:
                raise
            job = None
        if shelf is None and job is None:
            raise refusal
        return self._joined(shelf, job, name.checkpoint)

    def _joined(self, shelf: Registered | None, job: Reply | None, checkpoint: str) -> Model:
        model = None if job is None else tunes.model_of(self._place, job, checkpoint=checkpoint)
        if model is None:
            assert shelf is not None
            return self._registered(shelf, checkpoint=checkpoint)
        serving = [tunes.answering(self._place, each, model.base) for each in shelf.endpoints] if shelf is not None else []
        if shelf is not None and serving and model.details.get("endpoint") not in serving:  # the job's is gone; it was deployed anew
            endpoint = self._registered(shelf, checkpoint=checkpoint).details.get("endpoint")
            return replace(model, details={**model.details, "endpoint": endpoint})
        return model

    def _registered(self, shelf: Registered, *, checkpoint: str = "") -> Model:
        if len(shelf.endpoints) > 1 or checkpoint:
            found = self._serving(shelf, checkpoint or shelf.default_checkpoint)
            shelf = replace(shelf, endpoints=() if found is None else (found,))
        return registered.model_of(self._place, shelf, checkpoint=checkpoint)

    def _with_versions(self, models: Sequence[Model]) -> list[Model]:
        """Without the versions that are gone, of models that have had several: a list tells of the default one only."""
        several = {key for key, count in Counter(_bare(model.id) for model in models).items() if count > 1}
        known = {key: self._versions(*key) for key in several}
        return [model for model in models if (there := known.get(_bare(model.id))) is None or model.id.partition("@")[2] in there]

    def _versions(self, location: str, model: str) -> Sequence[str] | None:
        """None where nobody says."""
        try:
            return self._endpoints.versions(f"projects/{self._place.project}/locations/{location}/models/{model}")
        except (Refused, Unreachable):
            return None

    def _at_a_glance(self, shelf: Registered) -> Model:
        """Without asking which of several endpoints is the one: that is looked for when it is asked."""
        return registered.model_of(self._place, shelf if len(shelf.endpoints) == 1 else replace(shelf, endpoints=()))

    def _serving(self, shelf: Registered, checkpoint: str) -> str | None:
        """Which of the endpoints of a model serves that checkpoint: each checkpoint has its own."""
        for each in shelf.endpoints:
            try:
                deployed = self._endpoints.endpoint(each).deployed
            except NotFound:
                continue
            if any(one.checkpoint == checkpoint for one in deployed):
                return each
        return None

    def _at(self, name: ids.ResourceName) -> Model:
        """What is deployed at an endpoint goes by the endpoint's id."""
        endpoint = self._endpoints.endpoint(name.full)
        uri = f"{self._place.name}:{name.public}"
        if not endpoint.deployed:
            raise NotFound(f"no model is deployed at {uri}.")
        told = ids.parsed(endpoint.display_name)
        known = told.public if told is not None else endpoint.deployed[0].model
        try:
            model = self.find(known)
        except (UnknownModel, Refused, Unreachable):
            return Model(uri=uri, provider=self._place.name, id=name.public)
        at = {} if endpoint.rented or endpoint.dns else {"endpoint": tunes.answering(self._place, name.full, model.base)}
        details = {**{key: value for key, value in model.details.items() if key != "endpoint"}, **at, "model": model.id}
        return replace(model, uri=uri, id=name.public, checkpoints=(), details=details)

    # --- jobs and shelves --------------------------------------------------------------------------------------------------------------

    def _jobs(self) -> Iterator[Reply]:
        for page in jobs.pages(self._connection):
            yield from page

    def _job_of(self, name: ids.ResourceName, shelf: Registered | None) -> Reply | None:
        """The job that made a model: looked for from the youngest to what is too old to have."""
        oldest = None if shelf is None or shelf.created_at is None else shelf.created_at - LONGEST_JOB
        for job in self._jobs():
            made = ids.parsed(str((job.get("tunedModel") or {}).get("model") or ""))
            if made is not None and _same(made, name):
                return job
            if oldest is not None and _created(job) is not None and _created(job) < oldest:  # type: ignore[operator]
                return None
        return None

    def _shelves(self, wanted: Iterable[str]) -> Mapping[str, Sequence[Registered]]:
        """What the registry holds in each location; one that does not say is absent."""
        places = dict.fromkeys((self._place.location, self._place.serving_location, *sorted(wanted)))
        found: dict[str, Sequence[Registered]] = {}
        for location in places:
            if location != "global":
                try:
                    found[location] = self._endpoints.models(location)
                except (Refused, Unreachable):
                    continue
        return found


def _stands(model: Model, shelves: Mapping[str, Sequence[Registered]]) -> bool:
    name = ids.parsed(model.id)
    if name is None or name.kind != "models" or name.location not in shelves:
        return True
    return any(each.name.rpartition("/")[2] == name.id for each in shelves[name.location])


def _same(made: ids.ResourceName, asked: ids.ResourceName) -> bool:
    """By location and id: the service names projects by number."""
    return (made.location, made.id) == (asked.location, asked.id) and asked.version in ("", made.version)


def _where(public: str) -> str:
    found = ids.parsed(public)
    return found.location if found is not None and found.kind == "models" else "global"


def _bare(public: str) -> tuple[str, str]:
    """Location and id of a model, without its version."""
    found = ids.parsed(public)
    return (found.location, found.id) if found is not None else ("", public)


def _created(job: Mapping[str, Any]) -> datetime | None:
    return time_in(job, "createTime")
