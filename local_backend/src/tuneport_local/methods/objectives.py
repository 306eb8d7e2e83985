"""What each method is locally, in one place. Imports no torch.

Everything else is the same for all of them: device, adapters, order of rows, checkpoints, pausing, the log, what is left at the end. A new
method is an entry here, a kind of row in `rows` and a module beside `sft` and `dpo`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tuneport_local.heads.labelled_rows import LABELLED
from tuneport_local.methods.objective import Defaults, Objective
from tuneport_local.rows.judged import JUDGED, each_answer
from tuneport_local.rows.prepared import CONVERSATIONS, PAIRS, PROMPTS

if TYPE_CHECKING:
    from tuneport.recipe import Recipe
    from tuneport_local.training.spec import TrainingSpec


def _refuse_reinforcement(recipe: Recipe) -> None:
    from tuneport_local.plans.reinforcement import refuse_unusable

    refuse_unusable(recipe)


def _try_grader(spec: TrainingSpec) -> None:
    from tuneport_local.plans.reinforcement import try_grader

    try_grader(spec)


OBJECTIVES: Mapping[str, Objective] = {
    "sft": Objective(
        method="sft",
        format="chat",
        kind=CONVERSATIONS,
        noun="rows",
        learned="supervised, with loss on the assistant's turns only",
        defaults=Defaults(epochs=3, batch_size=8, learning_rate=5e-4),
        trainer="methods.sft",
        models="causal language models; with images those that see (Gemma 3, Idefics 3, LLaVA 1.5)",
    ),
    "dpo": Objective(
        method="dpo",
        format="canonical",
        kind=PAIRS,
        noun="pairs",
        learned="on pairs of answers, to prefer the better one as compared with the base",
        defaults=Defaults(epochs=1, batch_size=8, learning_rate=5e-5),
        trainer="methods.dpo",
        own={"beta": 0.1, "loss": "sigmoid", "label_smoothing": 0.0},
        passes="both answers of a pair, and both once more through the base as the reference",
    ),
    "orpo": Objective(
        method="orpo",
        format="canonical",
        kind=PAIRS,
        noun="pairs",
        learned="on pairs of answers, to give the better one and to prefer it, without a reference",
        defaults=Defaults(epochs=1, batch_size=8, learning_rate=1e-4),
        trainer="methods.orpo",
        own={"beta": 0.1},
        passes="both answers of a pair",
    ),
    "kto": Objective(
        method="kto",
        format="canonical",
        kind=JUDGED,
        noun="answers",
        learned="on single answers, to give those that are wanted and not those that are not, as compared with the base",
        defaults=Defaults(epochs=1, batch_size=8, learning_rate=5e-5),
        trainer="methods.kto",
        own={"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0},
        passes="each answer and the prompt with another row's answer, and both once more through the base as the reference",
        data="single answers marked as wanted or not, pairs of answers",
        apart=each_answer,
        least_batch=2,
    ),
    "grpo": Objective(
        method="grpo",
        format="canonical",
        kind=PROMPTS,
        noun="prompts",
        learned="by reinforcement, towards answers that its grader scores above the others to the same prompt",
        defaults=Defaults(epochs=1, batch_size=8, learning_rate=5e-5),
        trainer="methods.grpo",
        own={"grader": None, "samples_per_prompt": 8, "max_tokens": 256, "temperature": 1.0, "beta": 0.0, "eval_samples": 0},
        packs=False,
        passes="the answers are written token by token before they are learned from",
        writes=True,
        judged_by="rewards/mean",
        higher_is_better=True,
        refuse=_refuse_reinforcement,
        attempt=_try_grader,
    ),
    "classify": Objective(
        method="classify",
        format="canonical",
        kind=LABELLED,
        noun="rows",
        learned="to give texts or images a label, by a softmax head",
        defaults=Defaults(epochs=4, batch_size=32, learning_rate=2e-3),
        trainer="heads.training",
        own={"label_weights": "equal"},
        packs=False,
        headed=True,
        models="encoders and decoders of text, image models (ViT, ResNet)",
    ),
    "regress": Objective(
        method="regress",
        format="canonical",
        kind=LABELLED,
        noun="rows",
        learned="to give texts or images a score, by a linear head",
        defaults=Defaults(epochs=4, batch_size=32, learning_rate=2e-3),
        trainer="heads.training",
        packs=False,
        headed=True,
        models="encoders and decoders of text, image models (ViT, ResNet)",
    ),
    "reward": Objective(
        method="reward",
        format="canonical",
        kind=PAIRS,
        noun="pairs",
        learned="on pairs of answers, to give the better one the higher score, by a linear head",
        defaults=Defaults(epochs=1, batch_size=8, learning_rate=1e-4),
        trainer="methods.reward",
        own={"center": None},
        passes="both answers of a pair",
        packs=False,
        scores=True,
    ),
}
METHODS = tuple(OBJECTIVES)
