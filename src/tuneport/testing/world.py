"""The world of one simulated run: a cloud, a state folder, a clock, and everything that is known to be true about them."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tuneport.errors import TuneportError, Uncertain, WaitTimeout
from tuneport.intent import Intent, Phase
from tuneport.job import Job, JobState, Snapshot
from tuneport.plan import Plan
from tuneport.poll import PollRound
from tuneport.provider import Trainer
from tuneport.registry import JobRegistry
from tuneport.submit import Desk
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.fake import FakeTrainer
from tuneport.testing.faults import FaultSchedule
from tuneport.testing.faulty_wire import FaultyWire, Traffic
from tuneport.testing.processes import Death, Killed, Process, Turns, cut_off, forget
from tuneport.testing.remote_job import TERMINAL_WORDS, Course, RemoteJob
from tuneport.testing.translation import WORDS, Names, fake_plan
from tuneport.testing.wire import Kind, Reply

Flavour = Literal["provider", "client", "unmarked"]
"""Who names the job; 'unmarked': the provider does, and drops the metadata that would carry our client id."""

FLAVOURS: tuple[Flavour, ...] = ("provider", "client", "unmarked")
_CLIENT_ID = re.compile(r"(?<![0-9a-z-])[0-9a-f]{8}(?:[0-9a-f]{24})?(?![0-9a-z])")
OpenTrainer = Callable[[FaultyWire, FakeCloud, Names], Trainer]


class InvariantViolation(AssertionError):
    """Something happened that must never happen. The message holds the seed, the flavour and the whole course of the run."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one start of the client ended: with a value, an error's class and sentence, or killed."""

    value: Any = None
    error: type[BaseException] | None = None
    sentence: str = ""
    killed: bool = False


@dataclass(slots=True)
class Truth:
    """What only the simulation knows.

    told        the states that a provider's readable answers gave for each job
    ended       the terminal state in which the registry first had a job
    created_by  the remote jobs that each process's requests made
    denied_by   processes that told their user that nothing was created, with the sentence
    bold        processes whose user said --force or --recreate
    forced      the remote jobs that such a process made
    killed_at   how often a process was killed at each place: 'submit.py:117', or a request
    given_up    client ids whose submit the user chose to create anew
    """

    told: defaultdict[str, set[JobState]] = field(default_factory=lambda: defaultdict(set))
    ended: dict[str, JobState] = field(default_factory=dict)
    created_by: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    denied_by: dict[str, str] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    bold: set[str] = field(default_factory=set)
    forced: set[str] = field(default_factory=set)
    violations: list[InvariantViolation] = field(default_factory=list)
    killed_at: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)


class Hasty(FakeTrainer):
    """Leaves it to core to look before a PUT, as the contract allows: so core's own look is what is tried."""

    def _there_already(self, client_id: str, plan: Plan) -> Snapshot | None:
        return None


def open_honest(wire: FaultyWire, cloud: FakeCloud, names: Names) -> Trainer:
    """An adapter without bugs."""
    return Hasty(cloud, names=names, name="fake", wire=wire)


