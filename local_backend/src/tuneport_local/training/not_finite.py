"""Why a loss or a gradient is no number: broken weights of the base, a training that ran away, a row, or numbers too large for fp16."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from tuneport.errors import TuneportError
from tuneport_local.bases.divided import here
from tuneport_local.rows.prepared import named_lines
from tuneport_local.training.course import Course

if TYPE_CHECKING:
    from tuneport_local.training.watched import Watched

_ROWS_TRIED = 256
_RISEN = 1.5
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """What it comes from, as far as can be told, and what helps."""

    sentence: str
    remedy: str


def cause(trainer: Watched, *, what: str, course: Course, lines: Sequence[int]) -> Cause:
    """Looks at the weights, then at the rows of the step one by one, then at how the loss went. `lines`: those of the rows, in order."""
    if broken := _broken(trainer, trained=False):
        return Cause(f"The base itself is broken: {broken}.", "Fetch the base again, or choose another.")
    too_fast = Cause(
        f"The learning rate is the likely cause ({trainer.args.learning_rate:g}){_rise(course)}.", "Lower learning_rate, or warm up longer."
    )
    if _broken(trainer, trained=True):
        return too_fast
    places = trainer.places_of_step(trainer.state.global_step) if what in ("loss", "gradient") else ()
    bad = [place for place in places[:_ROWS_TRIED] if _is_bad(trainer, place, gradient=what == "gradient")]
    if bad and len(bad) < len(places):
        found = sorted(lines[place] for place in bad)
        rows = "row gives" if len(found) == 1 else "rows give"
        return Cause(
            f"{len(found)} of the step's {len(places)} {rows} it by itself: {named_lines(found)} of the training data.",
            "Look at that row, or leave it out." if len(found) == 1 else "Look at those rows, or leave them out.",
        )
    if _computes_in_fp16(trainer):
        return Cause("The base computes in fp16, which ends at 65,504.", "Set options.local.precision to 'bf16', or to 'fp32'.")
    if course.first:
        return too_fast
    return Cause("It was so before anything was learned.", "Try options.local.precision = 'fp32', or another base.")


def _broken(trainer: Watched, *, trained: bool) -> str:
    """Which of the model's weights hold values that are no numbers; '' where all are."""
    kinds = [(name, weight) for name, weight in trainer.model.named_parameters() if weight.requires_grad == trained]
    here_broken = {name for name, weight in kinds if weight.is_floating_point() and not bool(torch.isfinite(here(weight)).all())}
    anywhere = set().union(*trainer.company.told(here_broken))
    names = [name for name, _ in kinds if name in anywhere]
    short = [name.removeprefix("base_model.model.").replace(".base_layer", "") for name in names]
    more = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
    return f"{', '.join(short[:_NAMED])}{more} {'holds' if len(short) == 1 else 'hold'} values that are no numbers" if short else ""


def _rise(course: Course) -> str:
    """`: the loss rose from 1.2 to 9.3 over the last 4 steps`"""
    if not course.recent:
        return ""
    lowest = min(range(len(course.recent)), key=lambda place: course.recent[place])
    low, last, steps = course.recent[lowest], course.recent[-1], len(course.recent) - 1 - lowest
    if steps == 0 or last < low * _RISEN:
        return ""
    return f": the loss rose from {low:.4g} to {last:.4g} over {steps} {'step' if steps == 1 else 'steps'}"


def _is_bad(trainer: Watched, place: int, *, gradient: bool) -> bool:
    try:
        return next(_not_finite(trainer, place, gradient=gradient), False)
    except (RuntimeError, TypeError, ValueError, TuneportError):  # what a row alone does wrong is not what is looked for
        return False
    finally:
        trainer.model.zero_grad()


def _not_finite(trainer: Watched, place: int, *, gradient: bool) -> Iterator[bool]:
    """Of the loss of that row alone, then of the gradients it gives."""
    batch = trainer._prepare_inputs(trainer.data_collator([trainer.train_dataset[place]]))
    with torch.set_grad_enabled(gradient):
        loss = trainer.compute_loss(trainer.model, batch)
    if not bool(torch.isfinite(loss).all()):
        yield True
    elif gradient:
        loss.backward()
        gradients = [here(weight.grad) for weight in trainer.model.parameters() if weight.grad is not None]
        yield any(trainer.company.told(any(not bool(torch.isfinite(each).all()) for each in gradients)))


def _computes_in_fp16(trainer: Watched) -> bool:
    return bool(trainer.args.fp16) or any(weight.dtype is torch.float16 for weight in trainer.model.parameters())
