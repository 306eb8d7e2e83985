"""Submitting: one job for one submit, whatever the wire and the client go through."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from desks import Bench, bench

from tuneport.errors import (
    ConfigError,
    CredentialsRefused,
    DuplicateSubmit,
    QuotaExceeded,
    RateLimited,
    Refused,
    RegistryError,
    Uncertain,
    Unreachable,
)
from tuneport.intent import Intent, Phase
from tuneport.job import JobState, Snapshot
from tuneport.plan import Plan
from tuneport.plan_lock import submitting
from tuneport.submit import submit
from tuneport.syncing import adopt, sync
from tuneport.testing.wire import HttpAnswer, NoAnswer

LOST = NoAnswer("connection reset")


@pytest.fixture(params=["provider", "client"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A bench in both flavours: the provider names the job, the client names it."""
    with bench(tmp_path, names=request.param) as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def test_a_submit_makes_one_job_and_records_it_with_its_client_id(either: Bench) -> None:
    job = submit(either.plan(), desk=either.desk)
    (remote,) = either.cloud.jobs.values()
    assert job.provider_id == remote.id
    assert job.client_id == remote.sent_client_id
    assert either.registry.jobs() == [job]
    assert [intent.phase for intent in either.registry.intents()] == [Phase.CREATED]


def test_the_intent_is_in_the_registry_before_anything_is_sent(either: Bench) -> None:
    either.wire.before("POST /files", LOST, LOST, LOST, LOST)
    with pytest.raises(Unreachable):
        submit(either.plan(), desk=either.desk)
    assert either.cloud.jobs == {}
    assert [intent.phase for intent in either.registry.intents()] == [Phase.INTENDED]


@pytest.mark.parametrize("trouble", [LOST, HttpAnswer(408), HttpAnswer(409), HttpAnswer(500), HttpAnswer(503)])
def test_a_lost_reply_to_create_leads_to_the_one_job_that_exists(either: Bench, trouble: HttpAnswer | NoAnswer) -> None:
    for call in ("POST /jobs", "PUT /jobs"):
        either.wire.after(call, trouble)
    job = submit(either.plan(), desk=either.desk)
    assert [job.provider_id] == list(either.cloud.jobs)
    assert either.creates == 1


def test_a_listing_that_lags_is_waited_for(tmp_path: Path) -> None:
    with bench(tmp_path, listing_lag_s=12.0) as desk:
        desk.wire.after("POST /jobs", LOST)
        assert submit(desk.plan(), desk=desk.desk).provider_id in desk.cloud.jobs
        assert desk.creates == 1


def test_a_create_that_is_not_found_is_uncertain_and_never_repeated_by_itself(desk: Bench) -> None:
    desk.wire.before("POST /jobs", LOST)
    with pytest.raises(Uncertain) as first:
        submit(desk.plan(), desk=desk.desk)
    assert first.value.exit_code == 4
    with pytest.raises(Uncertain):
        submit(desk.plan(), desk=desk.desk)
    assert desk.wire.count("POST /jobs") == 1
    assert [result.kind for result in sync(desk=desk.desk)] == ["uncertain"]
    assert desk.wire.count("POST /jobs") == 1


def test_an_uncertain_job_that_appears_later_is_adopted_by_sync(tmp_path: Path) -> None:
    with bench(tmp_path, listing_lag_s=3600.0) as desk:
        desk.wire.after("POST /jobs", LOST)
        with pytest.raises(Uncertain):
            submit(desk.plan(), desk=desk.desk)
        desk.clock.sleep(4000)
        results = sync(desk=desk.desk)
        assert next(result.kind for result in results) == "adopted"
        assert [job.provider_id for job in desk.registry.jobs()] == list(desk.cloud.jobs)


