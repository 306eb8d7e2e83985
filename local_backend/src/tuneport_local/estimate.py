"""What a recipe would cost on this machine: hours, from how fast it was seen to train, and money where a price is configured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.quote import Quote, QuoteLine
from tuneport_local import planning, throughput
from tuneport_local.profile import LocalProfile, profile_of
from tuneport_local.throughput import Throughput
from tuneport_local.token_count import count_tokens

if TYPE_CHECKING:
    from tuneport.recipe import Recipe

_CALIBRATION_LIMIT_S = 60.0
_NOT_BILLED = "your own machine: no provider bills it; set hour_price_usd in [providers.{name}] to count its hours"
_KILO = Decimal(1000)


def estimate(recipe: Recipe, *, provider: str, home: Path, profile: Mapping[str, Any]) -> Quote:
    """The quote. Measures this machine for some seconds when nothing is known yet of this base on it and the profile allows it.

    Raises UnknownModel, RecipeError, ConfigError, DatasetError.
    """
    settings = profile_of(profile, name=provider)
    base = recipe.base_for(provider)
    values = planning.hyperparameters(recipe, provider=provider)
    tokens = count_tokens(recipe.train, base=base, home=home)
    measured = _measured(base, values["device"], home=home, allowed=settings.calibrate)
    trained = tokens.tokens * values["epochs"]
    counted = f"{values['epochs']} epochs of {tokens.tokens:,}, {'exact' if tokens.exact else 'estimated'}"
    if measured is None:
        unknown = f"{counted}; this machine has not trained {base} yet, so the time is not known"
        return Quote(provider, base, (QuoteLine("training", Decimal(trained), "token", None, None, note=unknown),), billed=False)
    hours = Decimal(str((measured.startup_s + trained / measured.tokens_per_second) / 3600)).quantize(Decimal("0.0001"))
    note = f"{trained:,} tokens ({counted}) at {measured.tokens_per_second:,.0f} tokens/s, seen on {measured.on} ({measured.source})"
    return Quote(provider, base, _lines(hours, settings, name=provider, note=note, on=measured.on), billed=False)


def _lines(hours: Decimal, profile: LocalProfile, *, name: str, note: str, on: str) -> tuple[QuoteLine, ...]:
    configured: dict[str, Any] = {"as_of": on, "source": f"[providers.{name}]", "confidence": "configured", "note": note}
    lines = []
    if profile.hour_price_usd is not None:
        lines.append(QuoteLine("machine time", hours, "hour", profile.hour_price_usd, hours * profile.hour_price_usd, **configured))
    if profile.watts is not None and profile.power_price_usd_per_kwh is not None:
        kwh, price = hours * Decimal(str(profile.watts)) / _KILO, profile.power_price_usd_per_kwh
        lines.append(QuoteLine("electricity", kwh, "kWh", price, kwh * price, **configured))
    if not lines:
        note = f"{_NOT_BILLED.format(name=name)}; {note}"
        lines.append(QuoteLine("machine time", hours, "hour", None, None, as_of=on, confidence="measured", note=note))
    return tuple(lines)


def _measured(base: str, device: str, *, home: Path, allowed: bool) -> Throughput | None:
    local, hardware = home / "local", throughput.hardware_of(device)
    found = throughput.known(local, base=base, hardware=hardware)
    if found is None and allowed:
        _calibrate_apart(base, device=device, home=home)
        found = throughput.known(local, base=base, hardware=hardware)
    return found


def _calibrate_apart(base: str, *, device: str, home: Path) -> None:
    """Measures in a process of its own: torch stays out of this one. A measurement that fails is none."""
    command = [sys.executable, "-P", "-m", "tuneport_local.calibrate", base, "--home", str(home), "--device", device]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_CALIBRATION_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return
