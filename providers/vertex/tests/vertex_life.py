"""Where the lives of clients are played: Vertex AI's emulator, with a token or with credentials that end, whatever it minds of filters."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
import httpx2
from faulty_life import Lived, Staged, Told, play
from google.auth.credentials import Credentials
from tuneport_vertex.adapter.trainer import VertexTrainer
from tuneport_vertex.emulator import Course, Habits
from tuneport_vertex.emulator.jobs import CANCELLED, EXPIRED, FAILED, PARTLY, SUCCEEDED, Job
from tuneport_vertex.wire.labels import CLIENT, PLAN, unpacked

from tuneport.job import JobState
from tuneport.recipe import Recipe
from tuneport.testing.emulator import FaultPlan

from .vertex_stage import Stage, recipe, staged

STATES = {
    SUCCEEDED: JobState.SUCCEEDED,
    PARTLY: JobState.SUCCEEDED,
    FAILED: JobState.FAILED,
    CANCELLED: JobState.CANCELLED,
    EXPIRED: JobState.EXPIRED,
}


class Crossing(httpx.BaseTransport):
    """The wire of a client process, which speaks httpx2, for an SDK that speaks httpx."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = httpx2.Request(request.method, str(request.url), headers=dict(request.headers), content=request.read())
        answer = self._client.send(asked)
        headers = {name: value for name, value in answer.headers.items() if name not in ("content-encoding", "content-length")}
        return httpx.Response(answer.status_code, headers=headers, content=answer.content)


class Identity(Credentials):
    """Credentials whose tokens the platform knows for a quarter of an hour; by the machine's clock they never end."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self.refresh(None)

    def refresh(self, request: Any) -> None:
        self.token = self._stage.emulator.token(role="tuner", life_s=900.0)
        self.expiry = datetime.now() + timedelta(days=3650)


@dataclass(frozen=True)
class OnVertex(Staged):
    """A platform to live on. `ends`: it is asked with credentials that end."""

    stage: Stage
    kind: type[VertexTrainer]
    ends: bool = False
    marked: bool = True
    name: str = "vertex"

    def recipe(self, number: int) -> Recipe:
        chosen = recipe(about=("card", "parcel")[number % 2], rows=12)
        return chosen.model_copy(update={"suffix": f"life-{number}"})

    def trainer(self, http_client: httpx2.Client | None = None) -> VertexTrainer:
        environ = {"GOOGLE_OAUTH_ACCESS_TOKEN": ""} if self.ends else {}
        endpoint = self.stage.emulator.url
        client = None if http_client is None else httpx.Client(transport=Crossing(http_client), verify=False)
        settings = self.stage.settings(environ=environ, endpoint=endpoint)
        return self.kind(settings, http_client=client, default=lambda: (Identity(self.stage), None))

    def jobs(self) -> list[Told]:
        self.stage.emulator.settle()
        return [_told(job) for job in self.stage.emulator.world.jobs.values()]


def _told(job: Job) -> Told:
    labels = job.request.body["labels"]
    return Told(
        f"{job.place.project.id}/{job.place.location}/tuningJobs/{job.id}",
        labels[CLIENT],
        unpacked(labels[PLAN]) or "",
        job.created_at,
        job.ended_at,
        STATES[job.state] if job.state is not None else None,
    )


def live(seed: int, home: Path, *, kind: type[VertexTrainer] = VertexTrainer) -> Lived:
    """Plays the run of `seed` in an empty folder, with trainers of that kind. Raises Broken."""
    chance = random.Random(f"vertex life {seed}")
    when_full: Literal["wait", "refuse"] = chance.choice(("wait", "refuse"))
    habits = Habits(
        when_full=when_full,
        waits_as=chance.choice(("JOB_STATE_QUEUED", "JOB_STATE_PENDING")),
        concurrent_jobs=chance.choice((1, 3, 50) if when_full == "wait" else (2, 3)),
        tells_detail=chance.random() < 0.8,
        honours_filters=chance.random() < 0.5,
        default_page=chance.choice((1, 3, 100)),
        largest_page=chance.choice((2, 1000)),
        listing_lag_s=chance.choice((0.0, 0.0, 5.0, 60.0, 400.0)),
    )
    courses = [
        Course(tuning_s=chance.uniform(60, 4000), ending=chance.choice(("succeeds", "succeeds", "fails", "partly", "expires")))
        for _ in range(12)
    ]
    faults = FaultPlan(seed=seed, share=chance.choice((0.0, 0.05, 0.1, 0.2, 0.3, 0.4)))
    ends = chance.random() < 0.3
    with staged(home, habits=habits, course=lambda number: courses[number % 12], faults=faults, seed=seed) as stage:
        return play(seed, OnVertex(stage, kind, ends), chance)
