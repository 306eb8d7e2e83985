"""Asking about jobs: few requests, all pages, and no trust in filters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tuneport_openai.emulator import Habits

from tuneport.errors import NotFound, Unreachable
from tuneport.job import JobState
from tuneport.testing.emulator.faults import IgnoredFilters, LaggingList, MissingField, ServerError
from tuneport.testing.kit import make

from .canned import BEGAN, Canned, job
from .stage import LIST, LLAMA, RETRIEVE, Stage, recipe, staged

JOBS = "/fine_tuning/jobs"
LISTED = f"GET {JOBS}"


def account(count: int, **how: Any) -> Canned:
    """So many jobs, listed newest first."""
    return Canned({JOBS: [job(number) for number in range(count, 0, -1)]}, **how)


def ids(*numbers: int) -> list[str]:
    return [f"ftjob-{number:05d}" for number in numbers]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


# --- many at once -----------------------------------------------------------------------------------------------------------------------


def test_thousands_of_recent_jobs_cost_the_pages_back_to_the_oldest(tmp_path: Path) -> None:
    vendor = account(6000)
    wanted = ids(*range(1001, 6001))
    assert set(vendor.trainer(tmp_path).fetch(wanted)) == set(wanted)
    assert vendor.calls == {LISTED: 50}


def test_some_among_thousands_of_others_cost_the_pages_back_to_the_oldest_and_those_not_listed(tmp_path: Path) -> None:
    vendor = account(6000)
    wanted = [*ids(*range(3000, 6001, 50)), "ftjob-of-nobody"]
    assert len(vendor.trainer(tmp_path).fetch(wanted)) == len(wanted) - 1
    assert vendor.calls[LISTED] <= 32
    assert vendor.calls.total() - vendor.calls[LISTED] == 1


def test_a_job_that_the_vendor_denied_costs_one_request_from_then_on(tmp_path: Path) -> None:
    vendor = account(3000)
    trainer, wanted = vendor.trainer(tmp_path), [*ids(*range(2001, 3001)), "ftjob-of-nobody", "ftjob-of-nobody-else"]
    trainer.fetch(wanted)
    vendor.calls.clear()
    assert len(trainer.fetch(wanted)) == 1000
    assert vendor.calls == {LISTED: 10, f"GET {JOBS}/ftjob-of-nobody": 1, f"GET {JOBS}/ftjob-of-nobody-else": 1}


def test_a_job_that_was_denied_and_is_listed_after_all_is_found(tmp_path: Path) -> None:
    vendor = account(200)
    trainer, wanted = vendor.trainer(tmp_path), ids(198, 199, 200, 201)
    trainer.fetch(wanted)
    vendor.lists = {JOBS: [job(number) for number in range(201, 0, -1)]}
    assert set(trainer.fetch(wanted)) == set(wanted)


def test_a_few_old_jobs_do_not_cost_the_whole_list(tmp_path: Path) -> None:
    vendor = account(6000)
    assert set(vendor.trainer(tmp_path).fetch(ids(1, 2, 3))) == set(ids(1, 2, 3))
    assert vendor.calls.total() <= 6


def test_one_job_costs_one_request(tmp_path: Path) -> None:
    vendor = account(300)
    assert set(vendor.trainer(tmp_path).fetch(ids(7))) == set(ids(7))
    assert vendor.calls == {f"GET {JOBS}/ftjob-00007": 1}


def test_no_jobs_cost_no_request(tmp_path: Path) -> None:
    vendor = account(3)
    assert vendor.trainer(tmp_path).fetch([]) == {}
    assert not vendor.calls


def test_jobs_that_the_vendor_does_not_know_are_absent(tmp_path: Path) -> None:
    found = account(5).trainer(tmp_path).fetch(["ftjob-x", "ftjob-y", *ids(3)])
    assert set(found) == set(ids(3))


# --- lists ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("says_more", [True, False])
def test_every_page_is_read_whether_or_not_the_list_says_that_there_are_more(tmp_path: Path, says_more: bool) -> None:
    listed = account(7, page=2, says_more=says_more).trainer(tmp_path).list()
    assert [one.provider_id for one in listed] == ids(7, 6, 5, 4, 3, 2, 1)


def test_an_endpoint_without_cursors_is_not_asked_for_ever(tmp_path: Path) -> None:
    listed = account(3, says_more=False, knows_cursors=False).trainer(tmp_path).list()
    assert {one.provider_id for one in listed} == set(ids(3, 2, 1))


def test_a_page_that_comes_again_though_there_are_more_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="twice"):
        list(account(5, page=2, knows_cursors=False).trainer(tmp_path).list())


def test_a_list_since_a_time_ends_with_the_first_page_of_older_jobs(tmp_path: Path) -> None:
    vendor = account(1000)
    found = list(vendor.trainer(tmp_path).list(since=datetime.fromtimestamp(BEGAN + 60 * 950, UTC)))
    assert [one.provider_id for one in found] == ids(*range(1000, 949, -1))
    assert vendor.calls.total() <= 2


def test_a_job_without_an_id_in_a_list_is_no_answer(tmp_path: Path) -> None:
    nameless = {key: value for key, value in job(2).items() if key != "id"}
    with pytest.raises(Unreachable):
        list(Canned({JOBS: [job(3), nameless, job(1)]}).trainer(tmp_path).list())


def test_a_word_and_fields_that_nobody_knows_are_taken_as_they_come(tmp_path: Path) -> None:
    strange = job(1, status="hibernating", error=None, shared_with_openai=True, method=None, trained_tokens=None)
    (found,) = Canned({JOBS: [strange]}).trainer(tmp_path).list()
    assert (found.state, found.provider_state, found.error) == (JobState.UNKNOWN, "hibernating", None)


# --- looking for one --------------------------------------------------------------------------------------------------------------------


def test_a_job_is_found_by_what_is_written_on_it_though_the_filter_is_ignored(stage: Stage) -> None:
    trainer = stage.trainer()
    wanted, other = make(trainer, recipe()), make(trainer, recipe())
    stage.emulator.faults.always(IgnoredFilters(), on=LIST)
    found = trainer.find(wanted.client_id, wanted.plan, since=wanted.since)
    assert found is not None
    assert found.provider_id == wanted.id != other.id


def test_a_job_that_the_filter_does_not_know_yet_is_found_in_the_list(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.emulator.faults.once(LaggingList(), on=LIST)
    found = trainer.find(made.client_id, made.plan, since=made.since)
    assert found is not None
    assert found.provider_id == made.id


def test_where_nothing_is_written_on_jobs_the_one_that_fits_is_found_and_of_two_none(tmp_path: Path) -> None:
    with staged(tmp_path, habits=Habits(processing_s=0.0, keeps_metadata=False)) as stage:
        trainer = stage.elsewhere("no_metadata")
        first = make(trainer, recipe(LLAMA))
        other = make(trainer, recipe(LLAMA).model_copy(update={"seed": 3}))
        found = trainer.find(first.client_id, first.plan, since=first.since)
        assert found is not None
        assert found.provider_id == first.id != other.id
        twin = make(trainer, recipe(LLAMA))
        assert trainer.find(first.client_id, first.plan, since=first.since) is None
        assert {one.provider_id for one in trainer.matching(first.plan, since=first.since) or ()} == {first.id, twin.id}


def test_where_jobs_carry_our_mark_nothing_is_asked_for_to_match_them(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    sent = stage.emulator.log.count()
    assert trainer.matching(made.plan, since=made.since) is None
    assert stage.emulator.log.count() == sent


# --- events and metrics -----------------------------------------------------------------------------------------------------------------


def test_events_come_oldest_first_over_all_pages_and_after_a_mark(tmp_path: Path) -> None:
    told = [{"id": f"ftevent-{n}", "created_at": BEGAN + n // 2, "level": "info", "message": f"step {n}"} for n in range(250, 0, -1)]
    vendor = Canned({f"{JOBS}/ftjob-00001/events": told})
    trainer = vendor.trainer(tmp_path)
    assert [event.message for event in trainer.events("ftjob-00001")] == [f"step {n}" for n in range(1, 251)]
    assert vendor.calls.total() == 3
    vendor.calls.clear()
    assert [event.id for event in trainer.events("ftjob-00001", after="ftevent-248")] == ["ftevent-249", "ftevent-250"]
    assert vendor.calls.total() == 1


@pytest.mark.parametrize("in_base64", [True, False])
def test_metrics_of_a_job_that_has_ended_are_those_of_its_results_file(tmp_path: Path, in_base64: bool) -> None:
    with staged(tmp_path, habits=Habits(processing_s=0.0, results_in_base64=in_base64)) as stage:
        trainer = stage.trainer()
        made = make(trainer, recipe())
        stage.clock.sleep(3600)
        stage.emulator.log.clear()
        metrics = list(trainer.metrics(made.id))
        assert [metric.step for metric in metrics] == list(range(1, len(metrics) + 1))
        assert all(metric.values["loss"] > 0 for metric in metrics)
        assert stage.emulator.log.count("GET /v1/fine_tuning/jobs/{job_id}/events") == 0
        folder = trainer.download(made.id, tmp_path / "results")
        assert (folder / "results.csv").read_text(encoding="utf-8").startswith("step,")


def test_metrics_of_a_job_that_runs_are_those_of_its_events(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.clock.sleep(500)
    metrics = list(trainer.metrics(made.id))
    assert metrics
    assert all("loss" in metric.values for metric in metrics)


def test_metrics_of_a_job_whose_results_file_is_gone_are_those_of_its_events(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.clock.sleep(3600)
    trainer.fetch([made.id])
    results = stage.emulator.world.jobs[made.id].result_file
    del stage.emulator.world.files[results or ""]
    assert list(trainer.metrics(made.id))
    with pytest.raises(NotFound, match="no results"):
        trainer.download(made.id, stage.home / "results")


def test_reads_that_nobody_repeats_are_repeated_by_our_clock(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.clock.sleep(3600)
    stage.emulator.faults.times(2, ServerError(503), on=RETRIEVE)
    before = stage.clock.monotonic()
    assert trainer.result(made.id).checkpoints
    assert stage.clock.monotonic() - before >= 3


def test_a_job_without_metadata_in_an_answer_is_not_taken_for_ours(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.emulator.faults.always(MissingField("metadata"), on=LIST)
    assert trainer.find(made.client_id, made.plan, since=made.since) is None
