"""From a recipe to a plan: as for OpenAI, with the training type in every job, and with files that the vendor is to fetch by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import TYPE_CHECKING

from tuneport_openai.wire.bases import known_base
from tuneport_openai.wire.dialect import FileRules
from tuneport_openai.wire.plans import to_plan as to_dialect_plan

from tuneport.errors import RecipeError, Unsupported
from tuneport.plan import Plan, PlannedFile
from tuneport.recipe import Recipe
from tuneport_azure.quotas import AT_A_TIME
from tuneport_azure.wire.dialect import AZURE, file_rules
from tuneport_azure.wire.options import ON_THE_WIRE, TIERS, AzureOptions, options_of
from tuneport_azure.wire.versions import refuse_old

if TYPE_CHECKING:
    from tuneport.catalogue import Base

_OPENAIS = re.compile(r"gpt-[345]|o\d")
_CHECKPOINT = re.compile(r"ftc?h?kpt[-_]")


@dataclass(frozen=True, slots=True)
class ImportedFile(PlannedFile):
    """A file that the vendor fetches from the address in the environment variable `variable`; it must be the planned one."""

    variable: str = ""


def to_plan(recipe: Recipe, *, provider: str, scope: str, base: str, on: date, training_type: str, version: str | None) -> Plan:
    """What would be sent for `recipe` on that day. `base` is the vendor's own id or an alias; `training_type` that of the profile.

    Raises UnknownModel, Unsupported, RecipeError, CheckFailed and DatasetError; the cheap reasons come before the data are read.
    """
    options = options_of(recipe, provider=provider)
    chosen = options.training_type or training_type
    refuse_old(version, what="to train with")
    _refuse_checkpoint(base)
    known = known_base(base, dialect=AZURE)
    if known is not None:
        _refuse_tier(known, chosen)
        _refuse_going_on(known, base)
    plan = to_dialect_plan(
        recipe,
        provider=provider,
        scope=scope,
        base=base,
        on=on,
        dialect=AZURE,
        options=options,
        beside={"trainingType": ON_THE_WIRE[chosen]},
    )
    files = tuple(_files(plan, options))
    notes = (*plan.notes, *_notes(chosen), *_kept(files, file_rules(version)))
    return replace(plan, files=files, notes=notes, tier=TIERS[chosen])


def _refuse_checkpoint(base: str) -> None:
    if _CHECKPOINT.match(base):
        raise Unsupported(
            f"{base} is the id of a checkpoint, which does not say what it is a checkpoint of.",
            remedy="Go on from the tuned model instead: tuneport models list --provider azure",
        )


def _refuse_tier(base: Base, chosen: str) -> None:
    """By the catalogue's table of models; which of them a region offers only the vendor knows."""
    offered = [name for name, tier in TIERS.items() if tier in base.tiers]
    if base.tiers and chosen not in offered:
        raise Unsupported(
            f"{base.id} is not trained as {chosen} at Azure ({base.source}, {base.as_of}).",
            remedy=f"Choose another training type: options.azure.training_type = {' or '.join(map(repr, offered))}.",
        )


def _refuse_going_on(base: Base, name: str) -> None:
    if ".ft-" in name and not _OPENAIS.match(base.id):
        raise Unsupported(
            f"{name} cannot be trained further: Azure goes on from tuned OpenAI models only, not from those of {base.id}.",
            remedy=f"Train {base.id} on all the rows instead.",
        )


def _files(plan: Plan, options: AzureOptions) -> Iterator[PlannedFile]:
    """Those that are to be fetched say from where."""
    unknown = options.import_env.keys() - {file.purpose for file in plan.files}
    if unknown:
        raise RecipeError(f"options: import_env names a {min(unknown)} file, and the recipe has none.")
    for file in plan.files:
        variable = options.import_env.get(file.purpose)  # type: ignore[call-overload]
        yield (
            file if variable is None else ImportedFile(**{each.name: getattr(file, each.name) for each in fields(file)}, variable=variable)
        )


def _notes(chosen: str) -> Iterator[str]:
    if chosen == "developer":
        yield "developer jobs are paused and resumed by the vendor whenever it needs the room; pauses are not billed"
    yield f"in a resource {AT_A_TIME} job trains at a time by an older page of the vendor's; how many there are: tuneport providers check"
    if chosen != "standard":
        yield "the data may be processed outside the resource's region; training_type 'standard' keeps them there"


def _kept(files: Sequence[PlannedFile], rules: FileRules) -> Iterator[str]:
    if rules.life_s is not None and any(not isinstance(file, ImportedFile) for file in files):
        yield (
            f"uploaded files are dropped by the vendor after {rules.life_s // 86_400} days; the tuned model stays, and tuneport archive "
            "keeps the rows"
        )
