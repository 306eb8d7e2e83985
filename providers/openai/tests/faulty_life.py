"""One life of a client of an emulated platform, as a seed decides: it submits, is killed, begins again, syncs and polls while requests go
wrong. The real SDK over real sockets; the clock is simulated, and nothing waits. Which platform it is stands in its `Platform`: Azure's
tests play the same lives.

`play(seed, platform)` plays one and raises Broken, with all that happened, when something that must never happen has happened.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import httpx2

from tuneport.errors import DuplicateSubmit, TuneportError, Uncertain, WaitTimeout
from tuneport.intent import Intent, Phase
from tuneport.job import JobState
from tuneport.plan import Plan
from tuneport.poll import follow, poll
from tuneport.provider import Trainer
from tuneport.recipe import Recipe
from tuneport.registry import JobRegistry
from tuneport.submit import Desk, submit
from tuneport.syncing import sync
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator import EmulatedPlatform, FaultPlan, RequestLog
from tuneport.testing.processes import Death, Killed, Process, Turns, cut_off, forget

LISTED_AFTER_S = 1000.0
"""Longer than any listing lags."""


class Broken(AssertionError):
    """A promise that was not kept; the message holds the seed and the course of the run."""


@dataclass(frozen=True)
class Told:
    """One job by the platform's own record: its id as a trainer tells it, what was written on it when it was asked for, whether or not that
    is kept, and the state in which it ended, if it has."""

    id: str
    client_id: str
    plan: str
    created_at: datetime
    finished_at: datetime | None
    ended: JobState | None


class Platform(Protocol):
    """What is lived on. `name` is the provider's in URIs; `marked`: the platform gives back what we write on a job."""

    name: str
    marked: bool
    clock: SimulatedClock
    home: Path
    faults: FaultPlan
    log: RequestLog

    def recipe(self, number: int) -> Recipe:
        """One of three recipes."""

    def trainer(self, http_client: httpx2.Client | None = None) -> Trainer:
        """A trainer of the kind that is tried; without a client for pure work only."""

    def jobs(self) -> list[Told]:
        """All jobs that there are, whatever a listing says."""


class Stage(Protocol):
    """Where a platform stands: the emulator, its clock, and the home of the clients."""

    @property
    def emulator(self) -> EmulatedPlatform: ...
    @property
    def clock(self) -> SimulatedClock: ...
    @property
    def home(self) -> Path: ...


class Staged:
    """What a platform has from its stage."""

    stage: Stage

    @property
    def clock(self) -> SimulatedClock:
        return self.stage.clock

    @property
    def home(self) -> Path:
        return self.stage.home

    @property
    def faults(self) -> FaultPlan:
        return self.stage.emulator.faults

    @property
    def log(self) -> RequestLog:
        return self.stage.emulator.log


class Wire(httpx2.BaseTransport):
    """Real sockets under one client process, which may be killed before a request or when its answer has come."""

    def __init__(self, process: Process, chance: random.Random, *, kill: bool) -> None:
        self._sockets = httpx2.HTTPTransport(verify=False)  # plain HTTP: reading certificates takes 20 ms a process
        self._process = process
        self._chance = chance
        self._share = 0.05 if kill else 0.0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        call = f"{request.method} {request.url.path}"
        self._process.give_way()
        if self._chance.random() < self._share:
            self._process.die(f"before {call}")
        response = self._sockets.handle_request(request)
        if self._chance.random() < self._share:
            response.close()
            self._process.die(f"after {call}")
        return response

    def close(self) -> None:
        self._sockets.close()


