"""A port that is stopped anywhere goes on from there: one job, no answer asked twice, nothing lost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from harbour import Harbour, in_memory, rows

from tuneport.client import Client
from tuneport.dataset import Dataset
from tuneport.errors import Refused, Uncertain, Unreachable
from tuneport.porting.wishes import What
from tuneport.testing.processes import Death, Killed, Process, Turns, cut_off, forget
from tuneport.testing.remote_job import Course
from tuneport.testing.wire import HttpAnswer, Kind, NoAnswer, Reply, Wire

PORTING = tuple(
    f"porting.{name}"
    for name in (
        *(
            "asking",
            "bases",
            "comparison",
            "converting",
            "costs",
            "deploying",
            "held_out",
            "journal",
            "mapping",
            "named",
            "old_answers",
            "outputs",
            "port",
        ),
        *("proving", "quoting", "settings", "source", "submitting", "switching"),
    )
)
WITH_CORE = (*PORTING, "submit", "registry", "upload")


UNCERTAIN = "uncertain"
MOST_KILLS = 400


@pytest.fixture
def folder() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


@dataclass
class DeadlyWire:
    """Kills the client before or after the n-th request, or the one that begins so."""

    wire: Wire
    process: Process
    count: Counter[str]
    at: int | str
    after: bool

    def send(self, call: str, effect: object, *, kind: Kind) -> Reply:
        self.process.give_way()
        self.count["requests"] += 1
        mine = call.startswith(self.at) if isinstance(self.at, str) else self.count["requests"] == self.at
        if mine and not self.after:
            self.process.die(f"before {call}")
        try:
            return self.wire.send(call, effect, kind=kind)  # type: ignore[arg-type]
        finally:
            if mine and self.after:
                self.process.die(f"after {call}")


@dataclass
class Lives:
    """Runs of one port by processes that are killed, and a last one that is not."""

    harbour: Harbour
    test: Dataset
    prompts: Dataset | None = None
    count: Counter[str] = field(default_factory=Counter)

    def live(self, *, death: Death | None = None, request: int | str = 0, after: bool = False, recreate: bool = False) -> str | None:
        """One process; where it was killed, None where it came to the end."""
        harbour = self.harbour
        process = Process("client", clock=harbour.clock, turns=Turns(random.Random(0)), death=death)
        self.count["requests"] = 0
        client: Client = harbour.client(
            clock=process.clock, wire=lambda wire: DeadlyWire(wire, process, self.count, request, after) if request else wire
        )
        process.on_death(lambda: cut_off(client.registry))
        try:
            with process.alive():
                self.carry(client, recreate=recreate)
        except Killed as killed:
            forget(killed)
            return process.killed_where
        except Uncertain:
            assert harbour.new.jobs == {}  # else it would have been found
            return UNCERTAIN
        finally:
            client.close()
        return None

    def carry(self, client: Client, *, recreate: bool) -> None:
        """With prompts: rows of the old model's answers, and after that other rows to compare on."""
        if self.prompts is None:
            self.harbour.port(client=client, test=self.test, shots=2, recreate=recreate)
            return
        agree: tuple[What, ...] = ("terms", "ask", "train")
        self.harbour.port(client=client, prompts=self.prompts, ask=4, shots=2, recreate=recreate, agree=agree)
        self.harbour.port(client=client, prompts=self.prompts, test=self.test, shots=3, agree=agree, max_cost_usd=Decimal(9))


def lives(folder: Path, *, names: str = "provider") -> Lives:
    harbour = Harbour(folder, names=names, count=24, course=Course(2.0, 2.0, 12.0, 2.0))
    return Lives(harbour, Dataset.read(harbour.file("held-out.jsonl", rows(6, start=900))))


def check_whole(lives: Lives) -> None:
    """What holds of any port that has come to its end, however often it was killed on the way."""
    harbour = lives.harbour
    assert harbour.creates == 1
    assert len(harbour.new.jobs) == 1
    for cloud in (harbour.old, harbour.new):
        assert len({text for text in cloud.asked if ":tuned:" in text}) == 6
    with harbour.client() as client:
        assert [job.provider_id for job in client.registry.jobs(provider="new")] == list(harbour.new.jobs)


