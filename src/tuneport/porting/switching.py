"""The change of code that a switch takes, as two programs that run and the difference between them; and the lineage of the new model."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.errors import TuneportError
from tuneport.files import write_text
from tuneport.model import Deployment
from tuneport.porting.calling import Callee, by_table, calls, openai_code, served, tuneport_code
from tuneport.porting.mapping import Mapped
from tuneport.porting.source import Source
from tuneport.porting.work import Work
from tuneport.serving import KEY_VARIABLE, Serves

if TYPE_CHECKING:
    from tuneport.model import Model

BEFORE, AFTER = "before.py", "after.py"


@dataclass(frozen=True, slots=True)
class Switch:
    """`before` and `after` are whole programs that ask the old and the new model once; `difference` is what changes, `needs` what has to
    be there first."""

    before: str
    after: str
    difference: str
    needs: tuple[str, ...]
    path: Path


def switch(source: Source, mapped: Mapped, model: Model, target: Model | Deployment, *, work: Work) -> Switch:
    """Written into the port's folder, with the lineage in its journal."""
    before, _ = _program(source.model or source.uri, source.provider, work)
    after, needs = _program(target.uri, model.provider, work, target=target)
    difference = "".join(unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), BEFORE, AFTER, n=1))
    write_text(work.folder / BEFORE, before)
    path = write_text(work.folder / AFTER, after)
    lineage = {
        "from": source.uri,
        "old_model": source.model,
        "old_recipe": source.recipe_fingerprint,
        "old_data": source.dataset_fingerprint,
        "job": work.journal.facts("submit").get("job"),
        "model": model.uri,
        "target": target.uri,
        "recipe": mapped.recipe.fingerprint,
        "data": mapped.recipe.train.fingerprint,
    }
    facts = {"lineage": lineage, "after": str(path), "needs": list(needs)}
    work.journal.finish("switch", facts)
    lines = (*needs, *difference.splitlines(), f"as programs: {work.folder / BEFORE}, {path}")
    work.say("switch", *lines, facts={**facts, "difference": difference})
    return Switch(before, after, difference, needs, path)


def _program(uri: str, provider: str, work: Work, *, target: Model | Deployment | None = None) -> tuple[str, tuple[str, ...]]:
    """The code that asks a model, and what it needs."""
    profile = work.client.settings.providers.get(provider, {})
    call = calls().get(str(profile.get("provider", provider)))
    name = uri.partition(":")[2]
    if _served_here(provider, work):
        needs = f"serve it first, with a key of yours in {KEY_VARIABLE}: tuneport models serve {uri}"
        return openai_code(served(uri)), (needs,)
    if call is not None:
        callee: Callee = by_table(call, name.rpartition("/")[2] if call.needs else name, profile=profile)
        return openai_code(callee), (call.needs,) if call.needs and not isinstance(target, Deployment) else ()
    return tuneport_code(uri), (f"{provider} is asked through Tuneport's own client",)


def _served_here(provider: str, work: Work) -> bool:
    """Whether its models are on this machine and can be served from it."""
    try:
        return isinstance(work.client.server(provider), Serves)
    except TuneportError:
        return False
