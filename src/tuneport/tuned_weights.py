"""Which weights a training changes: low-rank adapters unless a recipe says otherwise."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from tuneport.own_settings import own
from tuneport.recipe_table import RecipeTable

Auto = Literal["auto"]
Targets = Literal["all-linear"] | tuple[str, ...]


class LoRA(RecipeTable):
    """Low-rank adapters. `alpha` scales the update by alpha / rank. `targets`: 'all-linear', or suffixes of module names.

    variant   plain;  rslora: scaled by alpha / sqrt(rank), for high ranks;  dora: direction and length learned apart;
              pissa: begun at the principal parts of the weights
    quantize  the frozen base in 4 or 8 bits (QLoRA), where the hardware runs it
    """

    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    alpha: Annotated[float, Field(gt=0)] | Auto = "auto"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: Targets = "all-linear"
    variant: Literal["plain", "rslora", "dora", "pissa"] = own("plain")
    quantize: Literal[4, 8] | None = own(None)

    @property
    def scale(self) -> float:
        """alpha / rank; 'auto' is 2."""
        return 2.0 if self.alpha == "auto" else float(self.alpha) / self.rank


class Full(RecipeTable):
    """All weights.

    freeze       so many of the model's blocks stay as they are, counted from the input, and the embeddings with them
    layer_decay  each block learns at this times the rate of the one above it; 1 is the same rate for all
    gradual      the blocks thaw from the top down, evenly over the first half of the training
    """

    kind: Literal["full"] = "full"
    answers_yes: ClassVar[frozenset[str]] = frozenset({"gradual"})
    freeze: Annotated[int, Field(ge=0)] = 0
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    gradual: bool = False


class IA3(RecipeTable):
    """Learned factors of keys, values and feed-forward activations: very few weights."""

    kind: Literal["ia3"] = "ia3"


class PromptTuning(RecipeTable):
    """Learned embeddings before the prompt. `text` is what they begin as; without it they begin as words drawn at random."""

    kind: Literal["prompt"] = "prompt"
    tokens: Annotated[int, Field(ge=1, le=1024)] = 20
    text: str | None = None


class PrefixTuning(RecipeTable):
    """Learned keys and values before those of the prompt, in every block. They begin as those of words drawn at random."""

    kind: Literal["prefix"] = "prefix"
    tokens: Annotated[int, Field(ge=1, le=1024)] = 20


class OFT(RecipeTable):
    """Orthogonal adapters: weights are turned, never stretched. `block` is the size of a rotation."""

    kind: Literal["oft"] = "oft"
    block: Annotated[int, Field(ge=1, le=1024)] = 32
    targets: Targets = "all-linear"


class VeRA(RecipeTable):
    """Random low-rank matrices shared by all layers, of which only two vectors a layer are learned."""

    kind: Literal["vera"] = "vera"
    rank: Annotated[int, Field(ge=1, le=4096)] = 256
    targets: Targets = "all-linear"


class LNTuning(RecipeTable):
    """The weights of the normalising layers only."""

    kind: Literal["ln"] = "ln"


Weights = Full | IA3 | PromptTuning | PrefixTuning | OFT | VeRA | LNTuning
KINDS = ("lora", "full", "ia3", "prompt", "prefix", "oft", "vera", "ln")


def _to_weights(value: Any) -> Any:
    """'full' for {kind = 'full'}; 'lora' for nothing, which is what `lora` describes."""
    if value is None or value == "lora":
        return None
    if isinstance(value, str | dict):
        kind = value if isinstance(value, str) else value.get("kind")
        if kind not in KINDS[1:]:
            raise ValueError(f"unknown weights {kind!r}; available: {', '.join(KINDS)}.")
        return {"kind": value} if isinstance(value, str) else value
    return value


WeightsField = Annotated[Annotated[Weights, Field(discriminator="kind")] | None, BeforeValidator(_to_weights)]
