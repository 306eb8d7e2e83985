"""How each setting of a training is translated for another provider: one table of rules, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tuneport.methods import METHOD_CLASSES
from tuneport.porting.destinations import Destination
from tuneport.tuned_weights import LoRA

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Change:
    """One setting: what it was, what it becomes, and why."""

    setting: str
    was: Any
    becomes: Any
    why: str

    @property
    def kept(self) -> bool:
        """Whether it stays as it was."""
        return bool(self.was == self.becomes)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule goes by. `there` is None where nothing is known of the destination; `before` likewise of the old provider.

    `same`: the base has the same weights. `chosen`: somebody chose the values, and they are not merely what the old provider took.
    """

    there: Destination | None
    before: Destination | None
    same: bool
    chosen: bool


Translate = Callable[[Any, Terms], tuple[Any, str]]
"""What a value becomes, and why. AUTO leaves it to the destination."""

KEPT = "kept"
UNKNOWN = "kept: what the destination takes of it is not known here"


def _epochs(value: Any, terms: Terms) -> tuple[Any, str]:
    most = terms.there.epochs_most if terms.there else None
    if most is not None and value > most:
        return most, f"the most that {terms.there.provider} takes" if terms.there else ""
    return value, "kept: passes over the same rows mean the same everywhere"


def _batch_size(value: Any, terms: Terms) -> tuple[Any, str]:
    if not terms.chosen:
        return AUTO, "the old provider chose it for its own machines and base"
    if (no := _not_taken("batch_size", terms)) is not None:
        return AUTO, no
    most = terms.there.batch_most if terms.there else None
    return (most, "the most that the destination takes") if most is not None and value > most else (value, "kept: rows a step")


def _multiplier(value: Any, terms: Terms) -> tuple[Any, str]:
    if not terms.chosen:
        return AUTO, "the old provider chose it for its own base; a multiplier says nothing about another's usual rate"
    if terms.there is None:
        return value, UNKNOWN
    if "multiplier" not in terms.there.rates:
        return AUTO, f"{terms.there.provider} takes absolute rates, and what the old multiplier was a multiple of is not published"
    return value, "kept: so many times the destination's own usual rate"


def _rate(value: Any, terms: Terms) -> tuple[Any, str]:
    there, before = terms.there, terms.before
    if there is None:
        return value, UNKNOWN
    if "absolute" in there.rates:
        if terms.same and terms.chosen:
            return value, "kept: the same weights, trained at the same rate"
        return AUTO, "an absolute rate is for the base that it was found on, and this is another one"
    return AUTO, f"{there.provider} takes multiples of its own usual rate only" + (
        "" if before and before.usual_rate else ", and what the old rate is a multiple of is not known"
    )


def _max_length(value: Any, terms: Terms) -> tuple[Any, str]:
    if (no := _not_taken("max_length", terms)) is not None:
        return AUTO, no
    return (value, KEPT) if terms.same else (AUTO, "tokens of another base are counted otherwise")


def _taken(setting: str) -> Translate:
    def translate(value: Any, terms: Terms) -> tuple[Any, str]:
        no = _not_taken(setting, terms)
        return (value, KEPT if terms.there else UNKNOWN) if no is None else (None, no)

    return translate


def _not_taken(setting: str, terms: Terms) -> str | None:
    if terms.there is None or setting in terms.there.takes:
        return None
    return f"{terms.there.provider} decides it by itself"


def _lora(value: Any, terms: Terms) -> tuple[Any, str]:
    if terms.there is None:
        return value, UNKNOWN
    if terms.there.adapter == "rank":
        return value, "kept: adapters of the same rank and scale"
    if terms.there.adapter == "none":
        return None, f"{terms.there.provider} decides the adapter by itself"
    rank = LoRA(**value).rank
    sizes = terms.there.adapter
    size = next((each for each in sizes if each >= rank), sizes[-1])
    why = "kept" if size == rank else f"the adapter sizes of {terms.there.provider} are {', '.join(map(str, sizes))}"
    return {"rank": size}, f"{why}; its alpha, dropout and targets are the provider's"


