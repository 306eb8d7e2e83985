"""Jobs of a workspace, as the management plane sends them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from tuneport.errors import Ambiguous, NotFound, Refused
from tuneport.job import JobState
from tuneport.plan import Plan
from tuneport.replies import object_in, text_in, time_in
from tuneport_azureml.adapter.connection import Connection, Reply, found_or_none
from tuneport_azureml.errors import translated
from tuneport_azureml.wire.states import job_state
from tuneport_azureml.wire.tags import PLAN, carries, tags_in

ALL = {"jobType": "FineTuning", "listViewType": "All"}
"""Of a list: archived jobs too."""
MANY = 3
"""From so many jobs on, pages of the list are read before single ones."""


def job(connection: Connection, name: str) -> Reply:
    """One job. Raises NotFound."""
    return _a_job(connection.arm("GET", f"/jobs/{name}", doing="asking for a job"), name, doing="asking for a job")


def create(connection: Connection, plan: Plan, client_id: str, body: Mapping[str, Any]) -> Reply:
    """Looks first, and creates only what is not there: a second PUT under the same name would change the job. Then reads it back.

    Raises Refused where the name is another plan's.
    """
    standing = found_or_none(lambda: job(connection, client_id))
    if standing is None:
        doing = "creating the job"
        _a_job(connection.arm("PUT", f"/jobs/{client_id}", doing=doing, body=body, creating=True), client_id, doing=doing, creating=True)
        try:
            standing = job(connection, client_id)
        except NotFound as error:
            raise Ambiguous(f"the job was created and is not found: {error.message}", remedy=error.remedy) from None
    if not carries(standing, client_id) or text_in(tags_in(standing), PLAN) != plan.fingerprint:
        raise Refused(f"{connection.place.name} has a job {client_id} that is of another plan; it was left as it is.")
    return standing


def pages(connection: Connection) -> Iterator[list[Reply]]:
    """All fine-tuning jobs, archived ones too."""
    for page in connection.rows("/jobs", doing="listing jobs", query=ALL):
        for row in page:
            if text_in(row, "name") is None:
                raise translated(ValueError("a job without a name"), doing="listing jobs")
        yield [row for row in page if _is_fine_tuning(row)]


def listed(connection: Connection, since: datetime | None) -> list[Reply]:
    """Those that were created at or after `since`, the youngest first. In which order the service lists them is documented nowhere."""
    every = [row for page in pages(connection) for row in page if not _older(row, since)]
    return sorted(every, key=_created, reverse=True)


def fetch(connection: Connection, names: Sequence[str], *, denied: Collection[str] = ()) -> dict[str, Reply]:
    """The jobs of those names; one that the service does not know is absent. Pages of the list, as long as they pay: for those that were
    `denied` before none is read."""
    missing, found = dict.fromkeys(names), dict[str, Reply]()
    fruitless, hopeless = 0, frozenset(denied)
    for page in pages(connection) if len(missing.keys() - hopeless) > MANY else ():
        here = {name: row for row in page if (name := str(row["name"])) in missing}
        found |= here
        missing = {name: None for name in missing if name not in here}
        fruitless = 0 if here else fruitless + 1
        if fruitless >= len(missing.keys() - hopeless):
            break
    for name in missing:
        with suppress(NotFound):
            found[name] = job(connection, name)
    return found


def cancel(connection: Connection, name: str) -> None:
    """Asks for it once. One that has ended stays so."""
    connection.arm("POST", f"/jobs/{name}/cancel", doing="asking to cancel a job")


def details(connection: Connection, name: str) -> Reply:
    """What the run history tells of a job: times, logs, why it failed. Raises NotFound."""
    return connection.api(f"history/v1.0//runs/{name}/details", doing="looking at the run history")


def ended(row: Mapping[str, Any]) -> bool:
    return job_state(text_in(object_in(row, "properties"), "status")).terminal


def failed(row: Mapping[str, Any]) -> bool:
    return job_state(text_in(object_in(row, "properties"), "status")) is JobState.FAILED


def _a_job(answer: Reply, name: str, *, doing: str, creating: bool = False) -> Reply:
    """The answer, which must be that job."""
    if answer.get("name") != name or not isinstance(answer.get("properties"), dict):
        raise translated(ValueError("another answer"), doing=doing, creating=creating)
    return answer


def _is_fine_tuning(row: Mapping[str, Any]) -> bool:
    """A service that does not know the filter lists all jobs."""
    return text_in(object_in(row, "properties"), "jobType") in (None, "FineTuning")


def _created(row: Mapping[str, Any]) -> float:
    found = time_in(object_in(row, "systemData"), "createdAt")
    return 0.0 if found is None else found.timestamp()


def _older(row: Mapping[str, Any], since: datetime | None) -> bool:
    found = time_in(object_in(row, "systemData"), "createdAt")
    return since is not None and found is not None and found <= since - timedelta(seconds=1)
