"""The same clock for everybody: a callback of transformers that is there whoever makes the trainer."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

Row = tuple[list[int], list[int]]
"""Tokens, and labels that are -100 where nothing is learned."""


def stopwatch(validation: Sequence[Row] = (), *, every: int = 0) -> Any:
    """A callback that every Trainer made after this call takes along. It keeps, for the loop and for its first step, seconds by the clock
    and of the processor; the losses; the peak of memory; and (step, seconds, loss) of its own validations, whose time it leaves out."""
    from transformers import TrainerCallback, trainer

    class Stopwatch(TrainerCallback):  # type: ignore[misc]
        began: tuple[float, float] = (0.0, 0.0)
        first: tuple[float, float] = (0.0, 0.0)
        whole: tuple[float, float] = (0.0, 0.0)
        first_step_at = 0.0
        peak_mb = 0.0
        left_out = (0.0, 0.0)
        losses: tuple[float, ...] = ()
        course: tuple[tuple[int, float, float], ...] = ()

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            type(self).began = _now()

        def on_step_end(self, _args: Any, state: Any, _control: Any, model: Any = None, **__: Any) -> None:
            step = int(state.global_step)
            if step == 1:
                type(self).first, type(self).first_step_at = self._since(), time.time()
            if every and (step % every == 0 or step == state.max_steps):
                seconds, paused = self._since()[0], _now()
                type(self).course += ((step, seconds, validation_loss(model, validation)),)
                type(self).left_out = _sum(self.left_out, _difference(_now(), paused))

        def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, Any] | None = None, **__: Any) -> None:
            if logs and "loss" in logs:
                type(self).losses += (float(logs["loss"]),)

        def on_train_end(self, *_: Any, **__: Any) -> None:
            type(self).whole, type(self).peak_mb = self._since(), peak_mb()

        def _since(self) -> tuple[float, float]:
            return _difference(_difference(_now(), self.began), self.left_out)

        @classmethod
        def figures(cls) -> dict[str, Any]:
            """JSON-ready. Raises RuntimeError where no loop was seen."""
            if not cls.whole[0]:
                raise RuntimeError("the training loop was not seen by the callback")
            clocks = {"wall_s": cls.whole[0], "processor_s": cls.whole[1], "first_wall_s": cls.first[0], "first_processor_s": cls.first[1]}
            seen = {"losses": list(cls.losses), "course": list(cls.course), "peak_mb": cls.peak_mb}
            return {**clocks, "first_step_at": cls.first_step_at, **seen}

    trainer.DEFAULT_CALLBACKS.append(Stopwatch)
    return Stopwatch


def peak_mb() -> float:
    """The most memory that this process held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _difference(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] - other[0], one[1] - other[1]


def _sum(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] + other[0], one[1] + other[1]


def validation_loss(model: Any, rows: Sequence[Row]) -> float:
    """Mean loss per learned token, row by row, in bf16, the same for whoever trains."""
    import torch
    from torch.nn.functional import cross_entropy

    training, total, learned = model.training, 0.0, 0
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for tokens, labels in rows:
            logits = model(input_ids=torch.tensor([tokens]), use_cache=False, **_alone(model, len(tokens))).logits
            targets = torch.tensor(labels[1:])
            total += float(cross_entropy(logits[0, :-1].float(), targets, reduction="sum"))
            learned += int((targets != -100).sum())
    model.train(training)
    return total / max(learned, 1)


def _alone(model: Any, length: int) -> dict[str, Any]:
    """What our own attention has to be told of a row that is alone."""
    from tuneport_local.methods.attention import SEGMENTS, Segments

    attention = getattr(model.config, "_attn_implementation", "")
    return {"segments": Segments((length,))} if attention == SEGMENTS else {}
