"""What a run tells while and after it runs: its log, and MLflow's metrics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tuneport.errors import NotFound, Refused
from tuneport.job import Event, Metric
from tuneport.replies import Json, objects_in, text_in
from tuneport_azureml.adapter import jobs
from tuneport_azureml.adapter.connection import Connection
from tuneport_azureml.wire.datastores import is_log_address
from tuneport_azureml.wire.history import events_of, log_of, metric_keys, metrics_of

MOST_LINES = 5000
MLFLOW = "mlflow/v1.0//api/2.0/mlflow"


def events(connection: Connection, name: str, *, created: datetime | None) -> Iterator[Event]:
    """The course of a run with the lines of its log. A run that the history does not know yet has none but its creation."""
    try:
        details: Json = connection.patiently(lambda: jobs.details(connection, name))
    except NotFound:
        details = {}
    return events_of(details, created=created, log=_log(connection, details))


def metrics(connection: Connection, name: str) -> list[Metric]:
    """Every measurement of the run; none of one that has measured nothing yet."""
    doing = "looking at the metrics"
    try:
        run = connection.patiently(lambda: connection.api(f"{MLFLOW}/runs/get", doing=doing, query={"run_id": name}))
    except NotFound:
        return []
    return metrics_of((key, list(_history(connection, name, key))) for key in metric_keys(run))


def _history(connection: Connection, name: str, key: str) -> Iterator[Json]:
    """All that was measured under one name, page after page."""
    token: str | None = ""
    while token is not None:
        asked = {"run_id": name, "metric_key": key} | ({"page_token": token} if token else {})
        page = connection.patiently(
            lambda asked=asked: connection.api(f"{MLFLOW}/metrics/get-history", doing="looking at the metrics", query=asked)  # type: ignore[misc]
        )
        yield from objects_in(page, "metrics")
        token = text_in(page, "next_page_token")


def _log(connection: Connection, details: Json) -> list[str]:
    """The lines of the run's log; none where it has none, or its address is not the cloud's own."""
    found = log_of(details)
    if found is None or not is_log_address(connection.place, found[1]):
        return []
    try:
        text = connection.patiently(lambda: connection.text(found[1], doing="reading the log"))
    except Refused:
        return []  # gone, or its signature has ended
    return text.splitlines()[:MOST_LINES]
