"""Whether a model has forgotten what it knew: its perplexity on a general text of our own, before the training and after it.

The text lies beside this module: a story, a program, a talk, an explanation, instructions, minutes, a sum, some advice. Only models that
write text are asked. Reading it is kept to `_SHARE` of what the training costs, unless the recipe asks for all of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tuneport_local.training.joblog import JobLog
    from tuneport_local.training.spec import TrainingSpec

_SHARE = 0.03
_READINGS = 2
_PASSES_OF_TRAINING = 3
"""A token that is trained on goes through the model there and back, and back is twice the way there."""
_UNTOUCHED, _LITTLE, _SOME = 1.05, 1.2, 1.5


@dataclass(frozen=True, slots=True)
class GeneralText:
    """The passages that are read, as tokens. None at all: nothing is measured."""

    passages: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, tokenizer: Any, *, training_tokens: int, asked: bool | Literal["auto"]) -> GeneralText:
        """All of it, nothing, or as many passages as cost little beside a training on so many tokens."""
        if asked is False:
            return cls()
        room = math.inf if asked is True else _SHARE * _PASSES_OF_TRAINING * training_tokens / _READINGS
        first = next((token for token in (tokenizer.bos_token_id, tokenizer.eos_token_id) if token is not None), None)
        taken: list[tuple[int, ...]] = []
        for text in _texts():
            tokens = tuple(tokenizer(text, add_special_tokens=False).input_ids)
            passage = tokens if first is None else (first, *tokens)
            room -= len(passage)
            if room < 0:
                break
            taken.append(passage)
        return cls(tuple(taken))

    @property
    def tokens(self) -> int:
        """Tokens that are told from those before them."""
        return sum(len(passage) - 1 for passage in self.passages)

    def perplexity(self, model: Any, job: JobLog) -> float | None:
        """How many words the model hesitates between, so to say: e to the mean loss per token. None for a model that does not write, or
        that cannot be asked in this way, which the job hears."""
        if not self.passages or not _writes(model):
            return None
        import torch

        training = model.training
        model.eval()
        try:
            with torch.no_grad():
                total = sum(_loss_sum(model, passage) for passage in self.passages)
        except (TypeError, ValueError, KeyError, RuntimeError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            job.event("info", f"the general text was not read: this model does not take it ({type(error).__name__})")
            return None
        finally:
            model.train(training)
        found = math.exp(min(total / self.tokens, 700.0)) if math.isfinite(total) else math.inf
        return found if math.isfinite(found) else None


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Perplexities of the same tokens of general text."""

    before: float
    after: float
    tokens: int

    @property
    def times(self) -> float:
        """What the perplexity after the training is of that before it."""
        return self.after / self.before

    @property
    def verdict(self) -> str:
        """In words."""
        if self.times < _UNTOUCHED:
            return "nothing was forgotten"
        if self.times < _LITTLE:
            return "a little was forgotten"
        return "some was forgotten" if self.times < _SOME else "much was forgotten"

    @property
    def worth_a_warning(self) -> bool:
        """Whether something should be done about it."""
        return self.times >= _LITTLE

    @property
    def sentence(self) -> str:
        """With the numbers."""
        change = f"{abs(self.times - 1):.0%} {'more' if self.times >= 1 else 'less'}"
        helps = "; a lower learning_rate, fewer epochs, or general rows among the data keep more of it" if self.worth_a_warning else ""
        return f"general text: {self.verdict} (perplexity {self.before:.2f} before, {self.after:.2f} after, {change}){helps}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        measured = {"perplexity_before": round(self.before, 4), "perplexity_after": round(self.after, 4), "tokens": self.tokens}
        return {**measured, "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Probe:
    """The text, and what the base made of it; None where it was not asked."""

    text: GeneralText
    perplexity: float | None

    @classmethod
    def before(cls, job: JobLog, model: Any, *, tokenizer: Any, spec: TrainingSpec, tokens_per_epoch: int) -> Probe:
        """Asks the base. A resumed job asks it again: it is the same base."""
        asked = spec.forgetting if _writes(model) else False  # a model of images has no tokenizer to read with
        text = GeneralText.of(tokenizer, training_tokens=tokens_per_epoch * spec.epochs, asked=asked)
        return cls(text, text.perplexity(model, job))

    @classmethod
    def untold(cls) -> Probe:
        """That of a process whose model nobody asks."""
        return cls(GeneralText(), None)

    def after(self, job: JobLog, model: Any) -> Forgetting | None:
        """Asks the trained model, and tells the job."""
        now = None if self.perplexity is None else self.text.perplexity(model, job)
        if self.perplexity is None or now is None:
            return None
        found = Forgetting(self.perplexity, now, self.text.tokens)
        job.event("warning" if found.worth_a_warning else "info", f"{found.sentence}.", found.to_dict())
        return found


def _texts() -> list[str]:
    whole = files("tuneport_local.training").joinpath("general_text.txt").read_text(encoding="utf-8")
    return [text.strip("\n") for text in whole.split("===\n")]


def _writes(model: Any) -> bool:
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return bool(getattr(inner, "can_generate", lambda: False)())


def _loss_sum(model: Any, passage: tuple[int, ...]) -> float:
    """Of the tokens after the first, by those before them."""
    import torch
    from torch.nn.functional import cross_entropy

    from tuneport_local.methods.attention import SEGMENTS, Segments

    ids = torch.tensor([passage], device=next(model.parameters()).device)
    apart = {"segments": Segments((len(passage),))} if model.config._attn_implementation == SEGMENTS else {}
    logits = model(input_ids=ids, use_cache=False, **apart).logits[:, -ids.shape[1] : -1]
    return float(cross_entropy(logits[0].float(), ids[0, 1:], reduction="sum"))