@pytest.mark.parametrize("names", ["provider", "client"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_request_it_goes_on_with_the_one_job_and_asks_nothing_twice(names: str, after: bool) -> None:
    request, ended = 0, False
    while not ended:
        request += 1
        with in_memory() as folder:
            several = lives(folder, names=names)
            where = several.live(request=request, after=after)
            ended = where is None
            lost = where == "before POST /jobs"  # nobody but the user can know that it was never sent
            assert several.live(recreate=lost) is None
            check_whole(several)
            twice = [count - 1 for cloud in (several.harbour.old, several.harbour.new) for count in Counter(cloud.asked).values()]
            assert sum(twice) <= (1 if after and where and "chat" in where else 0), where
    assert request > 30


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_rows_of_the_old_models_answers_and_rows_that_are_given_later_are_asked_once_wherever_it_was_killed(after: bool) -> None:
    request, ended, asked = 1, False, 0
    while not ended:
        with in_memory() as folder:
            several = lives(folder)
            harbour = several.harbour
            several.prompts = Dataset.read(harbour.file("prompts.jsonl", rows(24, start=300)))
            where = several.live(request=request, after=after)
            ended = where is None
            assert several.live(recreate=where == "before POST /jobs") is None
            assert (harbour.creates, len(harbour.new.jobs)) == (1, 1)
            count = len(harbour.old.asked) + len(harbour.new.asked)
            asked = asked or count
            assert count - asked <= (1 if after and where and "chat" in where else 0), where
        request += 9
    assert request > 60


def test_killed_at_any_line_it_goes_on_with_the_one_job() -> None:
    with in_memory() as folder:
        whole = lives(folder)
        process = Death(10**9, WITH_CORE)
        assert whole.live(death=process) is None
    chance = random.Random("lines of a port")
    places: Counter[str] = Counter()
    for _ in range(25):
        with in_memory() as folder:
            several = lives(folder)
            within = chance.choice((PORTING, WITH_CORE))
            where: str | None = ""
            while where is not None and sum(places.values()) < MOST_KILLS:
                where = several.live(death=Death(chance.randint(1, 2500), within), recreate=where == UNCERTAIN)
                places[(where or "").partition(":")[0]] += 1
            last = several.live(recreate=where == UNCERTAIN)
            assert (several.live(recreate=True) if last == UNCERTAIN else last) is None
            check_whole(several)
    assert {"submitting.py", "journal.py", "source.py"} & set(places)


def test_a_job_that_was_made_before_the_journal_knew_of_it_is_found_also_when_it_has_ended(folder: Path) -> None:
    several = lives(folder)
    harbour = several.harbour
    assert several.live(request="POST /jobs", after=True) == "after POST /jobs"
    harbour.new.settle(next(iter(harbour.new.jobs)))
    with harbour.client() as client:
        client.sync(provider="new")
    assert several.live() is None
    check_whole(several)


def test_a_create_whose_answer_was_lost_is_not_repeated(folder: Path) -> None:
    several = lives(folder)
    harbour = several.harbour
    harbour.new.listing_lag_s = 3600.0
    harbour.wires["new"].after("POST /jobs", NoAnswer("connection reset"))
    for _ in range(2):
        with pytest.raises(Uncertain), harbour.client() as client:
            harbour.port(client=client, test=several.test, shots=2)
    harbour.clock.sleep(4000)
    assert several.live() is None
    check_whole(several)


def test_a_rate_limit_leads_to_one_job(folder: Path) -> None:
    several = lives(folder)
    several.harbour.wires["new"].before("POST /jobs", HttpAnswer(429, "slow_down", retry_after_s=2.0))
    assert several.live() is None
    check_whole(several)


class BadWeather:
    """A wire on which every tenth request goes wrong, before or after it took effect, as the seed says."""

    def __init__(self, wire: Wire, chance: random.Random) -> None:
        self._wire = wire
        self._chance = chance

    def send(self, call: str, effect: Callable[[], Reply], *, kind: Kind) -> Reply:
        lost: HttpAnswer | NoAnswer = self._chance.choice((NoAnswer("timed out"), HttpAnswer(503), HttpAnswer(429, "slow_down")))
        goes_wrong = self._chance.random() < 0.1
        took_effect = self._chance.random() < 0.5 and not (isinstance(lost, HttpAnswer) and lost.status == 429)
        if goes_wrong and not took_effect:
            raise lost
        reply = self._wire.send(call, effect, kind=kind)
        if goes_wrong:
            raise lost
        return reply


def through_bad_weather(several: Lives, chance: random.Random) -> bool:
    """Gives the same command until it comes to its end; whether it does."""
    recreate = False
    for _ in range(60):
        with several.harbour.client(wire=lambda wire: BadWeather(wire, chance)) as client:
            try:
                several.harbour.port(client=client, test=several.test, shots=0, recreate=recreate)
            except Uncertain:
                recreate = not several.harbour.new.jobs  # the user has looked
            except (Unreachable, Refused):
                continue
            else:
                return True
    return False


@pytest.mark.parametrize("names", ["provider", "client"])
def test_in_bad_weather_the_same_command_comes_to_its_end_with_one_job(names: str) -> None:
    for seed in range(8):
        with in_memory() as folder:
            several = lives(folder, names=names)
            assert through_bad_weather(several, random.Random(f"weather {seed}")), seed
            assert len(several.harbour.new.jobs) == 1, seed
