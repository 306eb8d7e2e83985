"""The models that the emulated Azure offers: how each can be trained, in which tiers and regions, and until when.

Methods and retirements: Microsoft's overview (2026-10-06) and retirement schedule (2026-09-02). Which region has which tier changes often;
the regions here are an illustration, not a catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tuneport_openai.emulator.bases import DPO, REINFORCEMENT, SUPERVISED, Base

STANDARD, GLOBAL, DEVELOPER = "Standard", "GlobalStandard", "developerTier"
SKU_OF = {STANDARD: "Standard", GLOBAL: "GlobalStandard", DEVELOPER: "DeveloperTier"}
"""How a deployment's sku is spelled that goes with a training type."""
REGIONAL = frozenset({"northcentralus", "swedencentral"})
TRAINING = REGIONAL | {"eastus2", "westus3", "uksouth", "francecentral", "australiaeast"}


@dataclass(frozen=True, slots=True)
class AzureBase(Base):
    """`regions`: where it can be trained at all; `regional`: where in the Standard tier. `pool` is its name among the quotas."""

    pool: str = ""
    format: str = "OpenAI"
    regions: frozenset[str] = TRAINING
    regional: frozenset[str] = REGIONAL
    developer: bool = True
    trains_until: date = date(2027, 4, 14)
    answers_until: date = date(2027, 4, 14)
    tuned_until: date = date(2027, 10, 14)

    @property
    def version(self) -> str:
        return self.name.removeprefix(self.alias).strip("-") or "1"

    @property
    def alias(self) -> str:
        return self.aliases[0] if self.aliases else self.name

    def training_types(self, location: str) -> tuple[str, ...]:
        """The tiers in which it can be trained in that region."""
        if location not in self.regions or not self.methods:
            return ()
        standard = (STANDARD,) if location in self.regional else ()
        return (*standard, GLOBAL, *((DEVELOPER,) if self.developer else ()))


FOURTH = (SUPERVISED, DPO)
KNOWN = (
    AzureBase("gpt-4.1-2025-04-14", FOURTH, None, ("gpt-4.1",), sees_images=True, pool="gpt4.1"),
    AzureBase("gpt-4.1-mini-2025-04-14", FOURTH, None, ("gpt-4.1-mini",), pool="gpt4.1-mini"),
    AzureBase("gpt-4.1-nano-2025-04-14", FOURTH, None, ("gpt-4.1-nano",), pool="gpt4.1-nano"),
    AzureBase(
        "gpt-4o-2024-08-06",
        FOURTH,
        None,
        ("gpt-4o",),
        sees_images=True,
        pool="gpt-4o",
        trains_until=date(2027, 4, 1),
        tuned_until=date(2027, 10, 1),
    ),
    AzureBase(
        "gpt-4o-mini-2024-07-18",
        (SUPERVISED,),
        None,
        ("gpt-4o-mini",),
        multiplier=1.8,
        pool="gpt-4o-mini",
        trains_until=date(2027, 4, 1),
        tuned_until=date(2027, 10, 1),
    ),
    AzureBase(
        "o4-mini-2025-04-16",
        (REINFORCEMENT,),
        None,
        ("o4-mini",),
        pool="o4-mini",
        trains_until=date(2027, 4, 16),
        answers_until=date(2026, 10, 16),
        tuned_until=date(2027, 10, 16),
    ),
    AzureBase("gpt-oss-20b", (SUPERVISED,), pool="gpt-oss-20b", format="Microsoft", regional=frozenset(), developer=False),
    AzureBase("gpt-5-2025-08-07", (), None, ("gpt-5",), pool="gpt-5", answers_until=date(2027, 2, 9)),
)
