"""Asking about jobs in as few requests as the API allows: lists are newest first, a hundred jobs a page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from tuneport.errors import NotFound
from tuneport.replies import number_of, time_in
from tuneport_openai.adapter.connection import DialectConnection, Raw, Reply
from tuneport_openai.failure import Closing

if TYPE_CHECKING:
    import openai

PAGE = 100
"""Jobs, events or checkpoints a page: the most that the API gives."""


def pages(connection: DialectConnection, *, metadata: dict[str, str] | None = None) -> Iterator[list[Reply]]:
    """The jobs, newest first; with `metadata`, those that carry it, if the vendor minds the filter."""

    def page(client: openai.OpenAI, after: str | openai.Omit) -> Raw:
        from openai import omit

        return client.fine_tuning.jobs.with_raw_response.list(limit=PAGE, after=after, metadata=metadata or omit)

    return connection.pages("listing jobs", page)


def since(found: Iterator[list[Reply]], moment: datetime | None) -> Iterator[Reply]:
    """The jobs that were created at or after `moment`. Stops with the first page that holds nothing but older ones."""
    for page in found:
        young = [job for job in page if not _older(job, moment)]
        yield from young
        if page and not young:
            return


def _older(job: Reply, moment: datetime | None) -> bool:
    """Whether it is known to be older. Times there are in whole seconds."""
    created = time_in(job, "created_at")
    return moment is not None and created is not None and created.replace(microsecond=0) <= moment - timedelta(seconds=1)


def fetch(connection: DialectConnection, ids: Sequence[str], *, denied: Collection[str] = ()) -> dict[str, Reply]:
    """The jobs with these ids; one that the vendor does not know is absent.

    Pages of the list, as long as they pay: once as many pages in a row held none of the jobs as are still missing, each of those is asked
    for by itself. So many recent jobs cost a request a page, and a few old ones do not cost the whole list. For those that were `denied`
    before no page is read.
    """
    missing = dict.fromkeys(ids)
    found: dict[str, Reply] = {}
    fruitless = 0
    for page in pages(connection) if len(missing.keys() - set(denied)) > 1 else ():
        here = {str(job["id"]): job for job in page if job["id"] in missing}
        found |= here
        missing = {job_id: None for job_id in missing if job_id not in here}
        fruitless = 0 if here else fruitless + 1
        if fruitless >= len(missing.keys() - set(denied)):
            break
    for job_id in missing:
        try:
            found[job_id] = retrieve(connection, job_id)
        except NotFound:
            continue
    return found


def retrieve(connection: DialectConnection, job_id: str) -> Reply:
    """One job. Raises NotFound."""
    return job_in(
        connection,
        connection.ask("asking for a job", lambda client: client.fine_tuning.jobs.with_raw_response.retrieve(job_id)),
        doing="asking for a job",
    )


def job_in(connection: DialectConnection, answer: Reply, *, doing: str, creating: bool = False) -> Reply:
    """The answer, which must be a job: without an id nothing can be done with it."""
    if not isinstance(answer.get("id"), str):
        raise connection.unreadable(doing, "a job without an id", creating=creating)
    return answer


def change(connection: DialectConnection, job_id: str, verb: str) -> Reply:
    """Cancels, pauses or resumes it; `verb` is the SDK's name of the call."""
    doing = f"asking to {verb} a job"

    def send(client: openai.OpenAI) -> Any:
        jobs = client.fine_tuning.jobs.with_raw_response
        calls: dict[str, Callable[[str], Raw]] = {"cancel": jobs.cancel, "pause": jobs.pause, "resume": jobs.resume}
        return calls[verb](job_id)

    return job_in(connection, connection.ask(doing, send), doing=doing)


def create(connection: DialectConnection, body: Reply, *, closing: Callable[[], Closing]) -> Reply:
    """Sends `body` as it is, once. `closing` tells what to say where the platform turns out to be closed."""
    rest = {key: value for key, value in body.items() if key not in ("model", "training_file")}

    def send(client: openai.OpenAI) -> Raw:
        return client.fine_tuning.jobs.with_raw_response.create(model=body["model"], training_file=body["training_file"], extra_body=rest)

    answer = connection.ask("creating a job", send, creating=True, closing=closing)
    return job_in(connection, answer, doing="creating a job", creating=True)


def events(connection: DialectConnection, job_id: str, *, after: str | None = None) -> list[Reply]:
    """What happened after the event `after`, oldest first. The API lists the newest first: pages are read until that event comes."""

    def page(client: openai.OpenAI, cursor: str | openai.Omit) -> Raw:
        return client.fine_tuning.jobs.with_raw_response.list_events(job_id, limit=PAGE, after=cursor)

    newest_first: dict[str, Reply] = {}
    for event in chain.from_iterable(connection.pages("reading events", page)):
        if event["id"] == after:
            break
        newest_first.setdefault(str(event["id"]), event)
    oldest_first = list(reversed(newest_first.values()))
    return sorted(oldest_first, key=_created)


def checkpoints(connection: DialectConnection, job_id: str) -> list[Reply]:
    """The checkpoints that are kept; none where the endpoint keeps none."""
    if "no_checkpoints" in connection.address.quirks:
        return []

    def page(client: openai.OpenAI, after: str | openai.Omit) -> Raw:
        return client.fine_tuning.jobs.checkpoints.with_raw_response.list(job_id, limit=PAGE, after=after)

    return list(chain.from_iterable(connection.pages("listing checkpoints", page)))


def _created(row: Reply) -> float:
    return number_of(row.get("created_at")) or 0.0
