"""customJobs: create, get, list, cancel, delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.custom_jobs import CustomJob, admit, cancel, settle_all
from tuneport_vertex.emulator.custom_requests import read_custom_job
from tuneport_vertex.emulator.listing import paged
from tuneport_vertex.emulator.messages import message
from tuneport_vertex.emulator.operations import begin, operation_json
from tuneport_vertex.emulator.reading import shown
from tuneport_vertex.emulator.versions import only_asks, versioned, wants_numbers
from tuneport_vertex.emulator.world import World, stamp


class CustomJobs:
    """Serves /{version}/projects/{project}/locations/{location}/customJobs."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        versioned(routes, "POST /customJobs/{job}:cancel", self.cancel)
        versioned(routes, "POST /customJobs", self.create)
        versioned(routes, "GET /customJobs", self.page)
        versioned(routes, "GET /customJobs/{job}", self.retrieve)
        versioned(routes, "DELETE /customJobs/{job}", self.delete)

    def create(self, request: Request) -> Answer:
        only_asks(request)
        world, place = self._world, self._world.place(request, "aiplatform.customJobs.create")
        if place.location in ("global", "us", "eu"):
            raise refusals.refusal("INVALID_ARGUMENT", f"Custom jobs are not supported in the location {place.location}.")
        body = read_custom_job(request.json(refuse=refusals.refuse), place, version=request.params["version"])
        world.custom_made += 1
        job = CustomJob(world.ids.new(), place, body, world.custom_course_of(world.custom_made), world.now())
        admit(job, world)
        return self._answer(job, request)

    def retrieve(self, request: Request) -> Answer:
        only_asks(request)
        return self._answer(self._job(request, "aiplatform.customJobs.get"), request)

    def cancel(self, request: Request) -> Answer:
        only_asks(request)
        cancel(self._job(request, "aiplatform.customJobs.cancel"), self._world)
        return json_answer({})

    def delete(self, request: Request) -> Answer:
        """Of one that has ended (that others are refused is not published)."""
        only_asks(request)
        job = self._job(request, "aiplatform.customJobs.delete")
        if job.ended_at is None:
            raise refusals.refusal("FAILED_PRECONDITION", f"The custom job {job.name} is not in a terminal state: {job.standing()}.")
        world = self._world

        def done() -> dict[str, Any]:
            world.custom_jobs.pop(job.id, None)
            return {}

        operation = begin(
            world,
            job.place,
            version=request.params["version"],
            kind="DeleteOperationMetadata",
            takes_s=world.serving.delete_s,
            act=done,
            response_type="google.protobuf.Empty",
        )
        return json_answer(operation_json(operation))

    def page(self, request: Request) -> Answer:
        only_asks(request, "pageSize", "pageToken", "filter", "readMask")
        place = self._world.place(request, "aiplatform.customJobs.list")
        settle_all(self._world)
        jobs = [job for job in self._world.custom_jobs.values() if job.place == place]
        return paged(
            jobs, request, self._world, rows="customJobs", made_at=lambda job: job.created_at, labels=_labels, show=self._shower(request)
        )

    def _job(self, request: Request, permission: str) -> CustomJob:
        place = self._world.place(request, permission)
        settle_all(self._world)
        job = self._world.custom_jobs.get(request.params["job"])
        if job is None or job.place != place:
            raise refusals.not_found("custom job", f"{place.name}/customJobs/{request.params['job']}")
        return job

    def _answer(self, job: CustomJob, request: Request) -> Answer:
        return json_answer(self._shower(request)(job))

    def _shower(self, request: Request) -> Callable[[CustomJob], dict[str, Any]]:
        kind = message(request.params["version"], "CustomJob")
        return lambda job: shown(custom_job_json(job, self._world), kind, numbers=wants_numbers(request))


def custom_job_json(job: CustomJob, world: World) -> dict[str, Any]:
    """As the API answers it."""
    marks = [mark for mark in (job.created_at, job.started_at, job.cancelled_at, job.ended_at) if mark is not None]
    value: dict[str, Any] = {**job.body, "name": job.name, "state": job.standing(), "createTime": stamp(job.created_at)}
    value["updateTime"] = stamp(max(marks))
    if job.started_at is not None:
        value["startTime"] = stamp(job.started_at)
    if job.ended_at is not None:
        value["endTime"] = stamp(job.ended_at)
    if job.error is not None:
        value["error"] = job.error
    return value


def _labels(job: CustomJob) -> dict[str, str]:
    return dict(job.body.get("labels") or {})
