"""The provider that does not exist: what tests of everything else rely on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tuneport.client import Client
from tuneport.dataset import Dataset
from tuneport.errors import (
    Ambiguous,
    CredentialsRefused,
    FileGone,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    TuneportError,
    UnknownModel,
    Unreachable,
)
from tuneport.examples import ChatExample, Message
from tuneport.job import JobState
from tuneport.recipe import SFT, Recipe
from tuneport.testing import Course, FakeCloud, FakeTrainer, SimulatedClock, fake_plan, fake_provider
from tuneport.testing.fake import open_fake
from tuneport.testing.translation import Names
from tuneport.testing.wire import HttpAnswer, Kind, NoAnswer, Reply

ROWS = [b'{"messages": []}']


class AnsweringWire:
    """A wire on which every request gets the same bad answer."""

    def __init__(self, answer: HttpAnswer | NoAnswer | Reply) -> None:
        self._answer = answer

    def send(self, call: str, effect: Callable[[], Reply], *, kind: Kind) -> Reply:
        if isinstance(self._answer, dict):
            return self._answer
        raise self._answer


def create(trainer: FakeTrainer, cloud: FakeCloud, *, client_id: str = "client-a", seed: int = 0, names: Names = "provider") -> str:
    plan = fake_plan(rows=ROWS, seed=seed, names=names)
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    return trainer.create(plan, client_id, files).provider_id


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def cloud(clock: SimulatedClock) -> FakeCloud:
    return FakeCloud(clock)


@pytest.fixture
def trainer(cloud: FakeCloud) -> FakeTrainer:
    return open_fake(cloud)


# time


def test_simulated_time_passes_only_when_someone_sleeps(clock: SimulatedClock) -> None:
    before = clock.now()
    clock.sleep(90)
    assert clock.now() - before == timedelta(seconds=90)
    assert clock.monotonic() == 90


def test_a_jump_moves_the_clients_wall_clock_and_nothing_else(clock: SimulatedClock) -> None:
    true, monotonic = clock.true_now(), clock.monotonic()
    clock.jump(-7200)
    assert clock.now() == true - timedelta(hours=2)
    assert (clock.true_now(), clock.monotonic()) == (true, monotonic)


# jobs


def test_a_job_runs_its_course_by_the_clock(clock: SimulatedClock, cloud: FakeCloud, trainer: FakeTrainer) -> None:
    job_id, seen = create(trainer, cloud), []
    for _ in range(30):
        seen.append(trainer.fetch([job_id])[job_id].state)
        clock.sleep(30)
    in_order = [JobState.VALIDATING, JobState.QUEUED, JobState.RUNNING, JobState.FINALIZING, JobState.SUCCEEDED]
    assert sorted(set(seen), key=seen.index) == [state for state in in_order if state in seen]
    assert seen[-1] is JobState.SUCCEEDED


@pytest.mark.parametrize(("ends", "state"), [("done", JobState.SUCCEEDED), ("error", JobState.FAILED), ("expired", JobState.EXPIRED)])
def test_a_course_ends_as_it_says(clock: SimulatedClock, ends: str, state: JobState) -> None:
    cloud = FakeCloud(clock, course=lambda number: Course(ends=ends))
    trainer = open_fake(cloud)
    job_id = create(trainer, cloud)
    cloud.settle(job_id)
    job = trainer.fetch([job_id])[job_id]
    assert job.state is state
    assert (job.model is not None, job.error is not None) == (ends == "done", ends == "error")


def test_a_paused_job_stands_still_until_it_is_resumed(clock: SimulatedClock, cloud: FakeCloud, trainer: FakeTrainer) -> None:
    job_id = create(trainer, cloud)
    trainer.pause(job_id)
    clock.sleep(100_000)
    assert trainer.fetch([job_id])[job_id].state is JobState.PAUSED
    with pytest.raises(ValueError, match="would never end"):
        cloud.settle(job_id)
    trainer.resume(job_id)
    cloud.settle(job_id)
    assert trainer.fetch([job_id])[job_id].state is JobState.SUCCEEDED


def test_a_second_put_updates_the_job_instead_of_failing(cloud: FakeCloud) -> None:
    create(open_fake(cloud, names="client"), cloud, names="client")
    cloud.put_job("client-a", {**cloud.jobs["client-a"].body, "seed": 7})
    assert list(cloud.jobs) == ["client-a"]
    assert cloud.jobs["client-a"].updates == 1
    assert cloud.jobs["client-a"].body["seed"] == 7


def test_the_adapter_looks_before_it_puts_and_leaves_a_job_of_another_plan_alone(cloud: FakeCloud) -> None:
    trainer = open_fake(cloud, names="client")
    create(trainer, cloud, names="client")
    assert create(trainer, cloud, names="client") == "client-a"
    with pytest.raises(Refused, match="made from another plan"):
        create(trainer, cloud, names="client", seed=7)
    assert (cloud.jobs["client-a"].updates, cloud.jobs["client-a"].body["seed"]) == (0, 0)


def test_two_posts_with_one_client_id_make_two_jobs(cloud: FakeCloud, trainer: FakeTrainer) -> None:
    create(trainer, cloud)
    create(trainer, cloud)
    assert [job.sent_client_id for job in cloud.jobs.values()] == ["client-a", "client-a"]


def test_a_listing_lags_while_the_job_itself_is_there(clock: SimulatedClock) -> None:
    cloud = FakeCloud(clock, listing_lag_s=60)
    trainer = open_fake(cloud)
    job_id = create(trainer, cloud)
    assert trainer.find("client-a") is None
    assert job_id in trainer.fetch([job_id])
    clock.sleep(60)
    found = trainer.find("client-a")
    assert found is not None
    assert found.provider_id == job_id


def test_an_ignored_filter_lists_everything_and_find_still_compares(clock: SimulatedClock) -> None:
    cloud = FakeCloud(clock, ignores_filters=True)
    trainer = open_fake(cloud)
    create(trainer, cloud, client_id="client-a")
    assert len(cloud.list_jobs(client_id="client-b")["data"]) == 1
    assert trainer.find("client-b") is None


def test_without_metadata_one_match_is_found_and_two_are_none(clock: SimulatedClock) -> None:
    cloud = FakeCloud(clock, keeps_metadata=False)
    trainer = open_fake(cloud)
    since, plan = clock.now(), fake_plan(rows=ROWS, seed=3)
    job_id = create(trainer, cloud, seed=3)
    create(trainer, cloud, seed=4)
    found = trainer.find("client-a", plan, since=since)
    assert found is not None
    assert (found.provider_id, found.client_id) == (job_id, None)
    create(trainer, cloud, seed=3)
    assert trainer.find("client-a", plan, since=since) is None


def test_without_metadata_a_job_from_before_is_no_match(clock: SimulatedClock) -> None:
    cloud = FakeCloud(clock, keeps_metadata=False)
    trainer = open_fake(cloud)
    create(trainer, cloud)
    clock.sleep(1)
    assert trainer.find("client-a", fake_plan(rows=ROWS), since=clock.now()) is None


# requests


def test_many_jobs_cost_pages_and_few_cost_one_request_each(clock: SimulatedClock, cloud: FakeCloud, trainer: FakeTrainer) -> None:
    ids = [create(trainer, cloud, client_id=f"client-{number}") for number in range(250)]
    for wanted, requests in ((ids, 3), (ids[-50:], 1), (ids[:2], 2), ([], 0)):
        before = len(cloud.log)
        assert set(trainer.fetch(wanted)) == set(wanted)
        assert len(cloud.log) - before == requests


def test_every_request_is_logged_with_its_subject_and_time(clock: SimulatedClock, cloud: FakeCloud, trainer: FakeTrainer) -> None:
    job_id = create(trainer, cloud)
    trainer.fetch([job_id])
    last = cloud.log[-1]
    assert (last.call, last.subject, last.at) == ("GET /jobs/{id}", job_id, clock.true_now())
    assert cloud.counts["POST /jobs"] == 1


def test_a_request_that_is_held_back_arrives_later(clock: SimulatedClock, cloud: FakeCloud, trainer: FakeTrainer) -> None:
    plan = fake_plan(rows=ROWS)
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    cloud.do_later(lambda: {"id": trainer.create(plan, "late", files).provider_id}, delay_s=100)
    assert trainer.find("late") is None
    assert cloud.held_back == 1
    clock.sleep(100)
    assert trainer.find("late") is not None
    assert cloud.held_back == 0


def test_a_create_with_files_that_are_gone_makes_nothing(cloud: FakeCloud, trainer: FakeTrainer) -> None:
    plan = fake_plan(rows=ROWS)
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    cloud.lose_files()
    with pytest.raises(FileGone):
        trainer.create(plan, "client-a", files)
    assert cloud.jobs == {}


# errors

LOST: tuple[tuple[HttpAnswer | NoAnswer | Reply, type[TuneportError], type[TuneportError]], ...] = (
    (NoAnswer("timed out"), Unreachable, Ambiguous),
    (HttpAnswer(408), Unreachable, Ambiguous),
    (HttpAnswer(409), Unreachable, Ambiguous),
    (HttpAnswer(503), Unreachable, Ambiguous),
    ({}, Unreachable, Ambiguous),
    (HttpAnswer(429, retry_after_s=7), RateLimited, RateLimited),
    (HttpAnswer(401), CredentialsRefused, CredentialsRefused),
    (HttpAnswer(400, "quota"), QuotaExceeded, QuotaExceeded),
    (HttpAnswer(400, "bad"), Refused, Refused),
)


@pytest.mark.parametrize(("answer", "on_read", "on_create"), LOST, ids=[str(case[0]) or "empty body" for case in LOST])
def test_an_answer_means_what_it_means_for_a_read_and_for_a_create(
    cloud: FakeCloud, answer: HttpAnswer | NoAnswer | Reply, on_read: type[TuneportError], on_create: type[TuneportError]
) -> None:
    trainer = open_fake(cloud, wire=AnsweringWire(answer))
    with pytest.raises(TuneportError) as read:
        trainer.fetch(["ftjob-0001"])
    with pytest.raises(TuneportError) as made:
        trainer.create(fake_plan(rows=ROWS), "client-a", {})
    assert (type(read.value), type(made.value)) == (on_read, on_create)


def test_a_rate_limit_passes_on_how_long_to_wait(cloud: FakeCloud) -> None:
    trainer = open_fake(cloud, wire=AnsweringWire(HttpAnswer(429, retry_after_s=7)))
    with pytest.raises(RateLimited) as caught:
        trainer.fetch(["ftjob-0001"])
    assert caught.value.retry_after_s == 7


def test_a_state_word_nobody_knows_is_unknown_and_kept(cloud: FakeCloud) -> None:
    trainer = open_fake(cloud, wire=AnsweringWire({"id": "ftjob-0001", "status": "hibernating"}))
    job = trainer.fetch(["ftjob-0001"])["ftjob-0001"]
    assert (job.state, job.provider_state) == (JobState.UNKNOWN, "hibernating")


# the way of a recipe


@pytest.mark.parametrize("names", ["provider", "client"])
def test_a_recipe_goes_the_whole_way_through_the_client(tmp_path: Path, clock: SimulatedClock, cloud: FakeCloud, names: Names) -> None:
    rows = [ChatExample((Message("user", f"question {n}"), Message("assistant", "answer"))) for n in range(3)]
    recipe = Recipe(base="fake-small", method=SFT(epochs=1), train=Dataset.from_examples(rows))
    with Client(home=tmp_path, clock=clock, providers=[fake_provider(cloud, names=names)]) as client:
        job = client.wait(client.submit(recipe, provider="fake"), timeout_s=5000)
        assert job.state is JobState.SUCCEEDED
        assert job.cost == "2.50"
        assert [metric.step for metric in client.metrics(job)] == list(range(1, 11))
        model = client.model(job)
        assert model.dataset_fingerprint == recipe.train.fingerprint
        assert "".join(client.chat(model, [Message("user", "say these three words")])) == "these three words"
    assert len(cloud.jobs) == 1


def test_a_result_before_the_end_is_not_found(cloud: FakeCloud, trainer: FakeTrainer) -> None:
    job_id = create(trainer, cloud)
    with pytest.raises(NotFound, match=job_id):
        trainer.result(job_id)


def test_a_model_nobody_has_is_refused_by_name(tmp_path: Path, cloud: FakeCloud) -> None:
    client = Client(home=tmp_path, clock=cloud.clock, providers=[fake_provider(cloud)])
    with client, pytest.raises(UnknownModel, match="nothing-of-the-kind"):
        client.model("fake:nothing-of-the-kind")
