"""The kit's rules about what comes of a job: it runs to its end, stays there, and its model knows where it comes from."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest

from tuneport.errors import NotFound, TuneportError
from tuneport.job import JobState
from tuneport.provider import Provider, Trainer
from tuneport.recipe import Recipe
from tuneport.testing.kit import Made, TrainerKit, expect, expect_error, expect_time, fetch_one, make
from tuneport.testing.kit_jobs import check_snapshot


class ResultRules(TrainerKit):
    """An ended job has its result, with its lineage; one that runs has none."""

    def test_a_job_that_has_not_ended_has_no_result(self, trainer: Trainer, recipe: Recipe) -> None:
        job = make(trainer, recipe)
        if fetch_one(trainer, job.id).state.terminal:
            pytest.skip("the job had ended before it could be asked")
        expect_error(lambda: trainer.result(job.id), NotFound, when="result() of a job that still runs")

    def test_a_job_runs_to_its_end_and_stays_there(self, trainer: Trainer, ended: Made) -> None:
        job = fetch_one(trainer, ended.id)
        check_snapshot(job)
        expect(job.state is JobState.SUCCEEDED, f"succeeded (provider: {job.provider_state}, error: {job.error})", job.state)
        expect(bool(job.model), "the tuned model's id once the job succeeded", job.model)
        expect(job.finished_at is not None, "the time of its end in finished_at", job)
        with suppress(TuneportError):
            trainer.cancel(ended.id)
        again = fetch_one(trainer, ended.id)
        expect(again.state is JobState.SUCCEEDED, "a job that succeeded to stay so, also when it is cancelled", again.state)

    def test_the_result_is_a_model_with_its_lineage(self, trainer: Trainer, ended: Made) -> None:
        model, plan = trainer.result(ended.id), ended.plan
        expect(model.provider == plan.provider, f"the provider of the plan, {plan.provider!r}", model.provider)
        expect(model.uri == f"{plan.provider}:{model.id}", f"the URI {plan.provider}:{model.id}", model.uri)
        expect(model.id == fetch_one(trainer, ended.id).model, "the model that fetch() names", model.id)
        expect(bool(model.base) and (model.base or "").startswith(plan.base), f"the base of the plan, {plan.base!r}", model.base)
        expect(model.job_uri == f"{plan.provider}:{ended.id}", f"job_uri {plan.provider}:{ended.id}", model.job_uri)
        expect_time(model.created_at, "created_at")
        if self.marks_jobs:
            wanted = (plan.recipe_fingerprint, plan.dataset_fingerprint)
            got = (model.recipe_fingerprint, model.dataset_fingerprint)
            expect(got == wanted, f"recipe and dataset fingerprints {wanted}", got)

    def test_a_bill_is_exact_money_or_not_known(self, trainer: Trainer, provider: Provider, ended: Made) -> None:
        billed = trainer.billed(ended.id)
        expect(billed is None or isinstance(billed, Decimal), "a Decimal in USD, or None", billed)
        expect(billed is None or (billed.is_finite() and billed >= 0), "an amount of money", billed)
        expect(not provider.bills or billed != 0, "None where the bill is not known, never zero", billed)
