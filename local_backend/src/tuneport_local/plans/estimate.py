"""What a recipe would cost on this machine: hours, from how fast it was seen to train, and money where a price is configured."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.quote import Quote, QuoteLine, Usage, When
from tuneport.quoting.serving import HOURS_A_MONTH
from tuneport.span import Span
from tuneport_local.adapters.tuned_kinds import kind_of, work_of
from tuneport_local.bases.at_hand import at_hand
from tuneport_local.engines.engine import elsewhere
from tuneport_local.jobs.devices import device_of
from tuneport_local.jobs.home import Jobs
from tuneport_local.machine import throughput
from tuneport_local.machine.memory_need import MemoryNeed, memory_need
from tuneport_local.machine.team import Team
from tuneport_local.machine.throughput import Throughput
from tuneport_local.methods.objectives import OBJECTIVES
from tuneport_local.plans import planning
from tuneport_local.plans.continuing import earlier_tune, going_on
from tuneport_local.plans.machines import Machine, machine_of
from tuneport_local.plans.token_count import TokenCount, count_tokens
from tuneport_local.profile import LocalProfile, profile_of

if TYPE_CHECKING:
    from tuneport.recipe import Method, Recipe
    from tuneport.settings import Settings as Configuration

_CALIBRATION_LIMIT_S = 60.0
_KILO = Decimal(1000)


@dataclass(frozen=True, slots=True)
class _Work:
    """The tokens of all epochs, how they were counted, and how fast such a base was seen to train by the method."""

    method: str
    epochs: int
    counted: TokenCount
    measured: Throughput | None

    @property
    def hours(self) -> Span | None:
        """None while nothing was measured."""
        seen = self.measured
        if seen is None or self.counted.images:
            return None
        tokens = self.counted.tokens * self.epochs
        slow, fast = seen.slow or seen.tokens_per_second, seen.fast or seen.tokens_per_second
        rates = (max(fast, seen.tokens_per_second), seen.tokens_per_second, min(slow, seen.tokens_per_second))
        each = zip((tokens.low, tokens.likely, tokens.high), rates, strict=True)
        return Span(*(((Decimal(seen.startup_s) + count / Decimal(rate)) / 3600).quantize(Decimal("0.0001")) for count, rate in each))

    @property
    def said(self) -> str:
        """Where the hours come from."""
        if self.counted.images:
            return (
                f"{self.epochs} epoch{'s' if self.epochs != 1 else ''} of {self.counted.images:,} images; speeds here are those of tokens"
            )
        tokens = f"{self.epochs} epoch{'s' if self.epochs != 1 else ''} of {self.counted.tokens.likely:,.0f} tokens ({self.counted.how})"
        passes = OBJECTIVES[self.method].passes
        tokens += f"; {passes}" if passes else ""
        seen = self.measured
        if seen is None:
            return tokens
        return f"{tokens} at {seen.tokens_per_second:,.0f} tokens/s, seen on {seen.on} ({seen.source})"


def estimate(
    recipe: Recipe,
    *,
    provider: str,
    home: Path,
    profile: Mapping[str, Any],
    usage: Usage | None = None,
    configuration: Configuration | None = None,
) -> Quote:
    """The quote. Measures this machine for some seconds when nothing is known yet of a base that lies here, and the profile allows it.

    Fetches nothing, and asks the hub nothing. Raises RecipeError, ConfigError, DatasetError, and UnknownModel for a name that cannot be
    one.
    """
    settings = profile_of(profile, name=provider)
    base = recipe.base_for(provider)
    if (earlier := earlier_tune(base, jobs=Jobs(home), provider=provider)) is not None:
        recipe, base = going_on(recipe, earlier), earlier.base
    values = planning.hyperparameters(recipe, provider=provider, configuration=configuration)
    method = recipe.method.kind
    trained, lora = values.get("weights"), values["lora"]
    about: dict[str, Any] = {"method": method, "kind": kind_of(trained).name, "lora": lora}
    need = None if elsewhere(values) else _need(base, values, home=home, **about)
    if need is not None and need.fits is False:
        return Quote(provider, base, (), availability="unavailable", why=need.sentence, billed=False, usage=usage)
    here = _weights_here(base, home)
    counted = count_tokens(recipe.train, base=base, home=home, method=method)
    allowed = settings.calibrate and here and not counted.images and not elsewhere(values)
    seen = _measured(base, values, home=home, allowed=allowed, method=recipe.method)
    measured, scaled = seen or (None, False)
    if OBJECTIVES[method].writes:
        counted = _with_answers(counted, rows=len(recipe.train), answers=values["samples_per_prompt"], most=values["max_tokens"])
    work = _Work(method, values["epochs"], counted, measured)
    machine = machine_of(recipe.options.get(provider, {}), configuration=configuration)
    if machine is not None:
        lines: tuple[QuoteLine, ...] = (_rented(work, machine, base),)
    else:
        note, on = _note(work, base, here), measured.on if measured else None
        lines = _paid(work.hours, settings, name=provider, item="machine time", note=note, on=on, seen=not scaled)
    if usage is not None:
        lines += _paid(
            Span.exactly(HOURS_A_MONTH), settings, name=provider, item="hosting", when="monthly", note="the machine runs all month"
        )
    free = QuoteLine("answers", Span.exactly(0), "request", None, note="paid by the hours of the machine")
    notes = (*((need.sentence,) if need is not None else ()), *_together(values))
    return Quote(provider, base, lines, billed=machine is not None, usage=usage, per_request=(free,), notes=notes)


def _rented(work: _Work, machine: Machine, base: str) -> QuoteLine:
    """The hours of a machine that is rented, by its launcher's price. Those of waiting, preparing and sending are not known."""
    said = f"{work.said}; the minutes in which a machine is prepared come on top"
    if work.measured is None:
        said = f"{work.said}; no machine of engine {machine.engine!r} has trained {base} yet, so the time is not known"
    if machine.price is None:
        note = f"its vendor bills the machine, and what an hour costs is not known here; {said}"
        return QuoteLine("machine time", work.hours, "hour", None, note=note)
    price = machine.price
    about: dict[str, Any] = {"source": price.source, "as_of": price.as_of.isoformat(), "confidence": price.confidence, "note": said}
    return QuoteLine("machine time", work.hours, "hour", price.usd, **about)


