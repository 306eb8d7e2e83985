"""The client: what a user calls, over the fake cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from desks import ScriptedWire

from tuneport import Client, Dataset, Recipe
from tuneport.errors import (
    ConfigError,
    CredentialsRefused,
    DuplicateSubmit,
    JobFailed,
    UnknownJob,
    UnknownModel,
    UnknownProvider,
    UsageError,
    WaitTimeout,
)
from tuneport.job import JobState, Snapshot
from tuneport.provider import Provider, Trainer
from tuneport.settings import Settings
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.cloud import Course, FakeCloud
from tuneport.testing.fake import fake_provider
from tuneport.testing.wire import HttpAnswer

ROWS = 12


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.jsonl"
    rows = [
        {"messages": [{"role": "user", "content": f"question {number}"}, {"role": "assistant", "content": f"label{number % 3}"}]}
        for number in range(ROWS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud(SimulatedClock())


def client_on(cloud: FakeCloud, home: Path) -> Client:
    return Client(settings=Settings(home=home), clock=cloud.clock, providers=[fake_provider(cloud)])


@pytest.fixture
def client(cloud: FakeCloud, tmp_path: Path) -> Iterator[Client]:
    with client_on(cloud, tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def recipe(data: Path) -> Recipe:
    return Recipe(base="fake-small", method="sft", train=Dataset.read(data))


def test_a_recipe_becomes_a_job_a_model_and_an_answer(client: Client, recipe: Recipe) -> None:
    job = client.wait(client.submit(recipe, provider="fake"))
    assert job.state is JobState.SUCCEEDED
    assert job.cost is not None
    model = client.model(job)
    assert model.uri == job.model
    assert model.dataset_fingerprint == recipe.train.fingerprint
    (answer, *_) = list(client.predict(model, recipe.train))
    assert answer.text


def test_a_tuned_model_is_measured_against_its_base(client: Client, recipe: Recipe) -> None:
    job = client.wait(client.submit(recipe, provider="fake"))
    result = client.evaluate(job, recipe.train, against=["base", "base+labels"])
    document = result.to_dict()
    assert document["rows"] == ROWS
    assert [comparison["against"]["name"] for comparison in document["comparisons"]] == ["base", "base+labels"]


def test_planning_and_quoting_create_nothing(client: Client, cloud: FakeCloud, recipe: Recipe, tmp_path: Path) -> None:
    assert client.plan(recipe, provider="fake").fingerprint == client.plan(recipe, provider="fake").fingerprint
    (quote,) = client.quote(recipe, providers=["fake"])
    assert quote.total_usd == Decimal("0.01") * ROWS
    assert cloud.jobs == {}
    assert cloud.files == {}
    assert not (tmp_path / "home").exists()


def test_a_quote_that_cannot_be_made_says_why(client: Client, data: Path) -> None:
    (quote,) = client.quote(Recipe(base={"elsewhere": "x"}, train=Dataset.read(data)), providers=["fake"])
    assert quote.availability == "unavailable"
    assert "names no base model for 'fake'" in quote.why
    assert quote.lines == ()


def test_a_job_dearer_than_allowed_is_refused_before_anything_is_sent(client: Client, cloud: FakeCloud, recipe: Recipe) -> None:
    with pytest.raises(UsageError, match=r"above the 0\.05 USD allowed"):
        client.submit(recipe, provider="fake", max_cost_usd=Decimal("0.05"))
    assert cloud.log == []
    client.submit(recipe, provider="fake", max_cost_usd=Decimal("0.12"))


def test_the_same_recipe_is_not_submitted_twice(client: Client, recipe: Recipe) -> None:
    client.submit(recipe, provider="fake")
    with pytest.raises(DuplicateSubmit, match="--force"):
        client.submit(recipe, provider="fake")


def test_a_job_is_found_by_uri_by_prefix_and_on_an_empty_registry(client: Client, cloud: FakeCloud, recipe: Recipe, tmp_path: Path) -> None:
    job = client.submit(recipe, provider="fake")
    assert client.job(job.uri).uri == job.uri
    assert client.job(job.client_id[:6] if job.client_id else "").uri == job.uri
    with client_on(cloud, tmp_path / "another-home") as stranger:
        assert stranger.job(job.uri).client_id == job.client_id
        assert [known.uri for known in stranger.jobs()] == [job.uri]


def test_an_unknown_job_is_one_sentence(client: Client) -> None:
    with pytest.raises(UnknownJob, match="knows no job 'nothing'"):
        client.job("fake:nothing")
    with pytest.raises(UsageError, match="not a URI"):
        client.job("nothing")


def test_a_prefix_that_fits_two_jobs_is_refused(client: Client, recipe: Recipe) -> None:
    client.submit(recipe, provider="fake")
    client.submit(recipe, provider="fake", force=True)
    with pytest.raises(UsageError, match="fits 2 jobs"):
        client.job("fake:ftjob")


def test_an_unknown_provider_is_refused_with_what_there_is(client: Client, recipe: Recipe) -> None:
    with pytest.raises(UnknownProvider, match="no provider 'nowhere'"):
        client.submit(recipe, provider="nowhere")


def test_an_unknown_base_is_refused_before_any_request(client: Client, cloud: FakeCloud, data: Path) -> None:
    with pytest.raises(UnknownModel):
        client.submit(Recipe(base="fake-huge", train=Dataset.read(data)), provider="fake")
    assert cloud.log == []
    assert client.jobs() == []


def test_a_job_without_a_model_says_how_it_stands(client: Client, recipe: Recipe) -> None:
    job = client.submit(recipe, provider="fake")
    with pytest.raises(JobFailed, match="has no tuned model"):
        client.model(job)


def test_cancel_pause_and_resume_go_through_to_the_provider(client: Client, cloud: FakeCloud, recipe: Recipe) -> None:
    job = client.submit(recipe, provider="fake")
    cloud.clock.sleep(120)
    assert client.pause(job).state is JobState.PAUSED
    assert client.resume(job).state is JobState.RUNNING
    client.cancel(job)
    assert client.wait(job).state is JobState.CANCELLED
    with pytest.raises(UsageError, match="already cancelled"):
        client.cancel(job)


def test_a_wait_that_runs_out_raises_and_leaves_the_job_alone(client: Client, recipe: Recipe) -> None:
    job = client.submit(recipe, provider="fake")
    with pytest.raises(WaitTimeout):
        client.wait(job, timeout_s=10)
    assert client.job(job).state is not JobState.CANCELLED


def test_several_jobs_are_waited_for_together(client: Client, recipe: Recipe) -> None:
    jobs = [client.submit(recipe, provider="fake"), client.submit(recipe, provider="fake", force=True)]
    changes: list[str] = []
    ended = client.wait_all(jobs, on_change=lambda job: changes.append(job.uri))
    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    assert set(changes) == {job.uri for job in jobs}


def test_a_failed_job_keeps_the_vendors_reason(tmp_path: Path, recipe: Recipe) -> None:
    cloud = FakeCloud(SimulatedClock(), course=lambda number: Course(ends="error"))
    with client_on(cloud, tmp_path / "home") as client:
        job = client.wait(client.submit(recipe, provider="fake"))
    assert job.state is JobState.FAILED
    assert job.error == "loss became NaN at step 3"


def test_a_profile_is_a_provider_of_its_own(cloud: FakeCloud, recipe: Recipe, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", providers={"second": {"provider": "fake"}})
    with Client(settings=settings, clock=cloud.clock, providers=[fake_provider(cloud)]) as client:
        job = client.submit(recipe, provider="second")
        assert job.uri.startswith("second:")
        assert client.job(job.uri).provider == "second"


@pytest.mark.parametrize("word", ["", "fake", "fake:", ":"])
def test_what_names_no_job_does_not_name_the_only_one_there_is(client: Client, recipe: Recipe, word: str) -> None:
    job = client.submit(recipe, provider="fake")
    for ask in (client.cancel, client.job, client.model):
        with pytest.raises(UsageError, match="not a URI"):
            ask(word)
    assert client.job(job.uri).state is not JobState.CANCELLED


def test_a_bill_is_asked_for_once_when_a_job_has_ended(
    client: Client, cloud: FakeCloud, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [client.submit(recipe.model_copy(update={"seed": seed}), provider="fake") for seed in range(3)]
    written = cloud.get_bill
    monkeypatch.setattr(cloud, "get_bill", lambda job_id: written(job_id) | {"usd": None})
    client.wait_all(jobs)
    client.jobs(refresh=True)
    assert cloud.counts["GET /jobs/{id}/bill"] == len(jobs)
    monkeypatch.undo()
    assert client.job(jobs[0], refresh=False).cost is None
    assert client.job(jobs[0]).cost is not None


def test_a_wait_that_the_provider_turns_away_ends_with_the_refusal(tmp_path: Path, recipe: Recipe) -> None:
    wire, clock = ScriptedWire(), SimulatedClock()
    with Client(settings=Settings(home=tmp_path / "home"), clock=clock, providers=[fake_provider(FakeCloud(clock), wire=wire)]) as client:
        job = client.submit(recipe, provider="fake")
        wire.before("GET /jobs", *[HttpAnswer(401, "bad_key")] * 100)
        with pytest.raises(CredentialsRefused):
            client.wait(job, timeout_s=86_400)
        assert clock.monotonic() < 60


def test_a_provider_that_cannot_be_opened_does_not_keep_the_others_from_being_asked(client: Client, recipe: Recipe) -> None:
    job = client.submit(recipe, provider="fake")
    client.registry.add("aaa", "somewhere", Snapshot("x", JobState.RUNNING, "run"))
    client.clock.sleep(3600)
    assert {known.uri: known.state for known in client.jobs(refresh=True)} == {job.uri: JobState.SUCCEEDED, "aaa:x": JobState.RUNNING}
    results = client.sync()
    assert [result.kind for result in results] == ["unreachable"]
    assert "no provider 'aaa' is installed" in results[0].sentence
    with pytest.raises(UnknownProvider):
        client.sync(provider="aaa")


def test_a_provider_that_was_never_used_need_not_be_set_up_when_the_jobs_of_all_are_recorded(cloud: FakeCloud, tmp_path: Path) -> None:
    def opening(settings: object) -> Trainer:
        raise CredentialsRefused("spare: no key is set.")

    spare = Provider("spare", "installed and never used", open_trainer=opening)
    with Client(settings=Settings(home=tmp_path / "home"), clock=SimulatedClock(), providers=[fake_provider(cloud), spare]) as client:
        (found,) = (result for result in client.sync(adopt_all=True) if result.sentence.startswith("spare"))
        assert (found.kind, found.error) == ("not_set_up", None)
        client.registry.add("spare", "there", Snapshot("job-1", JobState.RUNNING, "running"))
        (found,) = (result for result in client.sync(adopt_all=True) if result.sentence.startswith("spare"))
        assert (found.kind, type(found.error)) == ("unreachable", CredentialsRefused)


def test_a_job_of_another_account_is_not_acted_upon(client: Client, cloud: FakeCloud, recipe: Recipe) -> None:
    job = client.submit(recipe, provider="fake")
    client.registry.update(job.uri, lambda known: replace(known, scope="old-account"))
    for act in (client.cancel, client.pause, client.resume):
        with pytest.raises(ConfigError, match="old-account"):
            act(job)
    assert cloud.counts["POST /jobs/{id}/cancel"] == 0


def test_a_job_waited_for_twice_comes_back_twice_and_is_followed_once(client: Client, cloud: FakeCloud, recipe: Recipe) -> None:
    job = client.submit(recipe, provider="fake")
    changes: list[JobState] = []
    ended = client.wait_all([job, job.uri], on_change=lambda changed: changes.append(changed.state))
    assert [one.uri for one in ended] == [job.uri, job.uri]
    assert len(changes) == len(set(changes))


def test_the_jobs_of_a_provider_that_does_not_exist_are_refused_with_the_nearest_name(client: Client) -> None:
    assert client.jobs(provider="fake") == []
    with pytest.raises(UnknownProvider, match="did you mean 'fake'"):
        client.jobs(provider="faek")


def test_training_data_that_have_changed_are_not_taken_for_those_a_model_was_tuned_on(client: Client, data: Path, recipe: Recipe) -> None:
    job = client.wait(client.submit(recipe, provider="fake"))
    rows = list(recipe.train)
    data.write_text(data.read_text().replace("label2", "label9"))
    with pytest.raises(UsageError, match="--labels-from"):
        client.evaluate(job, rows, against="base+labels")
    assert client.evaluate(job, rows, against="base+labels", labels_from=rows).to_dict()["rows"] == ROWS
