"""What can go wrong between a client and a provider, decided by a seed.

A `FaultSchedule` says for every request whether it is lost, answered late, answered twice, answered with an error or with half an answer,
and where the client is killed. The same seed decides the same; `replay(seed)` runs it again and prints what happened.
"""

from __future__ import annotations

import random
from collections import Counter
from enum import StrEnum
from typing import Final

from tuneport.testing.wire import Kind


class Fault(StrEnum):
    """One thing that goes wrong with one request. 'May have taken effect' is decided by the seed as well."""

    KILLED_BEFORE = "the client is killed before it sends"
    KILLED_AFTER = "the client is killed when the answer arrives"
    REQUEST_LOST = "the request is lost, the client times out"
    REPLY_LOST = "the reply is lost, the client times out"
    LATE = "the client times out, the request arrives later"
    DELAYED = "the request takes minutes"
    DOUBLED = "an earlier reply is delivered again"
    TWICE = "the request arrives twice, the second answer is delivered"
    STATUS_408 = "408, may have taken effect"
    STATUS_409 = "409, may have taken effect"
    STATUS_429 = "429, no effect"
    STATUS_5XX = "5xx, may have taken effect"
    RESET = "connection reset, may have taken effect"
    UNREADABLE = "the body of a 2xx cannot be read"
    NEW_WORD = "a state word that nobody knows"
    MISSING_FIELD = "a field is missing in the answer"
    REFUSED = "a clear refusal"
    FILE_GONE = "the uploaded files are gone"


_READ: Final[dict[Fault, int]] = {
    Fault.KILLED_BEFORE: 1,
    Fault.KILLED_AFTER: 1,
    Fault.REQUEST_LOST: 3,
    Fault.REPLY_LOST: 2,
    Fault.DELAYED: 2,
    Fault.DOUBLED: 3,
    Fault.STATUS_408: 2,
    Fault.STATUS_409: 1,
    Fault.STATUS_429: 3,
    Fault.STATUS_5XX: 4,
    Fault.RESET: 2,
    Fault.UNREADABLE: 2,
    Fault.NEW_WORD: 3,
    Fault.MISSING_FIELD: 4,
    Fault.REFUSED: 1,
}
_CREATE: Final[dict[Fault, int]] = {
    Fault.KILLED_BEFORE: 2,
    Fault.KILLED_AFTER: 3,
    Fault.REQUEST_LOST: 3,
    Fault.REPLY_LOST: 5,
    Fault.LATE: 5,
    Fault.DELAYED: 1,
    Fault.TWICE: 2,
    Fault.STATUS_408: 2,
    Fault.STATUS_409: 2,
    Fault.STATUS_429: 4,
    Fault.STATUS_5XX: 4,
    Fault.RESET: 2,
    Fault.UNREADABLE: 3,
    Fault.NEW_WORD: 2,
    Fault.MISSING_FIELD: 3,
    Fault.REFUSED: 2,
    Fault.FILE_GONE: 2,
}
_NOT_FOR_UPLOADS: Final = (Fault.LATE, Fault.TWICE, Fault.NEW_WORD, Fault.FILE_GONE)
_UPLOAD: Final[dict[Fault, int]] = {fault: weight for fault, weight in _CREATE.items() if fault not in _NOT_FOR_UPLOADS}
WEIGHTS: Final[dict[Kind, dict[Fault, int]]] = {"read": _READ, "create": _CREATE, "upload": _UPLOAD, "action": _READ}
"""How often each fault is drawn for a request of each kind, against the others."""

RETRY_AFTER_S: Final = (None, 0.0, 5.0, 40.0, 2000.0)
"""What a 429 may ask for; the last is more than anyone waits."""


class FaultSchedule:
    """The decisions of one seed. `share` of the requests go wrong (creates twice as often) until `calm` is called.

    `counts` holds how often each fault was drawn.
    """

    def __init__(self, seed: int, *, share: float | None = None) -> None:
        self.seed = seed
        self.random = random.Random(f"faults {seed}")
        self.share = self.random.choice((0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)) if share is None else share
        self.counts: Counter[Fault] = Counter()
        self._calm = False

    def calm(self) -> None:
        """Nothing goes wrong from here on."""
        self._calm = True

    def draw(self, kind: Kind) -> Fault | None:
        """What goes wrong with the next request, if anything."""
        share = min(0.8, self.share * (2 if kind == "create" else 1))
        if self._calm or self.random.random() >= share:
            return None
        faults = WEIGHTS[kind]
        fault = self.random.choices(list(faults), weights=list(faults.values()))[0]
        self.counts[fault] += 1
        return fault

    def coin(self) -> bool:
        return self.random.random() < 0.5
