"""Uploading a plan's files: each once, found again after a lost reply, re-checked before reuse; many of them several at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from tuneport.clock import Clock
from tuneport.errors import Ambiguous, RateLimited, Refused, Unreachable
from tuneport.plan import Plan, PlannedFile
from tuneport.provider import Trainer, UploadsAtOnce
from tuneport.registry import JobRegistry
from tuneport.retry import RATE_LIMIT_BUDGET_S, reading, wait_s

READY_WITHIN_S = 1800.0
LISTED_WITHIN_S = 60.0
"""How long a file that was just uploaded may still be unknown to its provider: what reads lags behind what writes."""
ATTEMPTS = 4
FEW = 8
"""So many files go one by one; of more, such as the images of a dataset, several at a time where the provider allows it."""


def upload_files(plan: Plan, *, trainer: Trainer, registry: JobRegistry, clock: Clock, anew: bool = False) -> dict[str, str]:
    """The provider's id for each file of the plan, by purpose; ready to be used.
    `anew` uploads although an id is known: it turned out gone.

    Raises Refused when the provider rejects a file, Unreachable when it does not answer. A file is not a paid job: a second copy in the
    worst case is harmless, and its name makes it recognisable.
    """
    desk = _Desk(plan.scope, trainer, _Shared(registry), clock, anew=anew)
    at_once = trainer.uploads_at_once if len(plan.files) > FEW and isinstance(trainer, UploadsAtOnce) else 1
    if at_once == 1:
        return {file.purpose: _ready(file, desk) for file in plan.files}
    first, *rest = plan.files  # what concerns all of them alike shows at the first
    ids = {first.purpose: _ready(first, desk)}
    with ThreadPoolExecutor(at_once, thread_name_prefix="tuneport-uploading") as pool:
        waiting = {file.purpose: pool.submit(_ready, file, desk) for file in rest}
        try:
            return ids | {purpose: future.result() for purpose, future in waiting.items()}
        finally:
            for future in waiting.values():
                future.cancel()


class _Shared:
    """The registry's memory of uploads for several threads: its transactions go one after another."""

    def __init__(self, registry: JobRegistry) -> None:
        self._registry = registry
        self._lock = Lock()

    def file(self, scope: str, file: PlannedFile) -> tuple[bool, str | None]:
        with self._lock:
            return self._registry.file(scope, file.purpose, file.sha256)

    def remember(self, scope: str, file: PlannedFile, *, file_id: str | None) -> None:
        with self._lock:
            self._registry.remember_file(scope, file.purpose, file.sha256, file_id=file_id)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every upload needs."""

    scope: str
    trainer: Trainer
    memory: _Shared
    clock: Clock
    anew: bool


def _ready(file: PlannedFile, desk: _Desk) -> str:
    begun, file_id = (False, None) if desk.anew else desk.memory.file(desk.scope, file)
    if begun and file_id is None:  # an upload began here and its reply never arrived
        file_id = reading(lambda: desk.trainer.find_file(file), clock=desk.clock)
    if file_id is not None and _usable(file_id, file, trainer=desk.trainer, clock=desk.clock, fresh=False):
        desk.memory.remember(desk.scope, file, file_id=file_id)
        return file_id
    file_id = _upload(file, desk)
    desk.memory.remember(desk.scope, file, file_id=file_id)
    _usable(file_id, file, trainer=desk.trainer, clock=desk.clock, fresh=True)
    return file_id


def _upload(file: PlannedFile, desk: _Desk) -> str:
    trainer, clock = desk.trainer, desk.clock
    desk.memory.remember(desk.scope, file, file_id=None)
    waited_s = 0.0
    for attempt in range(ATTEMPTS):
        last = attempt == ATTEMPTS - 1
        try:
            return trainer.upload(file)
        except RateLimited as error:
            pause_s = wait_s(error, otherwise_s=2.0**attempt)
            if last or (waited_s := waited_s + pause_s) > RATE_LIMIT_BUDGET_S:
                raise
            clock.sleep(pause_s)
        except Unreachable as error:
            if isinstance(error, Ambiguous) and (found := reading(lambda: trainer.find_file(file), clock=clock)) is not None:
                return found
            if last:
                raise
            clock.sleep(2.0**attempt)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _usable(file_id: str, file: PlannedFile, *, trainer: Trainer, clock: Clock, fresh: bool) -> bool:
    """Waits until the file is ready. False when an old one is gone or broken (it is uploaded anew).
    For a fresh one that is an error, after a while in which the provider may come to know it."""
    start = clock.monotonic()
    pause_s = 1.0
    while True:
        state = reading(lambda: trainer.file_state(file_id), clock=clock)
        if state.state == "ready":
            return True
        waited_s = clock.monotonic() - start
        appearing = fresh and state.state == "gone" and waited_s < LISTED_WITHIN_S
        if state.state in ("gone", "error") and not appearing:
            if not fresh:
                return False
            raise Refused(
                f"the {file.purpose} file was not accepted ({state.state}): {state.reason or 'no reason given'}.", reason=state.reason
            )
        if waited_s > READY_WITHIN_S:
            raise Unreachable(
                f"the {file.purpose} file {file_id} is still being processed after {READY_WITHIN_S:.0f} s.", remedy="Submit again later."
            )
        clock.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 15.0)
