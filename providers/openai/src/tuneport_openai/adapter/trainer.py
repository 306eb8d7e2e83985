"""The Trainer of OpenAI and of endpoints that speak its dialect. A create is sent once; reads are left to core to repeat."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.errors import ConfigError, NotFound, Unsupported
from tuneport.files import write_bytes
from tuneport.job import Event, Metric, Snapshot
from tuneport.provider import BaseModel, Capability, FileState, ProviderSettings, Support
from tuneport.replies import texts_in
from tuneport_openai.adapter import files, jobs
from tuneport_openai.adapter.connection import Connection, DialectConnection, Reply
from tuneport_openai.adapter.dialects import dialect_of
from tuneport_openai.profile import endpoint_of
from tuneport_openai.wire.dialect import Dialect
from tuneport_openai.wire.events import event_of
from tuneport_openai.wire.jobs import CLIENT_ID, carries, create_body, matches, model_of, snapshot_of, trained_tokens
from tuneport_openai.wire.metrics import metrics_of_csv, metrics_of_events

if TYPE_CHECKING:
    import httpx2

    from tuneport.finding import Finding
    from tuneport.model import Model
    from tuneport.plan import Plan, PlannedFile
    from tuneport.quote import Quote, Usage
    from tuneport.recipe import Recipe
    from tuneport_openai.failure import Closing


CLOCKS_APART = timedelta(days=1)
"""How far our clock may be ahead of the vendor's without a job of ours being overlooked as too old."""