@dataclass
class Life:
    """All of one run. `ended`: the terminal state in which the registry first had each job; `given_up`: submits that the user chose to
    create anew."""

    seed: int
    stage: Platform
    chance: random.Random
    turns: Turns
    trace: list[str] = field(default_factory=list)
    given_up: set[str] = field(default_factory=set)
    ended: dict[str, JobState] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    _plans: dict[int, Plan] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.stage.name

    @property
    def marked(self) -> bool:
        return self.stage.marked

    def plan(self, number: int) -> Plan:
        if number not in self._plans:
            self._plans[number] = self.stage.trainer().plan(self.stage.recipe(number))
        return self._plans[number]

    def jobs(self) -> list[Told]:
        return self.stage.jobs()

    def note(self, what: str) -> None:
        self.trace.append(f"{self.stage.clock.monotonic():8.0f} s  {what}")

    def broken(self, sentence: str) -> Broken:
        log = "\n".join(f"   {entry}" for entry in self.stage.log)
        return Broken(f"seed {self.seed}: {sentence}\n" + "\n".join(self.trace) + f"\n{log}")

    # --- processes -------------------------------------------------------------------------------------------------------------------

    def run(self, title: str, work: Callable[[Desk], Any], *, kill: bool = False) -> tuple[Any, BaseException | None]:
        """One start of the client: what it returned, or the error that it ended with."""
        before = {job.id for job in self.jobs()}
        value, error = self._one(title, work, kill=kill)
        made = [job.id for job in self.jobs() if job.id not in before]
        self._look(title, made, error)
        return value, error

    def run_side_by_side(self, title: str, *works: Callable[[Desk], Any]) -> None:
        """Several at once, which take turns at every request and wait."""
        self.turns.run([partial(self._one, f"{title}, {number}", work, kill=False) for number, work in enumerate(works)])
        self._look(title, [], None)

    def _one(self, title: str, work: Callable[[Desk], Any], *, kill: bool) -> tuple[Any, BaseException | None]:
        process = Process(title, clock=self.stage.clock, turns=self.turns, death=Death.drawn(self.chance) if kill else None)
        value, caught = None, None
        try:
            value = self._with_desk(process, work, kill=kill)
        except (Exception, Killed) as error:
            caught = error
        self.note(f"{title}: {process.killed_where or repr(caught or value)[:300]}")
        self.outcomes["killed" if process.killed_where else type(caught).__name__] += 1
        if not isinstance(caught, TuneportError | Killed | None):
            raise self.broken(f"{title} ended with {type(caught).__name__}, no error of ours") from caught
        forget(caught)
        return value, caught

    def _with_desk(self, process: Process, work: Callable[[Desk], Any], *, kill: bool) -> Any:
        with JobRegistry(self.stage.home, clock=process.clock) as registry, Wire(process, self.chance, kill=kill) as wire:
            process.on_death(partial(cut_off, registry))
            trainer = self.stage.trainer(httpx2.Client(transport=wire))
            with process.alive():
                return work(Desk(provider=self.name, trainer=trainer, registry=registry, clock=process.clock))

    # --- what must be true -----------------------------------------------------------------------------------------------------------

    def _look(self, title: str, made: list[str], error: BaseException | None) -> None:
        denied = isinstance(error, TuneportError) and not isinstance(error, Uncertain | WaitTimeout)
        if made and denied:
            raise self.broken(f"{title} made {made} and told its user {error}")
        with JobRegistry(self.stage.home, clock=self.stage.clock) as registry:
            states = {job.uri: job.state for job in registry.jobs()}
            claimed = Counter(intent.job_uri for intent in registry.intents() if intent.job_uri)
            self.given_up |= {intent.client_id for intent in registry.intents() if intent.phase is Phase.ABANDONED}
        for uri, state in self.ended.items():
            if states.get(uri) is not state:
                raise self.broken(f"{uri} had ended as {state} and is now {states.get(uri)}")
        self.ended |= {uri: state for uri, state in states.items() if state.terminal}
        if claimed and claimed.most_common(1)[0][1] > 1:
            raise self.broken(f"two submits claim {claimed.most_common(1)[0][0]}")
        self._no_two_jobs()

    def _no_two_jobs(self) -> None:
        jobs = self.jobs()
        for client_id, count in Counter(job.client_id for job in jobs).items():
            if count > 1:
                raise self.broken(f"submit {client_id} made {count} jobs")
        kept = [job for job in jobs if job.client_id not in self.given_up]
        for first in kept:
            for second in kept:
                same = first is not second and first.plan == second.plan
                if same and first.created_at <= second.created_at and (first.finished_at or second.created_at) > second.created_at:
                    raise self.broken(f"{second.id} was created while {first.id} of the same plan was running")

    def must_be_settled(self) -> None:
        """When all is quiet: every job is known, every submit has come to its end, and the registry says what the platform says."""
        with JobRegistry(self.stage.home, clock=self.stage.clock) as registry:
            known = {job.provider_id: job for job in registry.jobs()}
            intents = registry.intents()
        jobs = {job.id: job for job in self.jobs()}
        self._every_job_is_known(jobs, set(known))
        for job_id, row in known.items():
            told = jobs[job_id or ""]
            if told.ended is None or told.ended is not row.state or row.missing_since is not None:
                raise self.broken(f"{row.uri} is {row.state} here and {told.ended} there")
        for intent in intents:
            self._ended_in_truth(intent, exists=any(job.client_id == intent.client_id for job in jobs.values()))

    def _every_job_is_known(self, jobs: Mapping[str, Told], known: set[str | None]) -> None:
        """But those that nobody could tell apart: without marks two jobs of one plan are no match for either."""
        alike = Counter(job.plan for job in jobs.values())
        for job in jobs.values():
            if job.id not in known and (self.marked or alike[job.plan] == 1):
                raise self.broken(f"nobody knows {job.id}")

    def _ended_in_truth(self, intent: Intent, *, exists: bool) -> None:
        """Without marks, one submit's job may be taken for that of another that was given up, and of two that are alike none is taken."""
        if intent.phase in (Phase.INTENDED, Phase.CREATING):
            raise self.broken(f"submit {intent.client_id} is still {intent.phase}")
        excused = intent.phase is Phase.ABANDONED or (not self.marked and (self.given_up or intent.phase is Phase.UNCERTAIN))
        if not excused and exists != (intent.phase is Phase.CREATED):
            raise self.broken(f"submit {intent.client_id} is {intent.phase}, and its job {'exists' if exists else 'does not exist'}")


