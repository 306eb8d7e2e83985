"""The models that the emulated platform offers: which can be tuned, how, and until when.

Facts: fine-tuning guides (copy of July 2026) and the deprecations page (copies of September and October 2026), read 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

SUPERVISED, DPO, REINFORCEMENT = "supervised", "dpo", "reinforcement"


@dataclass(frozen=True, slots=True)
class Base:
    """A model as the platform offers it. From the day `retires` on it answers nobody and nothing can be trained from it."""

    name: str
    methods: tuple[str, ...] = ()
    retires: date | None = None
    aliases: tuple[str, ...] = ()
    sees_images: bool = False
    encoding: str = "o200k_base"
    example_tokens: int = 65_536
    """Longer training rows are cut at the end."""
    multiplier: float = 2.0
    """The learning rate multiplier that `auto` chooses."""

    def alive(self, at: datetime) -> bool:
        return self.retires is None or at.date() < self.retires


WINTER, AUTUMN = date(2027, 1, 14), date(2026, 10, 23)
KNOWN = (
    Base("gpt-4.1-2025-04-14", (SUPERVISED, DPO), WINTER, ("gpt-4.1",)),
    Base("gpt-4.1-mini-2025-04-14", (SUPERVISED, DPO), WINTER, ("gpt-4.1-mini",)),
    Base("gpt-4.1-nano-2025-04-14", (SUPERVISED, DPO), AUTUMN, ("gpt-4.1-nano",)),
    Base("gpt-4o-2024-08-06", (SUPERVISED, DPO), WINTER, ("gpt-4o",), sees_images=True),
    Base("gpt-4o-2024-11-20", (), WINTER, sees_images=True),
    Base("gpt-4o-mini-2024-07-18", (SUPERVISED,), WINTER, ("gpt-4o-mini",), multiplier=1.8),
    Base("o4-mini-2025-04-16", (REINFORCEMENT,), AUTUMN, ("o4-mini",)),
    Base("gpt-3.5-turbo-0125", (SUPERVISED,), AUTUMN, ("gpt-3.5-turbo",), encoding="cl100k_base", example_tokens=16_385),
    Base("gpt-6-luna"),
    Base("gpt-5.6-terra"),
)


def by_name(bases: Iterable[Base] = KNOWN) -> Mapping[str, Base]:
    """Every base under its name and its aliases."""
    return {name: base for base in bases for name in (base.name, *base.aliases)}