class DialectTrainer:
    """Jobs of one account, whoever speaks the dialect there: files, creates, reads and switches. What can be trained, at what price and how
    a job is found again, subclasses say; also by which ids jobs and models are known outside, where those are not the vendor's own."""

    client_names_jobs = False
    poll_interval_s = (5.0, 120.0)

    def __init__(self, connection: DialectConnection, *, settings: ProviderSettings, dialect: Dialect) -> None:
        self._settings = settings
        self._connection = connection
        self._dialect = dialect
        self._name = connection.address.name
        self._denied: frozenset[str] = frozenset()

    # --- what subclasses may say otherwise --------------------------------------------------------------------------------------------

    def support(self, capability: Capability, *, method: str | None = None, base: str | None = None, engine: str | None = None) -> Support:
        raise NotImplementedError

    def _bare(self, public: str) -> str:
        """The vendor's own id of a job or a model."""
        return public

    def _published(self, job: Reply) -> Reply:
        """A job as the vendor told of it, with the ids that it goes by outside."""
        return job

    def _published_checkpoint(self, checkpoint: Reply) -> Reply:
        """Likewise a checkpoint, under `fine_tuned_model_checkpoint` what it can be used by."""
        return checkpoint

    def _listed(self, since: datetime | None) -> Iterator[Reply]:
        """The jobs that were created at or after `since`, newest first."""
        return jobs.since(jobs.pages(self._connection), since)

    # --- about itself ----------------------------------------------------------------------------------------------------------------

    def scope(self) -> str:
        return self._connection.address.scope

    # --- files -----------------------------------------------------------------------------------------------------------------------

    def find_file(self, file: PlannedFile) -> str | None:
        return files.find(self._connection, file)

    def file_state(self, file_id: str) -> FileState:
        return files.state(self._connection, file_id)

    def upload(self, file: PlannedFile) -> str:
        return files.upload(self._connection, file)

    def file_content(self, file_id: str) -> Iterator[bytes]:
        """The bytes of an uploaded file. Raises NotFound when it is gone, Refused where the vendor does not give it back."""
        return files.stream(self._connection, file_id)

    def delete_file(self, file_id: str) -> None:
        """Deletes an uploaded file. Raises NotFound when it is gone already."""
        files.delete(self._connection, file_id)

    # --- jobs ------------------------------------------------------------------------------------------------------------------------

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        body = create_body(plan, client_id=client_id, files=files)
        return self._snapshot(jobs.create(self._connection, body, closing=partial(self._closing, plan)))

    def _copies(self, plan: Plan) -> Sequence[str]:
        """The ids of all files that are the plan's: after a lost answer there may be several."""
        return [file_id for file in plan.files for file_id in files.copies(self._connection, file)]

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        public = {bare: job_id for job_id in ids if (bare := self._bare_or_none(job_id)) is not None}
        rows = jobs.fetch(self._connection, list(public), denied=self._denied)
        self._denied = frozenset(public) - rows.keys()
        return {public[job_id]: self._snapshot(job) for job_id, job in rows.items()}

    def list(self, since: datetime | None = None) -> Iterator[Snapshot]:
        return map(self._snapshot, self._listed(since))

    def cancel(self, job_id: str) -> Snapshot:
        return self._change(job_id, Capability.CANCEL)

    def pause(self, job_id: str) -> Snapshot:
        return self._change(job_id, Capability.PAUSE)

    def resume(self, job_id: str) -> Snapshot:
        return self._change(job_id, Capability.RESUME)

    def _change(self, job_id: str, how: Capability) -> Snapshot:
        if not (answer := self.support(how)):
            raise Unsupported(f"{answer.reason}.")
        return self._snapshot(jobs.change(self._connection, self._bare(job_id), how.value))

    # --- what came of it -------------------------------------------------------------------------------------------------------------

    def events(self, job_id: str, after: str | None = None) -> Iterable[Event]:
        return [event_of(event) for event in self._events(job_id, after=after)]

    def metrics(self, job_id: str) -> Iterable[Metric]:
        """From the results file once there is one, which holds every step; else from the events, which hold some."""
        found = (metrics_of_csv(_text(content)) for content in self._results(self._job(job_id)))
        return next(filter(None, found), None) or metrics_of_events(self._events(job_id))

    def result(self, job_id: str) -> Model:
        job = self._published(self._job(job_id))
        checkpoints = self._connection.patiently(lambda: jobs.checkpoints(self._connection, self._bare(job_id)))
        found = model_of(job, [self._published_checkpoint(each) for each in checkpoints], provider=self._name, dialect=self._dialect)
        return self._described(found, job)

    def _described(self, model: Model, job: Reply) -> Model:
        """The model of a job with what else is told of it."""
        return model

    def download(self, job_id: str, to: Path) -> Path:
        """The results of every step (CSV); the weights stay with the vendor."""
        names = [f"results{'' if number == 1 else f'-{number}'}.csv" for number in range(1, 100)]
        content = dict(zip(names, map(_plain, self._results(self._job(job_id))), strict=False))
        if not content:
            raise NotFound(f"job {job_id} has no results to fetch yet.", remedy=f"See: tuneport jobs show {self._name}:{job_id}")
        try:
            for name, data in content.items():
                write_bytes(to / name, data)
        except OSError as error:
            raise ConfigError(f"the results cannot be written to {to}: {error.strerror or error}.") from None
        return to

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def _today(self) -> date:
        return self._settings.clock.now().date()

    def _snapshot(self, job: Reply) -> Snapshot:
        return snapshot_of(self._published(job), dialect=self._dialect)

    def _closing(self, plan: Plan) -> Closing:
        from tuneport_openai.wire.bases import closing

        return closing(on=self._today(), base=plan.base, method=plan.method, dialect=self._dialect)

    def _job(self, job_id: str) -> Reply:
        return self._connection.patiently(lambda: jobs.retrieve(self._connection, self._bare(job_id)))

    def _bare_or_none(self, job_id: str) -> str | None:
        """None for a job that cannot be known here."""
        try:
            return self._bare(job_id)
        except NotFound:
            return None

    def _events(self, job_id: str, *, after: str | None = None) -> Sequence[Reply]:
        return self._connection.patiently(lambda: jobs.events(self._connection, self._bare(job_id), after=after))

    def _results(self, job: Reply) -> Iterator[bytes]:
        """The results files that are still there."""
        for file_id in texts_in(job, "result_files"):
            try:
                yield self._connection.patiently(partial(files.content, self._connection, file_id))
            except NotFound:
                continue


