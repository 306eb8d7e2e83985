"""The kit's rules about what goes wrong: unknown jobs, files that are gone, lost answers, no network, and what an error may show."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from tuneport.errors import Ambiguous, FileGone, NotFound, Unreachable, UsageError
from tuneport.provider import Capability, Provider, Trainer
from tuneport.recipe import Recipe
from tuneport.testing.kit import (
    UNKNOWN_FILE,
    UNKNOWN_JOB,
    Made,
    TrainerKit,
    expect,
    expect_discreet,
    expect_error,
    ids_of,
    make,
    support_of,
    texts_of,
    uploaded,
)

Count = Callable[[], int] | None
Act = Callable[[], None] | None
Calls = Iterator[tuple[str, Callable[[], object]]]

_SWITCHES = ("cancel", "pause", "resume", "delete")


class FailureRules(TrainerKit):
    """Each failure has its own error, which says what happened and nothing that must not be shown."""

    @pytest.fixture
    def hidden(self, secrets: tuple[str, ...], recipe: Recipe) -> set[str]:
        """What no error may show."""
        return {*secrets, *texts_of(recipe.train)}

    def test_a_job_that_is_not_known_has_no_history_no_result_and_no_switches(self, trainer: Trainer) -> None:
        for name in ("events", "metrics", "result", *_SWITCHES):
            ask: Callable[[str], object] = getattr(trainer, name)
            expect_error(lambda ask=ask: ask(UNKNOWN_JOB), NotFound, UsageError, when=f"{name}() of a job that does not exist")  # type: ignore[misc]

    def test_a_create_with_a_file_that_is_gone_says_so_and_makes_nothing(self, trainer: Trainer, recipe: Recipe) -> None:
        """FileGone and no other error: core then uploads the file once more."""
        plan = trainer.plan(recipe)
        if not plan.files:
            pytest.skip("this provider uploads no files")
        before, gone = ids_of(trainer), {file.purpose: UNKNOWN_FILE for file in plan.files}
        expect_error(lambda: trainer.create(plan, uuid.uuid4().hex, gone), FileGone, when="create() with a file that is not there")
        expect(ids_of(trainer) == before, "no job from a create with a file that is not there", sorted(ids_of(trainer) - before))

    def test_a_create_whose_answer_is_lost_is_ambiguous_and_makes_one_job(self, trainer: Trainer, recipe: Recipe, lose_answer: Act) -> None:
        """An SDK that sends a create again by itself makes two."""
        if lose_answer is None:
            pytest.skip("no lose_answer fixture: the author did not say how a create can lose its answer")
        plan, client_id, before = trainer.plan(recipe), uuid.uuid4().hex, ids_of(trainer)
        files = uploaded(trainer, plan)
        lose_answer()
        expect_error(lambda: trainer.create(plan, client_id, files), Ambiguous, when="create() whose answer was lost")
        new = ids_of(trainer) - before
        expect(len(new) == 1, "exactly one job after a create whose answer was lost", sorted(new))
        if self.marks_jobs:
            found = trainer.find(client_id, plan)
            expect(found is not None and {found.provider_id} == new, f"find() to give {sorted(new)}", found)

    def test_without_a_network_reads_are_unreachable_and_creates_ambiguous(
        self, trainer: Trainer, recipe: Recipe, ended: Made, break_network: Act
    ) -> None:
        if break_network is None:
            pytest.skip("no break_network fixture: this provider has no network, or its author did not say how to break it")
        job = make(trainer, recipe)
        reads, create = list(_reads(trainer, job, ended)), _create(trainer, job)
        break_network()
        for what, read in reads:
            expect_error(read, Unreachable, when=f"{what} without a network")
        looks_first = trainer.client_names_jobs  # and may find nobody to ask before it sends anything
        expect_error(create, Unreachable if looks_first else Ambiguous, when="create() without a network")

    def test_what_the_provider_must_be_asked_is_asked(self, trainer: Trainer, recipe: Recipe, ended: Made, request_count: Count) -> None:
        """An answer from memory is an answer about the past, and perhaps about another process's past."""
        if request_count is None:
            pytest.skip("no request_count fixture: the author did not say how requests are counted")
        job = make(trainer, recipe)
        for what, call in (*_reads(trainer, job, ended), ("create()", _create(trainer, job))):
            sent = request_count()
            _read_out(call())
            expect(request_count() > sent, f"a request for {what}", "none")

    def test_a_refusal_shows_neither_secrets_nor_what_rows_say(
        self, trainer: Trainer, provider: Provider, recipe: Recipe, hidden: set[str]
    ) -> None:
        for what, call in _mistakes(trainer, provider, recipe):
            _must_be_discreet(call, hidden, when=what)

    def test_a_lost_connection_shows_neither_secrets_nor_what_rows_say(
        self, trainer: Trainer, made: Made, ended: Made, hidden: set[str], break_network: Act
    ) -> None:
        if break_network is None:
            pytest.skip("no break_network fixture: this provider has no network, or its author did not say how to break it")
        calls = [*_reads(trainer, made, ended), ("create()", _create(trainer, made))]
        break_network()
        for what, call in calls:
            _must_be_discreet(call, hidden, when=f"{what} without a network")


