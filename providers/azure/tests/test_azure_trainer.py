"""Jobs at Azure through the whole of Tuneport: made once in the tier that was asked for, found without marks, billed by the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from stage import chats
from tuneport_azure import provider as azure_provider
from tuneport_azure.adapter.trainer import AzureTrainer
from tuneport_azure.emulator.courses import AzureCourse
from tuneport_azure.emulator.habits import AzureHabits
from tuneport_azure.emulator.resources import Quotas

from tuneport import Client
from tuneport.dataset import Dataset
from tuneport.errors import Ambiguous, CredentialsRefused, NotFound, QuotaExceeded, Refused, UnknownModel, Unsupported
from tuneport.examples import Message, PreferenceExample, PromptExample
from tuneport.graders import StringCheck
from tuneport.intent import Intent, Phase
from tuneport.job import JobState
from tuneport.looking import look
from tuneport.provider import Capability, ProviderSettings
from tuneport.recipe import DPO, GRPO, Recipe
from tuneport.registry import JobRegistry
from tuneport.settings import Settings
from tuneport.submit import Desk
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator.faults import Reset, ServerError, Truncated
from tuneport.testing.kit import make, uploaded

from .azure_life import Identity
from .azure_stage import CREATE, DATED, Stage, recipe, staged

LIST = "GET /{resource}/openai/v1/fine_tuning/jobs"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


def client_of(stage: Stage, *, providers: Mapping[str, Mapping[str, Any]] | None = None, **environ: str) -> Client:
    settings = Settings(home=stage.home, environ={**stage.settings().environ, **environ}, providers=providers or {})
    return Client(settings=settings, clock=stage.clock, providers=[azure_provider])


def canned(home: Path, *jobs: Mapping[str, Any], files: Sequence[Mapping[str, Any]] = ()) -> AzureTrainer:
    """A trainer of a resource with those jobs, which ignores every filter and says nothing of further pages."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix("/openai/v1")
        rows = list(files) if path == "/files" else [job for job in jobs if path in ("/fine_tuning/jobs", f"/fine_tuning/jobs/{job['id']}")]
        listed = path in ("/files", "/fine_tuning/jobs")
        return httpx2.Response(200, json={"object": "list", "data": rows} if listed else rows[0])

    settings = ProviderSettings(
        name="azure",
        home=home,
        environ={"AZURE_OPENAI_ENDPOINT": "https://contoso.openai.azure.com", "AZURE_OPENAI_API_KEY": "k"},
        clock=SimulatedClock(),
    )
    return AzureTrainer(settings, http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))


def job(**changes: Any) -> dict[str, Any]:
    """A job as Azure tells of it: much of it null."""
    return {
        "id": "ftjob-1",
        "object": "fine_tuning.job",
        "created_at": 1_795_000_000,
        "status": "succeeded",
        "model": "gpt-4.1-mini-2025-04-14",
        "fine_tuned_model": "gpt-4.1-mini-2025-04-14.ft-1",
        "training_file": "file-1",
        "validation_file": None,
        "organization_id": None,
        "result_files": None,
        "hyperparameters": None,
        "method": {"type": "supervised"},
        "error": None,
        "trained_tokens": 2_000_000,
        "trainingType": "GlobalStandard",
    } | changes


# --- creating ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, DATED])
@pytest.mark.parametrize(("chosen", "tier"), [("standard", "Standard"), ("global", "GlobalStandard"), ("developer", "DeveloperTier")])
def test_a_job_is_made_in_the_tier_that_was_asked_for(stage: Stage, chosen: str, tier: str, version: str | None) -> None:
    profile = {"api_version": version} if version else {}
    trainer = stage.trainer(resource="nordic", training_type=chosen, **profile)
    made = make(trainer, recipe())
    assert made.snapshot.state is JobState.CREATED
    assert stage.emulator.world.jobs[made.id.removeprefix("nordic/")].training_type.casefold() == tier.casefold()


