"""The kit's rules about jobs: made once, found again, followed to the end."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import pytest

from tuneport.errors import Ambiguous, NotFound, Refused, TuneportError, Unreachable, UsageError
from tuneport.job import JobState, Snapshot
from tuneport.plan import PlannedFile
from tuneport.provider import Trainer
from tuneport.recipe import Recipe
from tuneport.testing.kit import UNKNOWN_JOB, Made, TrainerKit, expect, expect_error, expect_time, fetch_one, make


def check_snapshot(snapshot: Snapshot) -> None:
    """What every snapshot must look like."""
    expect(isinstance(snapshot.state, JobState), "a JobState", snapshot.state)
    expect(bool(snapshot.provider_state), "the provider's own word in provider_state", snapshot.provider_state)
    expect_time(snapshot.created_at, "created_at")
    expect_time(snapshot.finished_at, "finished_at")


class JobRules(TrainerKit):
    """A job is made once and found again by every way."""

    def test_a_created_job_is_the_same_by_every_way_of_asking(self, trainer: Trainer, made: Made) -> None:
        check_snapshot(made.snapshot)
        check_snapshot(fetch_one(trainer, made.id))
        found = trainer.find(made.client_id, made.plan, since=made.since)
        expect(found is not None and found.provider_id == made.id, f"find() to give {made.id}", found)
        listed = [one.provider_id for one in trainer.list()]
        expect(listed.count(made.id) == 1, f"{made.id} once in list()", listed)

    def test_what_we_wrote_on_the_job_comes_back(self, trainer: Trainer, made: Made) -> None:
        if not self.marks_jobs:
            pytest.skip("this provider drops what we write on a job (marks_jobs is False)")
        job = fetch_one(trainer, made.id)
        expect(job.client_id == made.client_id, f"client_id {made.client_id}", job.client_id)
        expect(job.plan_fingerprint == made.plan.fingerprint, f"plan_fingerprint {made.plan.fingerprint}", job.plan_fingerprint)
        wanted = (made.plan.recipe_fingerprint, made.plan.dataset_fingerprint)
        got = (job.recipe_fingerprint, job.dataset_fingerprint)
        expect(got == wanted, f"recipe and dataset fingerprints {wanted}", got)

    def test_a_submit_that_never_was_is_not_found(self, trainer: Trainer, made: Made, other_recipe: Recipe) -> None:
        """Also where a filter is ignored: the one job there is belongs to someone else."""
        nobody = uuid.uuid4().hex
        found = trainer.find(nobody, trainer.plan(other_recipe), since=made.since)
        expect(found is None, "find() of a client id that nobody used to give None", found)
        if self.marks_jobs:
            found = trainer.find(nobody, made.plan, since=made.since)
            expect(found is None, "find() to compare the client id, not only the plan", found)

    def test_a_job_the_provider_does_not_know_is_absent_and_no_error(self, trainer: Trainer, made: Made) -> None:
        expect(dict(trainer.fetch([])) == {}, "fetch([]) to be empty", trainer.fetch([]))
        found = trainer.fetch([UNKNOWN_JOB, made.id])
        expect(set(found) == {made.id}, f"only {made.id} in fetch([unknown, known])", sorted(found))

    def test_many_jobs_are_fetched_at_once(self, trainer: Trainer, recipe: Recipe) -> None:
        if not self.marks_jobs:
            pytest.skip("where jobs are not marked, equal ones cannot be told apart")
        ids = {make(trainer, recipe).id for _ in range(2)}
        found = trainer.fetch(sorted(ids))
        expect(set(found) == ids, f"fetch() to answer about {sorted(ids)}", sorted(found))

    def test_one_client_id_never_leads_to_two_jobs(self, trainer: Trainer, recipe: Recipe) -> None:
        """Where the client names the job, a second create must be refused or give the job that is there."""
        first = make(trainer, recipe)
        if not trainer.client_names_jobs:
            second = make(trainer, recipe)
            found = trainer.find(first.client_id, first.plan, since=first.since) if self.marks_jobs else first.snapshot
            expect(found is not None and found.provider_id == first.id, f"{first.id}, not {second.id}, for its own client id", found)
            return
        expect(first.id == first.client_id, f"the job to be named {first.client_id}", first.id)
        with suppress(Refused, Ambiguous, UsageError):
            make(trainer, recipe, client_id=first.client_id)
        listed = [one.provider_id for one in trainer.list()]
        expect(listed.count(first.id) == 1, f"{first.id} once in list() after a second create", listed)

    def test_jobs_are_listed_newest_first_and_since_a_time(self, trainer: Trainer, made: Made) -> None:
        times = [one.created_at for one in trainer.list() if one.created_at is not None]
        expect(times == sorted(times, reverse=True), "list() newest first", times)
        if times:
            later = [one.provider_id for one in trainer.list(since=times[0])]
            expect(bool(later), f"list(since={times[0]}) to hold the newest job", later)

    def test_an_uploaded_file_is_found_again(self, trainer: Trainer, recipe: Recipe, other_recipe: Recipe) -> None:
        files = trainer.plan(recipe).files
        if not files:
            pytest.skip("this provider uploads no files")
        known = {file.sha256 for file in files}
        for file in files:
            file_id = trainer.upload(file)
            state = trainer.file_state(file_id)
            expect(state.state in ("ready", "pending"), "an uploaded file to be ready or pending", state)
            found = trainer.find_file(file)
            expect(found is not None and trainer.file_state(found).state != "gone", f"find_file() to find {file.name}", found)
        _check_unknown_files(trainer, [file for file in trainer.plan(other_recipe).files if file.sha256 not in known])

    def test_a_job_that_is_not_known_has_no_history_and_no_result(self, trainer: Trainer) -> None:
        for name in ("events", "metrics", "result"):
            ask: Callable[[str], object] = getattr(trainer, name)
            expect_error(lambda ask=ask: ask(UNKNOWN_JOB), NotFound, UsageError, when=f"{name}() of a job that does not exist")  # type: ignore[misc]

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
        with suppress(TuneportError):
            trainer.cancel(ended.id)
        again = fetch_one(trainer, ended.id)
        expect(again.state is JobState.SUCCEEDED, "a job that succeeded to stay so, also when it is cancelled", again.state)

    def test_the_result_is_a_model_with_its_lineage(self, trainer: Trainer, ended: Made) -> None:
        model = trainer.result(ended.id)
        expect(model.uri.partition(":")[2] == model.id, f"a URI that ends with the id {model.id!r}", model.uri)
        expect(bool(model.base), "the base the model was tuned from", model.base)
        expect((model.job_uri or "").endswith(ended.id), f"job_uri to name {ended.id}", model.job_uri)
        expect_time(model.created_at, "created_at")
        if self.marks_jobs:
            wanted = ended.plan.dataset_fingerprint
            expect(model.dataset_fingerprint == wanted, f"dataset_fingerprint {wanted}", model.dataset_fingerprint)

    def test_a_bill_is_exact_money_or_not_known(self, trainer: Trainer, ended: Made) -> None:
        billed = trainer.billed(ended.id)
        expect(billed is None or isinstance(billed, Decimal), "a Decimal in USD, or None", billed)

    def test_without_a_network_reads_are_unreachable_and_creates_ambiguous(
        self, trainer: Trainer, recipe: Recipe, break_network: Callable[[], None] | None
    ) -> None:
        if break_network is None:
            pytest.skip("no break_network fixture: this provider has no network, or its author did not say how to break it")
        job = make(trainer, recipe)
        plan, client_id = trainer.plan(recipe), uuid.uuid4().hex
        break_network()
        expect_error(lambda: trainer.fetch([job.id]), Unreachable, when="fetch() without a network")
        expect_error(lambda: trainer.find(job.client_id, job.plan), Unreachable, when="find() without a network")
        expect_error(lambda: trainer.create(plan, client_id, job.snapshot.files), Ambiguous, when="create() without a network")


def _check_unknown_files(trainer: Trainer, strangers: list[PlannedFile]) -> None:
    for file in strangers:
        found = trainer.find_file(file)
        expect(found is None, f"find_file() of {file.name}, which was never uploaded, to give None", found)
    state = trainer.file_state("tuneport-kit-no-such-file")
    expect(state.state == "gone", "a file that is not there to be 'gone'", state)