def _reads(trainer: Trainer, job: Made, ended: Made) -> Calls:
    """Calls about jobs and files that are there, each of which must ask the provider."""
    yield "fetch()", lambda: trainer.fetch([job.id])
    yield "find()", lambda: trainer.find(job.client_id, job.plan)
    yield "list()", lambda: list(trainer.list())
    yield "result()", lambda: trainer.result(ended.id)
    if support_of(trainer, Capability.EVENTS):
        yield "events()", lambda: list(trainer.events(ended.id))
    if support_of(trainer, Capability.METRICS):
        yield "metrics()", lambda: list(trainer.metrics(ended.id))
    if job.plan.files:
        file = job.plan.files[0]
        file_id = trainer.find_file(file) or trainer.upload(file)
        yield "find_file()", lambda: trainer.find_file(file)
        yield "file_state()", lambda: trainer.file_state(file_id)
        yield "upload()", lambda: trainer.upload(file)
    if support_of(trainer, Capability.CANCEL):
        yield "cancel()", lambda: trainer.cancel(job.id)


def _create(trainer: Trainer, job: Made) -> Callable[[], object]:
    files, client_id = uploaded(trainer, job.plan), uuid.uuid4().hex
    return lambda: trainer.create(job.plan, client_id, files)


def _mistakes(trainer: Trainer, provider: Provider, recipe: Recipe) -> Calls:
    """Calls that are refused whoever the provider is."""
    plan = trainer.plan(recipe)
    gone = {file.purpose: UNKNOWN_FILE for file in plan.files}
    strange = {"base": "no-such-model-anywhere"}, {"options": {provider.name: {"no_such_option_anywhere": 1}}}
    yield "plan() of an unknown base", lambda: trainer.plan(recipe.model_copy(update=strange[0]))
    yield "plan() with an unknown option", lambda: trainer.plan(recipe.model_copy(update=strange[1]))
    for name in ("result", *_SWITCHES):
        yield f"{name}() of an unknown job", _of_nobody(trainer, name)
    if plan.files:
        yield "create() with a file that is gone", lambda: trainer.create(plan, uuid.uuid4().hex, gone)


def _of_nobody(trainer: Trainer, name: str) -> Callable[[], object]:
    return lambda: getattr(trainer, name)(UNKNOWN_JOB)


def _must_be_discreet(call: Callable[[], object], hidden: set[str], *, when: str) -> None:
    try:
        _read_out(call())
    except Exception as error:
        expect_discreet(error, hidden, when=when)


def _read_out(value: object) -> None:
    """A generator sends its requests when it is read."""
    if isinstance(value, Iterator):
        list(value)
