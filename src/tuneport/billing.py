"""What a job may cost, and what it cost in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tuneport.errors import TuneportError, UsageError
from tuneport.job import Job

if TYPE_CHECKING:
    from decimal import Decimal

    from tuneport.provider import Trainer
    from tuneport.quote import Quote
    from tuneport.registry import JobRegistry


def refuse_above(most_usd: Decimal, quotes: Sequence[Quote], *, unquoted: Sequence[str] = ()) -> None:
    """Raises UsageError when the upper bound of the job's cost is above `most_usd`, or when there is none where a bill comes.

    Of several quotes (price tiers, say) the dearest counts. Left to a provider, the number of epochs has no bound; nor has what is billed
    `unquoted`.
    """
    if unquoted:
        raise UsageError(f"{' and '.join(unquoted)} are billed beside what can be quoted, so the cost cannot be kept under {most_usd} USD.")
    for quote in quotes:
        cost = quote.once
        if not quote.billed and cost is None:
            continue
        if cost is None or quote.currency != "USD":
            raise UsageError(
                f"the cost at {quote.provider} is not known, so it cannot be kept under {most_usd} USD.", remedy="See: tuneport quote"
            )
        if quote.epochs_assumed:
            raise UsageError(
                f"{quote.provider} is to choose the number of epochs, so the cost cannot be kept under {most_usd} USD.",
                remedy="Name it: --epochs N.",
            )
        if cost.high > most_usd:
            raise UsageError(
                f"the quote at {quote.provider} is up to {cost.high:.2f} USD, above the {most_usd} USD allowed; nothing was sent."
            )


def with_bill(job: Job, *, trainer: Callable[[str], Trainer], registry: JobRegistry) -> Job:
    """`job` with its cost, recorded; as it is while it goes on and where its provider does not say. One request if the cost is unknown."""
    if not job.state.terminal or job.cost is not None or job.provider_id is None:
        return job
    try:
        billed = trainer(job.provider).billed(job.provider_id)
    except TuneportError:
        return job
    if billed is None:
        return job
    return registry.update(job.uri, lambda known: replace(known, cost=str(billed))) or job
