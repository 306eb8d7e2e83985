"""What the local backend can do, as data."""

from __future__ import annotations

from tuneport.provider import YES, Capability, Support, not_yet
from tuneport_local.engines.combinations import trains
from tuneport_local.methods.objectives import METHODS

SHOWN_PICTURES = ("sft", "classify", "regress")
"""The methods whose rows may have pictures."""

_CAPABILITIES: dict[Capability, Support] = {
    Capability.TRAIN: YES,
    Capability.VALIDATION: YES,
    Capability.CANCEL: YES,
    Capability.PAUSE: YES,
    Capability.RESUME: YES,
    Capability.DELETE: YES,
    Capability.EVENTS: YES,
    Capability.METRICS: YES,
    Capability.CHECKPOINTS: YES,
    Capability.DOWNLOAD: YES,
    Capability.EXPORT: YES,
    Capability.SUFFIX: YES,
    Capability.SEED: YES,
    Capability.TOOLS: YES,
    Capability.PREDICT: YES,
    Capability.LOG_PROBABILITIES: YES,
    Capability.CONTINUE: YES,
    Capability.IMAGES: YES,
    Capability.DEPLOY: not_yet("a local model answers without a deployment; `tuneport models serve` lets others ask it while it runs"),
}


def support(capability: Capability, *, method: str | None = None, engine: str | None = None) -> Support:
    """Whether the local backend can do this, and if not, why."""
    if method is not None and method not in METHODS:
        return not_yet(f"method {method!r} is not known to the local backend")
    if engine is not None and not (answer := trains(engine, method=method)):
        return answer
    if capability is Capability.IMAGES and method is not None and method not in SHOWN_PICTURES:
        return not_yet(f"rows with images are not trained on by method {method} locally yet")
    return _CAPABILITIES.get(capability, not_yet(f"{capability} is not built for the local backend yet"))
