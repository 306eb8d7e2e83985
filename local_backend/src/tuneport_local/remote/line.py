"""What the machines of one launch say to each other, by a store of torch's that the first keeps open at the port it is reached at.

It opens it once it has the job's lease. The members of all machines meet at the same port.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from torch.distributed import TCPStore

from tuneport_local.engines.reports import Report
from tuneport_local.engines.restarting import Lost
from tuneport_local.remote.crew import Crew

_CONNECT_S, _ANSWER_S = 30.0, 60.0
ROUND, OVER = "round", "over"
"""The round that all are to take part in, and how the job has ended."""


class Dead(Exception):
    """The first machine does not answer any more."""


class Line:
    """One machine's end of it. Every method raises Dead where the first machine is gone."""

    def __init__(self, crew: Crew) -> None:
        first = crew.number == 0
        about = {"wait_for_workers": False, "multi_tenant": True, "timeout": timedelta(seconds=_CONNECT_S)}
        try:
            self._store = TCPStore(crew.address, crew.port, None, first, **about)
        except RuntimeError as error:
            raise Dead(str(error)) from None
        self._store.set_timeout(timedelta(seconds=_ANSWER_S))
        self._number = crew.number

    def say(self, what: str, value: Mapping[str, Any]) -> None:
        """For all of them."""
        try:
            self._store.set(what, json.dumps(value))
        except RuntimeError as error:
            raise Dead(str(error)) from None

    def heard(self, what: str) -> dict[str, Any] | None:
        """What one of them said last; None where nobody has."""
        try:
            return dict(json.loads(self._store.get(what))) if self._store.check([what]) else None
        except RuntimeError as error:
            raise Dead(str(error)) from None

    def beat(self) -> None:
        """Shows that this machine lives."""
        try:
            self._store.add(f"beat/{self._number}", 1)
        except RuntimeError as error:
            raise Dead(str(error)) from None

    def beats(self, number: int) -> int:
        """How often another has."""
        try:
            return int(self._store.add(f"beat/{number}", 0))
        except RuntimeError as error:
            raise Dead(str(error)) from None


def reachable(crew: Crew) -> bool:
    """Whether anybody listens there yet. Asked before a line is opened, which would wait without hearing a signal."""
    try:
        socket.create_connection((crew.address, crew.port), timeout=2.0).close()
    except OSError:
        return False
    return True


def told(reports: list[Report], lost: Lost | None) -> dict[str, Any]:
    """How a round went on one machine, to be said."""
    return {
        "reports": [json.loads(report.to_json()) for report in reports],
        "lost": [lost.rank, lost.pid, lost.code] if lost is not None else None,
    }


def hear_told(said: Mapping[str, Any]) -> tuple[list[Report], Lost | None]:
    """The inverse."""
    found = [Report.from_json(json.dumps(each).encode()) for each in said["reports"]]
    return [report for report in found if report is not None], Lost(*said["lost"]) if said["lost"] else None