def test_submitting_again_adopts_the_job_of_the_lost_reply(tmp_path: Path) -> None:
    with bench(tmp_path, listing_lag_s=3600.0) as desk:
        desk.wire.after("POST /jobs", LOST)
        with pytest.raises(Uncertain):
            submit(desk.plan(), desk=desk.desk)
        desk.clock.sleep(4000)
        assert submit(desk.plan(), desk=desk.desk).provider_id in desk.cloud.jobs
        assert desk.creates == 1


def test_recreate_is_the_users_decision_and_the_first_job_is_still_recorded_when_it_appears(tmp_path: Path) -> None:
    with bench(tmp_path, listing_lag_s=3600.0) as desk:
        desk.wire.after("POST /jobs", LOST)
        with pytest.raises(Uncertain):
            submit(desk.plan(), desk=desk.desk)
        second = submit(desk.plan(), desk=desk.desk, recreate=True)
        desk.clock.sleep(4000)
        sync(desk=desk.desk)
        assert len(desk.cloud.jobs) == 2
        assert {job.provider_id for job in desk.registry.jobs()} == set(desk.cloud.jobs)
        assert [job.note != "" for job in desk.registry.jobs() if job.uri != second.uri] == [True]


def test_a_named_job_whose_create_was_lost_is_created_under_the_same_name(tmp_path: Path) -> None:
    with bench(tmp_path, names="client") as desk:
        desk.wire.before("PUT /jobs", LOST)
        with pytest.raises(Uncertain) as first:
            submit(desk.plan(), desk=desk.desk)
        job = submit(desk.plan(), desk=desk.desk)
        assert job.provider_id == first.value.client_id
        assert len(desk.cloud.jobs) == 1


def test_a_named_job_that_exists_is_never_sent_a_second_put(tmp_path: Path) -> None:
    with bench(tmp_path, names="client") as desk:
        desk.wire.after("PUT /jobs", LOST)
        submit(desk.plan(), desk=desk.desk)
        (remote,) = desk.cloud.jobs.values()
        assert remote.updates == 0


def test_a_rate_limit_is_waited_for_as_long_as_the_provider_says_with_the_same_id(either: Bench) -> None:
    for call in ("POST /jobs", "PUT /jobs"):
        either.wire.before(call, HttpAnswer(429, retry_after_s=40.0), HttpAnswer(429))
    before = either.clock.monotonic()
    submit(either.plan(), desk=either.desk)
    assert either.clock.monotonic() - before >= 40.0
    assert len(either.cloud.jobs) == 1
    assert len(either.registry.intents()) == 1


def test_with_a_queue_a_place_is_waited_for_under_the_same_id_for_as_long_as_it_takes(either: Bench) -> None:
    for call in ("POST /jobs", "PUT /jobs"):
        either.wire.before(call, *[HttpAnswer(400, "full")] * 40)
    heard: list[tuple[QuotaExceeded, float]] = []
    job = submit(either.plan(), desk=either.desk, queue=lambda refusal, pause_s: heard.append((refusal, pause_s)))
    assert (either.creates, len(heard)) == (1, 40)
    assert [(intent.phase, intent.client_id) for intent in either.registry.intents()] == [(Phase.CREATED, job.client_id)]


def test_without_a_queue_a_refusal_for_want_of_a_place_fails_the_submit(desk: Bench) -> None:
    desk.wire.before("POST /jobs", HttpAnswer(400, "full"))
    with pytest.raises(QuotaExceeded) as caught:
        submit(desk.plan(), desk=desk.desk)
    assert caught.value.concurrent
    assert [intent.phase for intent in desk.registry.intents()] == [Phase.FAILED]


def test_another_quota_is_not_queued_for(desk: Bench) -> None:
    desk.wire.before("POST /jobs", HttpAnswer(400, "quota"))
    with pytest.raises(QuotaExceeded):
        submit(desk.plan(), desk=desk.desk, queue=lambda *_: pytest.fail("waited for nothing"))


