"""What a deployment costs as long as it stands, and when Azure removes it. Pure, over the price book.

Rules of 2026-11-21: azure-ai-docs, deletion of fine-tuned deployments and fine-tuning cost management (ms.date 2026-03-19).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from tuneport.prices import PriceBook
from tuneport.quote import QuoteLine
from tuneport.span import Span
from tuneport_azure.adapter.usage import LastUse
from tuneport_azure.wire.deployments import Kind, Standing
from tuneport_azure.wire.options import TIERS
from tuneport_azure.wire.skus import Sku

IDLE = timedelta(days=15)
"""A hosted deployment of a tuned model is deleted that long after it was last asked, and not sooner than that after it was made."""
DEVELOPER = timedelta(hours=24)
"""A developer deployment is deleted that long after it was made, asked or not."""


def removed_at(standing: Standing, use: LastUse) -> datetime | None:
    """When Azure removes it, should nobody ask it from now on; None where that is not known, or it is no tuned model's."""
    if standing.created_at is None or not standing.tuned or standing.kind is None or standing.phase in ("failed", "ending"):
        return None
    if standing.kind == "developer":
        return standing.created_at + DEVELOPER
    return None if use.unknown else max(standing.created_at, use.at or standing.created_at) + IDLE


def idle_days(standing: Standing, use: LastUse, *, now: datetime) -> int | None:
    """Whole days since it was last asked, or made; None where that is not known."""
    if use.unknown or standing.created_at is None:
        return None
    return max(0, (now - max(standing.created_at, use.at or standing.created_at)).days)


def costs(kind: Kind, model: str, *, on: date) -> tuple[QuoteLine, ...]:
    """What an hour costs in that tier, asked or not, for a model of that base."""
    rows = PriceBook.load().prices("azure", model, "hosting hour", tier=TIERS[kind])
    if not rows:
        return (QuoteLine("hosting", Span.exactly(1), "hosting hour", None, note="what an hour of it costs is not known"),)
    first = rows[0]
    values = sorted({row.price for row in rows if row.currency == first.currency})
    return (
        QuoteLine(
            "hosting",
            Span.exactly(1),
            "hosting hour",
            first.price,
            currency=first.currency,
            price_range=(values[0], values[-1]) if len(values) > 1 else None,
            as_of=first.as_of.isoformat(),
            source=first.source,
            confidence=first.confidence,
            doubts=first.doubts(on=on) + (("contradicted",) if len(values) > 1 else ()),
            note=first.note,
        ),
    )


def rules(kind: Kind, *, capacity: int, why: str, sku: Sku | None) -> tuple[str, ...]:
    """What to know before it stands, a sentence each."""
    return (*(_DEVELOPER if kind == "developer" else _HOSTED), _TOKENS[kind], _room(capacity, why=why, sku=sku), _MINUTES)


_HOSTED = (
    "Every hour is billed from when it is made until it is ended, asked or not, whatever its capacity.",
    "Azure removes it once it is older than 15 days and was not asked for 15 days in a row; the model stays and can be deployed again.",
)
_DEVELOPER = (
    "Azure removes it 24 hours after it was made, asked or not; the model stays and can be deployed again.",
    "It is for trying out: no hour is billed, nothing is promised of its availability, and data may be worked on in any region.",
)
_TOKENS: Mapping[Kind, str] = {
    "standard": "Tokens are billed besides, in and out, at the regional price.",
    "global": "Tokens are billed besides, in and out, at the global price.",
    "developer": "Tokens are billed besides, in and out, at the global price.",
}
_MINUTES = "It takes minutes until it answers, and perhaps some more after Azure says that it is ready."


def _room(capacity: int, *, why: str, sku: Sku | None) -> str:
    asked = f" and {capacity * sku.requests:g} requests" if sku and sku.requests else ""
    return f"Capacity {capacity}: up to {capacity * 1000:,} tokens{asked} a minute ({why}); it changes no price."