def test_what_a_plan_says_it_sends_is_what_arrives_at_azure(stage: Stage) -> None:
    wanted = recipe().model_copy(update={"suffix": "cards", "seed": 7, "validation": chats(12, about="parcel")})
    made = make(stage.trainer(), wanted, client_id="c" * 32)
    arrived = [entry.route for entry in stage.emulator.log if entry.method == "POST"]
    assert [request.call.replace(" /", " /{resource}/openai/v1/") for request in made.plan.sends] == arrived
    asked, body = stage.body(made.id), made.plan.sends[-1].body
    assert (asked.model, asked.suffix, asked.seed) == (body["model"], body["suffix"], body["seed"])
    assert asked.metadata == {**body["metadata"], "tuneport_client_id": "c" * 32}


def test_preferences_and_reinforcement_are_trained_as_well(stage: Stage) -> None:
    trainer = stage.trainer()
    pairs = [
        PreferenceExample((Message("user", f"ask {number}"),), (Message("assistant", "good"),), (Message("assistant", "bad"),))
        for number in range(12)
    ]
    prompts = [PromptExample((Message("user", f"ask {number}"),), reference=str(number)) for number in range(12)]
    grader = StringCheck(input="{{sample.output_text}}", reference="{{item.reference}}", operation="eq")
    wanted = [
        Recipe(base="gpt-4.1-mini", train=Dataset.from_examples(pairs, name="pairs"), method=DPO(beta=0.2, epochs=2)),
        Recipe(
            base="o4-mini",
            train=Dataset.from_examples(prompts, name="prompts"),
            validation=Dataset.from_examples(prompts, name="validation"),
            method=GRPO(grader=grader),
        ),
    ]
    made = [make(trainer, each) for each in wanted]
    stage.clock.sleep(100_000)
    done = [trainer.fetch([each.id])[each.id] for each in made]
    assert [(each.method, each.state) for each in done] == [("dpo", JobState.SUCCEEDED), ("grpo", JobState.SUCCEEDED)]


def test_a_tier_that_the_region_does_not_have_is_refused_with_all_that_it_may_mean(stage: Stage) -> None:
    trainer = stage.trainer(training_type="standard")
    plan = trainer.plan(recipe())
    files = uploaded(trainer, plan)
    with pytest.raises(
        Refused, match=r"contoso does not train gpt-4\.1-mini-2025-04-14 as standard: the base is unknown or retired"
    ) as refused:
        trainer.create(plan, "c" * 32, files)
    assert "does not support fine-tuning" in refused.value.reason
    with pytest.raises(Refused, match="its region does not offer that") as refused:
        stage.managed(training_type="standard").create(plan, "c" * 32, files)
    assert "as developer or global" in refused.value.remedy


def test_a_region_without_fine_tuning_refuses_every_job(stage: Stage) -> None:
    trainer = stage.trainer(resource="remote")
    plan = trainer.plan(recipe())
    files = uploaded(trainer, plan)
    with pytest.raises(Refused, match=r"remote does not train gpt-4\.1-mini-2025-04-14 as global"):
        trainer.create(plan, "c" * 32, files)


def test_a_full_resource_is_a_quota_and_makes_nothing(tmp_path: Path) -> None:
    with staged(tmp_path, quotas=Quotas(jobs=1)) as stage:
        trainer = stage.trainer()
        make(trainer, recipe())
        plan = trainer.plan(recipe(about="parcel"))
        files = uploaded(trainer, plan)
        with pytest.raises(QuotaExceeded, match="a limit of the resource contoso is reached"):
            trainer.create(plan, "c" * 32, files)
        assert len(stage.emulator.world.jobs) == 1


@pytest.mark.parametrize("fault", [Reset(), ServerError(503), ServerError(502, "html"), Truncated(), Truncated(admitted=True)])
def test_a_create_without_a_clear_answer_of_azures_is_ambiguous_and_sent_once(stage: Stage, fault: Any) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    files = uploaded(trainer, plan)
    stage.emulator.faults.always(fault, on=CREATE)
    with pytest.raises(Ambiguous):
        trainer.create(plan, "c" * 32, files)
    assert stage.emulator.log.count(CREATE) == 1


