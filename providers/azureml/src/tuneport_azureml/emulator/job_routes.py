"""Jobs of the workspace: created or updated by PUT, looked at, listed, cancelled."""

from __future__ import annotations

import copy
import re
from typing import Any

from tuneport.testing.emulator import Answer, Request, Routes, json_answer, visible
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.command_requests import read_command
from tuneport_azureml.emulator.commands import CommandJob
from tuneport_azureml.emulator.job_requests import read_job
from tuneport_azureml.emulator.refusals import moment, refuse
from tuneport_azureml.emulator.registered import shelf_of
from tuneport_azureml.emulator.training import rows_of, steps_of
from tuneport_azureml.emulator.world import ENDED, Job, World

WORKSPACE = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
LISTS = ("api-version", "jobType", "tag", "listViewType", "$skip", "scheduled", "scheduleId", "properties", "assetName")

FIXED = ("command", "codeId", "environmentId", "computeId", "resources", "outputs", "queueSettings", "limits", "environmentVariables")
"""Of a command job."""


def check_version(request: Request) -> None:
    version = request.asked("api-version", refuse=refuse)
    if version is None:
        raise refusals.error(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required.")
    if not VERSION.fullmatch(version):
        raise refusals.error(400, "NoRegisteredProviderFound", f"No registered resource provider found for API version '{version}'.")


class Jobs:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add(f"PUT {WORKSPACE}/jobs/{{job}}", self.put)
        routes.add(f"GET {WORKSPACE}/jobs/{{job}}", self.get)
        routes.add(f"GET {WORKSPACE}/jobs", self.list)
        routes.add(f"POST {WORKSPACE}/jobs/{{job}}/cancel", self.cancel)
        routes.add(f"DELETE {WORKSPACE}/jobs/{{job}}", self.delete)
        routes.add(f"GET {WORKSPACE}/mfeOperationResults/{{operation}}", self.operation)

    def put(self, request: Request) -> Answer:
        """A second one under the same name changes what may be changed, and fails for nothing."""
        check_version(request)
        request.only_asks("api-version", refuse=refuse)
        name, world = request.params["job"], self._world
        if not NAME.fullmatch(name):
            raise refusals.user_error(f"The name {name} is no name of a job.")
        if _is_command(request) or name in world.commands:
            return self._put_command(request, name)
        standing = world.jobs.get(name)
        properties = read_job(request.fields(refuse=refuse), world)
        if standing is None:
            rows, problem = rows_of(properties["fineTuningDetails"], world)
            course = world.course_of(len(world.jobs))
            steps = steps_of(rows, properties["fineTuningDetails"])
            standing = Job(name, properties, copy.deepcopy(properties), world.now(), course, rows, steps, problem)
            world.jobs[name] = standing
            return json_answer(self.json(standing), status=201)
        if properties["fineTuningDetails"] != standing.properties["fineTuningDetails"]:
            raise refusals.user_error("Only tags, description, display name and archiving of a job can be changed.")
        standing.properties = properties
        standing.puts += 1
        return json_answer(self.json(standing))

    def get(self, request: Request) -> Answer:
        check_version(request)
        return json_answer(self.json(self._job(request)))

    def list(self, request: Request) -> Answer:
        check_version(request)
        request.only_asks(*LISTS, refuse=refuse)
        world, habits = self._world, self._world.habits
        lag = max(habits.listing_lag_s, request.weather.lag_s)
        jobs: list[Job | CommandJob] = visible(
            [*world.jobs.values(), *world.commands.values()], made_at=lambda job: job.created_at, now=world.now(), lag_s=lag
        )
        if habits.honours_filters and not request.weather.ignores_filters:
            kind = request.asked("jobType", refuse=refuse)
            archived = request.asked("listViewType", refuse=refuse) or "ActiveOnly"
            jobs = [job for job in jobs if kind in (None, job.properties["jobType"])]
            jobs = [job for job in jobs if archived != "ActiveOnly" or not job.properties["isArchived"]]
        if not habits.oldest_first:
            jobs = sorted(jobs, key=lambda job: job.created_at)[::-1]
        start = request.asked_whole("$skip", refuse=refuse, otherwise=0, least=0, most=10**9)
        page: dict[str, Any] = {"value": [self.json(job) for job in jobs[start : start + habits.page]]}
        if start + habits.page < len(jobs):
            asked = "&".join(f"{key}={value}" for key, value in request.query if key != "$skip")
            page["nextLink"] = f"{world.address}{request.path}?{asked}&$skip={start + habits.page}"
        return json_answer(page)

    def cancel(self, request: Request) -> Answer:
        check_version(request)
        job, now = self._job(request), self._world.now()
        if job.status(now) in ENDED:
            raise refusals.user_error(f"The job {job.name} has ended, and cannot be cancelled.")
        if job.cancelled_at is None:
            job.cancelled_at = now
            if isinstance(job, CommandJob) and job.running is not None:
                job.running.cancel()
        return self._begun(job)

    def delete(self, request: Request) -> Answer:
        """The record of a job that has ended; the model that it has registered stays."""
        check_version(request)
        job = self._job(request)
        if not self._world.habits.deletes_jobs:
            raise refusals.user_error("Jobs of this type cannot be deleted.")
        if job.status(self._world.now()) not in ENDED:
            raise refusals.user_error(f"The job {job.name} has not ended, and cannot be deleted.")
        shelf_of(self._world)
        self._world.jobs.pop(job.name, None)
        self._world.commands.pop(job.name, None)
        return self._begun(job)

    def _begun(self, job: Job | CommandJob) -> Answer:
        location = f"{self._world.address}{self._world.place.id}/mfeOperationResults/{job.name}?api-version=2023-04-01-preview"
        return Answer(202, data=b"", headers={"Location": location, "Retry-After": "0"})

    def operation(self, request: Request) -> Answer:
        return Answer(200, data=b"")

    def _put_command(self, request: Request, name: str) -> Answer:
        world = self._world
        if name in world.jobs:
            raise refusals.user_error(f"The job {name} is of another type.")
        properties = read_command(request.fields(refuse=refuse), world)
        standing = world.commands.get(name)
        if standing is not None:
            if any(properties.get(key) != standing.properties.get(key) for key in FIXED):
                raise refusals.user_error("Only tags, description, display name and archiving of a job can be changed.")
            standing.properties = properties
            standing.puts += 1
            return json_answer(self.json(standing))
        course = world.course_of(len(world.jobs) + len(world.commands))
        made = CommandJob(name, properties, copy.deepcopy(properties), world.now(), course, _problem(properties, world))
        world.commands[name] = made
        if world.begin is not None:
            world.begin(made)
        return json_answer(self.json(made), status=201)

    def json(self, job: Job | CommandJob) -> dict[str, Any]:
        """The job as a resource of the management plane."""
        world = self._world
        status = job.status(world.now())
        properties = {**copy.deepcopy(job.properties), "status": status}
        if isinstance(job, CommandJob):
            studio = f"https://ml.azure.com/runs/{job.name}?wsid={world.place.id}"
            properties["services"] = {"Studio": {"jobServiceType": "Studio", "endpoint": studio}}
        elif status == "Completed":
            output = properties["outputs"]["registered_model"]
            output["uri"] = f"azureml:{world.place.id}/models/{output['assetName']}/versions/1"
            if world.habits.tells_version:
                output["assetVersion"] = "1"
        return {
            "id": f"{world.place.id}/jobs/{job.name}",
            "name": job.name,
            "type": "Microsoft.MachineLearningServices/workspaces/jobs",
            "systemData": {"createdAt": moment(job.created_at), "createdBy": "Emulated User", "createdByType": "User"},
            "properties": properties,
        }

    def _job(self, request: Request) -> Job | CommandJob:
        name, world = request.params["job"], self._world
        job = world.jobs.get(name) or world.commands.get(name)
        if job is None:
            raise refusals.error(404, "UserError", f"The run {request.params['job']} was not found.")
        return job


def _is_command(request: Request) -> bool:
    body = request.json(refuse=refuse)
    properties = body.get("properties") if isinstance(body, dict) else None
    return isinstance(properties, dict) and properties.get("jobType") == "Command"


def _problem(properties: dict[str, Any], world: World) -> str:
    """What a machine finds out before the command begins."""
    if not world.habits.signs and "identity" not in properties:
        return f"The datastore {world.datastore} holds no credentials, and the job has no identity to reach it with."
    return ""
