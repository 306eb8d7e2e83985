"""The table `[providers.local]` of tuneport.toml: what this machine costs its owner."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tuneport.errors import ConfigError
from tuneport.tables import Table, read_table


def _decimal(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


Price = Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0)]


class LocalProfile(Table):
    """`hour_price_usd`: what an hour of this machine is worth. Or `watts` and `power_price_usd_per_kwh`: what its electricity costs.

    `calibrate` false keeps a quote from measuring this machine for some seconds when nothing is known of it yet.
    """

    provider: str = "local"
    hour_price_usd: Price | None = None
    watts: Annotated[float, Field(gt=0)] | None = None
    power_price_usd_per_kwh: Price | None = None
    calibrate: bool = True


def profile_of(table: Mapping[str, Any], *, name: str) -> LocalProfile:
    """The profile in a configuration table. Raises ConfigError naming the key."""
    profile = read_table(LocalProfile, table, place=f"[providers.{name}]", error=ConfigError)
    if (profile.watts is None) != (profile.power_price_usd_per_kwh is None):
        raise ConfigError(f"[providers.{name}]: watts and power_price_usd_per_kwh only count together; give both or none.")
    return profile