def _need(base: str, values: Mapping[str, Any], *, home: Path, **about: Any) -> MemoryNeed | None:
    """What of the memory a worker takes, whose base may be divided."""
    from tuneport_local.machine.what_fits import team_that_fits

    team, asked = Team.planned(values), {"home": home, "device": device_of(values["device"]), **about}
    if values.get("sharding") == "auto":
        team = team_that_fits(base, team, **asked)
    return memory_need(base, **asked, team=team)


def _together(values: Mapping[str, Any]) -> tuple[str, ...]:
    """What several workers mean for the hours and their price."""
    workers = values.get("workers", 1)
    if workers == 1:
        return ()
    where = (
        f"of the cluster at {values['address']}" if values.get("address") else "of the machine" if elsewhere(values) else "of this machine"
    )
    return (f"{workers} workers {where} by engine {values['engine']!r}; a price for an hour is that of all of them together",)


def _with_answers(counted: TokenCount, *, rows: int, answers: int, most: int) -> TokenCount:
    """Each prompt as often as it is answered, and answers of one token at least and `most` at most, half of that being likely."""
    asked, written = counted.tokens * answers, Span(*(Decimal(rows * answers * each) for each in (1, max(1, most // 2), most)))
    tokens = Span(asked.low + written.low, asked.likely + written.likely, asked.high + written.high)
    return TokenCount(tokens, f"prompts {counted.how}, {answers} answers to each of 1 to {most} tokens: how long they will be is not known")


def _weights_here(base: str, home: Path) -> bool:
    """Raises UnknownModel for what is no folder, no repository and no name of the catalogue."""
    from tuneport_local.bases.weights import refuse_impossible

    refuse_impossible(base)
    return at_hand(base, home=home) is not None


def _note(work: _Work, base: str, here: bool) -> str:
    if work.counted.images:
        return f"{work.said}, so the time is not known"
    if work.measured is not None:
        return work.said
    by = "" if work.method == "sft" else f" by {work.method}"
    why = f"this machine has not trained {base}{by} yet" if here else f"{base} is not on this disk"
    return f"{work.said}; {why}, so the time is not known"


def _paid(
    hours: Span | None,
    profile: LocalProfile,
    *,
    name: str,
    item: str,
    note: str,
    when: When = "once",
    on: str | None = None,
    seen: bool = True,
) -> tuple[QuoteLine, ...]:
    """So many hours by the configured prices: of an hour of the machine, of its electricity, or of both. `seen`: they
    were measured, not estimated."""
    about: dict[str, Any] = {"when": when, "as_of": on, "source": f"[providers.{name}]", "confidence": "configured", "note": note}
    lines = []
    if profile.hour_price_usd is not None:
        lines.append(QuoteLine(item, hours, "hour", profile.hour_price_usd, **about))
    if profile.watts is not None and profile.power_price_usd_per_kwh is not None:
        kwh = None if hours is None else hours * (Decimal(str(profile.watts)) / _KILO)
        lines.append(
            QuoteLine("electricity" if when == "once" else f"{item}, electricity", kwh, "kWh", profile.power_price_usd_per_kwh, **about)
        )
    if not lines:
        unpriced = f"your own machine: no provider bills it; set hour_price_usd in [providers.{name}] to count its hours"
        confidence = "measured" if hours is not None and seen else "unknown"
        lines.append(QuoteLine(item, hours, "hour", None, when=when, as_of=on, confidence=confidence, note=f"{unpriced}; {note}"))
    return tuple(lines)


def _measured(base: str, values: Mapping[str, Any], *, home: Path, allowed: bool, method: Method) -> tuple[Throughput, bool] | None:
    """What was seen with so many workers; else what one was seen to do, times their number, and True: that is an estimate."""
    local, workers = home / "local", values.get("workers", 1)
    trained = {name: value for name, value in method.model_dump(mode="json").items() if name in ("weights", "lora")}
    work = work_of(method.kind, trained.get("weights"), trained["lora"])
    together = throughput.known(local, base=base, hardware=throughput.all_of(values), method=work)
    if together is not None:
        return together, False
    found = throughput.known(local, base=base, hardware=throughput.one_of(values), method=work)
    if found is None and allowed:
        _calibrate_apart(base, device=values["device"], home=home, method=method.kind, trained=trained)
        found = throughput.known(local, base=base, hardware=throughput.one_of(values), method=work)
    if found is None:
        return None
    return (throughput.of_several(found, workers=workers), True) if workers > 1 else (found, False)


def _calibrate_apart(base: str, *, device: str, home: Path, method: str, trained: Mapping[str, Any]) -> None:
    """Measures in a process of its own: torch stays out of this one. A measurement that fails is none."""
    asked = ["--home", str(home), "--device", device, "--method", method, "--trained", json.dumps(trained)]
    command = [sys.executable, "-P", "-m", "tuneport_local.calibrate", base, *asked]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_CALIBRATION_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return
