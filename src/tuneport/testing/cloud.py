"""A provider's side of the wire: files, jobs that run their course by the clock, listings with pages, and a log of every request."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tuneport.testing.clock import SimulatedClock
from tuneport.testing.remote_job import TERMINAL_WORDS, Course, RemoteJob
from tuneport.testing.wire import HttpAnswer, Reply

__all__ = ["Course", "FakeCloud", "RemoteFile", "RemoteJob", "Request"]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    id: str
    name: str
    purpose: str
    size_bytes: int
    sha256: str
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the request log."""

    call: str
    subject: str
    at: datetime


class FakeCloud:
    """The servers of a provider that does not exist.

    `keeps_metadata` False drops what a client writes on a job; `ignores_filters` True answers a filtered listing with everything;
    `listing_lag_s` is how long a new job stays out of listings; `page_size` jobs make a page.
    A PUT on a name that exists updates that job, as Azure ML does.
    """

    def __init__(
        self,
        clock: SimulatedClock,
        *,
        course: Callable[[int], Course] = lambda number: Course(),
        page_size: int = 100,
        keeps_metadata: bool = True,
        ignores_filters: bool = False,
        listing_lag_s: float = 0.0,
    ) -> None:
        self.clock = clock
        self.page_size = page_size
        self.keeps_metadata = keeps_metadata
        self.ignores_filters = ignores_filters
        self.listing_lag_s = listing_lag_s
        self.jobs: dict[str, RemoteJob] = {}
        self.files: dict[str, RemoteFile] = {}
        self.log: list[Request] = []
        self.counts: Counter[str] = Counter()
        self._course = course
        self._later: list[tuple[datetime, Callable[[], Reply]]] = []
        self._jobs_made = 0
        self._files_made = 0

    # what the outside may ask for

    def post_job(self, body: dict[str, Any]) -> Reply:
        """Creates a job under a name of our own choosing."""
        self._note("POST /jobs", body["metadata"].get("client_id", ""))
        self._demand_files(body)
        return self._record(self._make(f"ftjob-{self._jobs_made + 1:04d}", body))

    def put_job(self, name: str, body: dict[str, Any]) -> Reply:
        """Creates the job `name`, or updates it when there is one."""
        self._note("PUT /jobs", name)
        self._demand_files(body)
        if name in self.jobs:
            job = self.jobs[name]
            job.updates += 1
            job.body = body
            return self._record(job)
        return self._record(self._make(name, body))

    def get_job(self, job_id: str) -> Reply:
        self._note("GET /jobs/{id}", job_id)
        return self._record(self._job(job_id))

    def list_jobs(self, *, after: str | None = None, client_id: str | None = None) -> Reply:
        """One page, newest first: `data`, and `next`, the cursor of the following page or None."""
        self._note("GET /jobs", client_id or "")
        wanted = None if self.ignores_filters else client_id
        listed = [job for job in self._listed() if wanted is None or self._metadata(job).get("client_id") == wanted]
        start = 0 if after is None else next((i + 1 for i, job in enumerate(listed) if job.id == after), len(listed))
        page = listed[start : start + self.page_size]
        more = start + self.page_size < len(listed)
        return {"data": [self._record(job) for job in page], "next": page[-1].id if more else None}

    def cancel_job(self, job_id: str) -> Reply:
        job = self._active(job_id, "cancel")
        job.stopping_since = job.stopping_since or self._now()
        job.move_to(self._now())
        return self._record(job)

    def pause_job(self, job_id: str) -> Reply:
        job = self._active(job_id, "pause")
        job.paused = True
        return self._record(job)

    def resume_job(self, job_id: str) -> Reply:
        job = self._active(job_id, "resume")
        job.paused = False
        return self._record(job)

    def delete_job(self, job_id: str) -> Reply:
        self._note("DELETE /jobs/{id}", job_id)
        self._job(job_id)
        del self.jobs[job_id]
        return {"deleted": True}

    def list_events(self, job_id: str) -> Reply:
        """The words the job has gone through, oldest first."""
        self._note("GET /jobs/{id}/events", job_id)
        job = self._job(job_id)
        at = job.created_at.timestamp()
        return {"data": [{"id": f"{job_id}-ev{n:04d}", "at": at + n, "message": f"now {word}"} for n, word in enumerate(job.words)]}

    def list_metrics(self, job_id: str) -> Reply:
        self._note("GET /jobs/{id}/metrics", job_id)
        return {"data": [{"step": step, "loss": round(2.0 / step, 6)} for step in range(1, self._job(job_id).steps_done + 1)]}

    def get_bill(self, job_id: str) -> Reply:
        """USD as a decimal string once the job has ended, else None."""
        self._note("GET /jobs/{id}/bill", job_id)
        job = self._job(job_id)
        return {"usd": f"{job.steps_done * 0.25:.2f}" if job.word in TERMINAL_WORDS else None}

    def post_file(self, name: str, *, purpose: str, chunks: Iterable[bytes]) -> Reply:
        data = b"".join(chunks)
        self._note("POST /files", name)
        self._files_made += 1
        file = RemoteFile(f"file-{self._files_made:04d}", name, purpose, len(data), hashlib.sha256(data).hexdigest(), data)
        self.files[file.id] = file
        return {"id": file.id, "name": name, "bytes": len(data)}

    def get_file(self, file_id: str) -> Reply:
        self._note("GET /files/{id}", file_id)
        self._file(file_id)
        return {"id": file_id, "status": "ready"}

    def get_content(self, file_id: str) -> Reply:
        """The bytes of a file as they came, under `content`."""
        self._note("GET /files/{id}/content", file_id)
        return {"content": self._file(file_id).content}

    def delete_file(self, file_id: str) -> Reply:
        self._note("DELETE /files/{id}", file_id)
        del self.files[self._file(file_id).id]
        return {"deleted": True}

    def list_files(self) -> Reply:
        self._note("GET /files", "")
        return {"data": [{"id": file.id, "name": file.name, "bytes": file.size_bytes} for file in self.files.values()]}

    def list_models(self) -> Reply:
        """The tuned models of all jobs that are done."""
        self._note("GET /models", "")
        records = [self._record(job) for job in self.jobs.values()]
        return {"data": [{"id": row["model"], "base": row["base"], "job": row["id"]} for row in records if row["model"]]}

    def answer(self, model: str, texts: list[str]) -> Reply:
        """What `model` says to a conversation: the last three words it was told."""
        self._note("POST /chat", model)
        return {"text": " ".join(" ".join(texts).split()[-3:]) or "hello"}

    # what a test may do behind the provider's back

    def do_later(self, effect: Callable[[], Reply], *, delay_s: float) -> None:
        """A request that arrives after its sender has given up."""
        self._later.append((self._now() + timedelta(seconds=delay_s), effect))

    def lose_files(self) -> None:
        """All uploaded files expire."""
        self.files.clear()

    def add_foreign_job(self, body: dict[str, Any]) -> RemoteJob:
        """A job that someone else made in the same account."""
        job = self._make(f"other-{self._jobs_made + 1:04d}", body)
        job.foreign = True
        return job

    def settle(self, job_id: str) -> None:
        """Lets time pass until the job has ended."""
        job = self.jobs[job_id]
        while job.word not in TERMINAL_WORDS:
            if job.paused:
                raise ValueError(f"job {job_id} is paused and would never end")
            self.clock.sleep(max(1.0, job.course.total_s / 4))
            job.move_to(self._now())

    def catch_up(self) -> None:
        """Lets requests that were held back take effect, and every job move on to the present."""
        now = self._now()
        due = [effect for at, effect in self._later if at <= now]
        self._later = [(at, effect) for at, effect in self._later if at > now]
        for effect in due:
            try:
                effect()
            except HttpAnswer:
                continue  # refused, and nobody is there to hear it
        for job in self.jobs.values():
            job.move_to(now)

    @property
    def held_back(self) -> int:
        """How many requests have yet to arrive."""
        return len(self._later)

    # inside

    def _now(self) -> datetime:
        return self.clock.true_now()

    def _note(self, call: str, subject: str) -> None:
        self.log.append(Request(call, subject, self._now()))
        self.counts[call] += 1
        if self._later:
            self.catch_up()

    def _demand_files(self, body: dict[str, Any]) -> None:
        if any(file_id not in self.files for file_id in body["files"].values()):
            raise HttpAnswer(404, "file_gone")

    def _make(self, job_id: str, body: dict[str, Any]) -> RemoteJob:
        self._jobs_made += 1
        now = self._now()
        job = RemoteJob(
            id=job_id,
            body=body,
            course=self._course(self._jobs_made),
            created_at=now,
            visible_at=now + timedelta(seconds=self.listing_lag_s),
            sent_client_id=body["metadata"].get("client_id", ""),
        )
        job.move_to(now)
        self.jobs[job_id] = job
        return job

    def _file(self, file_id: str) -> RemoteFile:
        if file_id not in self.files:
            raise HttpAnswer(404, "no_such_file")
        return self.files[file_id]

    def _job(self, job_id: str) -> RemoteJob:
        if job_id not in self.jobs:
            raise HttpAnswer(404, "no_such_job")
        return self.jobs[job_id]

    def _active(self, job_id: str, verb: str) -> RemoteJob:
        self._note(f"POST /jobs/{{id}}/{verb}", job_id)
        job = self._job(job_id)
        job.move_to(self._now())
        if job.word in TERMINAL_WORDS:
            raise HttpAnswer(400, "already_ended")
        return job

    def _listed(self) -> list[RemoteJob]:
        now = self._now()
        return [job for job in reversed(self.jobs.values()) if job.visible_at <= now]

    def _metadata(self, job: RemoteJob) -> dict[str, str]:
        return dict(job.body["metadata"]) if self.keeps_metadata else {}

    def _record(self, job: RemoteJob) -> Reply:
        job.move_to(self._now())
        body = job.body
        return {
            "id": job.id,
            "status": job.word,
            "created_at": job.created_at.timestamp(),
            "finished_at": job.finished_at.timestamp() if job.finished_at else None,
            "base": body["base"],
            "method": body["method"],
            "seed": body["seed"],
            "suffix": body["suffix"],
            "files": dict(body["files"]),
            "file_names": dict(body["file_names"]),
            "metadata": self._metadata(job),
            "model": f"{body['base']}:tuned:{job.id}" if job.word == "done" else None,
            "error": "loss became NaN at step 3" if job.word == "error" else None,
        }
