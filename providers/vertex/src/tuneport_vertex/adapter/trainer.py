"""The Trainer of one project in one region. A create is sent once; reads are left to core to repeat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from tuneport.errors import ConfigError, FileGone, NotFound, Refused, TuneportError, Unsupported
from tuneport.job import Event, JobState, Metric, Snapshot
from tuneport.provider import BaseModel, Capability, FileState, ProviderSettings, Support
from tuneport.replies import text_in
from tuneport_vertex.adapter import jobs
from tuneport_vertex.adapter.abilities import support, tunable
from tuneport_vertex.adapter.connection import Connection, Reply
from tuneport_vertex.adapter.signing_in import DefaultCredentials, default_credentials, signed_in_place
from tuneport_vertex.wire import ids
from tuneport_vertex.wire.events import after as _after
from tuneport_vertex.wire.events import events_of
from tuneport_vertex.wire.jobs import epochs_of, snapshot_of
from tuneport_vertex.wire.labels import CLIENT, carries
from tuneport_vertex.wire.metrics import metrics_of_checkpoints
from tuneport_vertex.wire.stats import findings, stats_of
from tuneport_vertex.wire.tunes import model_of

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    import httpx

    from tuneport.finding import Finding
    from tuneport.model import Model
    from tuneport.plan import Plan, PlannedFile
    from tuneport.quote import Quote, Usage
    from tuneport.recipe import Recipe
    from tuneport_vertex.adapter.storage import Storage


class VertexTrainer:
    """Tuning jobs of one project in one region. `http_client` is google-genai's transport, and `default` gives application default
    credentials, where not the vendor's own are wanted."""

    client_names_jobs = False
    poll_interval_s = (10.0, 120.0)
    uploads_at_once = 8

    def __init__(
        self, settings: ProviderSettings, *, http_client: httpx.Client | None = None, default: DefaultCredentials = default_credentials
    ) -> None:
        self._settings = settings
        self._place = signed_in_place(settings, default=default)
        self._connection = Connection(self._place, clock=settings.clock, http_client=http_client, default=default)
        self._denied: frozenset[str] = frozenset()

    # --- about itself ----------------------------------------------------------------------------------------------------------------

    def scope(self) -> str:
        return self._place.scope

    def check(self) -> Sequence[Finding]:
        from tuneport_vertex.adapter.checks import check

        return check(self._connection, self._storage, on=self._today())

    def catalogue(self) -> Sequence[BaseModel]:
        return tunable(self._place.location, on=self._today())

    def support(self, capability: Capability, *, method: str | None = None, base: str | None = None, engine: str | None = None) -> Support:
        return support(capability, method=method, base=base)

    # --- before a job ----------------------------------------------------------------------------------------------------------------

    def plan(self, recipe: Recipe) -> Plan:
        from tuneport_vertex.adapter.media import prepare
        from tuneport_vertex.adapter.sends import sends
        from tuneport_vertex.wire.plans import asked, to_plan

        if not (answer := self.support(Capability.TRAIN, method=recipe.method.kind)):
            raise Unsupported(f"{answer.reason}.")
        found = asked(recipe, place=self._place, on=self._today())
        plan = to_plan(found, prepared=prepare(found))
        return replace(plan, sends=tuple(sends(plan, self._place)))

    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        from tuneport_vertex.adapter.costs import estimate
        from tuneport_vertex.wire.plans import asked

        found = asked(recipe, place=self._place, on=self._today())
        return estimate(found, home=self._settings.home, usage=usage, on=self._today())

    # --- files -----------------------------------------------------------------------------------------------------------------------

    @cached_property
    def _storage(self) -> Storage:
        from tuneport_vertex.adapter.storage import Storage

        return Storage(self._connection)

    def find_file(self, file: PlannedFile) -> str | None:
        return self._storage.find_file(file)

    def file_state(self, file_id: str) -> FileState:
        return self._storage.file_state(file_id)

    def upload(self, file: PlannedFile) -> str:
        return self._storage.upload(file)

    def file_content(self, file_id: str) -> Iterator[bytes]:
        """The bytes of an uploaded file. Raises NotFound when it is gone."""
        return self._storage.file_content(file_id)

    def delete_file(self, file_id: str) -> None:
        """Deletes an uploaded file. Raises NotFound when it is gone already."""
        self._storage.delete_file(file_id)

    # --- jobs ------------------------------------------------------------------------------------------------------------------------

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        from tuneport_vertex.adapter.creating import create, rebase
        from tuneport_vertex.wire.plans import create_body, is_rebase

        if (missing := next((uri for uri in files.values() if not uri.startswith("gs://")), None)) is not None:
            raise FileGone(f"{missing!r} is no address in Cloud Storage, so there is no such file.")
        body = create_body(plan, client_id=client_id, files=files)
        return self._snapshot((rebase if is_rebase(plan) else create)(self._connection, body))

    def find(self, client_id: str, plan: Plan | None = None, *, since: datetime | None = None) -> Snapshot | None:
        """By the label that we wrote on it: a filter is asked for, and never trusted."""
        try:
            page = next(jobs.pages(self._connection, filter=f'labels.{CLIENT}="{client_id}"'), [])
        except Refused:
            page = []  # a filter that the service does not read
        marked = next((job for job in page if carries(job, client_id)), None)
        if marked is None:
            every = chain.from_iterable(jobs.pages(self._connection))  # to the end: that the newest come first is documented nowhere
            marked = next((job for job in every if carries(job, client_id)), None)
        return None if marked is None else self._snapshot(marked)

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        named = {job_id: name for job_id in ids if (name := self._name_or_none(job_id)) is not None}
        rows = jobs.fetch(self._connection, list(dict.fromkeys(named.values())), denied=self._denied)
        self._denied = frozenset(name for name in named.values() if jobs.last(name) not in rows)
        return {job_id: self._snapshot(rows[jobs.last(name)]) for job_id, name in named.items() if jobs.last(name) in rows}

    def list(self, since: datetime | None = None) -> Iterator[Snapshot]:
        return map(self._snapshot, jobs.since(jobs.pages(self._connection), since))

    def cancel(self, job_id: str) -> Snapshot:
        """Asking again for what is so already is no error; a refusal says what the job is."""
        try:
            jobs.cancel(self._connection, self._name(job_id))
        except NotFound:
            raise
        except Refused as error:
            now = self._snapshot(self._job(job_id))
            if now.state in (JobState.CANCELLED, JobState.CANCELLING):
                return now
            if type(error) is not Refused:
                raise
            said = f"{now.provider_id} is {now.provider_state}, and cannot be cancelled: {error.reason or error.message}"
            raise Refused(said, reason=error.reason, remedy=error.remedy) from None
        return self._snapshot(self._job(job_id))

    def pause(self, job_id: str) -> Snapshot:
        raise Unsupported(f"{self.support(Capability.PAUSE).reason}.")

    def resume(self, job_id: str) -> Snapshot:
        raise Unsupported(f"{self.support(Capability.RESUME).reason}.")

    # --- what came of it -------------------------------------------------------------------------------------------------------------

    def events(self, job_id: str, after: str | None = None) -> Iterable[Event]:
        return _after(events_of(self._job(job_id), place=self._place), after)

    def metrics(self, job_id: str) -> Iterable[Metric]:
        """From the file that the job names, where it names one; else the epochs of its checkpoints."""
        from tuneport_vertex.adapter.outputs import measured

        job = self._job(job_id)
        return measured(job, self._storage) or metrics_of_checkpoints(job)

    def result(self, job_id: str) -> Model:
        job = self._job(job_id)
        said = self._snapshot(job)
        model = model_of(self._place, job) if said.state is JobState.SUCCEEDED or said.model else None
        if model is None:
            raise NotFound(
                f"job {said.provider_id} has no tuned model: it is {said.provider_state or 'in no state that it says'}.",
                remedy=f"See: tuneport jobs show {self._place.name}:{said.provider_id}",
            )
        data = [each.message if each.line is None else f"line {each.line}: {each.message}" for each in findings(stats_of(job))]
        found = {"method": said.method, "files": said.files, "experiment": text_in(job, "experiment"), "data": data}
        told = {key: value for key, value in found.items() if value}
        return replace(
            model,
            recipe_fingerprint=said.recipe_fingerprint,
            dataset_fingerprint=said.dataset_fingerprint,
            details=told | model.details,
        )

    def download(self, job_id: str, to: Path) -> Path:
        """The record of the job and, of an open model, the weights from the bucket that they are in. Those of a Gemini stay with Google."""
        from tuneport_vertex.adapter.outputs import fetch

        job = self._job(job_id)
        said = self._snapshot(job)
        if said.state is not JobState.SUCCEEDED:
            raise NotFound(f"job {said.provider_id} has nothing to fetch: it is {said.provider_state}.")
        try:
            return fetch(job, self._storage, to=to)
        except OSError as error:
            if isinstance(error, TuneportError):
                raise
            raise ConfigError(f"it cannot be written to {to}: {error.strerror or error}.") from None

    def delete(self, job_id: str) -> None:
        """Deletes the tuned model and ends its endpoints. Google keeps its record of the job."""
        from tuneport_vertex.adapter.ending import delete_model
        from tuneport_vertex.adapter.endpoints import Endpoints

        name = ids.parsed(self.result(job_id).id)
        if name is None or name.kind != "models":
            serving = f"What serves it, by the hour: tuneport models deployments --provider {self._place.name}"
            raise NotFound(f"job {job_id} has put no model into the registry.", remedy=f"Its weights are in your bucket. {serving}")
        delete_model(Endpoints(self._connection), name.full, clock=self._settings.clock)

    def billed(self, job_id: str) -> Decimal | None:
        from tuneport_vertex.adapter.costs import billed

        job = self._job(job_id)
        return billed(self._snapshot(job), tokens=stats_of(job).billable_tokens, epochs=epochs_of(job))

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def _today(self) -> date:
        return self._settings.clock.now().date()

    def _snapshot(self, job: Reply) -> Snapshot:
        return snapshot_of(job, place=self._place)

    def _job(self, job_id: str) -> Reply:
        name = self._name(job_id)
        return self._connection.patiently(lambda: jobs.job(self._connection, name))

    def _name(self, job_id: str) -> str:
        return ids.full(self._place, job_id, kind="tuningJobs")

    def _name_or_none(self, job_id: str) -> str | None:
        """None for a job that cannot be known here."""
        try:
            return self._name(job_id)
        except NotFound:
            return None
