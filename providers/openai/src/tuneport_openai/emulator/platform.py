"""The emulated platform as one thing: start it, point the SDK at it, let time pass, break it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from tuneport.testing.emulator import Account, BlobStore, EmulatedPlatform, EmulatorServer, FaultPlan, Routes, SteppedClock, Timepiece
from tuneport_openai.emulator.bases import KNOWN, Base, by_name
from tuneport_openai.emulator.chat import Chat
from tuneport_openai.emulator.courses import Course
from tuneport_openai.emulator.files import Files
from tuneport_openai.emulator.gate import Gate
from tuneport_openai.emulator.habits import Habits
from tuneport_openai.emulator.ids import Ids
from tuneport_openai.emulator.job_routes import Jobs
from tuneport_openai.emulator.jobs import settle
from tuneport_openai.emulator.models import Models
from tuneport_openai.emulator.organisations import Organisation
from tuneport_openai.emulator.uploads import Uploads
from tuneport_openai.emulator.world import World

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class OpenAIEmulator(EmulatedPlatform):
    """OpenAI on loopback; use it in a `with`.

        with OpenAIEmulator() as emulator:
            client = OpenAI(base_url=emulator.base_url, api_key=emulator.open_key)

    Without a `clock` time stands still at 2026-11-21 09:00 UTC until `clock.advance(seconds)`. Two organisations have keys:
    `open_key` is of one that may create jobs, `closed_key` of one that may not. `course` says what becomes of jobs: one for all, or a
    function of the job's number. The state lies in `world`; requests in `log`; `faults` is what goes wrong.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        clock: Timepiece | None = None,
        faults: FaultPlan | None = None,
        habits: Habits | None = None,
        course: Course | Callable[[int], Course] | None = None,
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
            ids=Ids(seed),
        )
        self.open_key = self.add_organisation("acme")
        self.closed_key = self.add_organisation("newcomer", closed=True)
        for part in (Files, Uploads, Jobs, Models, Chat):
            part(self.world, routes)
        self.server = EmulatorServer(routes, Gate(self.world), clock=self.clock, blobs=blobs, faults=faults, port=port)

    @property
    def base_url(self) -> str:
        return f"{self.server.url}/v1"

    def add_organisation(self, slug: str, *, closed: bool = False) -> str:
        """A new organisation with one project; the key of its owner."""
        organisation = Organisation(self.world.ids.new("org-"), slug, has_tuned=not closed, closed=closed)
        organisation.asked_tuned_at = None if closed else self.world.now()
        self.world.organisations[organisation.id] = organisation
        return self.add_key(organisation, project=self.world.ids.new("proj_"))

    def add_key(self, organisation: Organisation, *, project: str, scopes: Iterable[str] | None = None) -> str:
        """Another key; with `scopes` a restricted one."""
        account = Account(organisation.id, project, None if scopes is None else frozenset(scopes))
        return self.world.keys.admit(self.world.ids.new("sk-emulator-", 32), account)

    def account(self, key: str) -> Account:
        account = self.world.keys.account(key)
        if account is None:
            raise KeyError("no such key: see open_key, closed_key and add_organisation")
        return account

    def organisation(self, key: str | None = None) -> Organisation:
        """The organisation of a key (default: the open one), to be changed by a test."""
        return self.world.organisation(self.account(key or self.open_key))

    def settle(self) -> None:
        """Lets every job run its course up to now, as a request about it would."""
        with self.server.turn:
            for job in self.world.jobs.values():
                settle(job, self.world)