RULES: Mapping[str, Translate] = {
    "epochs": _epochs,
    "batch_size": _batch_size,
    "learning_rate_multiplier": _multiplier,
    "learning_rate": _rate,
    "lora": _lora,
    "max_length": _max_length,
    **{
        name: _taken(name)
        for name in (
            *("warmup_ratio", "schedule", "weight_decay", "max_grad_norm", "too_long", "beta", "loss", "label_smoothing"),
            *("compute_multiplier", "eval_interval", "eval_samples", "reasoning_effort", "response_format"),
            *("weights", "early_stopping", "keep", "neftune_alpha", "desirable_weight", "undesirable_weight", "center", "label_weights"),
            *("samples_per_prompt", "max_tokens", "temperature"),
        )
    },
    "grader": lambda value, _: (value, "kept: it says what a good answer is"),
}
"""The rule of each setting of a method."""

_WORDS = {
    "n_epochs": "epochs",
    "epoch_count": "epochs",
    "epochCount": "epochs",
    "learningRateMultiplier": "learning_rate_multiplier",
}
"""What providers call settings of ours."""

_SIZES = {"ONE": 1, "TWO": 2, "FOUR": 4, "EIGHT": 8, "SIXTEEN": 16, "THIRTY_TWO": 32}


def in_our_words(used: Mapping[str, Any], *, method: str) -> dict[str, Any]:
    """The settings that a provider tells of a job, as a recipe has them; what a recipe has no word for is left out."""
    known = METHOD_CLASSES[method].model_fields
    found = {_WORDS.get(name, name): value for name, value in used.items()}
    size = str(found.pop("adapter_size", found.pop("adapterSize", ""))).removeprefix("ADAPTER_SIZE_")
    if size in _SIZES or size.isdecimal():
        found["lora"] = {"rank": _SIZES.get(size) or int(size)}
    numbers = {name: _number(value) for name, value in found.items()}
    return {name: value for name, value in numbers.items() if name in known and name != "kind" and value is not None and not _auto(value)}


def _auto(value: Any) -> bool:
    """-1 is how Azure says that it chooses by itself."""
    return isinstance(value, int | float) and value < 0


def _number(value: Any) -> Any:
    """Counts may come as text ("3") or as 3.0."""
    if isinstance(value, str) and value.replace(".", "", 1).isdecimal():
        value = float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def translated(values: Mapping[str, Any], *, method: str, terms: Terms) -> tuple[dict[str, Any], tuple[Change, ...]]:
    """The method's settings at the destination, and what became of each that somebody chose or that was used."""
    said = dict(_said(values, method=method))
    found: dict[str, Any] = {}
    changes: list[Change] = []
    for name, value in said.items():
        becomes, why = RULES[name](value, terms)
        if becomes is not None and becomes != AUTO:
            found[name] = becomes
        changes.append(Change(name, value, becomes, why))
    usual = terms.before.rate_of(method) if terms.before else None
    return _with_rate_as_multiplier(found, tuple(changes), said, terms, usual=usual)


def _said(values: Mapping[str, Any], *, method: str) -> Iterator[tuple[str, Any]]:
    """What is not as every recipe has it."""
    for name, field in METHOD_CLASSES[method].model_fields.items():
        default = field.get_default(call_default_factory=True)
        plain = default.model_dump(mode="json") if isinstance(default, LoRA) else default
        if name != "kind" and name in RULES and values.get(name) not in (None, AUTO, default, plain):
            yield name, values[name]


def _with_rate_as_multiplier(
    found: dict[str, Any], changes: tuple[Change, ...], said: Mapping[str, Any], terms: Terms, *, usual: Decimal | None
) -> tuple[dict[str, Any], tuple[Change, ...]]:
    """An absolute rate as a multiple of the old provider's usual one, where the destination takes multiples and that rate is known."""
    rate, there, before = said.get("learning_rate"), terms.there, terms.before
    if rate is None or there is None or "absolute" in there.rates or before is None or usual is None or not terms.chosen:
        return found, changes
    times = float(f"{rate / float(usual):.3g}")
    why = f"{rate:g} is {times:g} times the usual rate of {before.provider}; {there.provider} takes multiples of its own"
    became = Change("learning_rate", rate, f"learning_rate_multiplier {times:g}", why)
    return {**found, "learning_rate_multiplier": times}, tuple(became if each.setting == "learning_rate" else each for each in changes)
