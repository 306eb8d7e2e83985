"""The switches of Azure's emulator for what is not settled, and the faults that the toolkit brings, on both planes."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from tuneport_azure.emulator import AT_ONCE, AzureCourse, AzureEmulator, AzureHabits

from tuneport.testing.emulator import FaultPlan, SteppedClock
from tuneport.testing.emulator.faults import (
    ExtraField,
    IgnoredFilters,
    LaggingList,
    MissingField,
    RateLimited,
    Reset,
    ServerError,
    SlowBody,
    Truncated,
    UnknownWord,
)

from .azure_emulated import begun, dated, deployable, management, put, tuned, v1
from .test_azure_emulator_deployments import names, state

CREATE = "POST /{resource}/openai/v1/fine_tuning/jobs"
LIST = "GET /{resource}/openai/v1/fine_tuning/jobs"
RETRIEVE = "GET /{resource}/openai/v1/fine_tuning/jobs/{job_id}"


def habitual(clock: SteppedClock, **habits: Any) -> AzureEmulator:
    return AzureEmulator(clock=clock, habits=AzureHabits(**habits), deployment=AT_ONCE)


# --- habits -----------------------------------------------------------------------------------------------------------------------------


def test_metadata_is_dropped_or_kept(clock: SteppedClock) -> None:
    for keeps in (False, True):
        with habitual(clock, keeps_metadata=keeps) as emulator:
            job = begun(v1(emulator), clock, metadata={"a": "b"})
            assert job.metadata == ({"a": "b"} if keeps else None)
            assert [one.metadata for one in v1(emulator).fine_tuning.jobs.list(metadata={"a": "c"})] == [job.metadata]


def test_a_training_type_is_echoed_so_or_so_or_not_at_all(clock: SteppedClock) -> None:
    for habit, shown in (("canonical", "GlobalStandard"), ("lower", "globalstandard"), ("never", None)):
        with habitual(clock, echoes_training_type=habit) as emulator:
            assert begun(v1(emulator), clock).model_dump().get("trainingType") == shown


def test_jobs_may_be_listed_from_the_oldest(clock: SteppedClock) -> None:
    with habitual(clock, oldest_first=True) as emulator:
        made = [begun(v1(emulator), clock).id for _ in range(3)]
        assert [job.id for job in v1(emulator).fine_tuning.jobs.list(limit=2)] == made


def test_a_listing_may_lag(clock: SteppedClock) -> None:
    with habitual(clock, listing_lag_s=60) as emulator:
        client = v1(emulator)
        job = begun(client, clock)
        assert client.fine_tuning.jobs.list().data == []
        clock.advance(60)
        assert [one.id for one in client.fine_tuning.jobs.list()] == [job.id]


def test_a_pause_may_say_paused_at_once(clock: SteppedClock) -> None:
    with habitual(clock, pauses_at_once=True) as emulator:
        client = v1(emulator)
        job = begun(client, clock)
        clock.advance(90 + 300)
        status: str = client.fine_tuning.jobs.pause(job.id).status
        assert status == "paused"


def test_a_state_that_forbids_something_may_be_a_conflict(clock: SteppedClock) -> None:
    with habitual(clock, state_status=409) as emulator:
        job = tuned(v1(emulator), clock)
        with pytest.raises(openai.ConflictError) as refused:
            v1(emulator).fine_tuning.jobs.cancel(job.id)
        assert refused.value.code == "unexpectedEntityState"


def test_a_job_may_be_deleted_on_v1(clock: SteppedClock) -> None:
    with habitual(clock, deletes_jobs_on_v1=True) as emulator:
        client = v1(emulator)
        client.delete(f"/fine_tuning/jobs/{tuned(client, clock).id}", cast_to=type(None))
        assert client.fine_tuning.jobs.list().data == []


def test_a_job_may_be_validating_and_queued_before_it_runs(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, course=AzureCourse(early_words=("validating_files", "queued"))) as emulator:
        client = v1(emulator)
        job = begun(client, clock)
        seen = [job.status]
        for _ in range(2):
            clock.advance(45)
            seen.append(client.fine_tuning.jobs.retrieve(job.id).status)
        assert seen == ["validating_files", "queued", "running"]


# --- faults -----------------------------------------------------------------------------------------------------------------------------


def test_a_job_is_made_though_nobody_hears_of_it(emulator: AzureEmulator, clock: SteppedClock) -> None:
    client = v1(emulator)
    emulator.faults.once(Reset(after_effect=True), on=CREATE)
    with pytest.raises(openai.APIConnectionError):
        begun(client, clock)
    emulator.faults.once(Reset(), on=CREATE)
    with pytest.raises(openai.APIConnectionError):
        begun(client, clock)
    emulator.faults.once(ServerError(500, after_effect=True), on=CREATE)
    with pytest.raises(openai.InternalServerError) as broken:
        begun(client, clock)
    assert broken.value.code == "InternalServerError"
    assert len(client.fine_tuning.jobs.list().data) == emulator.log.effects(CREATE) == 2


def test_a_rate_limit_says_how_long_to_wait(emulator: AzureEmulator) -> None:
    emulator.faults.once(RateLimited(20.0), on=LIST)
    with pytest.raises(openai.RateLimitError) as limited:
        v1(emulator).fine_tuning.jobs.list()
    assert (limited.value.code, limited.value.response.headers["retry-after"]) == ("429", "20")
    emulator.faults.once(RateLimited(0.0), on=LIST)
    assert v1(emulator, max_retries=1).fine_tuning.jobs.list().data == []


def test_answers_can_be_slow_or_broken_off(emulator: AzureEmulator, clock: SteppedClock) -> None:
    client = v1(emulator)
    job = begun(client, clock)
    emulator.faults.once(SlowBody(4, 0.001), on=RETRIEVE)
    assert client.fine_tuning.jobs.retrieve(job.id).id == job.id
    emulator.faults.once(Truncated(), on=RETRIEVE)
    with pytest.raises(openai.APIConnectionError):
        client.fine_tuning.jobs.retrieve(job.id)


def test_answers_can_hold_unknown_words_and_miss_or_add_fields(emulator: AzureEmulator, clock: SteppedClock) -> None:
    client = v1(emulator)
    job = begun(client, clock)
    emulator.faults.once(UnknownWord(), on=RETRIEVE)
    emulator.faults.once(MissingField("status"), on=RETRIEVE)
    emulator.faults.once(ExtraField(), on=RETRIEVE)
    seen: list[Any] = [client.fine_tuning.jobs.retrieve(job.id) for _ in range(3)]
    assert (seen[0].status, seen[1].status, hasattr(seen[2], "x_undocumented")) == ("hibernating", None, True)


def test_single_listings_can_lag_and_ignore_what_they_are_asked_for(emulator: AzureEmulator, clock: SteppedClock) -> None:
    client = v1(emulator)
    begun(client, clock)
    emulator.faults.once(LaggingList(120), on=LIST)
    assert client.fine_tuning.jobs.list().data == []
    assert len(client.fine_tuning.jobs.list().data) == 1
    emulator.faults.once(IgnoredFilters(), on="GET /{resource}/openai/v1/files")
    assert [len(client.files.list(purpose="batch").data) for _ in range(2)] == [1, 0]


ONE = (
    "{verb} /subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/Microsoft.CognitiveServices"
    "/accounts/{{account}}/deployments/{{deployment}}"
)


def test_the_management_plane_suffers_faults_too(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, deployment=AT_ONCE) as emulator:
        managed, body = management(emulator), deployable(tuned(v1(emulator), clock).fine_tuned_model)
        put_route, get_route = ONE.format(verb="PUT"), ONE.format(verb="GET")
        emulator.faults.once(Reset(), on=put_route)
        with pytest.raises((ServiceRequestError, ServiceResponseError)):
            put(managed, "one", body)
        assert names(managed) == []
        emulator.faults.once(Reset(after_effect=True), on=put_route)
        with pytest.raises((ServiceRequestError, ServiceResponseError)):
            put(managed, "one", body)
        assert names(managed) == ["one"]
        emulator.faults.once(RateLimited(7.0), on=put_route)
        with pytest.raises(HttpResponseError) as limited:
            put(managed, "two", body)
        answer: Any = limited.value.response
        assert (limited.value.status_code, answer.headers["retry-after"]) == (429, "7")
        emulator.faults.once(UnknownWord(), on=get_route)
        assert [state(managed, "one"), state(managed, "one")] == ["hibernating", "Succeeded"]
        emulator.faults.once(LaggingList(120), on=get_route.removesuffix("/{deployment}"))
        assert [names(managed), names(managed)] == [[], ["one"]]


def test_the_same_seed_brings_the_same_faults() -> None:
    def run(seed: int) -> list[str | None]:
        faults = FaultPlan(seed=seed, share=0.5, among=(RateLimited(None), ServerError(500), ServerError(503, "html"), ExtraField()))
        with AzureEmulator(faults=faults) as emulator:
            for _ in range(20):
                for client in (v1(emulator), dated(emulator)):
                    try:
                        client.fine_tuning.jobs.list()
                    except openai.APIStatusError:
                        continue
            return [entry.fault for entry in emulator.log]

    first = run(1)
    assert first == run(1)
    assert first != run(2)
    assert any(first)
