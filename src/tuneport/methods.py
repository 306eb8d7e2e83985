"""The methods of a recipe, each with its settings. 'auto' leaves a value to the provider, which says in the plan what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tuneport.errors import Unsupported
from tuneport.graders import Grader
from tuneport.own_settings import own
from tuneport.recipe_table import RecipeTable
from tuneport.tuned_weights import Auto, LoRA, WeightsField


class EarlyStopping(RecipeTable):
    """The training ends when so many validations in a row, `patience`, brought the loss down by no more than `min_delta`."""

    patience: Annotated[int, Field(ge=1)] = 3
    min_delta: Annotated[float, Field(ge=0)] = 0.0


class Training(RecipeTable):
    """What every method can be told.

    `learning_rate` is absolute; `learning_rate_multiplier` is relative to the provider's own default: give one of them at most.
    `max_length` is in tokens per row; `too_long` says what becomes of longer rows: nothing is cut, dropped or split unless it is asked for
    here, and then the rows are named. Only plain text can be split, into rows of `max_length` tokens end to end.

    lora            low-rank adapters, which are learned unless `weights` says that others are
    weights         'full', 'ia3', … or their table (`tuned_weights`)
    early_stopping  ends a training that no longer gets better; needs validation rows
    keep            the weights of the last step, or those of the best validation
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
    too_long: Literal["refuse", "drop", "truncate", "split"] = "refuse"
    lora: LoRA = LoRA()
    weights: WeightsField = own(None)
    early_stopping: EarlyStopping | None = own(None)
    keep: Literal["last", "best"] = own("last")

    @model_validator(mode="after")
    def _one_kind_of_weights(self) -> Self:
        if self.weights is not None and self.lora != LoRA():
            raise ValueError(f"give weights {self.weights.kind!r} or lora, not both")
        return self

    @model_validator(mode="after")
    def _splits_text_alone(self) -> Self:
        if self.too_long == "split" and (kind := getattr(self, "kind", "sft")) != "sft":
            raise ValueError(f"too_long 'split' is for plain text, which method 'sft' learns from, not {kind!r}")
        return self

    @model_validator(mode="after")
    def _one_learning_rate(self) -> Self:
        if self.learning_rate != "auto" and self.learning_rate_multiplier != "auto":
            raise ValueError("give learning_rate or learning_rate_multiplier, not both")
        return self


class SFT(Training):
    """Supervised fine-tuning: learn to answer as the assistant does in the data. Loss on the assistant's tokens only.

    neftune_alpha   noise on the embeddings while training (NEFTune); 5 is usual
    """

    kind: Literal["sft"] = "sft"
    neftune_alpha: Annotated[float, Field(gt=0)] | None = own(None)


class DPO(Training):
    """Direct preference optimization: learn to prefer the better of two answers. A larger `beta` keeps the model nearer to its base.

    loss             sigmoid: the usual one;  ipo: towards a margin, not ever further apart;  hinge: up to a margin;
                     robust: for pairs of which some are the wrong way round
    label_smoothing  of robust: the share of pairs that is taken to be so
    """

    kind: Literal["dpo"] = "dpo"
    beta: Annotated[float, Field(gt=0)] | Auto = "auto"
    loss: Literal["sigmoid", "ipo", "hinge", "robust"] = own("sigmoid")
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = own(0.0)

    @model_validator(mode="after")
    def _smoothing_of_robust(self) -> Self:
        if self.loss == "robust" and self.label_smoothing == 0:
            raise ValueError("loss 'robust' needs label_smoothing: the share of pairs that may be the wrong way round, as 0.1")
        if self.loss != "robust" and self.label_smoothing != 0:
            raise ValueError(f"label_smoothing is for loss 'robust', not for {self.loss!r}")
        return self


class ORPO(Training):
    """Odds ratio preference optimization: supervised on the better answer, and away from the worse one, without a reference model.

    `beta` weighs the second part.
    """

    kind: Literal["orpo"] = "orpo"
    beta: Annotated[float, Field(gt=0)] | Auto = "auto"


