"""Hyperparameters: which ones each spec of the API has, their ranges, and what becomes of a recipe's other settings.

google-genai 2.34 (SupervisedHyperParameters, PreferenceOptimizationHyperParameters, ReinforcementTuningHyperParameters,
DistillationHyperParameters) and docs.cloud.google.com, reinforcement tuning, hyperparameters (2026-11-21). `auto` is the service's own
default and is not sent, but for the epochs, by which a job is billed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tuneport.errors import RecipeError, Unsupported
from tuneport.methods import DPO, GRPO, SFT, Training
from tuneport.own_settings import refuse_own_settings
from tuneport.quoting.job import COMPARED_EPOCHS
from tuneport.tuned_weights import LoRA
from tuneport_vertex.wire.options import REINFORCED, SIZES, VertexOptions

UNUSED = ("warmup_ratio", "schedule", "weight_decay", "max_grad_norm")
"""Settings that the API has no place for: it decides them by itself."""
MOST_STEP_ANSWERS = 8192
"""Prompts of a batch times answers to each, in reinforcement on text; a multiple of 16."""
USUAL_BATCH, USUAL_SAMPLES = 32, 16


@dataclass(frozen=True, slots=True)
class Kind:
    """What a base is trained as: a Gemini, or an open model of which all weights or an adapter are trained."""

    gemini: bool
    full: bool = False
    distilled: bool = False

    @property
    def who(self) -> str:
        return "Gemini at Vertex AI" if self.gemini else "an open model at Vertex AI"


def hyperparameters(method: SFT | DPO | GRPO, options: VertexOptions, *, kind: Kind) -> dict[str, Any]:
    """The values that will be used, by a recipe's own names; `auto` where the service chooses.

    Raises RecipeError for one out of range or with another meaning here, Unsupported for one that cannot be said.
    """
    _refuse_others(method, options, kind=kind)
    found: dict[str, Any] = {"epochs": _epochs(method)}
    found |= {"learning_rate_multiplier": method.learning_rate_multiplier} if kind.gemini else {"learning_rate": method.learning_rate}
    if not kind.full:
        found["adapter_size"] = _adapter_size(method.lora, options)
    if not kind.gemini or isinstance(method, GRPO):
        found["batch_size"] = method.batch_size
    if isinstance(method, DPO):
        found["beta"] = method.beta
    if isinstance(method, GRPO):
        found |= _of_reinforcement(method, options)
    if kind.distilled:
        found["sft_loss_weight"] = options.sft_loss_weight
    return {name: value for name, value in found.items() if value is not None}


def sent(values: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters as the API spells them."""
    found = {_WIRE[name]: value for name, value in values.items() if value not in (None, "auto")}
    if "adapterSize" in found:
        found["adapterSize"] = f"ADAPTER_SIZE_{SIZES[found['adapterSize']]}"
    return found


_WIRE = {
    "epochs": "epochCount",
    "learning_rate_multiplier": "learningRateMultiplier",
    "learning_rate": "learningRate",
    "adapter_size": "adapterSize",
    "batch_size": "batchSize",
    "beta": "beta",
    "eval_interval": "evaluateInterval",
    "samples_per_prompt": "samplesPerPrompt",
    "max_output_tokens": "maxOutputTokens",
    "checkpoint_interval": "checkpointInterval",
    "thinking": "thinkingLevel",
    "sft_loss_weight": "sftLossWeightMultiplier",
}


def notes(method: SFT | DPO | GRPO, options: VertexOptions, *, kind: Kind, seed: int) -> Iterator[str]:
    """What of the method's settings is not used, and what the service chooses."""
    unused = [name for name in UNUSED if getattr(method, name) != type(method).model_fields[name].default]
    if kind.gemini and not isinstance(method, GRPO) and method.batch_size != "auto":
        unused.append("batch_size")
    if method.lora.model_copy(update={"rank": LoRA().rank}) != LoRA():
        unused.append("lora (beside its rank)")
    if isinstance(method, GRPO) and method.eval_samples != "auto":
        unused.append("eval_samples")
    if seed:
        unused.append("seed")
    if unused:
        yield f"Vertex AI decides these by itself and does not use the recipe's: {', '.join(unused)}"
    if method.epochs == "auto" and not isinstance(method, GRPO):
        own = "Vertex AI's own choice is not documented"
        yield f"{COMPARED_EPOCHS} epochs, since the recipe names none and {own}; another number: epochs"
    if not kind.full and _adapter_size(method.lora, options) == "auto":
        yield "the size of the adapter is the service's own choice; to say it: options.vertex.adapter_size"


