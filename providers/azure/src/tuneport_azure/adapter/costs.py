"""What a job would cost in the tier that it asks for, and what it was billed: by Microsoft's rules, and not known where they are silent.

Not billed: failed jobs, the time in the queue, pauses, checks, and what is cancelled before it trains. A job that is cancelled while it
trains is billed for the work done (Cost management for fine-tuning, 2026-03-19; the same rules on 2026-10-05).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport_openai.adapter.costs import job_to_quote, priced

from tuneport.job import JobState, Snapshot
from tuneport.prices import PriceBook
from tuneport_azure.wire.options import TIERS

if TYPE_CHECKING:
    from tuneport.quote import Quote, Usage
    from tuneport.recipe import Recipe

NOTHING = Decimal(0)
PROVIDER = "azure"
"""Under which the price book and the catalogue know it."""


def estimate(recipe: Recipe, *, name: str, base: str, training_type: str, home: Path, usage: Usage | None, on: date) -> Quote:
    """The quote for that base in that tier, under the name of the profile."""
    from tuneport.quoting.quotes import named, quotes

    job = job_to_quote(recipe, base=base, home=home, usage=usage, on=on)
    return named(quotes(job, PROVIDER, book=PriceBook.load(), tier=TIERS[training_type])[0], name)


def billed(job: Snapshot, *, tokens: int | None, training_type: str | None) -> Decimal | None:
    """In USD, where the rules and the book say one figure; else None. `tokens` are those that the vendor calls billable."""
    by_tokens = job.method in (None, "sft", "dpo")
    if job.state is JobState.FAILED:
        return NOTHING if by_tokens else None
    if job.state is JobState.CANCELLED and tokens == 0 and by_tokens:
        return NOTHING
    if job.state not in (JobState.SUCCEEDED, JobState.CANCELLED) or not tokens or training_type is None:
        return None
    return priced(job, tokens, provider=PROVIDER, tier=TIERS[training_type])
