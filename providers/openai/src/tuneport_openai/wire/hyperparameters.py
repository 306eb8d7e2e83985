"""Hyperparameters: which ones the API has, their ranges, and what becomes of a recipe's other settings.

Ranges: OpenAI's OpenAPI document, facts of 2026-11-21. `auto` is the API's own default and is not sent, since compatible endpoints know
only numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneport.errors import RecipeError, Unsupported
from tuneport.methods import DPO, GRPO, SFT, Training
from tuneport.own_settings import refuse_own_settings
from tuneport_openai.wire.bases import METHODS
from tuneport_openai.wire.dialect import OPENAI, Dialect
from tuneport_openai.wire.graders import grader_body
from tuneport_openai.wire.options import OpenAIOptions


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a recipe's method: what the API calls it, and the range it takes, above `above` where that is given."""

    name: str
    wire: str
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None

    def problem(self, value: Any) -> str | None:
        """Why the API would refuse the value; None where it would not."""
        if value is None or isinstance(value, str):
            return None
        low = self.at_least is not None and value < self.at_least
        high = self.at_most is not None and value > self.at_most
        return f"{self.name} is {value:g}; {self._range()} is taken." if low or high or self._not_above(value) else None

    def _not_above(self, value: float) -> bool:
        return self.above is not None and value <= self.above

    def _range(self) -> str:
        low = f"above {self.above:g}" if self.above is not None else f"at least {self.at_least:g}"
        return low if self.at_most is None else f"{low} and at most {self.at_most:g}"


COMMON = (
    Setting("epochs", "n_epochs", at_least=1, at_most=50),
    Setting("batch_size", "batch_size", at_least=1, at_most=256),
    Setting("learning_rate_multiplier", "learning_rate_multiplier", above=0),
)
OF_METHOD: Mapping[str, tuple[Setting, ...]] = {
    "sft": COMMON,
    "dpo": (*COMMON, Setting("beta", "beta", above=0, at_most=2)),
    "grpo": (
        *COMMON,
        Setting("compute_multiplier", "compute_multiplier", above=1e-5, at_most=10),
        Setting("eval_interval", "eval_interval", at_least=1),
        Setting("eval_samples", "eval_samples", at_least=1),
        Setting("reasoning_effort", "reasoning_effort"),
    ),
}
UNUSED = ("warmup_ratio", "schedule", "weight_decay", "max_grad_norm", "lora")
"""Settings that the API has no place for: it decides them by itself."""


def hyperparameters(method: SFT | DPO | GRPO, *, dialect: Dialect = OPENAI) -> dict[str, Any]:
    """The values that will be used, by a recipe's own names; `auto` where the vendor chooses. Raises RecipeError for one out of range and
    for those that mean something else than the API has."""
    _refuse_other_meanings(method, dialect=dialect)
    found = {setting.name: getattr(method, setting.name) for setting in OF_METHOD[method.kind]}
    problems = [problem for setting in OF_METHOD[method.kind] if (problem := setting.problem(found[setting.name]))]
    if problems:
        raise RecipeError(f"{dialect.name}: {' '.join(problems)}")
    return {name: value for name, value in found.items() if value is not None}


def method_body(method: SFT | DPO | GRPO, *, options: OpenAIOptions, dialect: Dialect = OPENAI) -> dict[str, Any]:
    """The keys of a job that say how it is trained: `method`, or `hyperparameters` where the endpoint knows no other place for them."""
    values = _sent(method) | _further(method, options=options)
    if not dialect.nested_method and method.kind == "sft":
        return {"hyperparameters": values} if values else {}
    settings = {"hyperparameters": values} if values else {}
    word = METHODS[method.kind]
    if isinstance(method, GRPO):
        settings = {"grader": grader_body(method.grader)} | settings | _response_format(method)
    return {"method": {"type": word, word: settings} if settings else {"type": word}}


def notes(method: Training, *, dialect: Dialect = OPENAI) -> tuple[str, ...]:
    """What of the method's settings is not used."""
    unused = [name for name in UNUSED if getattr(method, name) != type(method).model_fields[name].default]
    return (f"{dialect.name} decides these by itself and does not use the recipe's: {', '.join(unused)}",) if unused else ()


def _sent(method: SFT | DPO | GRPO) -> dict[str, Any]:
    values = {setting.wire: getattr(method, setting.name) for setting in OF_METHOD[method.kind]}
    return {name: value for name, value in values.items() if value not in (None, "auto")}


def _further(method: SFT | DPO | GRPO, *, options: OpenAIOptions) -> dict[str, Any]:
    """The endpoint's own, which may not say again what the method says."""
    said = {setting.wire: setting.name for setting in OF_METHOD[method.kind]}
    again = next((key for key in options.hyperparameters if key in said), None)
    if again is not None:
        raise RecipeError(f"options: hyperparameters.{again} is said by the method.", remedy=f"Set method.{said[again]} instead.")
    return dict(options.hyperparameters)


def _refuse_other_meanings(method: Training, *, dialect: Dialect) -> None:
    if method.learning_rate != "auto":
        raise RecipeError(
            f"learning_rate is {method.learning_rate:g}, and {dialect.name} takes no absolute one.",
            remedy="Use learning_rate_multiplier, which is relative to the vendor's own.",
        )
    if method.too_long == "truncate" and method.max_length != "auto":
        raise Unsupported(
            f"{dialect.name} cuts rows at the limit of its model only, not at max_length {method.max_length}.",
            remedy="Leave max_length at 'auto', or shorten the rows before.",
        )
    refuse_own_settings(method, who=dialect.name)


def _response_format(method: GRPO) -> dict[str, Any]:
    """A bare schema gets the envelope that the API wants; one that has it stays. It is in the REST guide, not in the SDK's types."""
    schema = method.response_format
    if schema is None:
        return {}
    whole = schema.get("type") == "json_schema" and "json_schema" in schema
    envelope = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    return {"response_format": dict(schema) if whole else envelope}
