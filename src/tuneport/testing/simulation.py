"""One simulated life of a client: a user submits, is killed, starts again, syncs and polls while a `FaultSchedule` has its way.

`simulate(seed)` plays one run and raises InvariantViolation, with the seed and everything that happened, when something that must never
happen has happened. Nothing waits, nothing is random but by the seed.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tuneport.errors import DuplicateSubmit, Uncertain, WaitTimeout
from tuneport.job import Job, Snapshot
from tuneport.poll import PollRound, follow, poll
from tuneport.provider import Trainer
from tuneport.submit import Desk, submit
from tuneport.syncing import sync
from tuneport.testing.faults import Fault
from tuneport.testing.invariants import check_always, check_quiet
from tuneport.testing.world import FLAVOURS, Flavour, InvariantViolation, OpenTrainer, World, open_honest

__all__ = ["FLAVOURS", "Flavour", "InvariantViolation", "Run", "simulate"]

HELD_BACK_S = 1000.0
"""Longer than any request is held back."""
LISTED_AFTER_S = 500.0
"""Longer than any listing lags."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run that kept every invariant was made of."""

    seed: int
    flavour: Flavour
    killed_at: Counter[str]
    uncertain: int
    faults: Counter[Fault]
    remote_jobs: int
    trace: tuple[str, ...]

    @property
    def kills(self) -> int:
        """How often a process of the client was killed."""
        return self.killed_at.total()

    @property
    def kills_by_module(self) -> Counter[str]:
        """The same by module of tuneport; 'a request' stands for the moments before a request is sent and after its answer came."""
        found: Counter[str] = Counter()
        for place, kills in self.killed_at.items():
            module, colon, line = place.partition(":")
            found[module if colon and line.isdecimal() else "a request"] += kills
        return found


def simulate(seed: int, *, flavour: Flavour | None = None, open_trainer: OpenTrainer = open_honest) -> Run:
    """Plays the run of `seed`; without `flavour` the seed decides that too. Raises InvariantViolation."""
    chosen = flavour or FLAVOURS[(0, 1, 0, 1, 2)[seed % 5]]
    with _fast_folder() as home:
        world = World(seed, chosen, home, open_trainer=open_trainer, after_each=check_always)
        for _ in range(world.chance.randint(3, 10)):
            _choose_step(world)(world)
            world.clock.sleep(world.chance.choice((0.0, 1.0, 30.0, 300.0, 3000.0)))
        _come_to_rest(world)
        _submit_once_more(world)
    truth = world.truth
    return Run(seed, chosen, truth.killed_at, truth.outcomes["Uncertain"], world.schedule.counts, len(world.ours()), tuple(world.trace))


@contextmanager
def _fast_folder() -> Iterator[Path]:
    """A folder in memory where there is one: the registry syncs every commit to its disk."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(prefix="tuneport-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


Step = Callable[[World], None]


def _choose_step(world: World) -> Step:
    steps: dict[Step, int] = {
        _submit: 9,
        _submit_side_by_side: 3,
        _force_and_submit_again: 2,
        _recreate: 1,
        _sync: 3,
        _poll: 4,
        _poll_side_by_side: 2,
        _poll_while_another_sleeps: 1,
        _follow: 2,
        _someone_cancels: 1,
        _someone_else_submits: 2,
        _the_clock_jumps: 2,
    }
    return world.chance.choices(list(steps), weights=list(steps.values()))[0]


def _kill(world: World) -> bool:
    return world.chance.random() < 0.35


def _submit(world: World) -> None:
    number = world.chance.randrange(3)
    world.run(f"submit plan {number}", _submitting(world, number), kill=_kill(world))


def _submitting(world: World, number: int, *, recreate: bool = False, force: bool = False) -> Callable[[Desk], Job]:
    return lambda desk: submit(world.plan(number), desk=desk, recreate=recreate, force=force)


def _submit_side_by_side(world: World) -> None:
    """Two processes at once; one of them may be a sync."""
    number = world.chance.randrange(3)
    other = world.chance.choice((number, number, (number + 1) % 3))
    second: Callable[[Desk], Any] = _syncing if world.chance.random() < 0.3 else _submitting(world, other)
    world.run(f"side by side, plans {number} and {other}", _submitting(world, number), second, kill=_kill(world))


def _force_and_submit_again(world: World) -> None:
    """A user who wants a second job is mostly killed before there is one; the next submit comes without --force."""
    number = world.chance.randrange(3)
    world.may_double = True
    world.run(f"submit plan {number} --force", _submitting(world, number, force=True), kill=world.chance.random() < 0.8)
    world.may_double = False
    world.run(f"submit plan {number}", _submitting(world, number), kill=_kill(world))


def _recreate(world: World) -> None:
    """The user creates anew what is uncertain, as they may."""
    number = world.chance.randrange(3)
    world.may_give_up = True
    world.run(f"submit plan {number} --recreate", _submitting(world, number, recreate=True), kill=_kill(world))
    world.may_give_up = False


def _syncing(desk: Desk) -> Any:
    return sync(desk=desk)


def _sync(world: World) -> None:
    world.run("sync", _syncing, kill=_kill(world))


def _polling(desk: Desk) -> PollRound:
    return poll(desk.registry.jobs(), trainers={"fake": desk.trainer}, registry=desk.registry)


def _poll(world: World) -> None:
    before, _ = world.look()
    (outcome,) = world.run("poll", _polling, kill=_kill(world))
    if isinstance(outcome.value, PollRound) and outcome.value.failures:
        _nothing_moved(world, before)


def _poll_side_by_side(world: World) -> None:
    """Two processes ask, one of them later, and what the first heard may be written down last."""
    second = world.chance.choice((_polling, _syncing))
    pause_s = world.chance.uniform(0.0, 5000.0)

    def later(desk: Desk) -> Any:
        desk.clock.sleep(pause_s)
        return second(desk)

    world.run("poll beside another", _polling, later, kill=_kill(world))


@dataclass(frozen=True, slots=True)
class _Suspended:
    """A trainer whose process sleeps between an answer and what it does with it: the lid was closed."""

    trainer: Trainer
    meanwhile: Callable[[], Any]

    def scope(self) -> str:
        return self.trainer.scope()

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        heard = self.trainer.fetch(ids)
        self.meanwhile()
        return heard


def _poll_while_another_sleeps(world: World) -> None:
    """What was heard first is written down last, and is old by then."""

    def others_go_on() -> None:
        world.clock.sleep(world.chance.uniform(0.0, 5000.0))
        world.run("poll in between", _polling)

    def polling(desk: Desk) -> PollRound:
        sleepy = cast("Trainer", _Suspended(desk.trainer, others_go_on))
        return poll(desk.registry.jobs(), trainers={"fake": sleepy}, registry=desk.registry)

    world.run("poll, asleep", polling)


def _nothing_moved(world: World, before: dict[str, Job]) -> None:
    after, _ = world.look()
    for uri, job in after.items():
        if job != before[uri]:
            raise world.violation(f"a poll that failed changed {uri} from {before[uri].state} to {job.state}")


def _follow(world: World) -> None:
    def following(desk: Desk) -> list[PollRound]:
        rounds = follow(
            desk.registry.jobs(), trainers={"fake": desk.trainer}, registry=desk.registry, clock=desk.clock, max_rounds=4, timeout_s=5000.0
        )
        return list(rounds)

    world.run("wait", following, kill=_kill(world))


def _someone_cancels(world: World) -> None:
    """In the provider's web console."""
    live = [remote for remote in world.ours() if world.running(remote)]
    if live:
        remote = world.chance.choice(live)
        world.cloud.cancel_job(remote.id)
        world.note("web console", f"{remote.id} is cancelled")