class World:
    """All of one run.

    `home` is an empty folder for the registry, `open_trainer` makes the adapter under test,
    `after_each` looks at what each process has left behind.

    `may_give_up` is True while a user who said --recreate is at work, `may_double` while one who said --force is.
    """

    def __init__(
        self, seed: int, flavour: Flavour, home: Path, *, open_trainer: OpenTrainer = open_honest, after_each: Callable[[World], None]
    ) -> None:
        self.seed = seed
        self.flavour: Flavour = flavour
        self.home = home
        self.chance = random.Random(f"world {seed} {flavour}")
        self.schedule = FaultSchedule(seed)
        self.clock = SimulatedClock()
        self.turns = Turns(self.chance)
        self.names: Names = "client" if flavour == "client" else "provider"
        self.cloud = self._make_cloud()
        self.truth = Truth()
        self.may_give_up = False
        self.may_double = False
        self.trace: list[str] = []
        self.traffic = Traffic(note=self.note, heard=self._hear, sending=self._sending, created=self._created)
        self._open_trainer = open_trainer
        self._after_each = after_each
        self._aliases: dict[str, str] = {}
        self._processes = 0

    def _make_cloud(self) -> FakeCloud:
        ends = ("done", "done", "done", "error", "expired")
        courses = [Course(running_s=self.chance.uniform(60, 4000), ends=self.chance.choice(ends)) for _ in range(20)]
        return FakeCloud(
            self.clock,
            course=lambda number: courses[number % len(courses)],
            page_size=self.chance.choice((1, 2, 3, 100)),
            keeps_metadata=self.flavour != "unmarked",
            ignores_filters=self.chance.random() < 0.5,
            listing_lag_s=self.chance.choice((0.0, 0.0, 5.0, 60.0, 400.0)),
        )

    # plans and processes

    def plan(self, number: int) -> Plan:
        """The n-th plan of this run: equal for equal n."""
        rows = [f'{{"row": {n}, "plan": {number % 2}}}'.encode() for n in range(3)]
        return fake_plan(rows=rows, names=self.names, seed=number)

    def run(self, title: str, *works: Callable[[Desk], Any], kill: bool = False) -> list[Outcome]:
        """Starts one client process for each of `works`, side by side if there are several, and returns how they ended."""
        outcomes: list[Outcome | None] = [None] * len(works)
        processes = [self._process(title, kill=kill) for _ in works]

        def start(number: int) -> None:
            outcomes[number] = self._run_one(processes[number], works[number])

        self.turns.run([partial(start, number) for number in range(len(works))])
        if self.truth.violations:
            raise self.truth.violations[0]
        return [outcome for outcome in outcomes if outcome is not None]

    def _process(self, title: str, *, kill: bool) -> Process:
        self._processes += 1
        name = f"#{self._processes} {title}"
        if self.may_give_up or self.may_double:
            self.truth.bold.add(name)
        return Process(name, clock=self.clock, turns=self.turns, death=Death.drawn(self.chance) if kill else None)

    def _run_one(self, process: Process, work: Callable[[Desk], Any]) -> Outcome:
        caught: BaseException | None = None
        value: Any = None
        try:
            value = self._with_desk(process, work)
        except (Exception, Killed) as error:
            caught = error
        outcome = self._outcome(process, value, caught)
        forget(caught)
        self._look_over_the_shoulder()
        return outcome

    def _look_over_the_shoulder(self) -> None:
        """Checks what one process has left behind before another, which may be half-way through, goes on."""
        try:
            self._after_each(self)
        except InvariantViolation as violation:
            self.truth.violations.append(violation)

    def _with_desk(self, process: Process, work: Callable[[Desk], Any]) -> Any:
        with JobRegistry(self.home, clock=process.clock) as registry:
            process.on_death(partial(cut_off, registry))
            wire = FaultyWire(self.cloud, schedule=self.schedule, sender=process, traffic=self.traffic)
            trainer = self._open_trainer(wire, self.cloud, self.names)
            with process.alive():
                return work(Desk(provider="fake", trainer=trainer, registry=registry, clock=process.clock))

    def _outcome(self, process: Process, value: Any, error: BaseException | None) -> Outcome:
        if isinstance(error, InvariantViolation):
            self.truth.violations.append(error)
        elif process.killed_where is not None:
            self.truth.killed_at[process.killed_where] += 1
            self.note(process.name, f"KILLED at {process.killed_where}")
            return Outcome(error=Killed, sentence=process.killed_where, killed=True)
        elif error is None:
            self.note(process.name, f"ended well: {_brief(value)}")
            return Outcome(value=value)
        self.note(process.name, f"ended with {type(error).__name__}: {error}")
        self.truth.outcomes[type(error).__name__] += 1
        if not isinstance(error, TuneportError | InvariantViolation):
            self.truth.violations.append(self.violation(f"{process.name} ended with {type(error).__name__}, no error of ours: {error}"))
        if isinstance(error, TuneportError) and not isinstance(error, Uncertain | WaitTimeout):
            self.truth.denied_by[process.name] = f"{type(error).__name__}: {error}"
        return Outcome(error=type(error), sentence=str(error))

    # what is heard and seen

    def note(self, who: str, what: str) -> None:
        """Adds a line to the course of the run. Client ids, which are random, are written as client-1, client-2 …"""
        self.trace.append(f"{self.clock.monotonic():9.0f} s  {who}: {self._plain(what)}")

    def _plain(self, text: str) -> str:
        return _CLIENT_ID.sub(lambda found: self._aliases.setdefault(found[0][:8], f"client-{len(self._aliases) + 1}"), text)

    def _hear(self, reply: Reply) -> None:
        for row in [reply, *(reply.get("data") or [])]:
            if "id" in row and ("base" in row or "status" in row):
                self.truth.told[row["id"]].add(WORDS.get(row.get("status", ""), JobState.UNKNOWN))

    def _sending(self, who: str, call: str, kind: Kind) -> None:
        name = call.removeprefix("PUT /jobs/")
        if kind == "create" and self.names == "client" and name in self.cloud.jobs:
            raise self.violation(f"{who} sends a second PUT over job {name}, which exists")

    def _created(self, who: str, reply: Reply) -> None:
        known = {job_id for made in self.truth.created_by.values() for job_id in made}
        if who in self.truth.bold and reply["id"] not in known:
            self.truth.forced.add(reply["id"])
        self.truth.created_by[who].append(reply["id"])

    def ours(self) -> Sequence[RemoteJob]:
        """The remote jobs that this machine asked for."""
        return [job for job in self.cloud.jobs.values() if not job.foreign]

    def twins(self, job: RemoteJob) -> int:
        """How many remote jobs, ours or not, nobody could tell from this one without metadata."""
        same = [(other.body["file_names"], other.body["seed"]) for other in self.cloud.jobs.values()]
        return same.count((job.body["file_names"], job.body["seed"]))

    def running(self, job: RemoteJob) -> bool:
        job.move_to(self.clock.true_now())
        return job.word not in TERMINAL_WORDS

    def violation(self, sentence: str) -> InvariantViolation:
        again = f"tuneport.testing.replay({self.seed}, {self.flavour!r})"
        return InvariantViolation(
            f"seed {self.seed}, flavour {self.flavour}: {self._plain(sentence)}\nRun it again: {again}\n" + "\n".join(self.trace)
        )

    def look(self) -> tuple[dict[str, Job], dict[str, Intent]]:
        """The registry as a new process finds it: jobs by URI and intents by client id. Raises InvariantViolation if it is not readable."""
        try:
            with JobRegistry(self.home, clock=self.clock) as registry:
                jobs = {job.uri: job for job in registry.jobs()}
                intents = {intent.client_id: intent for intent in registry.intents()}
        except TuneportError as error:
            raise self.violation(f"the registry cannot be read any more: {error}") from error
        given_up = {client_id for client_id, intent in intents.items() if intent.phase is Phase.ABANDONED}
        if given_up - self.truth.given_up and not self.may_give_up:
            raise self.violation(f"submit {given_up - self.truth.given_up} was given up and created anew without the user's word")
        self.truth.given_up |= given_up
        return jobs, intents


def _brief(value: Any) -> str:
    if isinstance(value, PollRound):
        failed = "".join(f"; {name} failed: {error}" for name, error in value.failures.items())
        return ", ".join(f"{job.uri} {job.state}" for job in value.jobs) + failed
    if isinstance(value, list):
        return " | ".join(getattr(one, "sentence", None) or _brief(one) for one in value)
    return str(getattr(value, "uri", value))
