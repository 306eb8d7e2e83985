"""Prices of answers as others keep them: the tables of litellm and genai-prices, where those packages happen to be installed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from tuneport.prices.price import Price, Unit

MILLION = Decimal(1_000_000)


class OtherTable(Protocol):
    """A table that somebody else keeps."""

    @property
    def name(self) -> str:
        """What it is called in a sentence."""

    def price(self, row: Price) -> Decimal | None:
        """What it has, in USD, for the same unit of the same thing; None where it has nothing that can be compared."""


def installed() -> tuple[OtherTable, ...]:
    """Those that can be read here."""
    return tuple(table for table in (litellm_table(), genai_table()) if table is not None)


# --- litellm: prices by its own names of models ------------------------------------------------------------------------------------------

_LITELLM_NAMES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("openai", ""): ("ft:{model}", ""),
    ("openai", "batch"): ("ft:{model}", "_batches"),
    ("azure", "global"): ("azure/{model}", ""),
    ("azure", "developer"): ("azure/{model}", ""),
    ("azure", "datazone"): ("azure/us/{model}", ""),
    ("azure", ""): ("azure_ai/{model}", ""),
    ("vertex", "base"): ("vertex_ai/{model}", ""),
    ("bedrock", "on-demand"): ("{model}", ""),
}
"""(provider, tier) -> (its name of the model, what its key ends with). A tier that is not here has no counterpart there."""

_LITELLM_KEYS: Mapping[Unit, str] = {
    "1M input tokens": "input_cost_per_token",
    "1M cached input tokens": "cache_read_input_token_cost",
    "1M output tokens": "output_cost_per_token",
}
_CONTEXT_SUFFIX = re.compile(r":\d+k$")
"""Bedrock's names of models that are tuned end with their context; the names of those that answer do not."""


@dataclass(frozen=True, slots=True)
class LitellmTable:
    """litellm's `model_cost`: model -> key -> USD for one token."""

    costs: Mapping[str, Mapping[str, Any]]
    name: str = "litellm"

    def price(self, row: Price) -> Decimal | None:
        template, ending = _LITELLM_NAMES.get((row.provider, row.tier), ("", ""))
        key = _LITELLM_KEYS.get(row.unit)
        if not template or key is None:
            return None
        found = self.costs.get(template.format(model=_CONTEXT_SUFFIX.sub("", row.model)), {}).get(key + ending)
        return None if found is None else Decimal(str(found)) * MILLION


def litellm_table() -> LitellmTable | None:
    """The copy that an installed litellm carries, read without importing it, which takes seconds."""
    spec = find_spec("litellm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "model_prices_and_context_window_backup.json"
        if path.is_file():
            return LitellmTable(json.loads(path.read_bytes()))
    return None


# --- genai-prices: an object for each provider, with prices by day -----------------------------------------------------------------------

_GENAI_NAMES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("openai", ""): ("openai", "ft:{model}"),
    ("azure", "global"): ("azure", "{model}"),
    ("azure", "developer"): ("azure", "{model}"),
    ("vertex", "base"): ("google", "{model}"),
    ("bedrock", "on-demand"): ("aws", "{model}"),
}
_GENAI_KEYS: Mapping[Unit, str] = {
    "1M input tokens": "input_mtok",
    "1M cached input tokens": "cache_read_mtok",
    "1M output tokens": "output_mtok",
}


@dataclass(frozen=True, slots=True)
class GenaiTable:
    """The snapshot of genai-prices; prices that go by the length of the prompt count with that of short ones."""

    snapshot: Any
    name: str = "genai-prices"

    def price(self, row: Price) -> Decimal | None:
        theirs, template = _GENAI_NAMES.get((row.provider, row.tier), ("", ""))
        key = _GENAI_KEYS.get(row.unit)
        provider = next((each for each in self.snapshot.providers if each.id == theirs), None)
        if provider is None or key is None:
            return None
        model = provider.find_model(template.format(model=_CONTEXT_SUFFIX.sub("", row.model)), all_providers=self.snapshot.providers)
        found = None if model is None else getattr(model.get_prices(datetime.now(UTC)), key, None)
        found = getattr(found, "base", found)
        return found if isinstance(found, Decimal) else None


def genai_table() -> GenaiTable | None:
    """The snapshot that an installed genai-prices carries."""
    try:
        return GenaiTable(import_module("genai_prices.data_snapshot").get_snapshot())
    except (ImportError, AttributeError):
        return None
