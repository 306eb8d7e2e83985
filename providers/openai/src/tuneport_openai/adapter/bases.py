"""What can be tuned there, and what the vendor can and cannot do: answered without a request."""

from __future__ import annotations

from datetime import date

from tuneport.catalogue import catalogue
from tuneport.catalogue.offered import offered
from tuneport.provider import YES, BaseModel, Capability, Support, vendor_cannot
from tuneport_openai.adapter.costs import priced_as
from tuneport_openai.profile import Endpoint, Quirk

METHODS = ("sft", "dpo", "grpo")
_CANNOT = {
    Capability.EXPORT: vendor_cannot("the weights of tuned models stay with the vendor"),
    Capability.DEPLOY: vendor_cannot("a tuned model answers there without a deployment"),
    Capability.LOG_PROBABILITIES: vendor_cannot(
        "the chat API tells the log-probabilities of the model's own words only, not of a reference"
    ),
}
_QUIRKS: dict[Capability, tuple[Quirk, str]] = {
    Capability.PAUSE: ("no_pause", "jobs cannot be paused there"),
    Capability.RESUME: ("no_pause", "jobs cannot be paused and resumed there"),
    Capability.CHECKPOINTS: ("no_checkpoints", "no checkpoints are kept there"),
}


def support(endpoint: Endpoint, capability: Capability, *, method: str | None = None, base: str | None = None) -> Support:
    """Whether this can be done; `base` narrows it to what the catalogue says of that base, if it is known there."""
    quirk, why = _QUIRKS.get(capability, (None, ""))
    if quirk in endpoint.quirks:
        return vendor_cannot(why)
    refused = refused_by_base(capability, provider=priced_as(endpoint), method=method, base=base)
    return _CANNOT.get(capability, YES) if refused is None else refused


def refused_by_base(capability: Capability, *, provider: str | None, method: str | None, base: str | None) -> Support | None:
    """Why it cannot be done by that method, or on that base as the catalogue of `provider` has it; None where nothing speaks against it."""
    if method is not None and method not in METHODS:
        return vendor_cannot(f"the API knows the methods {', '.join(METHODS)}, not {method}")
    known = catalogue().find(base, provider=provider) if base is not None and provider else None
    if known is not None and method is not None and method not in known.methods:
        return vendor_cannot(f"{known.id} is trained by {' and '.join(known.methods)}, not by {method}")
    if known is not None and capability is Capability.IMAGES and "images" not in known.takes:
        return vendor_cannot(f"{known.id} is not trained on images")
    return None


def tunable(provider: str | None, *, on: date) -> tuple[BaseModel, ...]:
    """The bases of the catalogue at that provider that are not closed on that day, the end of each in its note. Empty for None."""
    return offered(catalogue().of(provider) if provider else (), on=on)