# --- what a user does -------------------------------------------------------------------------------------------------------------------


def _submit(life: Life) -> None:
    number = life.chance.randrange(3)
    life.run(f"submit plan {number}", lambda desk: submit(life.plan(number), desk=desk), kill=life.chance.random() < 0.5)


def _submit_side_by_side(life: Life) -> None:
    number = life.chance.randrange(3)
    life.plan(number)
    life.run_side_by_side(f"submit plan {number} twice", *[lambda desk: submit(life.plan(number), desk=desk)] * 2)


def _recreate(life: Life) -> None:
    number = life.chance.randrange(3)
    life.run(f"submit plan {number} --recreate", lambda desk: submit(life.plan(number), desk=desk, recreate=True))


def _sync(life: Life) -> None:
    life.run("sync", lambda desk: sync(desk=desk), kill=life.chance.random() < 0.3)


def _poll(life: Life) -> None:
    life.run("poll", lambda desk: poll(desk.registry.jobs(), trainers={life.name: desk.trainer}, registry=desk.registry))


def _follow(life: Life) -> None:
    life.run("wait", lambda desk: _waiting(life, desk, max_rounds=4))


def _waiting(life: Life, desk: Desk, *, max_rounds: int | None = None) -> int:
    rounds = follow(
        desk.registry.jobs(),
        trainers={life.name: desk.trainer},
        registry=desk.registry,
        clock=desk.clock,
        interval_s=600.0,
        timeout_s=100_000.0,
        max_rounds=max_rounds,
    )
    return sum(1 for _ in rounds)


STEPS: dict[Callable[[Life], None], int] = {_submit: 9, _submit_side_by_side: 2, _recreate: 1, _sync: 3, _poll: 4, _follow: 2}


@dataclass(frozen=True)
class Lived:
    """What a run that kept every promise was made of."""

    outcomes: Counter[str]
    faults: Counter[str]
    jobs: int


def in_all(runs: Sequence[Lived]) -> None:
    """Raises AssertionError where so little happened in those runs that they show nothing."""
    outcomes, faults = (sum(counts, Counter[str]()) for counts in ([run.outcomes for run in runs], [run.faults for run in runs]))
    assert sum(run.jobs for run in runs) > len(runs), "next to no job was made in these runs"
    assert outcomes["killed"] > 0, "nobody was killed in these runs"
    assert faults.total() > len(runs), "next to nothing went wrong in these runs"


@contextmanager
def quiet() -> Iterator[None]:
    """Unknown words are warned of, as they should be, some hundred times."""
    logging.getLogger("tuneport").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logging.getLogger("tuneport").setLevel(logging.NOTSET)


def play(seed: int, stage: Platform, chance: random.Random) -> Lived:
    """Plays the run of `seed` on a platform in an empty folder. Raises Broken."""
    life = Life(seed, stage, chance, Turns(chance))
    for _ in range(chance.randint(3, 8)):
        chance.choices(list(STEPS), weights=list(STEPS.values()))[0](life)
        stage.clock.sleep(chance.choice((0.0, 1.0, 30.0, 300.0, 3000.0)))
    counts = Counter(stage.faults.counts)
    _come_to_rest(life)
    for number in range(2):
        _, error = life.run(f"submit plan {number}", partial(_submitting, life, number))
        if not isinstance(error, Uncertain | None) or isinstance(error, DuplicateSubmit):
            raise life.broken(f"plan {number} cannot be submitted any more: {error}")
    _come_to_rest(life)
    return Lived(life.outcomes, counts, len(life.jobs()))


def _submitting(life: Life, number: int, desk: Desk) -> Any:
    return submit(life.plan(number), desk=desk)


def _come_to_rest(life: Life) -> None:
    life.stage.faults.calm()
    life.note("all is quiet")
    life.stage.clock.sleep(LISTED_AFTER_S)
    life.run("sync", lambda desk: sync(desk=desk))
    life.run("wait", partial(_waiting, life))
    life.must_be_settled()
