"""What a job would cost: hours of machines whose number nobody tells beforehand, and what an hour costs, where the price book says it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from tuneport.prices import PriceBook
from tuneport.quote import Quote, QuoteLine

if TYPE_CHECKING:
    from tuneport.quote import Usage
    from tuneport_azureml.wire.plans import Asked

PAGE = "azure.microsoft.com/pricing/details/machine-learning"
TIER = "azure on-demand"
GPUS = {
    "standard_nc24ads_a100_v4": ("A100 80GB PCIe", 1),
    "standard_nc40ads_h100_v5": ("H100 94GB NVL", 1),
    "standard_nd96asr_v4": ("A100 40GB SXM", 8),
    "standard_nd96isr_h100_v5": ("H100 80GB SXM", 8),
}
"""The sizes that the book's prices of GPUs are of, by its notes, with the GPU's name and how many a machine has."""


def estimate(found: Asked, *, usage: Usage | None, on: date) -> Quote:
    if found.compute:
        unit, what = "hour of the compute", f"the compute {found.compute} is billed as long as its machines run"
    elif found.instance_types:
        unit, what = "hour of a machine", f"a machine of {' or '.join(found.instance_types)} is billed as long as the job runs"
    else:
        unit, what = "job", "what the service's own machines cost is told in the model's card in the studio"
    line = QuoteLine("training", None, unit, None)
    if not found.compute and len(found.instance_types) == 1:
        line = _hour(found.instance_types[0], on=on) or line
    known = "" if line.price is None else "; what an hour costs in the workspace's own region: tuneport providers check"
    return Quote(
        found.place.name,
        found.base.id,
        (line,),
        usage=usage,
        epochs_assumed=found.method.epochs == "auto",
        notes=(f"{what}; prices: {PAGE}", f"how long a job runs, and on how many machines, is known afterwards only{known}"),
    )


def _hour(size: str, *, on: date) -> QuoteLine | None:
    """An hour of one machine of that size; None where the book says nothing of it. How many hours there are is not known."""
    gpu, count = GPUS.get(size.casefold(), ("", 0))
    row = next((row for row in PriceBook.load().of("gpu") if (row.model, row.tier) == (gpu, TIER)), None)
    if row is None:
        return None
    return QuoteLine(
        "training",
        None,
        "hour of a machine",
        row.price * count,
        currency=row.currency,
        as_of=row.as_of.isoformat(),
        source=row.source,
        confidence=row.confidence,
        doubts=row.doubts(on=on),
        note=f"{size} in {row.region}",
    )
