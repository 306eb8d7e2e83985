"""The change of code that a switch takes, as two programs that run and the difference between them; and the lineage of the new model."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.errors import TuneportError
from tuneport.files import write_text
from tuneport.model import Deployment
from tuneport.porting.calling import Call, Callee, by_table, calls, genai_code, openai_code, served, tuneport_code
from tuneport.porting.deploying import serving
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
    before, _ = _program(_asked_as(source, work), source.provider, work)
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


def _asked_as(source: Source, work: Work) -> str:
    """The old model, or the youngest deployment of it that stands, where it answers only through one and that can be seen."""
    uri = source.model or source.uri
    call = _call(source.provider, work)
    if call is None or not call.deployed:
        return uri
    found = serving(uri, client=work.client)
    return found[0].uri if found else uri


def _call(provider: str, work: Work) -> Call | None:
    """How a provider or profile is called, another address included, if it speaks that dialect."""
    return calls().get(str(work.client.settings.providers.get(provider, {}).get("provider", provider)))


def _program(uri: str, provider: str, work: Work, *, target: Model | Deployment | None = None) -> tuple[str, tuple[str, ...]]:
    """The code that asks a model, and what it needs."""
    profile = work.client.settings.providers.get(provider, {})
    call = _call(provider, work)
    name = uri.partition(":")[2]
    if call is not None and call.sdk == "google-genai":
        if (endpoint := _endpoint(uri, provider, target, work)) is not None:
            return genai_code(endpoint, profile=profile), (call.needs,)
    elif call is not None:
        callee: Callee = by_table(call, name.rpartition("/")[2] if call.deployed else name, profile=profile)
        return openai_code(callee), (call.needs,) if call.needs and not isinstance(target, Deployment) else ()
    if _served_here(provider, work):
        needs = f"serve it first, with a key of yours in {KEY_VARIABLE}: tuneport models serve {uri}"
        return openai_code(served(uri)), (needs,)
    return tuneport_code(uri), (f"{provider} is asked through Tuneport's own client",)


def _endpoint(uri: str, provider: str, target: Model | Deployment | None, work: Work) -> str | None:
    """Where a model answers by itself; None where it takes a deployment, or nobody says."""
    if isinstance(target, Deployment):
        return None
    try:
        model = target or work.client.server(provider).model(uri.partition(":")[2])
    except TuneportError:
        return None
    found = model.details.get("endpoint")
    return str(found) if found else None


def _served_here(provider: str, work: Work) -> bool:
    """Whether its models are on this machine and can be served from it."""
    try:
        return isinstance(work.client.server(provider), Serves)
    except TuneportError:
        return False
