"""A job as a run of MLflow. Its own variables decide: MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME, MLFLOW_TRACKING_USERNAME, …"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tuneport_local.tracking.reporter import PROJECT, About, End

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_STATUS: Mapping[End, str] = {
    "succeeded": "FINISHED",
    "failed": "FAILED",
    "cancelled": "KILLED",
    "killed": "KILLED",
    "paused": "SCHEDULED",
}


class MLflowRun:
    """Without MLFLOW_TRACKING_URI the runs of all jobs go into one SQLite file in Tuneport's home."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._client: MlflowClient | None = None
        self._run = ""
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")  # its own: two minutes, seven times
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would tell its makers what is used
        os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{about.shared / 'mlflow.db'}")

    def begin(self, run: str | None) -> str:
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self._about.shared.mkdir(parents=True, exist_ok=True)
        self._client = client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
        if run is not None:
            client.update_run(run, status="RUNNING")
            self._run = run
            return run
        if not self._run:  # else it was made by a try that came no further
            made = client.create_run(self._experiment(client), run_name=self._about.name, tags={"tuneport.job": self._about.job_id})
            self._run = str(made.info.run_id)
        client.log_batch(self._run, params=[Param(name, str(value)) for name, value in self._about.settings.items()])
        return self._run

    @staticmethod
    def _experiment(client: MlflowClient) -> str:
        from mlflow.exceptions import MlflowException

        if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return given
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another job was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)

    def send(self, step: int, readings: Mapping[str, float], *, at_ms: int) -> None:
        from mlflow.entities import Metric

        assert self._client is not None
        self._client.log_batch(self._run, metrics=[Metric(name, value, at_ms, step) for name, value in readings.items()])

    def end(self, how: End) -> None:
        assert self._client is not None
        if how == "paused":
            self._client.update_run(self._run, status=_STATUS[how])
        else:
            self._client.set_terminated(self._run, status=_STATUS[how])

    @property
    def where(self) -> str:
        return f"run {self._run} in {os.environ['MLFLOW_TRACKING_URI']}"
