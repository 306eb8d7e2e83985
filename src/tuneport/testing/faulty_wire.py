"""A wire on which a `FaultSchedule` decides what becomes of each request."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from tuneport.testing.cloud import FakeCloud
from tuneport.testing.faults import RETRY_AFTER_S, Fault, FaultSchedule
from tuneport.testing.wire import HttpAnswer, Kind, NoAnswer, Reply

TIMEOUT_S = 30.0
_DROPPABLE = ("status", "metadata", "created_at", "base", "seed", "files", "id", "data", "next", "model")


class Sender(Protocol):
    """The client process a request comes from."""

    name: str

    def die(self, where: str) -> None:
        """Ends the process here and now: raises Killed."""

    def give_way(self) -> None:
        """Lets other processes go first."""


@dataclass(slots=True)
class Traffic:
    """What went over all wires of one simulated world: earlier replies by call, and a readable line per request."""

    earlier: dict[str, Reply] = field(default_factory=dict)
    note: Callable[[str, str], None] = lambda who, what: None
    heard: Callable[[Reply], None] = lambda reply: None
    sending: Callable[[str, str, Kind], None] = lambda who, call, kind: None
    created: Callable[[str, Reply], None] = lambda who, reply: None


class FaultyWire:
    """Carries the requests of one client process to the cloud, as well as the schedule lets it."""

    def __init__(self, cloud: FakeCloud, *, schedule: FaultSchedule, sender: Sender, traffic: Traffic) -> None:
        self._cloud = cloud
        self._schedule = schedule
        self._sender = sender
        self._traffic = traffic

    def send(self, call: str, effect: Callable[[], Reply], *, kind: Kind) -> Reply:
        self._sender.give_way()
        fault = self._schedule.draw(kind)
        if fault is Fault.KILLED_BEFORE:
            self._sender.die(f"before {call}")
        self._cloud.catch_up()
        self._traffic.sending(self._sender.name, call, kind)
        try:
            reply = self._suffer(fault, call, partial(self._created, effect) if kind == "create" else effect)
        except (HttpAnswer, NoAnswer) as answer:
            self._note(call, fault, str(answer))
            raise
        self._note(call, fault, _summary(reply))
        if fault is Fault.KILLED_AFTER:
            self._sender.die(f"after {call}")
        self._traffic.earlier[call] = reply
        self._traffic.heard(reply)
        self._sender.give_way()
        return reply

    def _created(self, effect: Callable[[], Reply]) -> Reply:
        reply = effect()
        self._traffic.created(self._sender.name, reply)
        return reply

    def _note(self, call: str, fault: Fault | None, outcome: str) -> None:
        self._traffic.note(self._sender.name, f"{call} -> {outcome}" + (f"   [{fault}]" if fault else ""))

    def _suffer(self, fault: Fault | None, call: str, effect: Callable[[], Reply]) -> Reply:
        match fault:
            case Fault.REQUEST_LOST | Fault.REPLY_LOST | Fault.LATE | Fault.RESET | Fault.UNREADABLE:
                return self._no_answer(fault, effect)
            case Fault.STATUS_408 | Fault.STATUS_409 | Fault.STATUS_429 | Fault.STATUS_5XX | Fault.REFUSED:
                return self._bad_answer(fault, effect)
            case Fault.DELAYED:
                self._cloud.clock.sleep(self._schedule.random.uniform(30.0, 600.0))
                return effect()
            case Fault.DOUBLED if call in self._traffic.earlier:
                return self._traffic.earlier[call]
            case Fault.TWICE if call.startswith("PUT"):
                effect()
                raise HttpAnswer(409, "exists_already")
            case Fault.NEW_WORD | Fault.MISSING_FIELD:
                return self._half_answer(fault, effect())
            case Fault.FILE_GONE:
                self._cloud.lose_files()
        return effect()

    def _no_answer(self, fault: Fault, effect: Callable[[], Reply]) -> Reply:
        if fault is Fault.LATE:
            self._cloud.do_later(effect, delay_s=self._schedule.random.uniform(31.0, 900.0))
        if fault in (Fault.REPLY_LOST, Fault.UNREADABLE) or (fault is Fault.RESET and self._schedule.coin()):
            effect()
        if fault in (Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.LATE):
            self._cloud.clock.sleep(TIMEOUT_S)
            raise NoAnswer(f"no answer within {TIMEOUT_S:.0f} s")
        raise NoAnswer("connection reset" if fault is Fault.RESET else "the answer is not JSON")

    def _bad_answer(self, fault: Fault, effect: Callable[[], Reply]) -> Reply:
        chance = self._schedule.random
        if fault is Fault.STATUS_429:
            raise HttpAnswer(429, "slow_down", retry_after_s=chance.choice(RETRY_AFTER_S))
        if fault is Fault.REFUSED:
            raise HttpAnswer(*chance.choice(((400, "bad_request"), (401, "no_key"), (403, "forbidden"), (400, "quota"))))
        if self._schedule.coin():
            effect()
        raise HttpAnswer({Fault.STATUS_408: 408, Fault.STATUS_409: 409}.get(fault) or chance.choice((500, 502, 503, 504)))

    def _half_answer(self, fault: Fault, reply: Reply) -> Reply:
        """The reply with one of its rows (or itself) spoiled."""
        chance = self._schedule.random
        spoiled = copy.deepcopy(reply)
        rows = spoiled.get("data") or []
        row = chance.choice([spoiled, *rows])
        if fault is Fault.NEW_WORD and "status" in row:
            row["status"] = "hibernating"
        if fault is Fault.MISSING_FIELD:
            fields = [name for name in _DROPPABLE if name in row]
            row.pop(chance.choice(fields)) if fields else None
        return spoiled


def _summary(reply: Reply) -> str:
    if "data" in reply:
        return "[" + ", ".join(f"{row.get('id')} {row.get('status', '')}".rstrip() for row in reply["data"]) + "]"
    return f"{reply.get('id')} {reply.get('status', '')}".rstrip()
