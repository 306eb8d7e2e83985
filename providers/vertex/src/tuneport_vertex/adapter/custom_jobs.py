"""Custom jobs by google-cloud-aiplatform's client over REST, which is imported when it is used: made once, looked for, looked at, ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from tuneport.errors import Ambiguous, CredentialsRefused, NotFound, QuotaExceeded, Refused, TuneportError, UnknownModel
from tuneport.plurals import counted
from tuneport_vertex.adapter.connection import Connection, Reply
from tuneport_vertex.refusals import NoBucket, NotTrained, OtherRegion
from tuneport_vertex.wire.custom_jobs import named
from tuneport_vertex.wire.labels import CLIENT

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import CustomJob, JobServiceClient

T = TypeVar("T")
PAGE = 100
PATIENCE_S = (0.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""How long a job is looked for whose answer was lost, as everywhere in Tuneport."""
DOING = "creating the custom job"


class CustomJobs:
    """Those of one project in one region, in REST's spelling."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, body: Mapping[str, Any], *, name: str, label: str) -> Reply:
        """Makes it, once; where the answer is lost it is looked for. Raises Ambiguous where it is not found then: it may yet appear."""
        from google.cloud.aiplatform_v1 import CreateCustomJobRequest

        parent, limit_s = self._connection.place.parent, self._connection.timeout_s
        with self._connection.translating(DOING):
            request = CreateCustomJobRequest.from_json(json.dumps({"parent": parent, "customJob": body}))
        try:
            return self._sent(DOING, lambda: _reply(self._client.create_custom_job(request, retry=None, timeout=limit_s)), creating=True)
        except (UnknownModel, Refused) as error:
            raise _of_a_job(error) from None
        except Ambiguous as lost:
            found = self._found_again(name, label=label)
            if found is None:
                raise Ambiguous(
                    f"{lost.message} A job named {name} was looked for, and is not there yet.", remedy="Whether it was made is not known."
                ) from None
            return found

    def find(self, name: str, *, label: str) -> Reply | None:
        """The job of that launch, over or not. A filter is asked for, and never trusted."""
        try:
            page = next(self._pages(filter=f'labels.{CLIENT}="{label}"'), [])
        except (CredentialsRefused, QuotaExceeded):
            raise
        except Refused:
            page = []  # a filter that the service does not read
        for each in chain([page], self._pages()):
            if (found := named(each, name)) is not None:
                return dict(found)
        return None

    def job(self, full: str) -> Reply:
        """One as it is now. Raises NotFound."""
        limit_s = self._connection.timeout_s
        return self._read("looking at the custom job", lambda: _reply(self._client.get_custom_job(name=full, retry=None, timeout=limit_s)))

    def cancel(self, full: str) -> None:
        """Asks for it; whether the service does so it does not promise. Raises Refused for one that is over."""
        limit_s = self._connection.timeout_s
        self._read("cancelling the custom job", lambda: self._client.cancel_custom_job(name=full, retry=None, timeout=limit_s))

    def reachable(self) -> str:
        """That the API answers and lets this identity look: one request. Raises what it is refused with."""
        page = next(self._pages(size=1), [])
        return f"custom jobs may be listed ({counted(len(page), 'job')} on the first page)"

    def _found_again(self, name: str, *, label: str) -> Reply | None:
        for pause_s in PATIENCE_S:
            if pause_s:
                self._connection.clock.sleep(pause_s)
            with suppress(TuneportError):  # a look that fails says nothing about the job
                if (found := self.find(name, label=label)) is not None:
                    return found
        return None

    def _pages(self, *, filter: str = "", size: int = PAGE) -> Iterator[list[Reply]]:
        """Page by page, one request each. Raises Unreachable for a listing that does not end."""
        doing, limit_s = "listing custom jobs", self._connection.timeout_s
        token, seen = "", set[str]()
        while True:
            request = {"parent": self._connection.place.parent, "page_size": size, "filter": filter, "page_token": token}
            page, token = self._read(doing, lambda request=request: self._page(request, limit_s))  # type: ignore[misc]
            yield page
            if not token:
                return
            if token in seen:
                raise self._connection.unreadable(doing, "a page of the list came twice")
            seen.add(token)

    def _page(self, request: Mapping[str, Any], limit_s: float) -> tuple[list[Reply], str]:
        answer = next(self._client.list_custom_jobs(request=dict(request), retry=None, timeout=limit_s).pages)
        return [_reply(job) for job in answer.custom_jobs], answer.next_page_token

    def _read(self, doing: str, read: Callable[[], T]) -> T:
        return self._connection.patiently(lambda: self._sent(doing, read))

    def _sent(self, doing: str, send: Callable[[], T], *, creating: bool = False) -> T:
        return self._connection.sent(doing, send, creating=creating)

    @cached_property
    def _client(self) -> JobServiceClient:
        from google.cloud.aiplatform_v1.services.job_service import JobServiceClient

        address = self._connection.address()
        credentials = self._connection.sign_in.credentials(address)
        with self._connection.translating("connecting"):
            return JobServiceClient(credentials=credentials, transport="rest", client_options={"api_endpoint": address})


def _reply(job: CustomJob) -> Reply:
    """Raises ValueError for what is no job: without a name nothing can be done with it."""
    if "/customJobs/" not in job.name:
        raise ValueError("a job without a name")
    found: Reply = json.loads(type(job).to_json(job, use_integers_for_enums=False, always_print_fields_with_no_presence=False))
    return found


def _of_a_job(error: UnknownModel | Refused) -> Refused:
    """What the table takes for a word about a tuning: here it is about a machine, an image, or what is named in the body."""
    if isinstance(error, Refused) and not isinstance(error, NotTrained | OtherRegion | NotFound) and type(error) is not Refused:
        return error
    if isinstance(error, NoBucket):
        return error
    reason = getattr(error, "reason", "") or error.message
    said = f"Vertex AI refused the custom job: {reason.rstrip('.')}."
    return Refused(
        said, reason=reason, remedy="Look at options.local.vertex: machine_type, accelerator_type, image, network, service_account."
    )
