"""The simulation can fail: bugs that others have had, planted here one by one, are each caught within a bounded number of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tuneport import looking
from tuneport import submit as submitting
from tuneport.errors import Refused, TuneportError, Unreachable
from tuneport.intent import Intent, Phase
from tuneport.job import Job, JobState, Snapshot
from tuneport.plan import Plan
from tuneport.registry import JobRegistry
from tuneport.submit import Desk
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.fake import FakeTrainer
from tuneport.testing.faulty_wire import FaultyWire
from tuneport.testing.simulation import Flavour, InvariantViolation, simulate
from tuneport.testing.translation import Names
from tuneport.testing.world import Hasty, OpenTrainer, open_honest

SEEDS = 150


def is_caught(flavour: Flavour, said: str, *, open_trainer: OpenTrainer = open_honest) -> bool:
    """Whether one of the seeds leads to a violation whose first line says `said` and how to run it again."""
    for seed in range(SEEDS):
        try:
            simulate(seed, flavour=flavour, open_trainer=open_trainer)
        except InvariantViolation as violation:
            first, second, *course = str(violation).splitlines()
            assert first.startswith(f"seed {seed}, flavour {flavour}: ")
            assert second.endswith(f"tuneport.testing.replay({seed}, '{flavour}')")
            assert course
            if said in first:
                return True
    return False


def opening(kind: type[FakeTrainer]) -> OpenTrainer:
    def open_trainer(wire: FaultyWire, cloud: FakeCloud, names: Names) -> FakeTrainer:
        return kind(cloud, names=names, name="fake", wire=wire)

    return open_trainer


class Retrying(Hasty):
    """An SDK with its retries left on."""

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        try:
            return super().create(plan, client_id, files)
        except Unreachable:
            return super().create(plan, client_id, files)


class Certain(FakeTrainer):
    """An adapter that takes every error of a create for a refusal."""

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        try:
            return super().create(plan, client_id, files)
        except TuneportError as error:
            raise Refused(error.message) from None


class Trusting(FakeTrainer):
    """An adapter that takes the first row of a filtered listing, though the filter may be ignored."""

    def find(self, client_id: str, plan: Plan | None = None, *, since: datetime | None = None) -> Snapshot | None:
        return next(iter(self._listed(client_id)), None)


class Pessimist(FakeTrainer):
    """An adapter for which no answer means that the job has failed."""

    def fetch(self, ids: Sequence[str]) -> Mapping[str, Snapshot]:
        try:
            return super().fetch(ids)
        except TuneportError:
            return {job_id: Snapshot(job_id, JobState.FAILED, "error", error="no answer") for job_id in ids}


class Forgetful(FakeTrainer):
    """An adapter that does not write our client id on the job."""

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        made = super().create(plan, client_id, files)
        self._cloud.jobs[made.provider_id].body["metadata"].pop("client_id")
        return made


def test_an_sdk_that_retries_a_create_is_caught() -> None:
    assert is_caught("provider", "made 2 remote jobs", open_trainer=opening(Retrying))


def test_an_sdk_that_retries_a_named_create_is_caught() -> None:
    assert is_caught("client", "sends a second PUT over job", open_trainer=opening(Retrying))


def test_taking_a_lost_answer_for_a_refusal_is_caught() -> None:
    assert is_caught("provider", "and yet told its user", open_trainer=opening(Certain))


def test_adopting_without_comparing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_is_ours", lambda *_, **__: True)
    assert is_caught("provider", "adopted by", open_trainer=opening(Trusting))


def test_an_adapter_that_trusts_a_filter_is_caught_though_submit_compares_too() -> None:
    """The second pair of eyes keeps a wrong job from being adopted; the right one is then not found."""
    assert is_caught("provider", "the registry does not know", open_trainer=opening(Trusting))


def test_a_failed_poll_recorded_as_a_failed_job_is_caught() -> None:
    assert is_caught("provider", "is failed in the registry, but the provider only said", open_trainer=opening(Pessimist))


def test_a_failed_poll_that_moves_jobs_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from tuneport.testing import simulation

    def poll(jobs: Sequence[Job], *, trainers: Any, registry: JobRegistry) -> Any:
        look = honest(jobs, trainers=trainers, registry=registry)
        for job in jobs if look.failures else ():
            registry.update(job.uri, lambda known: replace(known, missing_since=known.created_at))
        return look

    honest = simulation.poll
    monkeypatch.setattr(simulation, "poll", poll)
    assert is_caught("provider", "a poll that failed changed fake:")


def unsettled(intent: Intent, plan: Plan, *, desk: Desk, recreate: bool) -> submitting.Settled:
    """Instead of a look."""
    return submitting.Settled(intent, None, "")


def begun(plan: Plan, desk: Desk) -> Intent:
    return desk.registry.begin(submitting._new_intent(plan, desk=desk))


def test_creating_an_uncertain_submit_again_under_its_id_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "_settle_before_submit", unsettled)
    monkeypatch.setattr(submitting, "_to_go_on_with", lambda intent, plan, *, desk: intent or begun(plan, desk))
    assert is_caught("provider", "made 2 remote jobs")


def test_creating_an_uncertain_submit_again_under_a_new_id_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(intent: Intent | None, plan: Plan, *, desk: Desk) -> Intent:
        if intent is not None:
            desk.registry.advance(intent, Phase.FAILED)
        return begun(plan, desk)

    monkeypatch.setattr(submitting, "_settle_before_submit", unsettled)
    monkeypatch.setattr(submitting, "_to_go_on_with", give_up)
    assert is_caught("provider", "was created while")


def test_a_forced_submit_that_a_plain_one_carries_on_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = submitting.refuse_second_run

    def only_new_ones(plan: Plan, *, desk: Desk) -> None:
        if desk.registry.open_intent(plan.scope, plan.fingerprint) is None:
            honest(plan, desk=desk)

    monkeypatch.setattr(submitting, "refuse_second_run", only_new_ones)
    assert is_caught("client", "was created while")


def test_recreating_without_being_asked_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = submitting._settle_before_submit

    def always(intent: Intent, plan: Plan, *, desk: Desk, recreate: bool) -> Any:
        return honest(intent, plan, desk=desk, recreate=True)

    monkeypatch.setattr(submitting, "_settle_before_submit", always)
    assert is_caught("provider", "without the user's word")


def test_a_blind_second_put_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "_settle_before_submit", unsettled)
    monkeypatch.setattr(submitting, "_named_before", lambda *_, **__: None)
    assert is_caught("client", "sends a second PUT over job")


def test_an_intent_that_is_not_written_before_the_create_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobRegistry, "begin", lambda self, intent: intent)
    assert is_caught("provider", "the registry does not know")


def test_a_create_that_is_sent_before_the_registry_says_so_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = JobRegistry.advance

    def late(self: JobRegistry, intent: Intent, phase: Phase, **how: Any) -> Intent:
        return intent if phase is Phase.CREATING else honest(self, intent, phase, **how)

    monkeypatch.setattr(JobRegistry, "advance", late)
    assert is_caught("provider", "the registry does not know")


def test_overwriting_a_terminal_state_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def heard(self: Job, snapshot: Snapshot, at: datetime) -> Job:
        return replace(self, state=snapshot.state, provider_state=snapshot.provider_state, last_heard_at=at, missing_since=None)

    def change(self: JobRegistry, uris: list[str], how: Any) -> list[Job]:
        changed = [how(job) for uri in uris if (job := self.job(uri)) is not None]
        with self._transaction() as db:
            for job in changed:
                db.execute("UPDATE jobs SET state = ?, provider_state = ? WHERE uri = ?", (job.state, job.provider_state, job.uri))
        return changed

    monkeypatch.setattr(Job, "heard", heard)
    monkeypatch.setattr(JobRegistry, "_change", change)
    assert is_caught("provider", "had ended as")


def test_a_job_without_our_mark_is_caught() -> None:
    assert is_caught("provider", "the registry does not know", open_trainer=opening(Forgetful))
