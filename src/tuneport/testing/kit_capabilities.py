"""The kit's rules about capabilities: what is declared works, what is not is refused with a reason before any request."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from tuneport.errors import Unsupported
from tuneport.job import JobState
from tuneport.provider import Capability, Trainer
from tuneport.recipe import METHODS, Recipe
from tuneport.testing.kit import Made, Settle, TrainerKit, expect, expect_error, expect_time, fetch_one, make, support_of

Count = Callable[[], int] | None
_STOPPING = (JobState.CANCELLING, JobState.CANCELLED)
_PAUSED = (JobState.PAUSING, JobState.PAUSED)


def refuses(call: Callable[[], object], *, what: str, reason: str, count: Count) -> None:
    """An undeclared capability: Unsupported, with the reason that `support` gives or one of its own, and nothing sent."""
    sent = count() if count else 0
    error = expect_error(call, Unsupported, when=f"{what}, which is declared as not supported ({reason})")
    expect(len(str(error).split()) >= 3, "a sentence that says why not", str(error))
    if count:
        expect(count() == sent, f"no request for {what}, which is not supported", f"{count() - sent} requests")


class CapabilityRules(TrainerKit):
    """Declared capabilities work; the others are refused at once."""

    def test_every_capability_is_answered_without_a_request(self, trainer: Trainer, request_count: Count) -> None:
        sent = request_count() if request_count else 0
        for capability in Capability:
            support_of(trainer, capability)
        if request_count:
            expect(request_count() == sent, "support() to send no request", f"{request_count() - sent} requests")

    def test_methods_that_cannot_be_trained_have_a_reason(self, trainer: Trainer) -> None:
        answers = {method: trainer.support(Capability.TRAIN, method=method) for method in METHODS}
        expect(any(answers.values()), "at least one method that can be trained", answers)
        for method, support in answers.items():
            expect(bool(support) or bool(support.reason and support.whose), f"a reason and whose it is for {method!r}", support)

    def test_cancelling(self, trainer: Trainer, recipe: Recipe, settle: Settle, request_count: Count) -> None:
        support, job = support_of(trainer, Capability.CANCEL), make(trainer, recipe)
        if not support:
            refuses(lambda: trainer.cancel(job.id), what="cancel()", reason=support.reason, count=request_count)
            return
        state = trainer.cancel(job.id).state
        expect(state in _STOPPING, "cancelling or cancelled after cancel()", state)
        settle(job.id)
        state = fetch_one(trainer, job.id).state
        expect(state is JobState.CANCELLED, "a cancelled job to end as cancelled", state)

    def test_pausing_and_resuming(self, trainer: Trainer, recipe: Recipe, start: Settle, settle: Settle, request_count: Count) -> None:
        pause, resume = support_of(trainer, Capability.PAUSE), support_of(trainer, Capability.RESUME)
        job = make(trainer, recipe)
        if pause:
            start(job.id)
            state = trainer.pause(job.id).state
            expect(state in _PAUSED, "pausing or paused after pause()", state)
        else:
            refuses(lambda: trainer.pause(job.id), what="pause()", reason=pause.reason, count=request_count)
        if not resume:
            refuses(lambda: trainer.resume(job.id), what="resume()", reason=resume.reason, count=request_count)
        elif pause:
            state = trainer.resume(job.id).state
            expect(state not in _PAUSED and not state.terminal, "a job that goes on after resume()", state)
            settle(job.id)
            state = fetch_one(trainer, job.id).state
            expect(state is JobState.SUCCEEDED, "a paused and resumed job to succeed", state)

    def test_deleting(self, trainer: Trainer, recipe: Recipe, settle: Settle, request_count: Count) -> None:
        support, job = support_of(trainer, Capability.DELETE), make(trainer, recipe)
        if not support:
            refuses(lambda: trainer.delete(job.id), what="delete()", reason=support.reason, count=request_count)
            return
        settle(job.id)
        trainer.delete(job.id)
        expect(job.id not in trainer.fetch([job.id]), f"{job.id} to be gone after delete()", "it is still there")

    def test_downloading(self, trainer: Trainer, ended: Made, tmp_path: Path, request_count: Count) -> None:
        support = support_of(trainer, Capability.DOWNLOAD)
        if not support:
            refuses(lambda: trainer.download(ended.id, tmp_path), what="download()", reason=support.reason, count=request_count)
            return
        where = trainer.download(ended.id, tmp_path / "new")
        files = [path for path in (where.rglob("*") if where.is_dir() else [where]) if path.is_file()]
        expect(bool(files), f"files under {where} after download()", files)
        expect(where.resolve().is_relative_to(tmp_path.resolve()), f"download() to write under {tmp_path}", where)

    def test_events_come_in_order_and_after_a_mark(self, trainer: Trainer, ended: Made, request_count: Count) -> None:
        support = support_of(trainer, Capability.EVENTS)
        if not support:
            refuses(lambda: trainer.events(ended.id), what="events()", reason=support.reason, count=request_count)
            return
        events = list(trainer.events(ended.id))
        expect(len(events) > 1, "at least two events of a job that has ended", events)
        ids, times = [event.id for event in events], [event.at for event in events]
        expect(len(set(ids)) == len(ids), "an id for every event", ids)
        expect_time(times[0], "an event")
        expect(times == sorted(times), "events in order of time", times)
        rest = [event.id for event in trainer.events(ended.id, ids[0])]
        expect(rest == ids[1:], f"events after {ids[0]!r} to be {ids[1:]}", rest)

    def test_metrics_come_in_order_of_step(self, trainer: Trainer, ended: Made, request_count: Count) -> None:
        support = support_of(trainer, Capability.METRICS)
        if not support:
            refuses(lambda: trainer.metrics(ended.id), what="metrics()", reason=support.reason, count=request_count)
            return
        metrics = list(trainer.metrics(ended.id))
        steps = [metric.step for metric in metrics]
        expect(bool(steps) and steps == sorted(steps), "metrics in order of step", steps)
        losses = [metric.values["loss"] for metric in metrics if "loss" in metric.values]
        expect(bool(losses) and all(math.isfinite(loss) for loss in losses), "a finite loss in the metrics", losses)

    def test_checkpoints(self, trainer: Trainer, ended: Made) -> None:
        support, model = support_of(trainer, Capability.CHECKPOINTS), trainer.result(ended.id)
        if support:
            expect(bool(model.checkpoints), "the checkpoints that are declared", model.checkpoints)
        else:
            expect(model.checkpoints == (), f"no checkpoints, since {support.reason}", model.checkpoints)

    def test_a_suffix(self, trainer: Trainer, recipe: Recipe, request_count: Count) -> None:
        support, named = support_of(trainer, Capability.SUFFIX), recipe.model_copy(update={"suffix": "kit-suffix"})
        if not support:
            refuses(lambda: trainer.plan(named), what="plan() with a suffix", reason=support.reason, count=request_count)
            return
        plan, plain = trainer.plan(named), trainer.plan(recipe)
        expect(plan.fingerprint != plain.fingerprint, "another plan for another suffix", plan.fingerprint)

    def test_validation_data(self, trainer: Trainer, recipe: Recipe, other_recipe: Recipe, request_count: Count) -> None:
        support = support_of(trainer, Capability.VALIDATION)
        checked = recipe.model_copy(update={"validation": other_recipe.train})
        if not support:
            refuses(lambda: trainer.plan(checked), what="plan() with validation data", reason=support.reason, count=request_count)
            return
        plan, plain = trainer.plan(checked), trainer.plan(recipe)
        expect(plan.fingerprint != plain.fingerprint, "another plan with validation data", plan.fingerprint)
        if plain.files:
            purposes = [file.purpose for file in plan.files]
            expect(len(purposes) > len(plain.files), "a file for the validation data as well", purposes)
