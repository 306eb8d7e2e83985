"""The methods of a recipe, each with its settings. 'auto' leaves a value to the provider, which says in the plan what it takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tuneport.graders import Grader
from tuneport.recipe_table import RecipeTable

Auto = Literal["auto"]


class LoRA(RecipeTable):
    """Low-rank adapters. `alpha` scales the update by alpha / rank. `targets`: 'all-linear', or suffixes of module names."""

    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    alpha: Annotated[float, Field(gt=0)] | Auto = "auto"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"

    @property
    def scale(self) -> float:
        """alpha / rank; 'auto' is 2."""
        return 2.0 if self.alpha == "auto" else float(self.alpha) / self.rank


class Training(RecipeTable):
    """What every method can be told.

    `learning_rate` is absolute; `learning_rate_multiplier` is relative to the provider's own default: give one of them at most.
    `max_length` is in tokens per row; `too_long` says what becomes of longer rows: nothing is cut or dropped unless it is asked for here,
    and then the rows are named.
    """

    epochs: Annotated[int, Field(ge=1, le=100)] | Auto = "auto"
    batch_size: Annotated[int, Field(ge=1, le=4096)] | Auto = "auto"
    learning_rate: Annotated[float, Field(gt=0, le=1)] | Auto = "auto"
    learning_rate_multiplier: Annotated[float, Field(gt=0, le=100)] | Auto = "auto"
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.05
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    max_length: Annotated[int, Field(ge=8)] | Auto = "auto"
    too_long: Literal["refuse", "drop", "truncate"] = "refuse"
    lora: LoRA = LoRA()

    @model_validator(mode="after")
    def _one_learning_rate(self) -> Self:
        if self.learning_rate != "auto" and self.learning_rate_multiplier != "auto":
            raise ValueError("give learning_rate or learning_rate_multiplier, not both")
        return self


class SFT(Training):
    """Supervised fine-tuning: learn to answer as the assistant does in the data. Loss on the assistant's tokens only."""

    kind: Literal["sft"] = "sft"


class DPO(Training):
    """Direct preference optimization: learn to prefer the better of two answers. A larger `beta` keeps the model nearer to its base.

    loss             sigmoid: the usual one;  ipo: towards a margin, not ever further apart;  hinge: up to a margin;
                     robust: for pairs of which some are the wrong way round
    label_smoothing  of robust: the share of pairs that is taken to be so

    At their defaults the last two are no part of what a recipe says, so that recipes from before they were there stay what they are.
    """

    kind: Literal["dpo"] = "dpo"
    beta: Annotated[float, Field(gt=0)] | Auto = "auto"
    loss: Literal["sigmoid", "ipo", "hinge", "robust"] = Field(default="sigmoid", exclude_if=lambda value: value == "sigmoid")
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = Field(default=0.0, exclude_if=lambda value: value == 0)

    @model_validator(mode="after")
    def _smoothing_of_robust(self) -> Self:
        if self.loss == "robust" and self.label_smoothing == 0:
            raise ValueError("loss 'robust' needs label_smoothing: the share of pairs that may be the wrong way round, as 0.1")
        if self.loss != "robust" and self.label_smoothing != 0:
            raise ValueError(f"label_smoothing is for loss 'robust', not for {self.loss!r}")
        return self


class GRPO(Training):
    """Reinforcement: the model answers prompts, a grader scores the answers, and what scores above the others of its group is learned.

    compute_multiplier   how much is explored, relative to the provider's own;  eval_interval  steps between evaluations
    eval_samples         answers to each prompt of an evaluation
    reasoning_effort     of models that think before they answer
    response_format      a JSON schema that answers have to keep to
    """

    kind: Literal["grpo"] = "grpo"
    grader: Grader
    compute_multiplier: Annotated[float, Field(gt=0)] | Auto = "auto"
    eval_interval: Annotated[int, Field(ge=1)] | Auto = "auto"
    eval_samples: Annotated[int, Field(ge=1)] | Auto = "auto"
    reasoning_effort: Literal["default", "low", "medium", "high"] | None = None
    response_format: dict[str, Any] | None = None


METHODS = ("sft", "dpo", "grpo")
PLANNED_METHODS = ("orpo", "kto", "classify", "regress")


def _to_method(value: Any) -> Any:
    if not isinstance(value, str | dict | Training):
        raise ValueError(f"must be a name or a table, not {value!r}")  # noqa: TRY004 - pydantic's validators raise it
    kind = value if isinstance(value, str) else value.get("kind", "sft") if isinstance(value, dict) else None
    if kind is not None and kind not in METHODS:
        later = f"{kind!r} is a method of Tuneport's plan but not built yet" if kind in PLANNED_METHODS else f"unknown method {kind!r}"
        raise ValueError(f"{later}; available: {', '.join(METHODS)}.")
    return {"kind": kind} if isinstance(value, str) else {"kind": kind, **value} if isinstance(value, dict) else value


Method = Annotated[SFT | DPO | GRPO, Field(discriminator="kind"), BeforeValidator(_to_method)]
