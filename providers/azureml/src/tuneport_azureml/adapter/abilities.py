"""What can be tuned there, and what the service can and cannot do: answered without a request."""

from __future__ import annotations

from tuneport.provider import YES, BaseModel, Capability, Support, not_yet, vendor_cannot
from tuneport_azureml.wire.plans import METHODS
from tuneport_azureml.wire.tunable import rows

_CANNOT = {
    Capability.PAUSE: "Azure ML cannot pause a fine-tuning job",
    Capability.RESUME: "Azure ML cannot pause a fine-tuning job, and so not resume one",
    Capability.TOOLS: "Azure ML's chat completion has no place for tools in its rows",
    Capability.IMAGES: "the tasks that are carried learn from text alone",
    Capability.LOG_PROBABILITIES: "endpoints tell the log-probabilities of what the model says, not of a reference",
    Capability.CHECKPOINTS: "a fine-tuning job registers one model, without its checkpoints",
}
_NOT_YET = {
    Capability.SEED: "the seed is not sent; where a base takes one: options.azureml.hyperparameters",
    Capability.CONTINUE: "a model that was tuned in the workspace is not named as a base",
    Capability.EXPORT: "the registered model is fetched as it lies (tuneport archive); its adapter is not made into another format",
}


def support(capability: Capability, *, method: str | None = None) -> Support:
    if capability in _CANNOT:
        return vendor_cannot(_CANNOT[capability])
    if capability in _NOT_YET:
        return not_yet(_NOT_YET[capability])
    if method is not None and method not in METHODS:
        return vendor_cannot(f"Azure ML's fine-tuning jobs train by the methods {', '.join(METHODS)}, not by {method}")
    return YES


def tunable() -> tuple[BaseModel, ...]:
    """The bases of our catalogue; any other model of a registry is named by its asset id."""
    return tuple(
        BaseModel(row["id"], methods=tuple(row["methods"]), context_tokens=row.get("context_tokens"), note=_note(row)) for row in rows()
    )


def _note(row: dict[str, object]) -> str:
    return "; ".join(str(each) for each in (row.get("note"), row["asset"]) if each)
