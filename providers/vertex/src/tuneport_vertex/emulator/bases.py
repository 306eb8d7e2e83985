"""The models that can be tuned: where, how and until when (facts of 2026-11-21; see the provider's catalogue for the sources)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

SFT, PREFERENCE, DISTILLATION, REINFORCEMENT = (
    "supervisedTuningSpec",
    "preferenceOptimizationSpec",
    "distillationSpec",
    "reinforcementTuningSpec",
)
GEMINI_REGIONS = ("us-central1", "europe-west4")
OPEN_REGIONS = ("us-central1", "europe-west4", "global")
SIZES = {1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO"}


@dataclass(frozen=True, slots=True)
class Base:
    """A model of a publisher. `tunes_until` None: no day is announced; `retires`: the day from which nothing answers any more."""

    name: str
    kind: Literal["gemini", "open"]
    methods: frozenset[str] = frozenset({SFT})
    regions: tuple[str, ...] = GEMINI_REGIONS
    adapter_sizes: tuple[int, ...] = (1, 2, 4, 8, 16)
    modes: tuple[str, ...] = ("TUNING_MODE_PEFT_ADAPTER",)
    tokens_per_example: int = 131_072
    most_rows: int = 10_000_000
    tunes: bool = True
    retires: date | None = None
    multi_region: bool = False
    offers_cmek: bool = True

    @property
    def is_open(self) -> bool:
        return self.kind == "open"

    def alive(self, now: datetime) -> bool:
        return self.retires is None or now.date() < self.retires


def _open(name: str, *, modes: tuple[str, ...] = ("TUNING_MODE_FULL", "TUNING_MODE_PEFT_ADAPTER")) -> Base:
    return Base(name, "open", regions=OPEN_REGIONS, adapter_sizes=(1, 4, 8, 16, 32), modes=modes, tokens_per_example=8192)


RETIRED = date(2026, 10, 16)
GEMINI = (
    Base("gemini-3.5-flash", "gemini", methods=frozenset({SFT, REINFORCEMENT, DISTILLATION}), multi_region=True, offers_cmek=False),
    Base("gemini-3.5-flash-lite", "gemini", methods=frozenset({SFT, REINFORCEMENT, DISTILLATION}), multi_region=True, offers_cmek=False),
    Base("gemini-3.1-flash-lite", "gemini", multi_region=True, offers_cmek=False),
    Base("gemini-3.1-pro-preview", "gemini", tunes=False, multi_region=True),
    Base("translation-llm-002", "gemini", regions=("us-central1",), adapter_sizes=(4,), multi_region=False),
    Base("gemini-2.5-pro", "gemini", adapter_sizes=(1, 2, 4, 8), retires=RETIRED),
    Base("gemini-2.5-flash", "gemini", methods=frozenset({SFT, PREFERENCE}), retires=RETIRED),
    Base("gemini-2.5-flash-lite", "gemini", methods=frozenset({SFT, PREFERENCE}), retires=RETIRED),
)
"""Which Gemini can be tuned by reinforcement or distillation no source says: here two can, so that a rehearsal can."""
PREFERRED = Base("gemini-3.5-flash-preference", "gemini", methods=frozenset({SFT, PREFERENCE}), multi_region=True, offers_cmek=False)
"""No model that is alive takes preference tuning; a rehearsal of it adds this one, which Vertex AI does not have."""
OPEN = (
    _open("google/gemma3@gemma-3-1b-it"),
    _open("google/gemma3@gemma-3-4b-it"),
    _open("google/gemma3@gemma-3-12b-it"),
    _open("google/gemma3@gemma-3-27b-it"),
    _open("meta/llama3_1@llama-3.1-8b"),
    _open("meta/llama3_1@llama-3.1-8b-instruct"),
    _open("meta/llama3-2@llama-3.2-1b-instruct", modes=("TUNING_MODE_FULL",)),
    _open("meta/llama3-2@llama-3.2-3b-instruct", modes=("TUNING_MODE_FULL",)),
    _open("meta/llama3-3@llama-3.3-70b-instruct"),
    _open("qwen/qwen3@qwen3-4b"),
    _open("qwen/qwen3@qwen3-8b"),
    _open("qwen/qwen3@qwen3-32b"),
)
KNOWN = (*GEMINI, *OPEN)


def by_name(bases: Iterable[Base]) -> Mapping[str, Base]:
    return {base.name: base for base in bases}


def plain(name: str) -> str:
    """A base as its bare id: `publishers/google/models/gemini-3.5-flash` names the same as `gemini-3.5-flash`."""
    head, found, rest = name.partition("publishers/")
    if not found:
        return name.removeprefix("models/")
    publisher, _, model = rest.partition("/models/")
    return model if publisher == "google" and not head.strip("/") and "@" not in model else f"{publisher}/{model}"
