"""What can be tuned there, and what the service can and cannot do: answered without a request."""

from __future__ import annotations

from datetime import date

from tuneport.catalogue import Base, catalogue
from tuneport.catalogue.offered import offered
from tuneport.provider import YES, BaseModel, Capability, Support, not_yet, vendor_cannot
from tuneport_vertex.wire.bases import is_gemini, short_base
from tuneport_vertex.wire.tunable import METHODS, PROVIDER

_CANNOT = {
    Capability.PAUSE: "Vertex AI cannot pause a tuning job",
    Capability.RESUME: "Vertex AI cannot pause a tuning job, and so not resume one",
    Capability.SEED: "Vertex AI takes no seed",
    Capability.EXPORT: "the weights of a tuned Gemini stay with Google, and those of a tuned open model lie in the bucket of its job",
    Capability.LOG_PROBABILITIES: "Gemini tells the log-probabilities of its own words only, not of a reference",
}


def support(capability: Capability, *, method: str | None = None, base: str | None = None) -> Support:
    """Whether this can be done; `base` narrows it to what the catalogue says of that base, if it is known there."""
    if capability in _CANNOT:
        return vendor_cannot(_CANNOT[capability])
    if method is not None and method not in METHODS:
        return vendor_cannot(f"Vertex AI tunes by the methods {', '.join(METHODS)}, not by {method}")
    known = catalogue().find(short_base(base), provider=PROVIDER) if base is not None else None
    refused = _of_base(capability, known, method=method) if known is not None else None
    return YES if refused is None else refused


def _of_base(capability: Capability, base: Base, *, method: str | None) -> Support | None:
    gemini = is_gemini(base.id)
    if method is not None and method not in base.methods:
        return vendor_cannot(f"{base.id} is trained by {' and '.join(base.methods)}, not by {method}")
    if capability is Capability.IMAGES and "images" not in base.takes:
        return vendor_cannot(f"{base.id} is not trained on images")
    if capability is Capability.DEPLOY and gemini:
        return vendor_cannot("a tuned Gemini answers without a deployment")
    if capability is Capability.CONTINUE and not gemini:
        return not_yet("a tuned open model is not named as a base: its weights are, by options.vertex.custom_base_model")
    return None


def tunable(location: str, *, on: date) -> tuple[BaseModel, ...]:
    """The bases that are tuned in that location and not closed on that day, the end of each in its note."""
    return offered((base for base in catalogue().of(PROVIDER) if not base.regions or location in base.regions), on=on)
