"""The Fine-tuning API of a resource."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from tuneport_openai.emulator.bases import REINFORCEMENT
from tuneport_openai.emulator.files import status_of
from tuneport_openai.emulator.job_json import events
from tuneport_openai.emulator.job_requests import LARGEST_SEED, JobRequest
from tuneport_openai.emulator.jobs import ENDED, resume, say
from tuneport_openai.emulator.refusals import refuse
from tuneport_openai.emulator.world import TunedModel

from tuneport.testing.emulator import Account, Answer, Blob, Request, UnknownCursor, cursor_page, json_answer
from tuneport.testing.emulator.paging import newest_first, visible
from tuneport_azure.emulator import refusals
from tuneport_azure.emulator.bases import DEVELOPER, AzureBase
from tuneport_azure.emulator.job_json import checkpoint_json, checkpoint_model, checkpoints_of, event_json, job_json
from tuneport_azure.emulator.job_requests import Asked, read
from tuneport_azure.emulator.jobs import PAUSED, RUNNING, AzureJob, cancel, jobs_of, pause, settle, turn
from tuneport_azure.emulator.shifts import Shifts
from tuneport_azure.emulator.versions import DataRoutes, api_of
from tuneport_azure.emulator.world import AzureWorld

JOBS = "/fine_tuning/jobs"


class AzureJobs:
    """Serves /fine_tuning/jobs."""

    def __init__(self, world: AzureWorld, routes: DataRoutes) -> None:
        self._world = world
        routes.add(f"POST {JOBS}", self.create)
        routes.add(f"GET {JOBS}", self.page)
        routes.add(f"GET {JOBS}/{{job_id}}", lambda request: self._shown(self._job(request), request))
        routes.add(f"DELETE {JOBS}/{{job_id}}", self.delete, having=lambda api: api.dated or world.habits.deletes_jobs_on_v1)
        routes.add(f"POST {JOBS}/{{job_id}}/cancel", self.cancel)
        routes.add(f"POST {JOBS}/{{job_id}}/pause", self.pause, having=lambda api: api.methods)
        routes.add(f"POST {JOBS}/{{job_id}}/resume", self.resume, having=lambda api: api.methods)
        routes.add(f"GET {JOBS}/{{job_id}}/events", self.events)
        routes.add(f"GET {JOBS}/{{job_id}}/checkpoints", self.checkpoints)

    def create(self, request: Request) -> Answer:
        world, account = self._world, self._world.caller(request)
        asked = read(request, api_of(request))
        self._check_room(account)
        root, model = self._base(account, request, asked)
        training = self._blob(account, asked.job.training_file)
        validation = self._blob(account, asked.job.validation_file) if asked.job.validation_file else None
        job = self._make(account, asked, root=root, model=model, files=(training, validation))
        headers = {"location": f"http://{request.headers.get('host', '127.0.0.1')}{request.path}/{job.id}"}
        return json_answer(job_json(job, world, api_of(request)), status=201, headers=headers)

    def page(self, request: Request) -> Answer:
        """Filters, and anything else that is asked for, are passed over."""
        world, account = self._world, self._world.caller(request)
        lag_s = max(world.habits.listing_lag_s, request.weather.lag_s)
        jobs = visible(settle(account, world), made_at=lambda job: job.created_at, now=world.now(), lag_s=lag_s)
        jobs = newest_first(jobs, made_at=lambda job: job.created_at)
        api = api_of(request)
        listed = jobs[::-1] if world.habits.oldest_first else jobs
        return _listing(listed, request, limit=20, most=100, show=lambda job: job_json(job, world, api))

    def delete(self, request: Request) -> Answer:
        """The job's model stays: whether it goes too is documented nowhere."""
        job = self._job(request)
        if job.ended not in ENDED:
            raise self._wrong_state("delete", job)
        del self._world.jobs[job.id]
        return Answer(204, data=b"", media_type="text/plain")

    def cancel(self, request: Request) -> Answer:
        job = self._job(request)
        if job.ended in ENDED:
            raise self._wrong_state("cancel", job)
        cancel(job, self._world)
        return self._shown(job, request)

    def pause(self, request: Request) -> Answer:
        """Only a job that runs and has taken a step can be paused."""
        job = self._job(request)
        if job.status(self._world.now()) != RUNNING or job.steps_done < 1:
            raise self._wrong_state("pause", job)
        pause(job, self._world)
        return self._shown(job, request)

    def resume(self, request: Request) -> Answer:
        job = self._job(request)
        if job.status(self._world.now()) != PAUSED or not job.progress.paused:
            raise self._wrong_state("resume", job)
        resume(job, self._world)
        return self._shown(job, request)

    def events(self, request: Request) -> Answer:
        return _listing(events(self._job(request)), request, limit=20, most=1000, show=event_json)

    def checkpoints(self, request: Request) -> Answer:
        found = checkpoints_of(self._job(request), self._world)
        return _listing(found, request, limit=10, most=100, show=checkpoint_json)

    # what a request is about

    def _shown(self, job: AzureJob, request: Request) -> Answer:
        return json_answer(job_json(job, self._world, api_of(request)))

    def _job(self, request: Request) -> AzureJob:
        world, account = self._world, self._world.caller(request)
        settle(account, world)
        job = world.jobs.get(request.params["job_id"])
        if not isinstance(job, AzureJob) or job.owner != account:
            raise refusals.not_found("fine-tuning job", request.params["job_id"])
        return job

    def _wrong_state(self, what: str, job: AzureJob) -> Exception:
        world = self._world
        return refusals.wrong_state(world.habits.state_status, what, job.id, job.status(world.now()))

    def _base(self, account: Account, request: Request, asked: Asked) -> tuple[AzureBase, str]:
        """The base that the model to train comes from, and the name that the job will show. A tuned model can be trained on."""
        world, location = self._world, self._world.resource(request).location
        tuned = self._tuned(account, asked.job.model)
        base = world.base(tuned.job.root.name if tuned else asked.job.model)
        named = asked.job.model if world.habits.names_training_type else None
        if base is None or asked.training_type not in base.training_types(location) or world.now().date() >= base.trains_until:
            raise refusals.not_tunable(named, asked.training_type)
        if tuned is not None and base.format != "OpenAI":
            raise refusals.not_tunable(named, asked.training_type)
        _check_method(asked.job, base)
        return base, tuned.name if tuned else base.name

    def _tuned(self, account: Account, name: str) -> TunedModel | None:
        world = self._world
        if not name.startswith("ftchkpt-"):
            return world.tuned(account, name)
        return next((model for job in jobs_of(account, world) if (model := checkpoint_model(job, world, name))), None)

    def _blob(self, account: Account, file_id: str) -> Blob:
        file = self._world.file(account, file_id)
        if file is None:
            raise refusals.invalid(f"The specified file '{file_id}' does not exist.")
        if file.purpose != "fine-tune":
            raise refusals.invalid(f"The specified file '{file_id}' does not have the purpose 'fine-tune'.")
        if status_of(file, self._world) != "processed":
            raise refusals.file_not_ready()
        return file.blob

    def _check_room(self, account: Account) -> None:
        world, quotas, jobs = self._world, self._world.quotas, settle(account, self._world)
        if quotas.jobs is not None and len(jobs) >= quotas.jobs:
            raise refusals.quota(world.habits.quota_status, f"The resource has reached its quota of {quotas.jobs} fine-tuning jobs.")
        if quotas.waiting_jobs is None or quotas.running_jobs is None:
            return
        active, most = sum(job.ended is None for job in jobs), quotas.running_jobs + quotas.waiting_jobs
        if active >= most:
            raise refusals.quota(world.habits.quota_status, f"The resource has reached its quota of {most} active fine-tuning jobs.")

    def _make(self, account: Account, asked: Asked, *, root: AzureBase, model: str, files: tuple[Blob, Blob | None]) -> AzureJob:
        world, now = self._world, self._world.now()
        world.jobs_made += 1
        course = world.course_of(world.jobs_made)
        progress = Shifts(now, starts_s=course.before_running_s)
        job = AzureJob(
            id=world.ids.new("ftjob-"),
            owner=account,
            request=asked.job,
            root=root,
            model=model,
            training=files[0],
            validation=files[1],
            course=course,
            seed=world.ids.chance.randint(0, LARGEST_SEED) if asked.job.seed is None else asked.job.seed,
            created_at=now,
            progress=progress,
            settings=asked.job.settings,
            training_type=asked.training_type,
        )
        progress.turn = lambda moment: turn(job, world, moment)
        progress.breaks = course.breaks(preemptible=asked.training_type == DEVELOPER)
        world.jobs[job.id] = job
        say(job, world, now, "Job enqueued. Waiting for jobs ahead to complete.")
        return job


def _check_method(asked: JobRequest, base: AzureBase) -> None:
    if asked.method in base.methods:
        return
    if base.methods == (REINFORCEMENT,):
        raise refusals.needs_reinforcement(asked.model)
    raise refusals.no_such_method(asked.model, asked.method)


class _Named(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=_Named)


def _listing(items: Sequence[Item], request: Request, *, limit: int, most: int, show: Callable[[Item], object]) -> Answer:
    size = request.asked_whole("limit", refuse=refuse, otherwise=limit, least=1, most=most)
    try:
        page = cursor_page(items, after=request.asked("after", refuse=refuse), limit=size, id_of=lambda item: item.id)
    except UnknownCursor as error:
        raise refusals.not_found("object", str(error)) from None
    return json_answer({"object": "list", "data": [show(item) for item in page.items], "has_more": page.has_more})
