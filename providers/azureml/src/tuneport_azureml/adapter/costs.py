"""What a job would cost: hours of machines whose number nobody tells beforehand, at prices that no table here has. Said, not guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneport.quote import Quote, QuoteLine

if TYPE_CHECKING:
    from tuneport.quote import Usage
    from tuneport_azureml.wire.plans import Asked

PAGE = "azure.microsoft.com/pricing/details/machine-learning"


def estimate(found: Asked, *, usage: Usage | None) -> Quote:
    if found.compute:
        unit, what = "hour of the compute", f"the compute {found.compute} is billed as long as its machines run"
    elif found.instance_types:
        unit, what = "hour of a machine", f"a machine of {' or '.join(found.instance_types)} is billed as long as the job runs"
    else:
        unit, what = "job", "what the service's own machines cost is told in the model's card in the studio"
    return Quote(
        found.place.name,
        found.base.id,
        (QuoteLine("training", None, unit, None),),
        usage=usage,
        epochs_assumed=found.method.epochs == "auto",
        notes=(f"{what}; prices: {PAGE}", "how long a job runs is known afterwards only, and the price of machines is in no table here"),
    )