class OpenAITrainer(DialectTrainer):
    """Jobs of one account at OpenAI, or at an endpoint compatible with it. `http_client` is the SDK's transport, where it is not to make
    its own."""

    def __init__(self, settings: ProviderSettings, *, http_client: httpx2.Client | None = None) -> None:
        self._endpoint = endpoint_of(settings)
        self._endpoint_connection = Connection(self._endpoint, clock=settings.clock, http_client=http_client)
        super().__init__(self._endpoint_connection, settings=settings, dialect=dialect_of(self._endpoint))

    # --- about itself, and before a job -----------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        from tuneport_openai.adapter.checks import check

        return check(self._endpoint_connection, on=self._today())

    def catalogue(self) -> Sequence[BaseModel]:
        from tuneport_openai.adapter.bases import tunable
        from tuneport_openai.adapter.costs import priced_as

        return tunable(priced_as(self._endpoint), on=self._today())

    def support(self, capability: Capability, *, method: str | None = None, base: str | None = None, engine: str | None = None) -> Support:
        from tuneport_openai.adapter.bases import support

        return support(self._endpoint, capability, method=method, base=base)

    def plan(self, recipe: Recipe) -> Plan:
        from tuneport_openai.adapter.sends import sends
        from tuneport_openai.wire.plans import to_plan

        if not (answer := self.support(Capability.TRAIN, method=recipe.method.kind)):
            raise Unsupported(f"{answer.reason}.")
        base = recipe.base_for(self._name)
        plan = to_plan(recipe, provider=self._name, scope=self.scope(), base=base, on=self._today(), dialect=self._dialect)
        return replace(plan, sends=tuple(sends(plan, self._endpoint)))

    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        from tuneport_openai.adapter.costs import estimate

        base = recipe.base_for(self._name)
        return estimate(recipe, endpoint=self._endpoint, base=base, home=self._settings.home, usage=usage, on=self._today())

    # --- a job, found again and at its end --------------------------------------------------------------------------------------------

    def find(self, client_id: str, plan: Plan | None = None, *, since: datetime | None = None) -> Snapshot | None:
        if "no_metadata" in self._endpoint.quirks:
            found_unmarked = () if plan is None else self._unmarked(plan, since)
            return found_unmarked[0] if len(found_unmarked) == 1 else None
        for page in jobs.pages(self._connection, metadata={CLIENT_ID: client_id}):
            if (marked := _carrying(page, client_id)) is not None:
                return self._snapshot(marked)
            if page:
                break  # the filter is not minded
        else:
            if since is None:
                return None
        earliest = None if since is None else since - CLOCKS_APART  # the filter may know less than the list
        found = (job for job in jobs.since(jobs.pages(self._connection), earliest) if carries(job, client_id))
        return next(map(self._snapshot, found), None)

    def matching(self, plan: Plan, *, since: datetime) -> Sequence[Snapshot] | None:
        return self._unmarked(plan, since) if "no_metadata" in self._endpoint.quirks else None

    def _unmarked(self, plan: Plan, since: datetime | None) -> Sequence[Snapshot]:
        """The jobs that were created from the plan's files, base, seed and suffix."""
        ids = self._copies(plan)
        return [self._snapshot(job) for job in self._listed(since) if matches(job, plan, files=ids, since=since)]

    def delete(self, job_id: str) -> None:
        """Deletes the tuned model. The vendor keeps its record of the job."""
        model = self.result(job_id).id
        self._connection.ask("deleting a model", lambda client: client.models.with_raw_response.delete(model))

    def billed(self, job_id: str) -> Decimal | None:
        from tuneport_openai.adapter.costs import billed

        job = self._job(job_id)
        return billed(self._snapshot(job), trained_tokens(job), endpoint=self._endpoint)


def _carrying(page: Sequence[Reply], client_id: str) -> Reply | None:
    return next((job for job in page if carries(job, client_id)), None)


def _plain(content: bytes) -> bytes:
    """The table as it is: the vendor has given results files as base64, in which there are no commas."""
    if b"," in content:
        return content
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        return content


def _text(content: bytes) -> str:
    return _plain(content).decode("utf-8-sig", errors="replace")
