"""tuningJobs: create, get, list, cancel, and rebaseTunedModel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.job_json import job_json
from tuneport_vertex.emulator.jobs import Job, cancel
from tuneport_vertex.emulator.listing import paged
from tuneport_vertex.emulator.messages import message
from tuneport_vertex.emulator.models import version_called
from tuneport_vertex.emulator.operations import begin, operation_json
from tuneport_vertex.emulator.queueing import admit, advance
from tuneport_vertex.emulator.reading import read
from tuneport_vertex.emulator.tuning_requests import NEEDED, TuningRequest, read_request
from tuneport_vertex.emulator.versions import only_asks, versioned, wants_numbers
from tuneport_vertex.emulator.world import Place, World

SUCCESSOR = "gemini-3.5-flash"


class TuningJobs:
    """Serves /{version}/projects/{project}/locations/{location}/tuningJobs."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        versioned(routes, "POST /tuningJobs:rebaseTunedModel", self.rebase)
        versioned(routes, "POST /tuningJobs/{job}:cancel", self.cancel)
        versioned(routes, "POST /tuningJobs", self.create)
        versioned(routes, "GET /tuningJobs", self.page)
        versioned(routes, "GET /tuningJobs/{job}", self.retrieve)

    def create(self, request: Request) -> Answer:
        only_asks(request)
        place = self._world.place(request, "aiplatform.tuningJobs.create")
        asked = read_request(request.json(refuse=refusals.refuse), place, self._world, version=request.params["version"])
        return self._answer(self._begin(asked, place), request)

    def retrieve(self, request: Request) -> Answer:
        only_asks(request)
        return self._answer(self._job(request, "aiplatform.tuningJobs.get"), request)

    def cancel(self, request: Request) -> Answer:
        only_asks(request)
        job = self._job(request, "aiplatform.tuningJobs.cancel")
        cancel(job, self._world)
        advance(job.place.project, self._world)
        return json_answer({})

    def page(self, request: Request) -> Answer:
        only_asks(request, "pageSize", "pageToken", "filter")
        place = self._world.place(request, "aiplatform.tuningJobs.list")
        advance(place.project, self._world)
        jobs = [job for job in self._world.jobs.values() if job.place == place]
        return paged(
            jobs, request, self._world, rows="tuningJobs", made_at=lambda job: job.created_at, labels=_labels, show=self._shower(request)
        )

    def rebase(self, request: Request) -> Answer:
        """A new job over the data of a tuned model's own job, on a newer base. Which base that is the service decides."""
        only_asks(request)
        place, version = self._world.place(request, "aiplatform.tuningJobs.create"), request.params["version"]
        body = read(request.json(refuse=refusals.refuse), message(version, "RebaseTunedModelRequest"), root="rebase_tuned_model_request")
        source = self._source(body.get("tunedModelRef") or {}, place)
        said = dict(source.request.body) | (body.get("tuningJob") or {})
        said.pop("preTunedModel", None)
        said["baseModel"] = (body.get("tuningJob") or {}).get("baseModel") or SUCCESSOR
        asked = read_request(said, place, self._world, version="v1beta1")
        operation = begin(
            self._world,
            place,
            version=request.params["version"],
            kind="RebaseTunedModelOperationMetadata",
            takes_s=self._world.habits.rebase_s,
            act=lambda: job_json(self._begin(asked, place), self._world, version=version),
            response_type="TuningJob",
        )
        return json_answer(operation_json(operation))

    def _begin(self, asked: TuningRequest, place: Place) -> Job:
        world = self._world
        number = world.jobs_made + 1
        job = Job(world.ids.new(), place, asked, world.course_of(number), world.now(), number)
        admit(job, world)
        world.jobs_made = number
        world.jobs[job.id] = job
        advance(place.project, world)
        return job

    def _source(self, ref: dict[str, Any], place: Place) -> Job:
        world = self._world
        if ref.get("tuningJob"):
            job = world.jobs.get(ref["tuningJob"].rpartition("/")[2])
        elif ref.get("tunedModel"):
            version = version_called(ref["tunedModel"], place, world)
            job = next((one for one in world.jobs.values() if one.tuned is version), None)
        else:
            raise refusals.found_errors([("tuned_model_ref", NEEDED)])
        if job is None or job.place != place:
            raise refusals.not_found("tuned model", str(ref))
        return job

    def _job(self, request: Request, permission: str) -> Job:
        place = self._world.place(request, permission)
        advance(place.project, self._world)
        job = self._world.jobs.get(request.params["job"])
        if job is None or job.place != place:
            raise refusals.not_found("tuning job", f"{place.name}/tuningJobs/{request.params['job']}")
        return job

    def _answer(self, job: Job, request: Request) -> Answer:
        return json_answer(self._shower(request)(job))

    def _shower(self, request: Request) -> Callable[[Job], dict[str, Any]]:
        return lambda job: job_json(job, self._world, version=request.params["version"], numbers=wants_numbers(request))


def _labels(job: Job) -> dict[str, str]:
    return dict(job.request.body.get("labels") or {})
