"""The Fine-tuning API: /v1/fine_tuning."""

from __future__ import annotations

from tuneport.testing.emulator import Account, Answer, Blob, Request, Routes, json_answer
from tuneport.testing.emulator.paging import newest_first, visible
from tuneport_openai.emulator import refusals
from tuneport_openai.emulator.bases import Base
from tuneport_openai.emulator.files import listing, status_of
from tuneport_openai.emulator.job_json import checkpoint_json, checkpoints_of, event_json, events, job_json
from tuneport_openai.emulator.job_requests import LARGEST_SEED, JobRequest, read_job
from tuneport_openai.emulator.jobs import ENDED, PAUSED, Job, cancel, pause, resume, say, settle
from tuneport_openai.emulator.progress import Progress
from tuneport_openai.emulator.refusals import refuse
from tuneport_openai.emulator.world import World

JOBS = "/v1/fine_tuning/jobs"


class Jobs:
    """Serves /v1/fine_tuning."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add(f"POST {JOBS}", self.create)
        routes.add(f"GET {JOBS}", self.page)
        routes.add(f"GET {JOBS}/{{job_id}}", lambda request: json_answer(job_json(self._job(request), world)))
        routes.add(f"POST {JOBS}/{{job_id}}/cancel", self.cancel)
        routes.add(f"POST {JOBS}/{{job_id}}/pause", self.pause)
        routes.add(f"POST {JOBS}/{{job_id}}/resume", self.resume)
        routes.add(f"GET {JOBS}/{{job_id}}/events", self.events)
        routes.add(f"GET {JOBS}/{{job_id}}/checkpoints", self.checkpoints)
        routes.add("GET /v1/fine_tuning/model_limits", self.limits)

    def create(self, request: Request) -> Answer:
        world, account = self._world, self._world.caller(request)
        organisation = world.organisation(account)
        if not organisation.may_create_jobs(world.now()):
            raise refusals.closed()
        if organisation.out_of_credit:
            raise refusals.out_of_credit()
        asked = read_job(request.fields(refuse=refuse), extra=world.habits.extra_job_fields)
        root, model = self._base(account, asked)
        self._check_room(account, root)
        training = self._blob(account, asked.training_file, "training_file")
        validation = self._blob(account, asked.validation_file, "validation_file") if asked.validation_file else None
        return json_answer(job_json(self._make(account, asked, root=root, model=model, files=(training, validation)), world))

    def _make(self, account: Account, asked: JobRequest, *, root: Base, model: str, files: tuple[Blob, Blob | None]) -> Job:
        world, now = self._world, self._world.now()
        world.jobs_made += 1
        job = Job(
            id=world.ids.new("ftjob-"),
            owner=account,
            request=asked,
            root=root,
            model=model,
            training=files[0],
            validation=files[1],
            course=world.course_of(world.jobs_made),
            seed=world.ids.chance.randint(0, LARGEST_SEED) if asked.seed is None else asked.seed,
            created_at=now,
            progress=Progress(now),
            settings=asked.settings,
        )
        world.jobs[job.id] = job
        also = f" and validation file: {asked.validation_file}" if asked.validation_file else ""
        say(job, world, now, f"Created fine-tuning job: {job.id}")
        say(job, world, now, f"Validating training file: {asked.training_file}{also}")
        return job

    def page(self, request: Request) -> Answer:
        request.only_asks("after", "limit", "metadata[]", "metadata", refuse=refuse)
        limit = request.asked_whole("limit", refuse=refuse, otherwise=20, least=1, most=100)
        world, project = self._world, self._world.caller(request).project
        jobs = [job for job in world.jobs.values() if job.owner.project == project and self._wanted(job, request)]
        lag_s = max(world.habits.listing_lag_s, request.weather.lag_s)
        jobs = visible(jobs, made_at=lambda job: job.created_at, now=world.now(), lag_s=lag_s)
        return listing(newest_first(jobs, made_at=lambda job: job.created_at), request, limit=limit, show=self._shown)

    def _shown(self, job: Job) -> object:
        settle(job, self._world)
        return job_json(job, self._world)

    def _wanted(self, job: Job, request: Request) -> bool:
        """Whether the metadata filter lets this job through."""
        if request.weather.ignores_filters or not self._world.habits.filters_by_metadata:
            return True
        held = (job.request.metadata if self._world.habits.keeps_metadata else None) or {}
        pairs = [(name[len("metadata[") : -1], value) for name, value in request.query if name.startswith("metadata[")]
        return all(held.get(name) == value for name, value in pairs) and not (("metadata", "null") in request.query and held)

    def cancel(self, request: Request) -> Answer:
        job = self._running(request, "cancel")
        cancel(job, self._world)
        return json_answer(job_json(job, self._world))

    def pause(self, request: Request) -> Answer:
        job = self._running(request, "pause")
        if job.progress.paused:
            raise refusals.not_in_that_state("pause", job.id, PAUSED)
        pause(job, self._world)
        return json_answer(job_json(job, self._world))

    def resume(self, request: Request) -> Answer:
        job = self._running(request, "resume")
        if not job.progress.paused:
            raise refusals.not_in_that_state("resume", job.id, job.status(self._world.now()))
        resume(job, self._world)
        return json_answer(job_json(job, self._world))

    def events(self, request: Request) -> Answer:
        request.only_asks("after", "limit", refuse=refuse)
        limit = request.asked_whole("limit", refuse=refuse, otherwise=20, least=1, most=1000)
        return listing(events(self._job(request)), request, limit=limit, show=event_json)

    def checkpoints(self, request: Request) -> Answer:
        request.only_asks("after", "limit", refuse=refuse)
        limit = request.asked_whole("limit", refuse=refuse, otherwise=10, least=1, most=100)
        return listing(checkpoints_of(self._job(request), self._world), request, limit=limit, show=checkpoint_json)

    def limits(self, request: Request) -> Answer:
        """Per base: its limits, and how many jobs are under way. The shape is what public clients type; the figures are not published."""
        world, account = self._world, self._world.caller(request)
        most = world.organisation(account).most_jobs or 1_000_000
        bases = {base.name: base for base in world.bases.values() if base.methods and base.alive(world.now())}
        return json_answer(
            {
                name: {"max_total_jobs": 1_000_000, "max_concurrent_jobs": most, "active_jobs": self._active(account, base)}
                for name, base in sorted(bases.items())
            }
        )

    # what a request is about

    def _job(self, request: Request) -> Job:
        job = self._world.job(self._world.caller(request), request.params["job_id"])
        settle(job, self._world)
        return job

    def _running(self, request: Request, what: str) -> Job:
        job = self._job(request)
        if job.ended in ENDED:
            raise refusals.not_in_that_state(what, job.id, job.ended or "")
        return job

    def _base(self, account: Account, asked: JobRequest) -> tuple[Base, str]:
        """The base that the model to train comes from, and the name that the job will show. A tuned model can be trained on."""
        world, tuned = self._world, self._world.tuned(account, asked.model)
        base = tuned.job.root if tuned else world.bases.get(asked.model)
        if base is None or not base.methods or not base.alive(world.now()):
            raise refusals.not_tunable(asked.model)
        if asked.method not in base.methods:
            raise refusals.no_such_method(asked.model, asked.method)
        return base, tuned.name if tuned else base.name

    def _blob(self, account: Account, file_id: str, param: str) -> Blob:
        file = self._world.file(account, file_id)
        if file is None:
            raise refusals.training_file_gone(file_id, param)
        if file.purpose != "fine-tune":
            raise refusals.wrong_purpose(file_id, param)
        status = status_of(file, self._world)
        if status == "uploaded":
            raise refusals.not_processed(file_id, param)
        if status == "error":
            raise refusals.file_unusable(file_id, param)
        return file.blob

    def _check_room(self, account: Account, base: Base) -> None:
        most = self._world.organisation(account).most_jobs
        if most is not None and self._active(account, base) >= most:
            raise refusals.too_many_jobs(most, base.name)

    def _active(self, account: Account, base: Base) -> int:
        jobs = [job for job in self._world.jobs.values() if job.owner.organisation == account.organisation and job.root is base]
        for job in jobs:
            settle(job, self._world)
        return sum(job.ended is None for job in jobs)
