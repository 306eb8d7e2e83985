"""The Trainer of one workspace. Looks before it creates; reads are left to core to repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

from tuneport.errors import FileGone, NotFound, Refused, Unsupported
from tuneport.job import Event, JobState, Metric, Snapshot
from tuneport.provider import BaseModel, Capability, FileState, ProviderSettings, Support
from tuneport.replies import Json, object_in, time_in
from tuneport_azureml.adapter import jobs
from tuneport_azureml.adapter.abilities import support, tunable
from tuneport_azureml.adapter.connection import Connection, Reply, found_or_none
from tuneport_azureml.adapter.data import DataAssets
from tuneport_azureml.profile import workspace_of
from tuneport_azureml.wire.jobs import model_of, registered, snapshot_of
from tuneport_azureml.wire.names import data_name_of, job_name, model_parts
from tuneport_azureml.wire.tags import carries

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    import requests
    from azure.core.credentials import TokenCredential

    from tuneport.finding import Finding
    from tuneport.model import Model
    from tuneport.plan import Plan, PlannedFile
    from tuneport.quote import Quote, Usage
    from tuneport.recipe import Recipe


class AzureMLTrainer:
    """Fine-tuning jobs of one workspace. `session`: the transport's; `credential` makes one of Entra, where not the usual is meant."""

    client_names_jobs = True
    poll_interval_s = (15.0, 120.0)
    uploads_at_once = 2

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        session: requests.Session | None = None,
        credential: Callable[[], TokenCredential] | None = None,
    ) -> None:
        self._place = workspace_of(settings)
        self._connection = Connection(self._place, clock=settings.clock, session=session, credential=credential)
        self._denied: frozenset[str] = frozenset()

    # --- about itself ----------------------------------------------------------------------------------------------------------------

    def scope(self) -> str:
        return self._place.scope

    def check(self) -> Sequence[Finding]:
        from tuneport_azureml.adapter.checks import check

        return check(self._connection)

    def catalogue(self) -> Sequence[BaseModel]:
        return tunable()

    def support(self, capability: Capability, *, method: str | None = None, base: str | None = None, engine: str | None = None) -> Support:
        return support(capability, method=method)

    # --- before a job ----------------------------------------------------------------------------------------------------------------

    def plan(self, recipe: Recipe) -> Plan:
        from tuneport_azureml.wire.plans import asked, to_plan
        from tuneport_azureml.wire.sends import sends

        if not (answer := self.support(Capability.TRAIN, method=recipe.method.kind)):
            raise Unsupported(f"{answer.reason}.")
        plan = to_plan(asked(recipe, place=self._place))
        return replace(plan, sends=tuple(sends(plan, self._place)))

    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        from tuneport_azureml.adapter.costs import estimate
        from tuneport_azureml.wire.plans import asked

        return estimate(asked(recipe, place=self._place), usage=usage, on=self._connection.clock.now().date())

    # --- files -----------------------------------------------------------------------------------------------------------------------

    @cached_property
    def _data(self) -> DataAssets:
        return DataAssets(self._connection)

    def find_file(self, file: PlannedFile) -> str | None:
        return self._data.find_file(file)

    def file_state(self, file_id: str) -> FileState:
        return self._data.file_state(file_id)

    def upload(self, file: PlannedFile) -> str:
        return self._data.upload(file)

    def file_content(self, file_id: str) -> Iterable[bytes]:
        """The rows as they lie in the datastore. Raises NotFound when they are gone, Refused where they are others than the asset says."""
        return self._data.content(file_id)

    def delete_file(self, file_id: str) -> None:
        """Deletes the data asset and its bytes. Raises NotFound when it is gone already."""
        self._data.delete_file(file_id)

    # --- jobs ------------------------------------------------------------------------------------------------------------------------

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        from tuneport_azureml.wire.plans import create_body

        if (wrong := next((each for each in files.values() if data_name_of(self._place, each) is None), None)) is not None:
            raise FileGone(f"{wrong!r} is no data asset of this workspace, so there is no such file.")
        body = create_body(plan, client_id=client_id, files=files)
        return snapshot_of(jobs.create(self._connection, plan, client_id, body))

    def find(self, client_id: str, plan: Plan | None = None, *, since: datetime | None = None) -> Snapshot | None:
        """By its name, which is our client id; a job of that name without our mark is somebody else's."""
        job = found_or_none(lambda: jobs.job(self._connection, client_id))
        return snapshot_of(job) if job is not None and carries(job, client_id) else None

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        """Of a job that has ended, also what the run history tells: when, and why it failed."""
        named = {job_id: name for job_id in ids if (name := self._name_or_none(job_id)) is not None}
        rows = jobs.fetch(self._connection, list(dict.fromkeys(named.values())), denied=self._denied)
        self._denied = frozenset(name for name in named.values() if name not in rows)
        told = {name: snapshot_of(row, run=self._run(name) if jobs.ended(row) else None) for name, row in rows.items()}
        return {job_id: told[name] for job_id, name in named.items() if name in told}

    def list(self, since: datetime | None = None) -> Iterator[Snapshot]:
        return map(snapshot_of, jobs.listed(self._connection, since))

    def cancel(self, job_id: str) -> Snapshot:
        """Asking again for what is so already is no error; a refusal says what the job is."""
        name = self._name(job_id)
        before = snapshot_of(self._job(job_id))
        if before.state in (JobState.CANCELLED, JobState.CANCELLING):
            return before
        if before.state.terminal:
            raise Refused(f"{name} is {before.provider_state}, and cannot be cancelled any more.")
        jobs.cancel(self._connection, name)
        return snapshot_of(self._job(job_id))

    def pause(self, job_id: str) -> Snapshot:
        self._cannot(Capability.PAUSE)

    def resume(self, job_id: str) -> Snapshot:
        self._cannot(Capability.RESUME)

    # --- what came of it -------------------------------------------------------------------------------------------------------------

    def events(self, job_id: str, after: str | None = None) -> Iterable[Event]:
        from tuneport_azureml.adapter.history import events
        from tuneport_azureml.wire.history import after as later

        job = self._job(job_id)
        created = time_in(object_in(job, "systemData"), "createdAt")
        return later(events(self._connection, self._name(job_id), created=created), after)

    def metrics(self, job_id: str) -> Iterable[Metric]:
        from tuneport_azureml.adapter.history import metrics

        self._job(job_id)
        return metrics(self._connection, self._name(job_id))

    def result(self, job_id: str) -> Model:
        """The model that the job registered, as far as the workspace's registry still has it."""
        job = self._job(job_id)
        run = self._run(self._name(job_id)) if jobs.ended(job) else None
        model = model_of(self._place, job, self._version(job), run=run)
        if model is None:
            said = snapshot_of(job)
            raise NotFound(
                f"job {said.provider_id} has no tuned model: it is {said.provider_state}.",
                remedy=f"See: tuneport jobs show {self._place.name}:{said.provider_id}",
            )
        return model

    def download(self, job_id: str, to: Path) -> Path:
        """The files of the registered model from its datastore, into `model`, and the service's record of the job, `job.json`."""
        from tuneport_azureml.adapter.outputs import fetch

        return fetch(self._connection, self._finished(job_id), to=to)

    def delete(self, job_id: str) -> None:
        """Deletes the registered model and the record of the job. The model's files stay in the datastore."""
        from tuneport_azureml.adapter.ending import delete

        delete(self._connection, self._job(job_id))

    def billed(self, job_id: str) -> Decimal | None:
        """Not told: machines are billed by the subscription, and how many a job took nobody says."""
        return None

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def _job(self, job_id: str) -> Reply:
        name = self._name(job_id)
        return self._connection.patiently(lambda: jobs.job(self._connection, name))

    def _finished(self, job_id: str) -> Reply:
        """A job that has made a model. Raises NotFound."""
        job = self._job(job_id)
        if (said := snapshot_of(job)).model is None:
            raise NotFound(f"job {said.provider_id} has nothing to fetch: it is {said.provider_state}.")
        return job

    def _run(self, name: str) -> Json | None:
        """None where the run history knows nothing of it, or this identity may not look."""
        with suppress(Refused):
            return self._connection.patiently(lambda: jobs.details(self._connection, name))
        return None

    def _version(self, job: Reply) -> Reply | None:
        """What the registry says of the registered model; None where it has it no more."""
        parts = model_parts(registered(job) or "")
        if parts is None or not jobs.ended(job):
            return None
        path = f"/models/{parts[0]}/versions/{parts[1]}"
        return found_or_none(
            lambda: self._connection.patiently(lambda: self._connection.arm("GET", path, doing="looking at the registered model"))
        )

    def _name(self, job_id: str) -> str:
        return job_name(self._place, job_id)

    def _name_or_none(self, job_id: str) -> str | None:
        """None for a job that cannot be known here."""
        try:
            return self._name(job_id)
        except NotFound:
            return None

    def _cannot(self, capability: Capability) -> NoReturn:
        raise Unsupported(f"{self.support(capability).reason}.")
