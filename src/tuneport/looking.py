"""Looking at the provider for the job of one submit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tuneport.errors import TuneportError
from tuneport.intent import Intent
from tuneport.job import Snapshot
from tuneport.plan import Plan
from tuneport.provider import MatchesJobs
from tuneport.retry import reading

if TYPE_CHECKING:
    from tuneport.submit import Desk

CLOCK_SKEW = timedelta(minutes=10)
"""How far a provider's clock may differ from ours where a job is told by nothing better than the time."""


def look(intent: Intent, plan: Plan, *, desk: Desk) -> tuple[Snapshot | None, str]:
    """(the intent's job if it is there, why nobody could look): whatever goes wrong with a look says nothing of the job."""
    since = intent.created_at - CLOCK_SKEW
    try:
        return reading(lambda: _found(intent, plan, since, desk=desk), clock=desk.clock, attempts=3), ""
    except TuneportError as error:
        return None, error.message


def _found(intent: Intent, plan: Plan, since: datetime, *, desk: Desk) -> Snapshot | None:
    """What the trainer finds by our mark; where jobs carry none, the one that fits the plan and is not known to be another submit's."""
    matching = desk.trainer.matching(plan, since=since) if isinstance(desk.trainer, MatchesJobs) else None
    if matching is None:
        one = desk.trainer.find(intent.client_id, plan, since=since)
        matching = () if one is None else (one,)
    fitting = [each for each in matching if _is_ours(each, intent, plan, desk=desk)]
    ours = [each for each in fitting if each.client_id is not None] or fitting
    return ours[0] if len(ours) == 1 else None


def _is_ours(snapshot: Snapshot, intent: Intent, plan: Plan, *, desk: Desk) -> bool:
    """Compared here as well: a provider may ignore a filter, and an adapter may trust it."""
    if snapshot.client_id is not None:
        same_plan = snapshot.plan_fingerprint in (None, intent.plan_fingerprint)
        return snapshot.client_id == intent.client_id and same_plan
    owner = desk.registry.job(f"{desk.provider}:{snapshot.provider_id}")
    if owner is not None and owner.client_id not in (None, intent.client_id):
        return False
    same_files = all(snapshot.files.get(purpose) == file_id for purpose, file_id in intent.files.items())
    same_seed = snapshot.seed in (None, plan.seed)
    return bool(snapshot.files) and same_files and same_seed and plan.may_train(snapshot.base)