class KTO(Training):
    """Kahneman-Tversky optimization: learn from single answers, each marked as wanted or not. Pairs are two such answers.

    A larger `beta` keeps the model nearer to its base; the weights make up for more answers of one sort than of the other.
    """

    kind: Literal["kto"] = "kto"
    beta: Annotated[float, Field(gt=0)] | Auto = "auto"
    desirable_weight: Annotated[float, Field(gt=0)] = 1.0
    undesirable_weight: Annotated[float, Field(gt=0)] = 1.0


class Reward(Training):
    """A reward model: learns to give the better of two answers the higher score.

    `center` keeps the scores around zero; 0.01 is usual.
    """

    kind: Literal["reward"] = "reward"
    center: Annotated[float, Field(gt=0)] | None = None


class Classify(Training):
    """A label for a text or an image, by a softmax head on the base. `balanced`: rare labels weigh as much as frequent ones."""

    kind: Literal["classify"] = "classify"
    label_weights: Literal["equal", "balanced"] = "equal"


class Regress(Training):
    """A score for a text or an image, by a linear head on the base. Scores are learned in units of their spread in the training rows."""

    kind: Literal["regress"] = "regress"


class GRPO(Training):
    """Reinforcement: the model answers prompts, a grader scores the answers, and what scores above the others of its group is learned.

    compute_multiplier   how much is explored, relative to the provider's own;  eval_interval  steps between evaluations
    eval_samples         answers to each prompt of an evaluation
    reasoning_effort     of models that think before they answer
    response_format      a JSON schema that answers have to keep to
    samples_per_prompt   answers that are compared with each other;  max_tokens  of an answer, at most
    temperature          at which they are drawn
    beta                 how much the model is kept near to its base
    """

    kind: Literal["grpo"] = "grpo"
    grader: Grader
    compute_multiplier: Annotated[float, Field(gt=0)] | Auto = "auto"
    eval_interval: Annotated[int, Field(ge=1)] | Auto = "auto"
    eval_samples: Annotated[int, Field(ge=1)] | Auto = "auto"
    reasoning_effort: Literal["default", "low", "medium", "high"] | None = None
    response_format: dict[str, Any] | None = None
    samples_per_prompt: Annotated[int, Field(ge=2, le=256)] | Auto = own("auto")
    max_tokens: Annotated[int, Field(ge=1)] | Auto = own("auto")
    temperature: Annotated[float, Field(gt=0, le=2)] = own(1.0)
    beta: Annotated[float, Field(ge=0)] = own(0.0)


METHOD_CLASSES: Mapping[str, type[Training]] = {
    "sft": SFT,
    "dpo": DPO,
    "orpo": ORPO,
    "kto": KTO,
    "grpo": GRPO,
    "reward": Reward,
    "classify": Classify,
    "regress": Regress,
}
METHODS = tuple(METHOD_CLASSES)
HEADED = frozenset({"reward", "classify", "regress"})
"""The methods whose models answer with labels or scores instead of words."""


CloudMethod = SFT | DPO | GRPO
"""The methods that vendors have."""


def cloud_method(method: Training, *, who: str) -> CloudMethod:
    """The same. Raises Unsupported for a method that `who` does not have."""
    if not isinstance(method, SFT | DPO | GRPO):
        raise Unsupported(f"{who} does not train by method {getattr(method, 'kind', '?')}.", remedy="Train it with local.")
    return method


def _to_method(value: Any) -> Any:
    if not isinstance(value, str | dict | Training):
        raise ValueError(f"must be a name or a table, not {value!r}")  # noqa: TRY004 - pydantic's validators raise it
    kind = value if isinstance(value, str) else value.get("kind", "sft") if isinstance(value, dict) else None
    if kind is not None and kind not in METHODS:
        raise ValueError(f"unknown method {kind!r}; available: {', '.join(METHODS)}.")
    return {"kind": kind} if isinstance(value, str) else {"kind": kind, **value} if isinstance(value, dict) else value


Method = Annotated[SFT | DPO | ORPO | KTO | GRPO | Reward | Classify | Regress, Field(discriminator="kind"), BeforeValidator(_to_method)]