def _epochs(method: Training) -> int | str:
    """What the service would take by itself is documented for reinforcement only; a quote goes by a number, and so does the job."""
    return COMPARED_EPOCHS if method.epochs == "auto" and not isinstance(method, GRPO) else method.epochs


def _adapter_size(lora: LoRA, options: VertexOptions) -> int | str:
    """16 is every recipe's rank, also of one that says none: then the service chooses, since not every base takes it."""
    if options.adapter_size is not None:
        return options.adapter_size
    if lora.rank == LoRA().rank:
        return "auto"
    if lora.rank not in SIZES:
        nearest = min(SIZES, key=lambda size: abs(size - lora.rank))
        raise RecipeError(f"lora.rank is {lora.rank}; Vertex AI takes {', '.join(map(str, SIZES))}.", remedy=f"The nearest is {nearest}.")
    return lora.rank


def _refuse_others(method: Training, options: VertexOptions, *, kind: Kind) -> None:
    """Settings that mean something else than the API has, and options of another method."""
    if kind.gemini and method.learning_rate != "auto":
        raise RecipeError(
            f"learning_rate is {method.learning_rate:g}, and {kind.who} takes no absolute one.",
            remedy="Use learning_rate_multiplier, which is relative to the service's own.",
        )
    if not kind.gemini and method.learning_rate_multiplier != "auto":
        raise RecipeError(
            f"learning_rate_multiplier is {method.learning_rate_multiplier:g}, and {kind.who} takes an absolute learning rate only.",
            remedy="Use learning_rate.",
        )
    if method.too_long != "refuse" and method.max_length != "auto":
        raise Unsupported(
            f"Vertex AI cuts or drops rows at the limit of its model only, not at max_length {method.max_length}.",
            remedy="Leave max_length at 'auto', or shorten the rows before.",
        )
    refuse_own_settings(method, who="Vertex AI")
    wrong = [name for name in REINFORCED if getattr(options, name) is not None] if not isinstance(method, GRPO) else []
    if wrong:
        raise RecipeError(f"options: {wrong[0]} is an option of reinforcement, and the method is {getattr(method, 'kind', '?')}.")


def _of_reinforcement(method: GRPO, options: VertexOptions) -> dict[str, Any]:
    if method.response_format is not None:
        raise Unsupported("Vertex AI has no response_format in reinforcement.", remedy="Ask for the form in the prompts, and reward it.")
    if method.compute_multiplier != "auto":
        raise Unsupported(
            "Vertex AI has no compute_multiplier.", remedy="Say how many answers to each prompt: options.vertex.samples_per_prompt."
        )
    multiplier = method.learning_rate_multiplier
    if multiplier != "auto" and not 0.25 <= multiplier <= 4:
        raise RecipeError(f"learning_rate_multiplier is {multiplier:g}; in reinforcement Vertex AI takes 0.25 to 4.")
    _refuse_step(method, options)
    return {
        "eval_interval": method.eval_interval,
        "samples_per_prompt": options.samples_per_prompt,
        "max_output_tokens": options.max_output_tokens,
        "checkpoint_interval": options.checkpoint_interval,
        "thinking": _thinking(method, options),
    }


def _thinking(method: GRPO, options: VertexOptions) -> str | None:
    if options.thinking is not None:
        return options.thinking.upper()
    if method.reasoning_effort == "medium":
        raise RecipeError(
            "reasoning_effort is 'medium', and Vertex AI knows minimal and high only.",
            remedy="Write 'low' or 'high', or options.vertex.thinking.",
        )
    return {"low": "MINIMAL", "high": "HIGH"}.get(method.reasoning_effort or "")


def _refuse_step(method: GRPO, options: VertexOptions) -> None:
    if method.batch_size == "auto" and options.samples_per_prompt is None:
        return
    batch = USUAL_BATCH if method.batch_size == "auto" else method.batch_size
    samples = options.samples_per_prompt or USUAL_SAMPLES
    if batch * samples % 16 or batch * samples > MOST_STEP_ANSWERS:
        raise RecipeError(
            f"{batch} prompts a batch with {samples} answers each are {batch * samples:,} answers a step; Vertex AI takes a multiple of 16 "
            f"up to {MOST_STEP_ANSWERS:,}.",
            remedy="Change batch_size, or options.vertex.samples_per_prompt.",
        )
