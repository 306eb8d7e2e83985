"""The kit's rules about jobs: made once, made as planned, found again by every way."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from tuneport.errors import Ambiguous, Refused, UsageError
from tuneport.job import JobState, Snapshot
from tuneport.plan import Plan, PlannedFile
from tuneport.provider import Capability, Trainer
from tuneport.recipe import Recipe
from tuneport.testing.kit import (
    UNKNOWN_FILE,
    UNKNOWN_JOB,
    Made,
    TrainerKit,
    expect,
    expect_error,
    expect_time,
    fetch_one,
    ids_of,
    listed_one,
    make,
    support_of,
    uploaded,
)

UNUSUAL_SEED = 4321


def check_snapshot(snapshot: Snapshot) -> None:
    """What every snapshot must look like."""
    expect(isinstance(snapshot.state, JobState), "a JobState", snapshot.state)
    expect(bool(snapshot.provider_state), "the provider's own word in provider_state", snapshot.provider_state)
    expect(snapshot.created_at is not None, "the time of its creation in created_at", snapshot)
    expect_time(snapshot.created_at, "created_at")
    expect_time(snapshot.finished_at, "finished_at")


class JobRules(TrainerKit):
    """A job is made once, and found again by every way."""

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
        for job, way in ((fetch_one(trainer, made.id), "fetch()"), (listed_one(trainer, made.id), "list()")):
            expect(job.client_id == made.client_id, f"client_id {made.client_id} from {way}", job.client_id)
            expect(job.plan_fingerprint == made.plan.fingerprint, f"plan_fingerprint from {way}", job.plan_fingerprint)
            wanted = (made.plan.recipe_fingerprint, made.plan.dataset_fingerprint)
            got = (job.recipe_fingerprint, job.dataset_fingerprint)
            expect(got == wanted, f"recipe and dataset fingerprints {wanted} from {way}", got)

    def test_the_job_is_the_one_that_was_planned(
        self, trainer: Trainer, recipe: Recipe, received: Callable[[str], Mapping[str, Any]] | None
    ) -> None:
        """What the provider says of the job fits the plan; where the author lets us look, the request is the planned one."""
        job = make(trainer, _unusual(trainer, recipe))
        said, plan = fetch_one(trainer, job.id), job.plan
        expect(said.base is not None and said.base.startswith(plan.base), f"the base {plan.base!r}", said.base)
        for name, got in (("method", said.method), ("seed", said.seed), ("suffix", said.suffix)):
            wanted = getattr(plan, name)
            expect(got in (None, wanted), f"the {name} of the plan, {wanted!r}, or none", got)
        if not self.marks_jobs and plan.files:
            purposes = {file.purpose for file in plan.files}
            expect(set(said.files) == purposes, f"the ids of the files {sorted(purposes)}, by which an unmarked job is found", said.files)
        if received is not None:
            _is_as_planned(plan, received(job.id), said.files)

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

    def test_one_create_makes_one_job(self, trainer: Trainer, recipe: Recipe) -> None:
        before = ids_of(trainer)
        job = make(trainer, recipe)
        new = ids_of(trainer) - before
        expect(new == {job.id}, f"one create to make one job, {job.id}", sorted(new))

    def test_one_client_id_never_leads_to_two_jobs(self, trainer: Trainer, recipe: Recipe, other_recipe: Recipe) -> None:
        """Where the client names the job, a second create of that name gives the job that is there, or is refused if it asks for another.

        It never changes the job that is there.
        """
        first = make(trainer, recipe)
        if not trainer.client_names_jobs:
            second = make(trainer, recipe)
            found = trainer.find(first.client_id, first.plan, since=first.since) if self.marks_jobs else first.snapshot
            expect(found is not None and found.provider_id == first.id, f"{first.id}, not {second.id}, for its own client id", found)
            return
        expect(first.id == first.client_id, f"the job to be named {first.client_id}", first.id)
        for asked in (recipe, other_recipe):
            _asks_again(trainer, first, asked)
        listed = [one.provider_id for one in trainer.list()]
        expect(listed.count(first.id) == 1, f"{first.id} once in list() after further creates", listed)

    def test_an_uploaded_file_is_found_again(self, trainer: Trainer, recipe: Recipe) -> None:
        files = trainer.plan(recipe).files
        if not files:
            pytest.skip("this provider uploads no files")
        for file in files:
            file_id = trainer.upload(file)
            state = trainer.file_state(file_id)
            expect(state.state in ("ready", "pending"), "an uploaded file to be ready or pending", state)
            found = trainer.find_file(file)
            expect(found is not None and trainer.file_state(found).state != "gone", f"find_file() to find {file.name}", found)
            found = trainer.find_file(_never_uploaded(file))
            expect(found is None, "find_file() of a file that was never uploaded to give None", found)
        state = trainer.file_state(UNKNOWN_FILE)
        expect(state.state == "gone", "a file that is not there to be 'gone'", state)


def _never_uploaded(like: PlannedFile) -> PlannedFile:
    content = f'{{"kit": "{uuid.uuid4().hex}"}}\n'.encode()
    return PlannedFile.from_chunks(lambda: iter([content]), purpose=like.purpose, rows=1, suffix=like.suffix)


def _unusual(trainer: Trainer, recipe: Recipe) -> Recipe:
    """The recipe with values that no default has."""
    suffix = {"suffix": "kit-suffix"} if support_of(trainer, Capability.SUFFIX) else {}
    return recipe.model_copy(update={"seed": UNUSUAL_SEED, **suffix})


def _is_as_planned(plan: Plan, body: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Every key of the planned request arrived with its value, the placeholders of the files filled in."""
    placeholders = {f"{{file:{purpose}}}": file_id for purpose, file_id in files.items()}
    for key, planned in plan.requests[-1].body.items():
        wanted = _filled(planned, placeholders)
        expect(body.get(key) == wanted, f"the provider to receive {key} = {wanted!r}, as planned", body.get(key))


def _filled(value: Any, placeholders: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(inner, placeholders) for key, inner in value.items()}
    return placeholders.get(value, value) if isinstance(value, str) else value


def _asks_again(trainer: Trainer, first: Made, recipe: Recipe) -> None:
    plan = trainer.plan(recipe)
    files = uploaded(trainer, plan)
    if plan.fingerprint == first.plan.fingerprint:
        with suppress(Refused, Ambiguous, UsageError):
            again = trainer.create(plan, first.client_id, files).provider_id
            expect(again == first.id, f"a second create of the same plan to give {first.id}", again)
    else:
        when = "create() of another plan under the name of a job that is there"
        expect_error(lambda: trainer.create(plan, first.client_id, files), Refused, Ambiguous, UsageError, when=when)
    now = fetch_one(trainer, first.id).plan_fingerprint
    expect(now in (None, first.plan.fingerprint), "the job that is there to keep its plan", f"plan {now}")
