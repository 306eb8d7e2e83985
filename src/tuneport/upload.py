"""Uploading a plan's files: each once, found again after a lost reply, re-checked before reuse."""

from __future__ import annotations

from tuneport.clock import Clock
from tuneport.errors import Ambiguous, RateLimited, Refused, Unreachable
from tuneport.plan import Plan, PlannedFile
from tuneport.provider import Trainer
from tuneport.registry import JobRegistry
from tuneport.retry import RATE_LIMIT_BUDGET_S, reading, wait_s

READY_WITHIN_S = 1800.0
LISTED_WITHIN_S = 60.0
"""How long a file that was just uploaded may still be unknown to its provider: what reads lags behind what writes."""
ATTEMPTS = 4


def upload_files(plan: Plan, *, trainer: Trainer, registry: JobRegistry, clock: Clock, anew: bool = False) -> dict[str, str]:
    """The provider's id for each file of the plan, by purpose; ready to be used.
    `anew` uploads although an id is known: it turned out gone.


    Raises Refused when the provider rejects a file, Unreachable when it does not answer. A file is not a paid job: a second copy in the
    worst case is harmless, and its name makes it recognisable.
    """
    return {file.purpose: _ready(file, plan.scope, trainer=trainer, registry=registry, clock=clock, anew=anew) for file in plan.files}


def _ready(file: PlannedFile, scope: str, *, trainer: Trainer, registry: JobRegistry, clock: Clock, anew: bool) -> str:
    begun, file_id = (False, None) if anew else registry.file(scope, file.purpose, file.sha256)
    if begun and file_id is None:  # an upload began here and its reply never arrived
        file_id = reading(lambda: trainer.find_file(file), clock=clock)
    if file_id is not None and _usable(file_id, file, trainer=trainer, clock=clock, fresh=False):
        registry.remember_file(scope, file.purpose, file.sha256, file_id=file_id)
        return file_id
    file_id = _upload(file, scope, trainer=trainer, registry=registry, clock=clock)
    registry.remember_file(scope, file.purpose, file.sha256, file_id=file_id)
    _usable(file_id, file, trainer=trainer, clock=clock, fresh=True)
    return file_id


def _upload(file: PlannedFile, scope: str, *, trainer: Trainer, registry: JobRegistry, clock: Clock) -> str:
    registry.remember_file(scope, file.purpose, file.sha256, file_id=None)
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
