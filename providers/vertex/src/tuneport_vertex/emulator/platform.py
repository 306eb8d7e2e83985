"""The emulated cloud as one thing: start it, point the SDKs at it, let time pass, break it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tuneport.testing.emulator import BlobStore, EmulatedPlatform, EmulatorServer, FaultPlan, Routes, SteppedClock, Timepiece
from tuneport_vertex.emulator.bases import KNOWN, Base, by_name
from tuneport_vertex.emulator.chat import Chat
from tuneport_vertex.emulator.containers import Machines
from tuneport_vertex.emulator.contents import Contents
from tuneport_vertex.emulator.courses import Course, Serving
from tuneport_vertex.emulator.custom_jobs import CustomCourse, CustomJob, settle_all
from tuneport_vertex.emulator.custom_routes import CustomJobs
from tuneport_vertex.emulator.deployment_routes import Deployments
from tuneport_vertex.emulator.endpoint_routes import Endpoints
from tuneport_vertex.emulator.gate import Gate
from tuneport_vertex.emulator.habits import Habits
from tuneport_vertex.emulator.jobs import Job
from tuneport_vertex.emulator.model_routes import Models
from tuneport_vertex.emulator.mounts import Mounts
from tuneport_vertex.emulator.operations import Operations
from tuneport_vertex.emulator.operations import settle as settle_operation
from tuneport_vertex.emulator.projects import Project, Token
from tuneport_vertex.emulator.queueing import advance
from tuneport_vertex.emulator.storage.buckets import Bucket, Buckets, StoredObject, put
from tuneport_vertex.emulator.storage.objects import Objects
from tuneport_vertex.emulator.storage.uploads import Uploads
from tuneport_vertex.emulator.tuning_routes import TuningJobs
from tuneport_vertex.emulator.world import Ids, World

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PROJECT, OTHER_PROJECT = "tune-main", "tune-other"
BUCKET, EUROPEAN_BUCKET = "tune-main-us", "tune-main-eu"
YEAR_S = 365 * 24 * 3600.0


class VertexEmulator(EmulatedPlatform):
    """Vertex AI and Cloud Storage on loopback; use it in a `with`.

        with VertexEmulator() as emulator:
            client = genai.Client(
                vertexai=True, project=emulator.project, location="us-central1",
                credentials=Credentials(token=emulator.token()), http_options=HttpOptions(base_url=emulator.url),
            )

    Without a `clock` time stands still at 2026-11-21 09:00 UTC until `clock.advance(seconds)`. There are two projects, `tune-main` with the
    buckets `tune-main-us` (US-CENTRAL1) and `tune-main-eu` (EUROPE-WEST4), and `tune-other`. `course` says what becomes of jobs: one for
    all, or a function of the job's number; `serving` what becomes of models and endpoints, `custom` what becomes of custom jobs where
    nothing really runs them. The state lies in `world`.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        clock: Timepiece | None = None,
        faults: FaultPlan | None = None,
        habits: Habits | None = None,
        course: Course | Callable[[int], Course] | None = None,
        serving: Serving | None = None,
        custom: CustomCourse | Callable[[int], CustomCourse] | None = None,
        bases: Iterable[Base] = KNOWN,
        folder: Path | None = None,
        port: int = 0,
    ) -> None:
        routes, blobs = Routes(), BlobStore(folder)
        self.clock: Timepiece = clock or SteppedClock(start=START)
        self.world = World(
            clock=self.clock,
            blobs=blobs,
            bases=by_name(bases),
            habits=habits or Habits(),
            course_of=course if callable(course) else lambda number: course or Course(),
            serving=serving or Serving(),
            ids=Ids(seed),
            custom_course_of=custom if callable(custom) else lambda number: custom or CustomCourse(),
        )
        self.add_project(PROJECT, number="100000000001")
        self.add_project(OTHER_PROJECT, number="100000000002")
        self.add_bucket(BUCKET, location="US-CENTRAL1")
        self.add_bucket(EUROPEAN_BUCKET, location="EUROPE-WEST4")
        for part in (TuningJobs, CustomJobs, Models, Endpoints, Deployments, Contents, Chat, Operations, Buckets, Objects, Uploads):
            part(self.world, routes)
        self.server = EmulatorServer(routes, Gate(self.world), clock=self.clock, blobs=blobs, faults=faults, port=port)
        self.world.address = self.server.url

    # where it is

    @property
    def url(self) -> str:
        """Of Vertex AI and of Cloud Storage alike, without a path."""
        return self.server.url

    @property
    def project(self) -> str:
        return PROJECT

    @property
    def bucket(self) -> str:
        return BUCKET

    @property
    def exports(self) -> Mapping[str, str]:
        """The environment that points the real clients here."""
        return {
            "GOOGLE_VERTEX_BASE_URL": self.url,
            "STORAGE_EMULATOR_HOST": self.url,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "GOOGLE_CLOUD_LOCATION": "us-central1",
            "TUNEPORT_VERTEX_BUCKET": BUCKET,
            "GOOGLE_OAUTH_ACCESS_TOKEN": self.token(),
        }

    # what there is

    def add_project(self, name: str, *, number: str) -> Project:
        self.world.projects[name] = Project(name, number)
        return self.world.projects[name]

    def project_called(self, name: str = PROJECT) -> Project:
        """A project, to be changed by a test."""
        return self.world.projects[name]

    def add_bucket(self, name: str, *, location: str, project: str = PROJECT) -> Bucket:
        bucket = Bucket(name, self.world.projects[project], location.upper(), self.world.now())
        self.world.buckets[name] = bucket
        return bucket

    def put(self, name: str, data: bytes, *, bucket: str = BUCKET, content_type: str = "application/octet-stream") -> str:
        """Lays an object into a bucket; its gs:// address."""
        put(self.world, self.world.buckets[bucket], name, self.world.blobs.write([data]), content_type=content_type)
        return f"gs://{bucket}/{name}"

    def objects(self, bucket: str = BUCKET) -> Mapping[str, StoredObject]:
        """What is in a bucket, by name."""
        return dict(self.world.buckets[bucket].objects)

    def add_jobs(self, count: int, *, like: Job) -> None:
        """Many more jobs of a job's kind and standing, as if they had been made one after the other before it."""
        with self.server.turn:
            for number in range(1, count + 1):
                made = replace(like, id=self.world.ids.new(), created_at=like.created_at - timedelta(seconds=number))
                self.world.jobs[made.id] = made
                if made.ended_at is None:
                    self.world.unfinished.setdefault(made.place.project.id, []).append(made)

    def token(
        self, *, role: str = "owner", life_s: float = YEAR_S, projects: Iterable[str] | None = None, without: Iterable[str] = ()
    ) -> str:
        """A new access token.

        `owner` may do everything, `user` all but administer, `tuner` tune and store, `viewer` look, `nobody` nothing.
        `without` takes single permissions away (`storage.objects.delete`).
        """
        made = Token(
            value=self.world.ids.word("ya29.emulator-", 40),
            email=f"{role}@{PROJECT}.iam.gserviceaccount.com",
            role=role,
            expires_at=self.world.now() + timedelta(seconds=life_s),
            projects=None if projects is None else frozenset(projects),
            without=frozenset(without),
        )
        return self.world.directory.issue(made)

    def run_custom_jobs(
        self, folder: Path, *, images: Mapping[str, Path] | Path, environ: Mapping[str, str] | None = None, **how: Any
    ) -> Machines:
        """From now on custom jobs are processes of this machine; buckets are mounted below `folder`. `images` are those that exist, each
        with its Python, or one for all; `how` is what Machines takes beside. Give the emulator a clock that runs."""
        mounts = Mounts(self.world, self.server.turn, folder / "gcs")
        self.world.machines = Machines(mounts, images=images, folder=folder / "machines", environ=environ, **how)
        return self.world.machines

    def custom_job(self, name: str) -> CustomJob:
        """A custom job by any name of it, as it stands."""
        with self.server.turn:
            settle_all(self.world)
            return self.world.custom_jobs[name.rpartition("/")[2]]

    def close(self) -> None:
        if self.world.machines is not None:
            self.world.machines.close()
        super().close()

    def __exit__(self, *what: Any) -> None:
        if self.world.machines is not None:
            self.world.machines.close()
        super().__exit__(*what)

    def revoke(self, token: str) -> None:
        self.world.directory.tokens.pop(token, None)

    def settle(self) -> None:
        """Lets every job and operation run its course up to now, as a request about it would."""
        with self.server.turn:
            for project in self.world.projects.values():
                advance(project, self.world)
            settle_all(self.world)
            for operation in list(self.world.operations.values()):
                settle_operation(operation, self.world)
