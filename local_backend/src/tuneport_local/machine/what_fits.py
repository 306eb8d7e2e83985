"""What would fit where a training does not, with numbers: before anything is loaded, and after the memory ran out. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tuneport.catalogue import catalogue
from tuneport.errors import Refused
from tuneport.recipe import Recipe
from tuneport.settings import Settings as Configuration
from tuneport_local.adapters.tuned_kinds import KINDS, LORA, kind_of, why_undivided
from tuneport_local.engines.engine import elsewhere
from tuneport_local.jobs.devices import device_of, gpus_here
from tuneport_local.machine.memory_need import MemoryNeed, memory_need
from tuneport_local.machine.team import ONE, Team
from tuneport_local.plans.planning import hyperparameters
from tuneport_local.training.spec import TrainingSpec

_STEP_TOKENS = 64
_SMALL_RANK = 8


def refuse_what_cannot_fit(
    base: str, *, home: Path, device: str, method: str, kind: str, lora: Mapping[str, Any] | None = None, team: Team = ONE
) -> MemoryNeed | None:
    """What the training takes; None where that is not known. Raises Refused for one that takes more than there is, with what would fit."""
    need = memory_need(base, home=home, device=device, method=method, kind=kind, lora=lora, team=team)
    if need is not None and need.fits is False:
        fitting = list(_fitting(base, need, home=home, device=device, method=method))
        remedy = f"What would fit: {'; '.join(fitting)}." if fitting else "Train on a machine with more memory."
        raise Refused(f"{base} does not fit into memory here: {need.sentence}.", reason="memory", remedy=remedy)
    return need


def refuse_recipe(recipe: Recipe, *, base: str, provider: str, home: Path, configuration: Configuration | None = None) -> None:
    """The same for a recipe, from what it says alone."""
    values = hyperparameters(recipe, provider=provider, configuration=configuration)
    if elsewhere(values):
        return  # what fits there is found out there
    kind, device, team = kind_of(values.get("weights")).name, device_of(values["device"]), Team.planned(values)
    about: dict[str, Any] = {"home": home, "device": device, "method": recipe.method.kind, "kind": kind, "lora": values["lora"]}
    if values.get("sharding") == "auto":
        team = team_that_fits(base, team, **about)
    refuse_what_cannot_fit(base, **about, team=team)


def team_that_fits(
    base: str, team: Team, *, home: Path, device: str, method: str, kind: str, lora: Mapping[str, Any] | None = None
) -> Team:
    """The same, with the base divided where only that fits."""
    as_it_is = memory_need(base, home=home, device=device, method=method, kind=kind, lora=lora, team=team)
    if team.size == 1 or as_it_is is None or as_it_is.fits is not False or why_undivided(kind, method=method, lora=lora):
        return team
    divided = memory_need(base, home=home, device=device, method=method, kind=kind, lora=lora, team=team.alike)
    return team.alike if divided is not None and divided.fits else team


def _fitting(base: str, need: MemoryNeed, *, home: Path, device: str, method: str) -> Iterator[str]:
    """Other settings, and other bases, that do."""
    yield from _other_teams(base, need, home=home, device=device, method=method)
    if need.kind.name != LORA:
        lower = memory_need(base, home=home, device=device, method=method, kind=LORA)
        if lower is not None and lower.fits:
            yield f"LoRA instead of {need.kind.name} weights takes about {lower.needed:.1f} GB"
    largest = _largest_base(need, home=home, device=device, method=method)
    if largest is not None:
        yield largest


def _other_teams(base: str, need: MemoryNeed, *, home: Path, device: str, method: str) -> Iterator[str]:
    """Fewer workers where they share one memory, a divided base where it is built for such weights."""
    about: dict[str, Any] = {"home": home, "device": device, "method": method, "kind": need.kind.name, "lora": need.lora}
    if need.team.here > 1 and need.there is not None and (fewer := int(need.there / need.needed)):
        yield f"{fewer} worker{'s' if fewer > 1 else ''} instead of {need.team.size}"
    size = max(need.team.size, gpus_here() if device.startswith("cuda") else 1)
    if need.team.divided or size == 1 or why_undivided(need.kind.name, method=method, lora=need.lora):
        return
    divided = memory_need(base, **about, team=Team(size, need.team.here, divided=True))
    if divided is not None and divided.fits:
        how = "options.local.sharding = 'full'" + ("" if need.team.size > 1 else " and engine = 'accelerate'")
        yield f"divided among {size} workers ({how}) it takes about {divided.needed:.1f} GB in each"


def _largest_base(need: MemoryNeed, *, home: Path, device: str, method: str) -> str | None:
    sizes: list[tuple[Decimal, str]] = []
    for entry in catalogue().of("local"):
        if entry.parameters_b is not None:
            found = memory_need(entry.id, home=home, device=device, method=method, kind=need.kind.name)
            if found is not None and found.fits:
                sizes.append((found.needed, entry.id))
    return None if not sizes else f"{max(sizes)[1]} takes about {max(sizes)[0]:.1f} GB"


def after_running_out(spec: TrainingSpec, *, longest: int) -> str:
    """What to change when not even one row at a time, its activations computed anew, went through. `longest`: tokens of the longest."""
    shorter = max(_STEP_TOKENS, longest // 2 // _STEP_TOKENS * _STEP_TOKENS)
    less = what_needs_less(spec, shorter=f"max_length = {shorter}" if shorter < longest else "")
    return f"The longest row has {longest} tokens. What needs less: {less}; or close other programs."


def what_needs_less(spec: TrainingSpec, *, shorter: str = "a lower max_length") -> str:
    """Settings that do, in words."""
    ways = [shorter] if shorter else []
    if spec.gradient_checkpointing is False:
        ways.insert(0, "options.local.gradient_checkpointing = true")
    if spec.kind.whole:
        bytes_each = f"{KINDS[LORA].bytes_per_weight:g} instead of {spec.kind.bytes_per_weight:g} bytes a weight"
        ways.append(f"LoRA instead of {spec.kind.name} weights ({bytes_each})")
    elif spec.kind.name == LORA and spec.lora.rank > _SMALL_RANK:
        ways.append(f"lora.rank = {spec.lora.rank // 2} instead of {spec.lora.rank}")
    if spec.precision == "fp32":
        ways.append("options.local.precision = 'bf16'")
    ways.append("a smaller base")
    return ", ".join(ways)