def test_who_is_interrupted_in_the_queue_has_sent_nothing(desk: Bench) -> None:
    desk.wire.before("POST /jobs", HttpAnswer(400, "full"))

    def interrupt(refusal: QuotaExceeded, pause_s: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit(desk.plan(), desk=desk.desk, queue=interrupt)
    assert [result.kind for result in sync(desk=desk.desk)] == ["never_sent"]
    assert desk.creates == 0


def test_a_rate_limit_beyond_the_budget_leaves_an_intent_that_was_never_sent(desk: Bench) -> None:
    desk.wire.before("POST /jobs", HttpAnswer(429, retry_after_s=7200.0))
    with pytest.raises(RateLimited):
        submit(desk.plan(), desk=desk.desk)
    assert [result.kind for result in sync(desk=desk.desk)] == ["never_sent"]
    assert desk.cloud.jobs == {}


@pytest.mark.parametrize(("answer", "error"), [(HttpAnswer(401, "bad_key"), CredentialsRefused), (HttpAnswer(400, "quota"), QuotaExceeded)])
def test_a_clear_refusal_fails_the_intent_with_the_providers_reason(desk: Bench, answer: HttpAnswer, error: type[Refused]) -> None:
    desk.wire.before("POST /jobs", answer)
    with pytest.raises(error):
        submit(desk.plan(), desk=desk.desk)
    (intent,) = desk.registry.intents()
    assert intent.phase is Phase.FAILED
    assert intent.reason == answer.code
    assert submit(desk.plan(), desk=desk.desk).provider_id in desk.cloud.jobs


def test_a_second_submit_of_a_running_plan_is_refused_and_force_allows_it(either: Bench) -> None:
    first = submit(either.plan(), desk=either.desk)
    with pytest.raises(DuplicateSubmit) as refused:
        submit(either.plan(), desk=either.desk)
    assert refused.value.job_uri == first.uri
    second = submit(either.plan(), desk=either.desk, force=True)
    assert second.uri != first.uri
    assert len(either.cloud.jobs) == 2


def test_a_plan_whose_job_has_ended_meanwhile_may_be_submitted_again(either: Bench) -> None:
    first = submit(either.plan(), desk=either.desk)
    either.cloud.settle(first.provider_id or "")
    assert submit(either.plan(), desk=either.desk).uri != first.uri
    assert either.registry.job(first.uri).state is JobState.SUCCEEDED  # type: ignore[union-attr]


def test_an_unreachable_provider_does_not_lift_the_refusal_of_a_second_run(desk: Bench) -> None:
    first = submit(desk.plan(), desk=desk.desk)
    desk.cloud.settle(first.provider_id or "")
    desk.wire.before("GET /jobs/ftjob", LOST, LOST)
    with pytest.raises(DuplicateSubmit):
        submit(desk.plan(), desk=desk.desk)


def test_a_job_that_is_out_of_sight_still_keeps_its_plan_from_running_twice(desk: Bench) -> None:
    first = submit(desk.plan(), desk=desk.desk)
    hidden = desk.cloud.jobs.pop(first.provider_id or "")
    with pytest.raises(DuplicateSubmit, match="has not known it since"):
        submit(desk.plan(), desk=desk.desk)
    desk.cloud.jobs[hidden.id] = hidden
    assert desk.creates == 1


def test_another_plan_is_another_job(either: Bench) -> None:
    submit(either.plan(), desk=either.desk)
    submit(either.plan(seed=1), desk=either.desk)
    assert len(either.cloud.jobs) == 2


def test_a_plan_that_another_process_is_submitting_is_refused(desk: Bench) -> None:
    plan = desk.plan()
    with submitting(plan.scope, plan.fingerprint, desk.registry) as mine:
        assert mine
        with pytest.raises(DuplicateSubmit, match="another process"):
            submit(plan, desk=desk.desk)
    assert desk.registry.intents() == []
    submit(plan, desk=desk.desk)


def test_sync_leaves_a_submit_under_way_alone(desk: Bench) -> None:
    plan = desk.plan()
    desk.registry.begin(Intent("c1", "fake", plan.scope, plan.fingerprint, Phase.INTENDED, desk.clock.now(), plan=plan.to_dict()))
    with submitting(plan.scope, plan.fingerprint, desk.registry):
        assert [result.kind for result in sync(desk=desk.desk)] == ["busy"]
    assert desk.registry.open_intent(plan.scope, plan.fingerprint) is not None


def test_a_file_is_uploaded_once_and_reused(either: Bench) -> None:
    submit(either.plan(), desk=either.desk)
    submit(either.plan(seed=1), desk=either.desk)
    assert either.cloud.counts["POST /files"] == 1


def test_an_upload_whose_reply_was_lost_is_found_by_its_name(either: Bench) -> None:
    either.wire.after("POST /files", LOST)
    submit(either.plan(), desk=either.desk)
    assert len(either.cloud.files) == 1


def test_a_file_that_is_gone_is_uploaded_again_before_create(either: Bench) -> None:
    submit(either.plan(), desk=either.desk)
    either.cloud.lose_files()
    submit(either.plan(seed=1), desk=either.desk)
    assert len(either.cloud.files) == 1


def test_a_file_that_create_says_is_gone_is_uploaded_once_more(desk: Bench) -> None:
    desk.wire.before("POST /jobs", HttpAnswer(404, "file_gone"))
    submit(desk.plan(), desk=desk.desk)
    assert desk.cloud.counts["POST /files"] == 2
    assert len(desk.cloud.jobs) == 1


def test_a_file_that_is_gone_twice_fails_the_submit(desk: Bench) -> None:
    desk.wire.before("POST /jobs", HttpAnswer(404, "file_gone"), HttpAnswer(404, "file_gone"))
    with pytest.raises(Refused):
        submit(desk.plan(), desk=desk.desk)
    assert [intent.phase for intent in desk.registry.intents()] == [Phase.FAILED]


def test_where_metadata_is_dropped_the_job_is_found_by_what_it_was_made_of(tmp_path: Path) -> None:
    with bench(tmp_path, keeps_metadata=False) as desk:
        desk.wire.after("POST /jobs", LOST)
        job = submit(desk.plan(), desk=desk.desk)
        assert [job.provider_id] == list(desk.cloud.jobs)


def test_where_metadata_is_dropped_a_twin_that_is_known_does_not_keep_a_job_from_being_found(tmp_path: Path) -> None:
    with bench(tmp_path, keeps_metadata=False) as desk:
        first = submit(desk.plan(), desk=desk.desk)
        desk.wire.after("POST /jobs", LOST)
        second = submit(desk.plan(), desk=desk.desk, force=True)
        assert [first.provider_id, second.provider_id] == list(desk.cloud.jobs)


def test_where_metadata_is_dropped_a_known_twin_is_not_taken_for_a_job_that_never_was(tmp_path: Path) -> None:
    with bench(tmp_path, keeps_metadata=False) as desk:
        first = submit(desk.plan(), desk=desk.desk)
        desk.wire.before("POST /jobs", LOST)
        with pytest.raises(Uncertain):
            submit(desk.plan(), desk=desk.desk, force=True)
        assert [job.uri for job in desk.registry.jobs()] == [first.uri]


def test_a_filter_that_is_ignored_does_not_lead_to_somebody_elses_job(tmp_path: Path) -> None:
    with bench(tmp_path, ignores_filters=True) as desk:
        submit(desk.plan(seed=5), desk=desk.desk)
        desk.wire.before("POST /jobs", LOST)
        with pytest.raises(Uncertain):
            submit(desk.plan(), desk=desk.desk)


def test_sync_all_records_what_others_started(desk: Bench) -> None:
    theirs = {
        "base": "fake-small",
        "method": "sft",
        "seed": 0,
        "suffix": None,
        "files": {},
        "file_names": {},
        "metadata": {"client_id": "x"},
    }
    other = desk.cloud.add_foreign_job(theirs)
    assert sync(desk=desk.desk) == []
    assert [result.kind for result in sync(desk=desk.desk, adopt_all=True)] == ["foreign"]
    assert desk.registry.jobs()[0].provider_id == other.id


def test_a_job_can_be_adopted_by_its_id_on_an_empty_registry(tmp_path: Path) -> None:
    with bench(tmp_path / "one") as desk:
        job = submit(desk.plan(), desk=desk.desk)
        with bench(tmp_path / "two") as elsewhere:
            elsewhere.trainer, elsewhere.cloud = desk.trainer, desk.cloud
            known = adopt(job.provider_id or "", desk=elsewhere.desk)
            assert (known.uri, known.client_id) == (job.uri, job.client_id)
            assert elsewhere.registry.jobs() == [known]


def test_a_forced_submit_that_did_not_get_through_is_not_gone_on_with_unless_forced_again(either: Bench) -> None:
    first = submit(either.plan(), desk=either.desk)
    for call in ("POST /jobs", "PUT /jobs"):
        either.wire.before(call, HttpAnswer(429, retry_after_s=7200.0))
    with pytest.raises(RateLimited):
        submit(either.plan(), desk=either.desk, force=True)
    with pytest.raises(DuplicateSubmit) as refused:
        submit(either.plan(), desk=either.desk)
    assert refused.value.job_uri == first.uri
    assert len(either.cloud.jobs) == 1
    assert submit(either.plan(), desk=either.desk, force=True).uri != first.uri


def test_all_jobs_of_a_plan_are_asked_for_before_another_is_refused(either: Bench) -> None:
    jobs = [submit(either.plan(), desk=either.desk), submit(either.plan(), desk=either.desk, force=True)]
    for job in jobs:
        either.cloud.settle(job.provider_id or "")
    third = submit(either.plan(), desk=either.desk)
    assert third.uri not in {job.uri for job in jobs}


def test_a_rate_limit_that_asks_for_no_wait_at_all_is_not_hammered(desk: Bench) -> None:
    desk.wire.before("POST /jobs", *[HttpAnswer(429, retry_after_s=0.0)] * 5)
    submit(desk.plan(), desk=desk.desk)
    assert desk.clock.monotonic() >= 5.0


def test_an_upload_that_is_told_to_come_back_at_once_waits_all_the_same(desk: Bench) -> None:
    desk.wire.before("POST /files", HttpAnswer(429, retry_after_s=0.0))
    submit(desk.plan(), desk=desk.desk)
    assert desk.clock.monotonic() >= 1.0


def test_a_file_that_its_provider_does_not_know_yet_is_waited_for(desk: Bench) -> None:
    desk.wire.before("GET /files/", *[HttpAnswer(404, "no_such_file")] * 3)
    submit(desk.plan(), desk=desk.desk)
    assert desk.cloud.counts["POST /files"] == 1


def test_a_file_that_never_appears_after_its_upload_is_refused(desk: Bench) -> None:
    desk.wire.before("GET /files/", *[HttpAnswer(404, "no_such_file")] * 100)
    with pytest.raises(Refused, match="was not accepted"):
        submit(desk.plan(), desk=desk.desk)
    assert 60.0 <= desk.clock.monotonic() < 120.0


class FullDisk:
    """A connection whose next commits fail, as on a full disk."""

    def __init__(self, db: sqlite3.Connection, *, failures: int) -> None:
        self._db = db
        self.failures = failures

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    def commit(self) -> None:
        if self.failures:
            self.failures -= 1
            raise sqlite3.OperationalError("database or disk is full")
        self._db.commit()


def test_a_registry_that_cannot_be_written_is_no_refusal_of_the_submit(desk: Bench) -> None:
    plan = desk.plan()
    desk.registry.begin(Intent("c1", "fake", plan.scope, plan.fingerprint, Phase.INTENDED, desk.clock.now(), plan=plan.to_dict()))
    desk.registry._db = FullDisk(desk.registry._db, failures=1)  # type: ignore[assignment]
    with pytest.raises(RegistryError, match="disk is full"):
        submit(plan, desk=desk.desk)
    assert [intent.phase for intent in desk.registry.intents()] == [Phase.INTENDED]
    assert submit(plan, desk=desk.desk).client_id == "c1"


def test_sync_goes_on_when_a_given_up_submit_cannot_be_looked_for(tmp_path: Path) -> None:
    with bench(tmp_path, listing_lag_s=3600.0) as desk:
        desk.wire.after("POST /jobs", LOST)
        with pytest.raises(Uncertain):
            submit(desk.plan(), desk=desk.desk)
        submit(desk.plan(), desk=desk.desk, recreate=True)
        desk.wire.before("GET /jobs?", LOST, LOST, LOST)
        results = sync(desk=desk.desk)
        assert [result.kind for result in results] == ["uncertain", "updated"]
        assert "reset" in results[0].sentence


def test_sync_names_what_lies_in_another_account_and_does_not_ask_for_it(desk: Bench) -> None:
    job = submit(desk.plan(), desk=desk.desk)
    desk.registry.update(job.uri, lambda known: replace(known, scope="old-account"))
    desk.registry.begin(Intent("c1", "fake", "old-account", "f" * 64, Phase.CREATING, desk.clock.now(), plan=desk.plan().to_dict()))
    sent = len(desk.wire.sent)
    results = sync(desk=desk.desk)
    assert [(result.kind, result.client_id) for result in results] == [("other_scope", "c1"), ("other_scope", None)]
    assert all("old-account" in result.sentence and "fake-account" in result.sentence for result in results)
    assert len(desk.wire.sent) == sent


def test_an_unmarked_job_goes_to_the_submit_that_waits_for_it_and_not_to_the_one_that_was_given_up(tmp_path: Path) -> None:
    with bench(tmp_path, keeps_metadata=False, listing_lag_s=3600.0) as desk:
        desk.wire.before("POST /jobs", LOST)
        with pytest.raises(Uncertain):
            submit(desk.plan(), desk=desk.desk)
        desk.wire.after("POST /jobs", LOST)
        with pytest.raises(Uncertain) as second:
            submit(desk.plan(), desk=desk.desk, recreate=True)
        desk.clock.sleep(4000)
        sync(desk=desk.desk)
        assert [job.client_id for job in desk.registry.jobs()] == [second.value.client_id]


def test_recreate_beside_a_job_that_runs_is_refused_and_gives_nothing_up(desk: Bench) -> None:
    first = submit(desk.plan(), desk=desk.desk)
    desk.wire.before("POST /jobs", LOST)
    with pytest.raises(Uncertain):
        submit(desk.plan(), desk=desk.desk, force=True)
    with pytest.raises(DuplicateSubmit) as refused:
        submit(desk.plan(), desk=desk.desk, recreate=True)
    assert refused.value.job_uri == first.uri
    assert [intent.phase for intent in desk.registry.intents()] == [Phase.CREATED, Phase.UNCERTAIN]


@pytest.mark.parametrize("asked_s", [7200.0, 1e12, float("inf")])
def test_an_upload_does_not_wait_longer_than_a_create_for_a_provider_that_turns_it_away(desk: Bench, asked_s: float) -> None:
    desk.wire.before("POST /files", HttpAnswer(429, retry_after_s=asked_s))
    with pytest.raises(RateLimited):
        submit(desk.plan(), desk=desk.desk)
    assert desk.clock.monotonic() == 0.0
    assert [intent.phase for intent in desk.registry.intents()] == [Phase.INTENDED]
    assert submit(desk.plan(), desk=desk.desk).provider_id in desk.cloud.jobs


@pytest.mark.parametrize("keeps_metadata", [True, False])
def test_a_create_that_is_answered_with_the_job_of_another_submit_leads_to_its_own(tmp_path: Path, keeps_metadata: bool) -> None:
    with bench(tmp_path, keeps_metadata=keeps_metadata) as desk:
        first = submit(desk.plan(), desk=desk.desk)
        earlier = desk.trainer.fetch([first.provider_id or ""])[first.provider_id or ""]
        honest = desk.trainer.create
        desk.trainer.create = lambda *sent: honest(*sent) and earlier  # type: ignore[method-assign]
        second = submit(desk.plan(seed=1), desk=desk.desk)
        assert second.provider_id == list(desk.cloud.jobs)[1]
        assert desk.registry.job(first.uri) == first


def test_an_uncertain_submit_says_when_nobody_could_look_for_its_job(desk: Bench) -> None:
    desk.wire.after("POST /jobs", LOST)
    desk.wire.before("GET /jobs?", *[HttpAnswer(401, "key_expired")] * 20)
    with pytest.raises(Uncertain, match=r"cannot be looked for: .*key_expired") as first:
        submit(desk.plan(), desk=desk.desk)
    assert "no such job" not in first.value.message


def test_a_look_that_cannot_be_made_leaves_a_submit_uncertain_whatever_the_reason(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(*_: object, **__: object) -> None:
        raise ConfigError("no region is set.")

    monkeypatch.setattr(desk.trainer, "find", find)
    desk.wire.after("POST /jobs", LOST)
    with pytest.raises(Uncertain, match="no region"):
        submit(desk.plan(), desk=desk.desk)
    assert [result.kind for result in sync(desk=desk.desk)] == ["uncertain"]


def test_what_sync_settled_is_told_although_the_provider_falls_silent_then(tmp_path: Path) -> None:
    with bench(tmp_path, listing_lag_s=100.0) as desk:
        submit(desk.plan(seed=1), desk=desk.desk)
        desk.wire.after("POST /jobs", LOST)
        with pytest.raises(Uncertain):
            submit(desk.plan(), desk=desk.desk)
        desk.clock.sleep(1000)
        desk.wire.before("GET /jobs/", *[LOST] * 20)
        assert [result.kind for result in sync(desk=desk.desk)] == ["adopted", "unreachable"]


def test_a_folder_that_holds_no_locks_is_an_error_of_the_registry(desk: Bench) -> None:
    (desk.registry.home / "locks").write_text("")
    with pytest.raises(RegistryError, match="cannot be locked"):
        submit(desk.plan(), desk=desk.desk)
    assert desk.registry.intents() == []


def test_the_reason_of_a_submit_is_kept_without_the_key_that_a_provider_quotes(desk: Bench) -> None:
    desk.wire.before("POST /jobs", HttpAnswer(400, "bad key sk-abcdefghijklmnop"))
    with pytest.raises(Refused):
        submit(desk.plan(), desk=desk.desk)
    (intent,) = desk.registry.intents()
    assert intent.reason == "bad key [hidden]"


@pytest.mark.parametrize(("answered", "adopted"), [("fake-small-20260101", True), ("fake-smaller", False)])
def test_an_unmarked_job_is_known_by_the_dated_id_of_its_base_and_by_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answered: str, adopted: bool
) -> None:
    with bench(tmp_path, keeps_metadata=False) as desk:
        found = desk.trainer.matching

        def dated(plan: Plan, *, since: datetime) -> list[Snapshot]:
            return [replace(snapshot, base=answered) for snapshot in found(plan, since=since) or ()]

        monkeypatch.setattr(desk.trainer, "matching", dated)
        desk.wire.after("POST /jobs", LOST)
        if adopted:
            assert submit(desk.plan(), desk=desk.desk).provider_id in desk.cloud.jobs
        else:
            with pytest.raises(Uncertain):
                submit(desk.plan(), desk=desk.desk)
        assert desk.creates == 1
