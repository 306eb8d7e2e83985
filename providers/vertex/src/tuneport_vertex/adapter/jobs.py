"""Asking about jobs in as few requests as the API allows: lists come newest first, a hundred jobs a page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tuneport.errors import NotFound
from tuneport.replies import time_in
from tuneport_vertex.adapter.connection import Connection, Reply

if TYPE_CHECKING:
    from google.genai.types import TuningJob

PAGE = 100
"""Jobs a page; the API says nowhere how many it gives at most."""


def reply_of(job: TuningJob) -> Reply:
    """A job of the SDK's type in the API's own spelling, without what is not said."""
    return job.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"sdk_http_response"})


def pages(connection: Connection, *, filter: str | None = None) -> Iterator[list[Reply]]:
    """The jobs, newest first, one request a page; with `filter`, those that it fits, if the service minds it."""
    from google.genai.types import ListTuningJobsConfig

    doing = "listing jobs"
    config = ListTuningJobsConfig(page_size=PAGE, filter=filter)
    pager = connection.ask(doing, lambda client: client.tunings.list(config=config))
    seen: set[str] = set()
    while True:
        yield _page(connection, pager.page)
        token = pager.config.get("page_token")
        if not token:
            return
        if token in seen:
            raise connection.unreadable(doing, "a page of the list came twice")
        seen.add(token)
        connection.sent(doing, pager.next_page)


def _page(connection: Connection, jobs: Sequence[Any]) -> list[Reply]:
    found = [reply_of(each) for each in jobs]
    return [_job_in(connection, "listing jobs", each) for each in found]


def since(found: Iterator[list[Reply]], moment: datetime | None) -> Iterator[Reply]:
    """The jobs that were created at or after `moment`. Stops with the first page that holds nothing but older ones."""
    for page in found:
        young = [each for each in page if not _older(each, moment)]
        yield from sorted(young, key=_created, reverse=True)
        if page and not young:
            return


def _older(row: Reply, moment: datetime | None) -> bool:
    created = time_in(row, "createTime")
    return moment is not None and created is not None and created <= moment - timedelta(seconds=1)


def fetch(connection: Connection, names: Sequence[str], *, denied: Collection[str] = ()) -> dict[str, Reply]:
    """The jobs with these full names, by the last part of them, which is all that the service repeats as it was asked; one that it does not
    know is absent.

    Pages of the list, as long as they pay: once as many pages in a row held none of the jobs as are still missing, each of those is asked
    for by itself. For those that were `denied` before no page is read.
    """
    missing = {last(name): name for name in names}
    refused = {last(name) for name in denied}
    found: dict[str, Reply] = {}
    fruitless = 0
    for page in pages(connection) if len(missing.keys() - refused) > 1 else ():
        here = {job_id: each for each in page if (job_id := last(each["name"])) in missing}
        found |= here
        missing = {job_id: name for job_id, name in missing.items() if job_id not in here}
        fruitless = 0 if here else fruitless + 1
        if fruitless >= len(missing.keys() - refused):
            break
    for job_id, name in missing.items():
        try:
            found[job_id] = job(connection, name)
        except NotFound:
            continue
    return found


def job(connection: Connection, name: str) -> Reply:
    """One job by its full name. Raises NotFound."""
    doing = "asking for a job"
    return _job_in(connection, doing, reply_of(connection.ask(doing, lambda client: client.tunings.get(name=name))))


def cancel(connection: Connection, name: str) -> None:
    """Asks for it once; the answer is empty."""
    connection.ask("asking to cancel a job", lambda client: client.tunings.cancel(name=name))


def last(name: str) -> str:
    """The last part of a name."""
    return name.rpartition("/")[2]


def _job_in(connection: Connection, doing: str, answer: Reply, *, creating: bool = False) -> Reply:
    """The answer, which must be a job: without the name of one (an operation has another) nothing can be done with it."""
    kind, _, name = str(answer.get("name") or "").rpartition("/")
    if not name or not kind.endswith("tuningJobs"):
        raise connection.unreadable(doing, "a job without a name", creating=creating)
    return answer


def created_job(connection: Connection, answer: Reply) -> Reply:
    """The answer to a create. Raises Ambiguous where it is no job."""
    return _job_in(connection, "creating the job", answer, creating=True)


def _created(row: Reply) -> float:
    created = time_in(row, "createTime")
    return 0.0 if created is None else created.timestamp()
