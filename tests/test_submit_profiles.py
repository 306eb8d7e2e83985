"""Two profiles of one account: a plan runs once there, by whichever name it is submitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from desks import Bench, bench

from tuneport.errors import DuplicateSubmit, Unreachable
from tuneport.job import JobState
from tuneport.plan import Plan
from tuneport.submit import Desk, submit
from tuneport.testing.wire import NoAnswer

LOST = NoAnswer("connection reset")


@pytest.fixture(params=["provider", "client"])
def account(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path, names=request.param) as made:
        yield made


def other(account: Bench) -> tuple[Desk, Plan]:
    """The same account under another name, and the same plan for it."""
    return replace(account.desk, provider="other"), replace(account.plan(), provider="other")


def test_a_plan_that_runs_under_one_profile_is_refused_under_the_other(account: Bench) -> None:
    first = submit(account.plan(), desk=account.desk)
    desk, plan = other(account)

    with pytest.raises(DuplicateSubmit) as refused:
        submit(plan, desk=desk)
    assert refused.value.job_uri == first.uri
    assert len(account.cloud.jobs) == 1
    assert submit(plan, desk=desk, force=True).uri.startswith("other:")


def test_a_job_of_the_other_profile_that_has_ended_is_heard_of_under_its_own_name(account: Bench) -> None:
    first = submit(account.plan(), desk=account.desk)
    account.cloud.settle(first.provider_id or "")
    desk, plan = other(account)

    second = submit(plan, desk=desk)
    assert account.registry.job(first.uri).state is JobState.SUCCEEDED  # type: ignore[union-attr]
    assert {job.uri for job in account.registry.jobs()} == {first.uri, second.uri}


def test_a_submit_that_was_interrupted_under_one_profile_goes_on_under_the_other(account: Bench) -> None:
    account.wire.before("POST /files", LOST, LOST, LOST, LOST)
    with pytest.raises(Unreachable):
        submit(account.plan(), desk=account.desk)
    desk, plan = other(account)

    job = submit(plan, desk=desk)
    assert list(account.cloud.jobs) == [job.provider_id]
    assert len(account.registry.intents()) == 1
