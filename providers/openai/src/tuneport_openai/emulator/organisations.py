"""Who has an account on the emulated platform, and what the wind-down of fine-tuning leaves them.

The dates are OpenAI's (deprecations page, copy of September 2026): organisations that never tuned could create no jobs from 2026-05-07 on,
those that had not asked a tuned model in 60 days from 2026-07-02 on, nobody from 2027-01-06 on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NEWCOMERS_OUT = datetime(2026, 5, 7, tzinfo=UTC)
IDLE_OUT = datetime(2026, 7, 2, tzinfo=UTC)
EVERYBODY_OUT = datetime(2027, 1, 6, tzinfo=UTC)
IDLE = timedelta(days=60)


@dataclass(slots=True)
class Organisation:
    """`closed`: may create no jobs whatever the date. `most_jobs`: how many may be under way per base; None: any number."""

    id: str
    slug: str
    has_tuned: bool = True
    asked_tuned_at: datetime | None = None
    closed: bool = False
    out_of_credit: bool = False
    most_jobs: int | None = None

    def may_create_jobs(self, at: datetime) -> bool:
        if self.closed or at >= EVERYBODY_OUT:
            return False
        if at >= NEWCOMERS_OUT and not self.has_tuned:
            return False
        return at < IDLE_OUT or (self.asked_tuned_at is not None and at - self.asked_tuned_at <= IDLE)
