"""The machine that a recipe has rented: its engine's table, as the launcher reads it that the engine's distribution brings."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tuneport.errors import RecipeError, Refused, Unreachable
from tuneport.nearest import did_you_mean
from tuneport.settings import Settings as Configuration
from tuneport.settings import load_settings
from tuneport_local.engines.engine import ENGINES
from tuneport_local.engines.installed import KNOWN, installed, opened
from tuneport_local.engines.launcher import HourlyPrice, Priced


@dataclass(frozen=True, slots=True)
class Machine:
    """What a launcher has read of its table: the settings that every later call gets, how many GPUs there are, and what an hour costs where
    the launcher knows it."""

    engine: str
    settings: Mapping[str, Any]
    gpus: int
    price: HourlyPrice | None = None

    @property
    def device(self) -> str:
        """What `auto` means there."""
        return "cuda" if self.gpus else "cpu"


def machine_of(options: Mapping[str, Any], *, configuration: Configuration | None = None) -> Machine | None:
    """The machine of a recipe's options for this provider; None where this machine or a Ray cluster trains.

    Raises RecipeError naming the key, Unsupported for an engine whose distribution is not installed.
    """
    engine = options.get("engine", "process")
    if not isinstance(engine, str) or engine in ENGINES:
        return None
    if engine not in KNOWN and engine not in installed():
        known = [*ENGINES, *sorted({*KNOWN, *installed()})]
        raise RecipeError(f"options.local.engine must be one of {', '.join(known)}, not {engine!r}.", remedy=did_you_mean(engine, known))
    launcher = opened(engine, configuration or load_settings())
    table = options.get(engine, {})
    if not isinstance(table, Mapping):
        raise RecipeError(f"options.local.{engine} must be a table.")
    settings = dict(launcher.read(table))
    price = launcher.price(settings) if isinstance(launcher, Priced) else None
    return Machine(engine, settings, launcher.gpus(settings), price)


def refuse_unlaunchable(values: Mapping[str, Any], *, configuration: Configuration) -> None:
    """Asks the vendor before a job is made, for one whose machine is rented. Raises Refused with what stands in the way.

    A vendor that does not answer is no reason: the job's worker asks again.
    """
    if values.get("rented") is None:
        return
    launcher = opened(values["engine"], configuration)
    with suppress(Unreachable):
        if reasons := launcher.check(values["rented"]):
            said = " ".join(f"{reason.rstrip('.')}." for reason in reasons)
            raise Refused(f"engine {values['engine']!r} cannot launch the job: {said}", reason=reasons[0])


def without_table(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options but for the engine's own table. Raises RecipeError for one of another engine."""
    engine = options.get("engine", "process")
    others = [name for name in options if name in KNOWN or name in installed()] if options else []
    if wrong := [name for name in others if name != engine]:
        raise RecipeError(f"options.local.{wrong[0]} is the table of engine {wrong[0]!r}, and engine is {engine!r}.")
    return {name: value for name, value in options.items() if name != engine or engine in ENGINES}
