"""What is told of runs: the run history of a workspace, MLflow's REST API, and the log at its signed address."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.commands import CommandJob
from tuneport_azureml.emulator.job_routes import WORKSPACE
from tuneport_azureml.emulator.refusals import moment, refuse
from tuneport_azureml.emulator.training import log_lines, measured
from tuneport_azureml.emulator.world import Job, World

MOST_A_PAGE = 25


class Runs:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        history, mlflow = f"/history/v1.0{WORKSPACE}", f"/mlflow/v1.0{WORKSPACE}/api/2.0/mlflow"
        routes.add(f"GET {history}/runs/{{run}}/details", self.details)
        routes.add(f"GET {history}/runs/{{run}}", self.run)
        routes.add(f"PATCH {history}/experiments/{{experiment}}/runs/{{run}}", self.hide)
        routes.add(f"GET {mlflow}/runs/get", self.mlflow_run)
        routes.add(f"GET {mlflow}/metrics/get-history", self.metric_history)
        routes.add("GET /{account}/{container}/logs/{run}/std_log.txt", self.log)

    def details(self, request: Request) -> Answer:
        return json_answer(self._details(self._run(request.params["run"])))

    def run(self, request: Request) -> Answer:
        job = self._run(request.params["run"])
        told = self._details(job)
        kind = "azureml.commandjob" if isinstance(job, CommandJob) else "azureml.FineTuning"
        return json_answer({**told, "createdUtc": told["createdTimeUtc"], "runType": kind})

    def hide(self, request: Request) -> Answer:
        """What the studio and azure-ai-ml do to archive a job, or to take it back."""
        job = self._job(request.params["run"])
        if job.properties.get("experimentName", "Default") != request.params["experiment"]:
            raise refusals.error(404, "UserError", f"Experiment {request.params['experiment']} has no run {job.name}.")
        fields = request.fields(refuse=refuse)
        job.properties["isArchived"] = bool(fields.flag("hidden"))
        fields.done()
        return self.run(request)

    def mlflow_run(self, request: Request) -> Answer:
        request.only_asks("run_id", "run_uuid", refuse=refuse)
        job = self._job(request.asked("run_id", refuse=refuse) or "")
        last = [{**rows[-1]} for rows in measured(job, self._world.now()).values()]
        status = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}.get(job.status(self._world.now()), "RUNNING")
        info = {"run_id": job.name, "experiment_id": "0", "status": status, "lifecycle_stage": "active"}
        return json_answer({"run": {"info": info, "data": {"metrics": last, "params": [], "tags": []}}})

    def metric_history(self, request: Request) -> Answer:
        request.only_asks("run_id", "run_uuid", "metric_key", "page_token", "max_results", refuse=refuse)
        job = self._job(request.asked("run_id", refuse=refuse) or "")
        rows = measured(job, self._world.now()).get(request.asked("metric_key", refuse=refuse) or "", [])
        start = int(request.asked("page_token", refuse=refuse) or 0)
        page: dict[str, Any] = {"metrics": rows[start : start + MOST_A_PAGE]}
        if start + MOST_A_PAGE < len(rows):
            page["next_page_token"] = str(start + MOST_A_PAGE)
        return json_answer(page)

    def log(self, request: Request) -> Answer:
        job = self._run(request.params["run"])
        now = self._world.now()
        text = job.lines(now) if isinstance(job, CommandJob) else "".join(f"{line}\n" for line in log_lines(job, now))
        return Answer(200, data=text.encode(), media_type="text/plain")

    def _details(self, job: Job | CommandJob) -> dict[str, Any]:
        world, now = self._world, self._world.now()
        status, ended = job.standing(now)
        started = job.started_at(now)
        found: dict[str, Any] = {
            "runId": job.name,
            "status": status,
            "createdTimeUtc": moment(job.created_at),
            "startTimeUtc": moment(started) if started else None,
            "endTimeUtc": moment(ended) if ended else None,
            "error": None,
            "warnings": [],
            "tags": job.properties["tags"],
            "properties": job.properties["properties"],
            "logFiles": {},
        }
        if started:
            address = f"{world.address}/{world.account}/{world.container}/logs/{job.name}/std_log.txt?{world.sign()}"
            found["logFiles"] = {"system_logs/lifecycler.log": address.replace("std_log", "lifecycler"), "user_logs/std_log.txt": address}
        if status == "Failed":
            why = job.error() if isinstance(job, CommandJob) else job.problem or job.course.error
            found["error"] = {"error": {"code": "UserError", "message": why}, "time": moment(ended or now)}
        return found

    def _job(self, name: str) -> Job:
        """One that measures something."""
        job = self._run(name)
        if isinstance(job, CommandJob):
            raise refusals.error(404, "RESOURCE_DOES_NOT_EXIST", f"Run {name} has logged nothing.")
        return job

    def _run(self, name: str) -> Job | CommandJob:
        world = self._world
        job = world.jobs.get(name) or world.commands.get(name)
        if job is None or world.now() < job.created_at + timedelta(seconds=world.habits.history_lag_s):
            raise refusals.error(404, "UserError", f"Run {name} was not found.")
        return job
