"""What the fake adapter translates, as pure functions: a recipe into the cloud's request, the cloud's rows into snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from tuneport.job import JobState, Snapshot
from tuneport.plan import Plan, PlannedFile, PlannedRequest
from tuneport.provider import Capability
from tuneport.testing.wire import Kind, NoAnswer, Reply, to_error

if TYPE_CHECKING:
    from tuneport.recipe import Recipe

Names = Literal["provider", "client"]
"""Who names a job: the provider (our client id is metadata on it) or the client (our client id is its name)."""

WORDS: dict[str, JobState] = {
    "validating_files": JobState.VALIDATING,
    "queued": JobState.QUEUED,
    "running": JobState.RUNNING,
    "paused": JobState.PAUSED,
    "saving": JobState.FINALIZING,
    "stopping": JobState.CANCELLING,
    "done": JobState.SUCCEEDED,
    "error": JobState.FAILED,
    "stopped": JobState.CANCELLED,
    "expired": JobState.EXPIRED,
}


def scope_of(name: str) -> str:
    """The account that jobs of the fake provider `name` land in."""
    return f"{name}-account"


def fake_plan(
    *,
    rows: Sequence[bytes],
    name: str = "fake",
    names: Names = "provider",
    base: str = "fake-small",
    seed: int = 0,
    epochs: int = 1,
) -> Plan:
    """A plan without a recipe: what the simulation submits."""
    file = PlannedFile.from_chunks(partial(iter, [row + b"\n" for row in rows]), purpose="train", rows=len(rows))
    return build_plan(
        name=name,
        scope=scope_of(name),
        names=names,
        base=base,
        files=(file,),
        hyperparameters={"epochs": epochs},
        seed=seed,
        suffix=None,
    )


def build_plan(
    *,
    name: str,
    scope: str,
    names: Names,
    base: str,
    files: tuple[PlannedFile, ...],
    hyperparameters: dict[str, Any],
    seed: int,
    suffix: str | None,
    recipe: dict[str, Any] | None = None,
    recipe_fingerprint: str = "",
    dataset_fingerprint: str = "",
) -> Plan:
    """The plan for one job of this cloud: one request, with the files' ids still to be filled in."""
    body = {"base": base, "method": "sft", "hyperparameters": hyperparameters, "seed": seed, "suffix": suffix}
    body["files"] = {file.purpose: f"{{file:{file.purpose}}}" for file in files}
    return Plan(
        provider=name,
        scope=scope,
        base=base,
        method="sft",
        requests=(PlannedRequest("POST /jobs" if names == "provider" else "PUT /jobs/{client_id}", body),),
        files=files,
        hyperparameters=hyperparameters,
        recipe=recipe or {},
        recipe_fingerprint=recipe_fingerprint,
        dataset_fingerprint=dataset_fingerprint,
        seed=seed,
        suffix=suffix,
    )


def plan_files(recipe: Recipe) -> Iterator[PlannedFile]:
    """The files of a recipe: its canonical rows, a line each."""
    from tuneport.examples import canonical_bytes

    for purpose, dataset in (("train", recipe.train), ("validation", recipe.validation)):
        if dataset is not None:
            rows = [canonical_bytes(example) + b"\n" for example in dataset]
            yield PlannedFile.from_chunks(partial(iter, rows), purpose=purpose, rows=len(rows))


def needs_of(recipe: Recipe) -> Iterator[Capability]:
    """What the rows of a recipe ask for beside text, once for every row that does."""
    from tuneport.examples import ChatExample, TextPart

    for dataset in (recipe.train, recipe.validation):
        for row in dataset or ():
            turns = row.messages if isinstance(row, ChatExample) else ()
            if turns and (getattr(row, "tools", ()) or any(turn.tool_calls or turn.role == "tool" for turn in turns)):
                yield Capability.TOOLS
            if any(not isinstance(part, TextPart) for turn in turns if isinstance(turn.content, tuple) for part in turn.content):
                yield Capability.IMAGES


def time_of(epoch_s: float) -> datetime:
    """Seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(epoch_s, UTC)


def demand(reply: Reply, field: str, *, call: str, kind: Kind = "read") -> Any:
    """A field of a reply that nothing can be done without: where it is missing, the reply counts as not readable."""
    if field not in reply:
        raise to_error(NoAnswer(f"the answer has no {field!r}"), call=call, kind=kind)
    return reply[field]


def snapshot(row: Reply, call: str = "GET /jobs", kind: Kind = "read") -> Snapshot:
    """A job as the cloud tells it. Whatever may be missing is; a row without an id is an answer that cannot be read."""
    word = row.get("status") or ""
    ours = row.get("metadata") or {}
    created, finished = row.get("created_at"), row.get("finished_at")
    return Snapshot(
        provider_id=str(demand(row, "id", call=call, kind=kind)),
        state=WORDS.get(word, JobState.UNKNOWN),
        provider_state=word,
        created_at=time_of(created) if created is not None else None,
        finished_at=time_of(finished) if finished is not None else None,
        base=row.get("base"),
        method=row.get("method"),
        model=row.get("model"),
        error=row.get("error"),
        client_id=ours.get("client_id"),
        plan_fingerprint=ours.get("plan"),
        recipe_fingerprint=ours.get("recipe"),
        dataset_fingerprint=ours.get("dataset"),
        files=dict(row.get("files") or {}),
        seed=row.get("seed"),
        suffix=row.get("suffix"),
    )