def test_a_version_that_is_too_old_reads_but_does_not_train_or_pause(stage: Stage) -> None:
    made = make(stage.trainer(), recipe())
    old = stage.trainer(api_version="2024-10-21")
    before = stage.emulator.log.count()
    for refused in (lambda: old.plan(recipe()), lambda: old.pause(made.id), lambda: old.resume(made.id)):
        with pytest.raises(Unsupported, match="too old"):
            refused()
    assert stage.emulator.log.count() == before
    assert old.fetch([made.id])[made.id].state is JobState.CREATED


def test_a_tuned_model_is_trained_further_by_its_uri(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.clock.sleep(36_000)
    model = trainer.result(made.id)
    again = make(trainer, recipe(model.uri))
    assert stage.body(again.id).model == model.id.removeprefix("contoso/")
    with pytest.raises(UnknownModel, match="belongs to the resource fabrikam"):
        trainer.plan(recipe("azure:fabrikam/gpt-4.1-mini-2025-04-14.ft-1"))


# --- finding -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("oldest_first", [True, False])
def test_a_job_is_found_whatever_is_kept_of_it_and_in_whichever_order_it_is_listed(tmp_path: Path, kept: bool, oldest_first: bool) -> None:
    with staged(tmp_path, habits=AzureHabits(processing_s=0.0, keeps_metadata=kept, oldest_first=oldest_first)) as stage:
        trainer = stage.trainer()
        make(trainer, recipe().model_copy(update={"seed": 8}))
        stage.clock.sleep(5)
        began = stage.clock.now()
        mine = make(trainer, recipe(), client_id="c" * 32)
        found = trainer.find("c" * 32, mine.plan, since=began - timedelta(minutes=10))
        assert found is not None
        assert found.provider_id == mine.id
        assert [each.provider_id for each in trainer.matching(mine.plan, since=began - timedelta(minutes=10))] == [mine.id]
        assert [each.provider_id for each in trainer.list(since=began)] == [mine.id]


def test_of_two_jobs_that_are_alike_neither_is_taken(stage: Stage) -> None:
    trainer = stage.trainer()
    first = make(trainer, recipe())
    make(trainer, recipe())
    assert trainer.find("c" * 32, first.plan, since=stage.clock.now() - timedelta(hours=1)) is None


def test_a_submit_whose_answer_is_lost_is_found_by_what_the_job_is(stage: Stage) -> None:
    stage.emulator.faults.once(Reset(after_effect=True), on=CREATE)
    with client_of(stage) as client:
        done = client.submit(recipe(), provider="azure")
    assert done.state is JobState.CREATED
    assert [f"azure:contoso/{name}" for name in stage.emulator.world.jobs] == [done.uri]


def test_a_job_that_carries_its_mark_goes_before_one_that_only_fits(tmp_path: Path) -> None:
    """As when the service begins to keep metadata: somebody else's job of the same plan and files has no mark, ours has."""
    clock = SimulatedClock()
    plan = canned(tmp_path).plan(recipe())
    file = {"id": "file-1", "filename": plan.files[0].name, "bytes": plan.files[0].size_bytes}
    about = {"status": "running", "created_at": clock.now().timestamp(), "seed": plan.seed}
    marks = {"tuneport_client_id": "c" * 32, "tuneport_plan": plan.fingerprint}
    trainer = canned(tmp_path, job(**about), job(id="ftjob-2", metadata=marks, **about), files=[file])
    intent = Intent(
        client_id="c" * 32,
        provider="azure",
        scope=trainer.scope(),
        plan_fingerprint=plan.fingerprint,
        phase=Phase.CREATING,
        created_at=clock.now(),
        plan=plan.to_dict(),
        recipe=plan.recipe,
        files={"train": "file-1"},
    )
    with JobRegistry(tmp_path, clock=clock) as registry:
        found, problem = look(intent, plan, desk=Desk(provider="azure", trainer=trainer, registry=registry, clock=clock))
    assert found is not None, problem
    assert found.provider_id == "contoso/ftjob-2"


def test_a_wrong_version_does_not_say_that_a_job_is_gone(stage: Stage) -> None:
    made = make(stage.trainer(), recipe())
    with pytest.raises(NotFound, match="contoso knows nothing of that") as refused:
        stage.trainer(api_version="2019-01-01").fetch([made.id])
    assert "api_version 2019-01-01" in refused.value.remedy


def test_many_jobs_are_fetched_in_one_listing(stage: Stage) -> None:
    trainer = stage.trainer()
    ids = [make(trainer, recipe().model_copy(update={"seed": number})).id for number in range(30)]
    before = stage.emulator.log.count()
    assert set(trainer.fetch(ids)) == set(ids)
    assert stage.emulator.log.count() - before == 1


def test_jobs_are_known_by_their_resource(stage: Stage) -> None:
    here, there = stage.trainer(), stage.trainer(name="north", resource="nordic")
    mine, theirs = make(here, recipe()), make(there, recipe())
    assert mine.id.startswith("contoso/ftjob-")
    assert theirs.id.startswith("nordic/ftjob-")
    assert set(here.fetch([mine.id, theirs.id])) == {mine.id}
    bare = mine.id.removeprefix("contoso/")
    assert here.fetch([bare])[bare].provider_id == mine.id
    with pytest.raises(NotFound, match="belongs to the resource nordic, and azure is set up for contoso"):
        here.cancel(theirs.id)


def test_several_resources_are_profiles_of_their_own(stage: Stage) -> None:
    north = {"provider": "azure", "endpoint": stage.emulator.endpoint("nordic"), "api_key_env": "NORTH_KEY", "api_version": DATED}
    with client_of(stage, providers={"north": north}, NORTH_KEY=stage.emulator.key("nordic")) as client:
        jobs = [client.submit(recipe(), provider=name) for name in ("azure", "north")]
        assert [job.uri.rpartition("/")[0] for job in jobs] == ["azure:contoso", "north:nordic"]
        done = [client.wait(job, timeout_s=100_000) for job in jobs]
    assert {job.state for job in done} == {JobState.SUCCEEDED}
    assert str(done[1].model).startswith("north:nordic/gpt-4.1-mini-2025-04-14.ft-")


# --- switches ----------------------------------------------------------------------------------------------------------------------------


def test_asking_twice_is_no_error_and_asking_for_what_cannot_be_says_the_state(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.clock.sleep(300)
    assert trainer.pause(made.id).state is JobState.PAUSING
    assert trainer.pause(made.id).state is JobState.PAUSING
    with pytest.raises(Refused, match=f"{made.id} is pausing, and cannot be asked to resume"):
        trainer.resume(made.id)
    stage.clock.sleep(60)
    assert trainer.fetch([made.id])[made.id].state is JobState.PAUSED
    assert trainer.resume(made.id).state is JobState.QUEUED
    assert trainer.cancel(made.id).state is JobState.CANCELLED
    assert trainer.cancel(made.id).state is JobState.CANCELLED
    with pytest.raises(Refused, match="is cancelled, and cannot be asked to pause"):
        trainer.pause(made.id)


def test_a_job_that_has_ended_cannot_be_cancelled(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.clock.sleep(36_000)
    with pytest.raises(Refused, match="is succeeded, and cannot be asked to cancel"):
        trainer.cancel(made.id)


def test_a_developer_job_is_followed_through_the_pauses_that_the_service_makes(tmp_path: Path) -> None:
    with staged(tmp_path, course=AzureCourse(interruptions=((0.4, 4000.0),))) as stage, client_of(stage) as client:
        submitted = client.submit(recipe(training_type="developer"), provider="azure")
        seen = {submitted.state}
        while not (now := client.job(submitted.uri)).state.terminal:
            seen.add(now.state)
            stage.clock.sleep(60)
        assert JobState.PAUSED in seen
        assert now.state is JobState.SUCCEEDED


def test_a_word_that_nobody_has_told_us_is_no_end(tmp_path: Path) -> None:
    found = canned(tmp_path, job(status="thawing", fine_tuned_model=None)).fetch(["contoso/ftjob-1"])["contoso/ftjob-1"]
    assert (found.state, found.provider_state) == (JobState.UNKNOWN, "thawing")


def test_jobs_are_deleted_where_the_version_can_and_else_it_is_said(stage: Stage) -> None:
    made = make(stage.trainer(), recipe())
    stage.clock.sleep(36_000)
    before = stage.emulator.log.count()
    with pytest.raises(Unsupported, match="v1 API documents no call that deletes a job"):
        stage.trainer().delete(made.id)
    assert stage.emulator.log.count() == before
    assert not stage.trainer().support(Capability.DELETE)
    dated = stage.trainer(api_version=DATED)
    dated.delete(made.id)
    assert made.id not in dated.fetch([made.id])
    with pytest.raises(NotFound):
        dated.delete(made.id)


# --- what came of it ---------------------------------------------------------------------------------------------------------------------


def test_a_whole_life_of_a_job_at_azure(tmp_path: Path) -> None:
    with staged(tmp_path, habits=AzureHabits(processing_s=30.0)) as stage, client_of(stage) as client:
        submitted = client.submit(recipe().model_copy(update={"suffix": "cards"}), provider="azure")
        done = client.wait(submitted, timeout_s=100_000)
        assert done.state is JobState.SUCCEEDED
        model = client.model(done)
        assert model.uri.startswith("azure:contoso/gpt-4.1-mini-2025-04-14.ft-")
        assert model.id.endswith("-cards")
        assert all(each.startswith("contoso/ftchkpt-") for each in model.checkpoints)
        assert (model.job_uri, model.details["training_type"]) == (done.uri, "global")
        messages = [event.message for event in client.events(done)]
        assert messages[-1] == "Job succeeded."
        assert client.metrics(done)[-1].step == 24
        assert done.cost is not None
        assert Decimal(done.cost) > 0
        folder = stage.trainer().download(done.provider_id or "", tmp_path / "results")
        assert (folder / "results.csv").read_text(encoding="utf-8").startswith("step,")


def test_a_submit_asks_no_more_than_two_requests_more_than_the_bare_sdk(stage: Stage) -> None:
    """Bare: the upload, the look whether it is processed, and the create."""
    with client_of(stage) as client:
        client.submit(recipe(), provider="azure")
    assert stage.emulator.log.count() <= 3 + 2


def test_events_after_a_mark_are_told_in_order_however_they_are_listed(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.clock.sleep(36_000)
    events = list(trainer.events(made.id))
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert list(trainer.events(made.id, events[4].id)) == events[5:]


def test_a_job_of_which_much_is_null_is_read_all_the_same(tmp_path: Path) -> None:
    (found,) = canned(tmp_path, job(method=None, trainingType=None, trained_tokens=None)).list()
    assert (found.state, found.error, found.method, found.model) == (
        JobState.SUCCEEDED,
        None,
        None,
        "contoso/gpt-4.1-mini-2025-04-14.ft-1",
    )


@pytest.mark.parametrize(
    ("changes", "usd"),
    [
        ({}, Decimal("1.2")),
        ({"trainingType": "developerTier"}, Decimal("0.8")),
        ({"trainingType": "standard"}, Decimal("1.6")),
        ({"trainingType": None}, None),
        ({"trained_tokens": None}, None),
        ({"status": "running"}, None),
        ({"status": "failed"}, Decimal(0)),
        ({"status": "failed", "method": {"type": "reinforcement"}}, None),
        ({"status": "cancelled", "trained_tokens": 0}, Decimal(0)),
        ({"status": "cancelled", "trained_tokens": None}, None),
        ({"status": "cancelled", "trained_tokens": 500_000}, Decimal("0.3")),
        ({"model": "gpt-4.1-2025-04-14"}, None),
        ({"model": "o4-mini-2025-04-16", "method": {"type": "reinforcement"}}, None),
    ],
)
def test_a_bill_follows_the_rules_and_is_not_known_where_they_are_silent(
    tmp_path: Path, changes: dict[str, Any], usd: Decimal | None
) -> None:
    """gpt-4.1 has two prices in the book, which contradict each other; reinforcement is billed by hours that nobody tells."""
    assert canned(tmp_path, job(**changes)).billed("contoso/ftjob-1") == usd


@pytest.mark.parametrize("chosen", ["standard", "global", "developer"])
def test_an_estimate_is_of_the_tier_that_is_asked_for(stage: Stage, chosen: str) -> None:
    quote = stage.trainer(training_type=chosen).estimate(recipe())
    assert quote.tier == {"standard": "regional"}.get(chosen, chosen)
    assert quote.lines[0].price == {"standard": Decimal("0.80"), "global": Decimal("0.60"), "developer": Decimal("0.40")}[chosen]


def test_a_token_that_cannot_be_renewed_in_the_middle_of_a_wait_leaves_the_job_as_it_was(stage: Stage) -> None:
    token = stage.emulator.token(role="user", life_s=900.0)
    environ = {**stage.settings().environ, "AZURE_OPENAI_API_KEY": "", "AZURE_OPENAI_AD_TOKEN": token}
    settings = Settings(home=stage.home, environ=environ)
    with Client(settings=settings, clock=stage.clock, providers=[azure_provider]) as client:
        submitted = client.submit(recipe(), provider="azure")
        stage.clock.sleep(2000)
        with pytest.raises(CredentialsRefused, match="refused the token of AZURE_OPENAI_AD_TOKEN") as refused:
            client.wait(submitted, timeout_s=100_000)
        assert token not in str(refused.value)
        left = client.job(submitted.uri)
    assert (left.state, left.missing_since) == (JobState.CREATED, None)


def test_a_token_of_entra_that_ends_in_the_middle_of_a_wait_is_fetched_anew(stage: Stage) -> None:
    trainer = AzureTrainer(
        stage.settings(credential="entra"), credential=lambda: Identity(lambda: stage.emulator.token(role="user", life_s=900.0))
    )
    made = make(trainer, recipe())
    for _ in range(10):
        stage.clock.sleep(1000)
        assert trainer.fetch([made.id])
    assert trainer.result(made.id).id.startswith("contoso/")


def test_a_token_of_entra_is_not_sent_to_a_port_of_this_machine_unless_it_was_given(stage: Stage) -> None:
    trainer = stage.trainer(credential=None, environ={"AZURE_OPENAI_ENDPOINT": stage.emulator.endpoint()})
    with pytest.raises(CredentialsRefused, match="gets no token of Microsoft Entra"):
        list(trainer.list())
    assert stage.emulator.log.count() == 0


def test_an_id_is_no_path(stage: Stage) -> None:
    trainer = stage.trainer(api_version=DATED)
    file_id = trainer.upload(trainer.plan(recipe()).files[0])
    with pytest.raises(NotFound):
        trainer.delete(f"contoso/../../files/{file_id}")
    assert trainer.file_state(file_id).state == "ready"


def test_a_role_that_may_look_but_not_train_gets_that_sentence(stage: Stage) -> None:
    trainer = AzureTrainer(stage.settings(credential="entra"), credential=lambda: Identity(lambda: stage.emulator.token(role="reader")))
    with pytest.raises(CredentialsRefused, match="may not do that in contoso") as refused:
        trainer.upload(trainer.plan(recipe()).files[0])
    assert "Foundry User" in refused.value.remedy


def test_the_catalogue_is_azures_own(stage: Stage) -> None:
    found = {base.id: base for base in stage.trainer().catalogue()}
    assert found["gpt-4.1-mini-2025-04-14"].methods == ("sft", "dpo")
    assert "2027-04-14" in found["gpt-4.1-mini-2025-04-14"].note
