"""Translation, and nothing else: every function here is pure."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tuneport.errors import Ambiguous, CredentialsRefused, NotFound, RateLimited, Refused, TuneportError, Unreachable
from tuneport.examples import ChatExample, Example, TextPart
from tuneport.job import JobState, Snapshot
from tuneport.plan import Plan, PlannedFile, PlannedRequest
from tuneport.provider import Capability

if TYPE_CHECKING:
    from tuneport.recipe import Recipe

STATES = {
    "loading": JobState.STARTING,
    "firing": JobState.RUNNING,
    "fired": JobState.SUCCEEDED,
    "stopped": JobState.CANCELLED,
}
"""The Kiln's words. One that is missing here becomes `unknown`, never a guess."""


def to_plan(recipe: Recipe, *, name: str, scope: str, base: str) -> Plan:
    """The one request that makes the job. File ids are not known yet: they stand as {file:<purpose>}."""
    datasets = {"train": recipe.train} | ({"validation": recipe.validation} if recipe.validation is not None else {})
    files = tuple(
        PlannedFile.from_chunks(partial(dataset.chunks, format="chat"), purpose=purpose, rows=dataset.count())
        for purpose, dataset in datasets.items()
    )
    settings = {"passes": 3 if recipe.method.epochs == "auto" else recipe.method.epochs, "seed": recipe.seed}
    unused = sorted(recipe.method.model_fields_set - {"kind", "epochs"})
    body = {"base": base, "settings": settings, "files": {file.purpose: f"{{file:{file.purpose}}}" for file in files}}
    return Plan(
        provider=name,
        scope=scope,
        base=base,
        method=recipe.method.kind,
        requests=(PlannedRequest("post_job", body),),
        files=files,
        hyperparameters=settings,
        recipe=recipe.to_dict(),
        recipe_fingerprint=recipe.fingerprint,
        dataset_fingerprint=recipe.train.fingerprint,
        seed=recipe.seed,
        notes=(f"the Kiln decides by itself and does not use: {', '.join(unused)}",) if unused else (),
    )


def needs(row: Example) -> Capability | None:
    """What a row asks for that the Kiln has no place for."""
    turns = row.messages if isinstance(row, ChatExample) else ()
    if any(turn.tool_calls for turn in turns) or getattr(row, "tools", ()):
        return Capability.TOOLS
    if any(not isinstance(part, TextPart) for turn in turns if isinstance(turn.content, tuple) for part in turn.content):
        return Capability.IMAGES
    return None


def labels(plan: Plan, client_id: str) -> dict[str, str]:
    """What is written on the remote job, so that it can be found again whatever becomes of the answer."""
    return {
        "tuneport_client": client_id,
        "tuneport_plan": plan.fingerprint,
        "tuneport_recipe": plan.recipe_fingerprint,
        "tuneport_data": plan.dataset_fingerprint,
    }


def to_snapshot(job: dict[str, Any]) -> Snapshot:
    """The Kiln's answer about one job."""
    state = STATES.get(job["status"], JobState.UNKNOWN)
    return Snapshot(
        provider_id=job["id"],
        state=state,
        provider_state=job["status"],
        created_at=datetime.fromisoformat(job["created"]),
        finished_at=datetime.fromisoformat(job["finished"]) if job["finished"] else None,
        base=job["base"],
        method="sft",
        model=f"pot-{job['id']}" if state is JobState.SUCCEEDED else None,
        client_id=job["labels"].get("tuneport_client"),
        plan_fingerprint=job["labels"].get("tuneport_plan"),
        recipe_fingerprint=job["labels"].get("tuneport_recipe"),
        dataset_fingerprint=job["labels"].get("tuneport_data"),
        files=job["files"],
        seed=job["settings"].get("seed"),
    )


def to_error(status: int, reason: str, *, writing: bool) -> TuneportError:
    """What a status of the Kiln's means. The 408, 409 and 5xx of a write say nothing about whether it took effect."""
    if status == 429:
        return RateLimited(f"the Kiln asks to wait: {reason}.")
    if status in (401, 403):
        return CredentialsRefused(f"the Kiln refuses: {reason}.", reason=reason)
    if status == 404:
        return NotFound(f"the Kiln says that {reason}.", reason=reason)
    if status in (408, 409) or status >= 500:
        return Ambiguous(f"the Kiln answered {status}: {reason}.") if writing else Unreachable(f"the Kiln answered {status}: {reason}.")
    return Refused(f"the Kiln refuses: {reason}.", reason=reason)
