"""The Trainer of OpenAI and of endpoints that speak its dialect. A create is sent once; reads are left to core to repeat."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.errors import ConfigError, NotFound, Unsupported
from tuneport.files import write_bytes
from tuneport.job import Event, Metric, Snapshot
from tuneport.provider import BaseModel, Capability, FileState, ProviderSettings, Support
from tuneport_openai.adapter import files, jobs
from tuneport_openai.adapter.connection import Connection, Reply
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


CLOCKS_APART = timedelta(days=1)
"""How far our clock may be ahead of the vendor's without a job of ours being overlooked as too old."""


class OpenAITrainer:
    """Jobs of one account. `http_client` is the SDK's transport, where it is not to make its own."""

    client_names_jobs = False
    poll_interval_s = (5.0, 120.0)

    def __init__(self, settings: ProviderSettings, *, http_client: httpx2.Client | None = None) -> None:
        self._settings = settings
        self._endpoint = endpoint_of(settings)
        self._name = self._endpoint.name
        self._connection = Connection(self._endpoint, clock=settings.clock, http_client=http_client)

    # --- about itself ----------------------------------------------------------------------------------------------------------------

    def scope(self) -> str:
        return self._endpoint.scope

    def check(self) -> Sequence[Finding]:
        from tuneport_openai.adapter.checks import check

        return check(self._connection, on=self._today())

    def catalogue(self) -> Sequence[BaseModel]:
        from tuneport_openai.adapter.bases import tunable

        return tunable(self._endpoint, on=self._today())

    def support(self, capability: Capability, *, method: str | None = None, base: str | None = None, engine: str | None = None) -> Support:
        from tuneport_openai.adapter.bases import support

        return support(self._endpoint, capability, method=method, base=base)

    # --- before a job ----------------------------------------------------------------------------------------------------------------

    def plan(self, recipe: Recipe) -> Plan:
        from tuneport_openai.wire.plans import to_plan

        if not (answer := self.support(Capability.TRAIN, method=recipe.method.kind)):
            raise Unsupported(f"{answer.reason}.")
        base = recipe.base_for(self._name)
        return to_plan(recipe, provider=self._name, scope=self.scope(), base=base, on=self._today(), dialect=self._dialect)

    def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
        from tuneport_openai.adapter.costs import estimate

        base = recipe.base_for(self._name)
        return estimate(recipe, endpoint=self._endpoint, base=base, home=self._settings.home, usage=usage, on=self._today())

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
        return self._snapshot(jobs.create(self._connection, body, closed=partial(self._closed, plan)))

    def find(self, client_id: str, plan: Plan | None = None, *, since: datetime | None = None) -> Snapshot | None:
        if "no_metadata" in self._endpoint.quirks:
            return None if plan is None else self._match(plan, since)
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

    def _match(self, plan: Plan, since: datetime | None) -> Snapshot | None:
        """The one job that was created from the plan's files, base, seed and suffix; several are no match."""
        ids = [file_id for file in plan.files for file_id in files.copies(self._connection, file)]
        listed = jobs.since(jobs.pages(self._connection), since)
        found = [job for job in listed if matches(job, plan, files=ids, since=since)]
        return self._snapshot(found[0]) if len(found) == 1 else None

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        return {job_id: self._snapshot(job) for job_id, job in jobs.fetch(self._connection, ids).items()}

    def list(self, since: datetime | None = None) -> Iterator[Snapshot]:
        return map(self._snapshot, jobs.since(jobs.pages(self._connection), since))

    def cancel(self, job_id: str) -> Snapshot:
        return self._change(job_id, Capability.CANCEL)

    def pause(self, job_id: str) -> Snapshot:
        return self._change(job_id, Capability.PAUSE)

    def resume(self, job_id: str) -> Snapshot:
        return self._change(job_id, Capability.RESUME)

    def _change(self, job_id: str, how: Capability) -> Snapshot:
        if not (answer := self.support(how)):
            raise Unsupported(f"{answer.reason}.")
        return self._snapshot(jobs.change(self._connection, job_id, how.value))

    # --- what came of it -------------------------------------------------------------------------------------------------------------

    def events(self, job_id: str, after: str | None = None) -> Iterable[Event]:
        return [event_of(event) for event in self._events(job_id, after=after)]

    def metrics(self, job_id: str) -> Iterable[Metric]:
        """From the results file once there is one, which holds every step; else from the events, which hold some."""
        found = (metrics_of_csv(_text(content)) for content in self._results(self._job(job_id)))
        return next(filter(None, found), None) or metrics_of_events(self._events(job_id))

    def result(self, job_id: str) -> Model:
        job = self._job(job_id)
        checkpoints = self._connection.patiently(lambda: jobs.checkpoints(self._connection, job_id))
        return model_of(job, checkpoints, provider=self._name, dialect=self._dialect)

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

    def delete(self, job_id: str) -> None:
        """Deletes the tuned model. The vendor keeps its record of the job."""
        model = self.result(job_id).id
        self._connection.ask("deleting a model", lambda client: client.models.with_raw_response.delete(model))

    def billed(self, job_id: str) -> Decimal | None:
        from tuneport_openai.adapter.costs import billed

        job = self._job(job_id)
        return billed(self._snapshot(job), trained_tokens(job), endpoint=self._endpoint)

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    @cached_property
    def _dialect(self) -> Dialect:
        return dialect_of(self._endpoint)

    def _today(self) -> date:
        return self._settings.clock.now().date()

    def _snapshot(self, job: Reply) -> Snapshot:
        return snapshot_of(job, dialect=self._dialect)

    def _closed(self, plan: Plan) -> str:
        from tuneport_openai.wire.bases import closed_sentence

        return closed_sentence(on=self._today(), base=plan.base, method=plan.method, dialect=self._dialect)

    def _job(self, job_id: str) -> Reply:
        return self._connection.patiently(lambda: jobs.retrieve(self._connection, job_id))

    def _events(self, job_id: str, *, after: str | None = None) -> Sequence[Reply]:
        return self._connection.patiently(lambda: jobs.events(self._connection, job_id, after=after))

    def _results(self, job: Reply) -> Iterator[bytes]:
        """The results files that are still there."""
        for file_id in job.get("result_files") or ():
            try:
                yield self._connection.patiently(partial(files.content, self._connection, file_id))
            except NotFound:
                continue


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
