"""Command jobs by their names: looked for, created once, looked at, ended."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tuneport.errors import Ambiguous, NotFound, Refused, Unreachable
from tuneport.job import JobState
from tuneport.replies import Json, object_in, text_in
from tuneport_azureml.adapter import jobs
from tuneport_azureml.adapter.connection import Connection, Reply, found_or_none
from tuneport_azureml.errors import translated
from tuneport_azureml.wire.command_jobs import VERSION, is_of, is_the_same
from tuneport_azureml.wire.datastores import is_log_address
from tuneport_azureml.wire.history import log_of
from tuneport_azureml.wire.jobs import error_of
from tuneport_azureml.wire.states import detail_of, job_state

MOST_CHARS = 16_000
"""Of a log's end."""
STATES = {
    JobState.CREATED: "waiting",
    JobState.QUEUED: "waiting",
    JobState.STARTING: "waiting",
    JobState.PAUSED: "waiting",
    JobState.RUNNING: "running",
    JobState.FINALIZING: "running",
    JobState.CANCELLING: "running",
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
"""What our states are to whoever waits for a machine. One that was taken away is queued again by the service, under the same name."""


def find(connection: Connection, name: str) -> Reply | None:
    """The job of that name, whosever it is."""
    return found_or_none(lambda: connection.patiently(lambda: jobs.job(connection, name)))


def mine(connection: Connection, name: str) -> Reply | None:
    """The launch of that name; a job that only has the same name is somebody else's."""
    found = find(connection, name)
    same = None if found is None else is_of(found, name)
    if found is not None and same is None:
        raise Unreachable(f"{connection.place.name} does not say whose job {name} is.", remedy="Try again later.")
    return found if same else None


def create(connection: Connection, name: str, body: Mapping[str, Any]) -> Reply:
    """Creates what is not there, and reads it back. The look comes first, for a second PUT would change the job.

    Raises Ambiguous where it cannot be told whether it was created, Refused where the name is another job's.
    """
    standing = find(connection, name)
    if standing is None:
        _put(connection, name, body)
        try:
            standing = connection.patiently(lambda: jobs.job(connection, name))
        except NotFound as error:
            raise Ambiguous(f"the job was created and is not found: {error.message}", remedy=error.remedy) from None
    same = is_the_same(standing, body)
    if same is None:
        raise Ambiguous(f"{connection.place.name} does not say whose job {name} is.", remedy="Try again later.")
    if not same:
        raise Refused(f"{connection.place.name} has a job {name} that is another; it was left as it is.")
    return standing


def seen(connection: Connection, name: str) -> tuple[str, str, str, str]:
    """State, the service's word, what that says more, and why it failed. Raises NotFound."""
    found = jobs.job(connection, name)
    word = text_in(object_in(found, "properties"), "status") or "no status"
    state = STATES.get(job_state(word), "unknown")
    reason = _why(connection, name) if state in ("failed", "cancelled") else ""
    return state, word, detail_of(word), reason


def cancel(connection: Connection, name: str) -> None:
    """Asks for it once. One that is over, or that nobody knows, is left as it is."""
    standing = find(connection, name)
    if standing is None or jobs.ended(standing):
        return
    try:
        jobs.cancel(connection, name)
    except Refused:
        again = find(connection, name)
        if again is not None and not jobs.ended(again):
            raise


def log(connection: Connection, name: str) -> str:
    """The end of the first 4 MiB of user_logs/std_log.txt; the service begins it anew whenever it starts the job again."""
    try:
        details = connection.patiently(lambda: jobs.details(connection, name))
    except NotFound:
        return ""
    found = log_of(details)
    if found is None or not is_log_address(connection.place, found[1]):
        return ""
    with suppress(Refused):  # gone, or its signature has ended
        return connection.patiently(lambda: connection.text(found[1], doing="reading the log"))[-MOST_CHARS:]
    return ""


def _put(connection: Connection, name: str, body: Mapping[str, Any]) -> None:
    doing, place = "creating the job", connection.place
    url = f"{place.management_url}{place.id}/jobs/{name}"
    answer = connection.send("PUT", url, doing=doing, body=body, creating=True, query={"api-version": VERSION})
    if answer.get("name") != name or not isinstance(answer.get("properties"), dict):
        raise translated(ValueError("another answer"), doing=doing, creating=True)


def _why(connection: Connection, name: str) -> str:
    """The run history's words; '' where it has none, or this identity may not look."""
    with suppress(Refused):
        details: Json = connection.patiently(lambda: jobs.details(connection, name))
        return error_of(details) or ""
    return ""