def _someone_else_submits(world: World) -> None:
    """A colleague in the same account: with a plan of ours where jobs are marked, with another where they are not."""
    number = world.chance.randrange(3) + (10 if world.flavour == "unmarked" else 0)
    plan = world.plan(number)
    body = dict(plan.requests[0].body)
    body["files"] = {file.purpose: "file-of-a-colleague" for file in plan.files}
    body["file_names"] = {file.purpose: file.name for file in plan.files}
    body["metadata"] = {"client_id": "c011ea9e" * 4, "plan": plan.fingerprint, "recipe": "", "dataset": ""}
    world.note("a colleague", f"submits plan {number} as {world.cloud.add_foreign_job(body).id}")


def _the_clock_jumps(world: World) -> None:
    """Hours where jobs are marked; where only the time tells them apart, less than the skew that `find` allows for."""
    far_s = 120.0 if world.flavour == "unmarked" else 20_000.0
    by_s = world.chance.uniform(-far_s, far_s)
    world.clock.jump(by_s)
    world.note("clock", f"jumps by {by_s:.0f} s")


def _come_to_rest(world: World) -> None:
    """No more faults; what was held back arrives; sync; wait for every job."""
    world.schedule.calm()
    world.note("world", "all is quiet")
    world.clock.sleep(HELD_BACK_S)
    world.cloud.catch_up()
    world.clock.sleep(LISTED_AFTER_S)
    world.run("sync", _syncing)
    world.run("wait", _waiting)
    check_quiet(world)


def _waiting(desk: Desk) -> int:
    rounds = follow(
        desk.registry.jobs(),
        trainers={"fake": desk.trainer},
        registry=desk.registry,
        clock=desk.clock,
        interval_s=600.0,
        timeout_s=100_000.0,
    )
    return sum(1 for _ in rounds)


def _submit_once_more(world: World) -> None:
    """Nothing that went wrong before stands in the way of a new submit, but for an uncertain one, which only the user may repeat."""
    for number in range(2):
        (outcome,) = world.run(f"submit plan {number}", _submitting(world, number))
        if outcome.error not in (None, Uncertain) or issubclass(outcome.error or Job, DuplicateSubmit | WaitTimeout):
            raise world.violation(f"plan {number} cannot be submitted any more: {outcome.sentence}")
    _come_to_rest(world)


def replay(seed: int, flavour: str = "") -> None:
    """Runs one seed again and prints every request and decision, then the violated invariant if there is one.

    `flavour` is 'provider', 'client' or 'unmarked'; without it the seed decides, as in the tests.
    """
    chosen = next((one for one in FLAVOURS if one == flavour), None)
    try:
        run = simulate(seed, flavour=chosen)
    except InvariantViolation as violation:
        print(violation)
    else:
        print("\n".join(run.trace))
