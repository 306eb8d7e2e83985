"""Where the lives of clients are played: the emulated workspace, with a token or an identity whose tokens end, filters or none."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import requests
import urllib3
from faulty_life import Lived, Staged, Told, play
from requests.adapters import BaseAdapter
from tuneport_azureml.adapter.trainer import AzureMLTrainer
from tuneport_azureml.emulator import COMPUTE, Course, Habits
from tuneport_azureml.emulator.world import Job

from tuneport.job import JobState
from tuneport.recipe import Recipe
from tuneport.testing.emulator import FaultPlan

from .azureml_stage import Identity, Stage, recipe, staged

STATES = {"Completed": JobState.SUCCEEDED, "Failed": JobState.FAILED, "Canceled": JobState.CANCELLED}


class Crossing(BaseAdapter):
    """The wire of a client process, which speaks httpx2, for a transport that speaks requests."""

    def __init__(self, client: httpx2.Client) -> None:
        super().__init__()
        self._client = client

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        body = request.body
        content = body.encode() if isinstance(body, str) else body.read() if hasattr(body, "read") else body
        headers = {name: str(value) for name, value in request.headers.items()}
        try:
            answer = self._client.request(str(request.method), str(request.url), headers=headers, content=content)
        except httpx2.ConnectError as error:
            raise requests.ConnectionError(str(error)) from error
        except httpx2.TransportError as error:
            raise requests.exceptions.ReadTimeout(str(error)) from error
        return _told_by_requests(answer, request)

    def close(self) -> None:
        """The client is somebody else's."""


def _told_by_requests(answer: httpx2.Response, request: requests.PreparedRequest) -> requests.Response:
    headers = {name: value for name, value in answer.headers.items() if name not in ("content-encoding", "transfer-encoding")}
    raw = urllib3.HTTPResponse(io.BytesIO(answer.content), headers=headers, status=answer.status_code, preload_content=False)
    found = requests.Response()
    found.status_code, found.raw, found.request, found.url = answer.status_code, raw, request, str(request.url)
    found.headers.update(headers)
    return found


@dataclass(frozen=True)
class OnAzureML(Staged):
    """A workspace to live in. `ends`: it is asked with tokens that end."""

    stage: Stage
    kind: type[AzureMLTrainer]
    compute: str | None = None
    ends: bool = False
    marked: bool = True
    name: str = "azureml"

    def recipe(self, number: int) -> Recipe:
        chosen = recipe(about=("card", "parcel")[number % 2], rows=8)
        return chosen.model_copy(update={"suffix": f"life-{number}"})

    def trainer(self, http_client: httpx2.Client | None = None) -> AzureMLTrainer:
        session = None
        if http_client is not None:
            session = requests.Session()
            session.mount("http://", Crossing(http_client))
        profile = {"compute": self.compute} if self.compute else {}
        settings = self.stage.settings(**profile)
        return self.kind(settings, session=session, credential=(lambda: Identity(self.stage)) if self.ends else None)  # type: ignore[arg-type, return-value]

    def jobs(self) -> list[Told]:
        now = self.stage.clock.true_now()
        return [_told(job, now) for job in self.stage.emulator.world.jobs.values()]


def _told(job: Job, now: Any) -> Told:
    """By what was written on it first: a PUT that changed it would be found out by the registry."""
    tags = job.first["tags"]
    word, ended = job.standing(now)
    return Told(job.name, tags["tuneport_client_id"], tags["tuneport_plan"], job.created_at, ended, STATES.get(word))


def live(seed: int, home: Path, *, kind: type[AzureMLTrainer] = AzureMLTrainer) -> Lived:
    """Plays the run of `seed` in an empty folder, with trainers of that kind. Raises Broken."""
    chance = random.Random(f"azureml life {seed}")
    habits = Habits(
        page=chance.choice((1, 3, 50)),
        listing_lag_s=chance.choice((0.0, 0.0, 5.0, 60.0, 400.0)),
        oldest_first=chance.random() < 0.5,
        honours_filters=chance.random() < 0.5,
        signs=chance.random() < 0.7,
        tells_version=chance.random() < 0.5,
        history_lag_s=chance.choice((0.0, 0.0, 30.0)),
    )
    courses = [
        Course(
            running_s=chance.uniform(60, 4000),
            paused_s=chance.choice((0.0, 0.0, 300.0)),
            silent_s=chance.choice((0.0, 0.0, 300.0)),
            ends=chance.choice(("Completed", "Completed", "Failed", "Canceled")),
        )
        for _ in range(12)
    ]
    faults = FaultPlan(seed=seed, share=chance.choice((0.0, 0.05, 0.1, 0.2, 0.3, 0.4)))
    compute, ends = chance.choice((None, None, COMPUTE)), chance.random() < 0.3 or not habits.signs
    with staged(home, habits=habits, course=lambda number: courses[number % 12], faults=faults, seed=seed) as stage:
        return play(seed, OnAzureML(stage, kind, compute, ends), chance)
