"""Polling: what a provider says changes a job, what it does not say changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from desks import Bench, bench

from tuneport.errors import ConfigError, CredentialsRefused, RateLimited, Unreachable, UsageError, WaitTimeout
from tuneport.job import Job, JobState
from tuneport.poll import PollRound, follow, poll
from tuneport.submit import submit
from tuneport.testing.cloud import Course
from tuneport.testing.wire import HttpAnswer, NoAnswer


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def started(desk: Bench, count: int = 1) -> list[Job]:
    return [submit(desk.plan(seed=seed), desk=desk.desk) for seed in range(count)]


def looks(desk: Bench, jobs: list[Job], **budget: float) -> Iterator[PollRound]:
    return follow(jobs, trainers={"fake": desk.trainer}, registry=desk.registry, clock=desk.clock, **budget)  # type: ignore[arg-type]


def test_a_job_is_followed_through_its_states_to_its_end(desk: Bench) -> None:
    jobs = started(desk)
    states = [look.jobs[0].state for look in looks(desk, jobs)]
    assert states[-1] is JobState.SUCCEEDED
    order = ["validating", "queued", "running", "finalizing", "succeeded"]
    seen = list(dict.fromkeys(str(state) for state in states))
    assert seen == [word for word in order if word in seen]
    assert desk.registry.jobs()[0].model is not None


def test_a_provider_that_does_not_answer_changes_no_state(desk: Bench) -> None:
    (job,) = started(desk)
    for trouble in (NoAnswer("reset"), HttpAnswer(500), HttpAnswer(401), HttpAnswer(429, retry_after_s=7)):
        desk.wire.before("GET /jobs", trouble)
        look = poll([job], trainers={"fake": desk.trainer}, registry=desk.registry)
        assert look.jobs == (job,)
        assert "fake" in look.failures
        assert desk.registry.job(job.uri) == job


def test_last_heard_moves_only_when_the_provider_answers(desk: Bench) -> None:
    (job,) = started(desk)
    desk.clock.sleep(30)
    desk.wire.before("GET /jobs", HttpAnswer(503))
    silent = poll([job], trainers={"fake": desk.trainer}, registry=desk.registry).jobs[0]
    assert silent.last_heard_at == job.last_heard_at
    heard = poll([job], trainers={"fake": desk.trainer}, registry=desk.registry).jobs[0]
    assert heard.last_heard_at == desk.clock.now()


def test_a_job_the_provider_no_longer_knows_keeps_its_state_and_ends_the_wait_after_a_while(desk: Bench) -> None:
    (job,) = started(desk)
    desk.cloud.jobs.clear()
    last = list(looks(desk, [job]))[-1].jobs[0]
    assert last.state is job.state
    assert last.missing_since is not None
    assert desk.clock.monotonic() >= 600


def test_an_unknown_word_is_kept_as_said_and_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    strange = Course(validating_s=0, queued_s=0, running_s=0, saving_s=0, ends="meditating")
    with bench(tmp_path, course=lambda number: strange) as desk:
        (job,) = started(desk)
        with caplog.at_level(logging.WARNING, logger="tuneport"):
            after = poll([replace(job, state=JobState.RUNNING)], trainers={"fake": desk.trainer}, registry=desk.registry).jobs[0]
        assert (after.state, after.provider_state) == (JobState.UNKNOWN, "meditating")
        assert not after.state.terminal
        assert "meditating" in caplog.text


def test_a_wait_ends_with_its_time_and_leaves_the_job_alone(desk: Bench) -> None:
    (job,) = started(desk)
    with pytest.raises(WaitTimeout, match="tuneport jobs wait fake:") as timeout:
        list(looks(desk, [job], timeout_s=60))
    assert timeout.value.exit_code == 4
    assert desk.clock.monotonic() <= 60
    assert desk.cloud.jobs[job.provider_id or ""].stopping_since is None


def test_a_wait_ends_with_its_count_of_looks(desk: Bench) -> None:
    jobs = started(desk)
    with pytest.raises(WaitTimeout, match="3 looks"):
        list(looks(desk, jobs, max_rounds=3))
    assert desk.wire.count("GET /jobs") == 3


def test_retry_after_is_obeyed(desk: Bench) -> None:
    jobs = started(desk)
    desk.wire.before("GET /jobs", HttpAnswer(429, retry_after_s=333.0))
    rounds = looks(desk, jobs)
    first = next(rounds)
    assert isinstance(first.failures["fake"], RateLimited)
    before = desk.clock.monotonic()
    next(rounds)
    assert desk.clock.monotonic() - before >= 333.0


def test_the_pause_grows_with_the_wait_within_the_providers_bounds(desk: Bench) -> None:
    jobs = started(desk)
    at = [desk.clock.monotonic() for _ in looks(desk, jobs)]
    pauses = [later - earlier for earlier, later in pairwise(at)]
    low, high = desk.trainer.poll_interval_s
    assert pauses[0] == low
    assert pauses == sorted(pauses)
    assert max(pauses) <= high


def test_many_jobs_cost_pages_and_not_requests_each(tmp_path: Path) -> None:
    with bench(tmp_path, page_size=100) as desk:
        jobs = started(desk, 60)
        before = len(desk.wire.sent)
        look = poll(jobs, trainers={"fake": desk.trainer}, registry=desk.registry)
        assert len(look.jobs) == 60
        assert len(desk.wire.sent) - before == 1


def test_a_failing_provider_does_not_keep_another_from_being_followed(tmp_path: Path) -> None:
    with bench(tmp_path / "a") as one, bench(tmp_path / "b") as two:
        (mine,) = started(one)
        other = two.cloud
        two.trainer._cloud = other
        theirs = one.registry.add("second", two.trainer.scope(), two.trainer.create(two.plan(), "c9", _upload(two)))
        two.wire.before("GET /jobs", NoAnswer("down"))
        one.clock.sleep(120)
        look = poll([mine, theirs], trainers={"fake": one.trainer, "second": two.trainer}, registry=one.registry)
        assert set(look.failures) == {"second"}
        assert isinstance(look.failures["second"], Unreachable)
        assert look.jobs[0].state is JobState.RUNNING
        assert look.jobs[1] == theirs


def _upload(desk: Bench) -> dict[str, str]:
    return {file.purpose: desk.trainer.upload(file) for file in desk.plan().files}


def test_a_provider_that_does_not_answer_denies_nothing(desk: Bench) -> None:
    (job,) = started(desk)
    desk.registry.record("fake", [job.provider_id or ""], {})
    desk.wire.before("GET /jobs", *[NoAnswer("down")] * 1000)
    with pytest.raises(WaitTimeout):
        list(looks(desk, [desk.registry.jobs()[0]], timeout_s=7200))
    assert desk.clock.monotonic() >= 7200 - 60


def test_refused_credentials_end_the_wait_for_they_do_not_mend_by_waiting(desk: Bench) -> None:
    jobs = started(desk)
    desk.wire.before("GET /jobs", HttpAnswer(401, "bad_key"))
    with pytest.raises(CredentialsRefused):
        list(looks(desk, jobs))
    assert desk.wire.count("GET /jobs") == 1


def test_a_job_of_another_account_is_not_asked_for_and_not_said_to_be_missing(desk: Bench) -> None:
    mine, other = started(desk, 2)
    other = replace(other, scope="old-account")
    look = poll([mine, other], trainers={"fake": desk.trainer}, registry=desk.registry)
    assert set(look.failures) == {other.uri}
    assert "old-account" in str(look.failures[other.uri])
    assert desk.registry.job(other.uri).missing_since is None  # type: ignore[union-attr]
    assert look.jobs[0].last_heard_at == desk.clock.now()
    with pytest.raises(ConfigError, match="old-account"):
        list(looks(desk, [other]))


def test_a_wait_uses_its_time_to_the_end_and_looks_once_more(desk: Bench) -> None:
    (job,) = started(desk)
    at: list[float] = []
    begun = desk.clock.monotonic()
    with pytest.raises(WaitTimeout):
        at.extend(desk.clock.monotonic() - begun for _ in looks(desk, [job], timeout_s=100, interval_s=60))
    assert at == [0.0, 60.0, 100.0]


def test_a_wait_does_not_look_again_before_it_may(desk: Bench) -> None:
    (job,) = started(desk)
    desk.wire.before("GET /jobs", HttpAnswer(429, retry_after_s=500.0))
    with pytest.raises(WaitTimeout):
        list(looks(desk, [job], timeout_s=100))
    assert desk.wire.count("GET /jobs") == 1


def test_every_provider_is_asked_at_its_own_pace(tmp_path: Path) -> None:
    with bench(tmp_path / "a") as one, bench(tmp_path / "b") as two:
        (mine,) = started(one)
        theirs = one.registry.add("second", two.trainer.scope(), two.trainer.create(two.plan(), "c9", _upload(two)))
        two.trainer.poll_interval_s = (50.0, 500.0)
        before = two.wire.count("GET /jobs")
        rounds = follow(
            [mine, theirs], trainers={"fake": one.trainer, "second": two.trainer}, registry=one.registry, clock=one.clock, timeout_s=200.0
        )
        with pytest.raises(WaitTimeout):
            list(rounds)
        assert one.wire.count("GET /jobs") == 41
        assert two.wire.count("GET /jobs") - before == 5


def test_a_failure_stands_until_its_provider_is_asked_again(tmp_path: Path) -> None:
    with bench(tmp_path / "a") as one, bench(tmp_path / "b") as two:
        (mine,) = started(one)
        theirs = one.registry.add("second", two.trainer.scope(), two.trainer.create(two.plan(), "c9", _upload(two)))
        two.trainer.poll_interval_s = (12.0, 500.0)
        two.wire.before("GET /jobs", NoAnswer("down"))
        rounds = follow([mine, theirs], trainers={"fake": one.trainer, "second": two.trainer}, registry=one.registry, clock=one.clock)
        assert [set(next(rounds).failures) for _ in range(4)] == [{"second"}, {"second"}, {"second"}, set()]


def test_a_job_given_twice_is_followed_once(desk: Bench) -> None:
    (job,) = started(desk)
    assert {len(look.jobs) for look in looks(desk, [job, job])} == {1}


@pytest.mark.parametrize("asked_s", [1e9, float("inf"), float("nan"), -5.0])
def test_a_provider_that_asks_for_an_absurd_rest_is_asked_again_within_the_hour(desk: Bench, asked_s: float) -> None:
    jobs = started(desk)
    desk.wire.before("GET /jobs", HttpAnswer(429, retry_after_s=asked_s))
    assert [look.jobs[0].state for look in looks(desk, jobs)][-1] is JobState.SUCCEEDED
    assert desk.clock.monotonic() <= 3600.0


@pytest.mark.parametrize(
    "budget", [{"interval_s": float("nan")}, {"interval_s": float("inf")}, {"interval_s": -1.0}, {"timeout_s": float("nan")}]
)
def test_a_time_that_is_none_is_refused_and_not_waited_for(desk: Bench, budget: dict[str, float]) -> None:
    jobs = started(desk)
    with pytest.raises(UsageError, match="is none"):
        next(looks(desk, jobs, **budget))
