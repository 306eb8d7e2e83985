"""What a provider trains by each method, as a table that can be asked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class MethodRow:
    """One method: the rows it learns from, the models it trains, which of their weights can be trained, and why the others cannot."""

    method: str
    data: str
    models: str
    weights: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class TellsMethods(Protocol):
    """A trainer that knows which methods take which data, models and weights. Asked without a request."""

    def methods(self) -> Sequence[MethodRow]: ...
