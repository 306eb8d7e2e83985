"""The kit's rules about several jobs at once: fetched together, listed in order, since a time, over all pages."""

from __future__ import annotations

import pytest

from tuneport.provider import Trainer
from tuneport.recipe import Recipe
from tuneport.testing.kit import Made, TrainerKit, expect, fetch_one, listed_one, make

Later = tuple[Made, ...]


class ListingRules(TrainerKit):
    """One job that has ended and two that were made after it. An emulator with pages of two shows whether all pages are read."""

    @pytest.fixture
    def later(self, trainer: Trainer, recipe: Recipe, ended: Made) -> Later:
        """Two jobs that were made after `ended` had ended."""
        return self.once("later", trainer, lambda: (make(trainer, recipe), make(trainer, recipe)))

    def test_many_jobs_are_fetched_at_once(self, trainer: Trainer, ended: Made, later: Later) -> None:
        ids = {job.id for job in (ended, *later)}
        if len(ids) < 3:
            pytest.fail(f"expected three creates to make three jobs; got {sorted(ids)}", pytrace=False)
        found = trainer.fetch(sorted(ids))
        expect(set(found) == ids, f"fetch() to answer about {sorted(ids)}", sorted(found))
        wrong = {asked: job.provider_id for asked, job in found.items() if job.provider_id != asked}
        expect(not wrong, "each answer of fetch() to be about the job it was asked for", wrong)

    def test_every_job_is_listed_once_newest_first(self, trainer: Trainer, ended: Made, later: Later) -> None:
        listed = list(trainer.list())
        ids, times = [one.provider_id for one in listed], [one.created_at for one in listed if one.created_at is not None]
        for job in (ended, *later):
            expect(ids.count(job.id) == 1, f"{job.id} once in list(), whatever page it is on", ids)
        expect(times == sorted(times, reverse=True), "list() newest first", times)

    def test_jobs_are_listed_since_a_time(self, trainer: Trainer, ended: Made, later: Later) -> None:
        old, new = (fetch_one(trainer, job.id).created_at for job in (ended, later[0]))
        if old is None or new is None or old == new:
            pytest.skip("the jobs were created at the same time by this provider's clock")
        ids = [one.provider_id for one in trainer.list(since=new)]
        expect(later[0].id in ids, f"list(since={new}) to hold the job of that very time, {later[0].id}", ids)
        expect(ended.id not in ids, f"list(since={new}) without the job from {old}", ids)
        ids = [one.provider_id for one in trainer.list(since=old)]
        expect({ended.id, later[0].id} <= set(ids), f"list(since={old}) to hold the jobs of that time and after", ids)

    def test_a_listed_job_is_as_far_as_a_fetched_one(self, trainer: Trainer, ended: Made, later: Later) -> None:
        listed = listed_one(trainer, ended.id)
        fetched = fetch_one(trainer, ended.id)
        for name in ("state", "model", "created_at", "client_id", "plan_fingerprint"):
            wanted, got = getattr(fetched, name), getattr(listed, name)
            expect(got == wanted, f"the {name} in list() to be that of fetch(), {wanted!r}", got)
