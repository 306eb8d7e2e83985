"""What Azure's emulator refuses on the data plane, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx2
import openai
import pytest
from openai import AzureOpenAI, OpenAI
from tuneport_azure.emulator import UNLIMITED, AzureEmulator, AzureHabits, Quotas

from tuneport.testing.emulator import SteppedClock

from .azure_emulated import GA, GPT, PREVIEW, begun, chat_rows, dated, lines, tuned, upload, v1

MISLEADING = "The specified base model does not support fine-tuning."
UNPARSABLE = "The fineTuningJob field is required."
KEY = "Access denied due to invalid subscription key or wrong API endpoint"


def refused(ask: Callable[[], object], kind: type[openai.APIStatusError] = openai.BadRequestError) -> tuple[str | None, str]:
    """Code and message."""
    with pytest.raises(kind) as caught:
        ask()
    body: Any = caught.value.body
    assert caught.value.type is None
    assert caught.value.param is None
    return caught.value.code, str(body["message"])


# --- training types ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, PREVIEW])
def test_without_a_training_type_the_refusal_misleads(emulator: AzureEmulator, clock: SteppedClock, version: str | None) -> None:
    client = v1(emulator) if version is None else dated(emulator, version)
    assert refused(lambda: begun(client, clock, tier=None)) == ("invalidPayload", MISLEADING)
    assert refused(lambda: begun(client, clock, tier="Standard")) == ("invalidPayload", MISLEADING)
    assert client.fine_tuning.jobs.list().data == []


def test_a_missing_training_type_is_standard_where_the_region_has_it(emulator: AzureEmulator, clock: SteppedClock) -> None:
    job: Any = begun(v1(emulator, resource="nordic"), clock, tier=None)
    assert job.trainingType == "Standard"


@pytest.mark.parametrize(
    ("said", "canonical"),
    [
        ("GlobalStandard", "GlobalStandard"),
        ("globalstandard", "GlobalStandard"),
        ("globalStandard", "GlobalStandard"),
        (1, "GlobalStandard"),
        ("developerTier", "developerTier"),
        ("DeveloperTier", "developerTier"),
        ("Standard", "Standard"),
        (0, "Standard"),
    ],
)
def test_a_training_type_is_read_whatever_its_capitals(emulator: AzureEmulator, clock: SteppedClock, said: object, canonical: str) -> None:
    job: Any = begun(v1(emulator, resource="nordic"), clock, tier=said)
    assert job.trainingType == canonical


@pytest.mark.parametrize("said", ["Developer", "global", "Global Standard", "", 2, True, {"type": "Standard"}, ["Standard"]])
def test_an_unknown_training_type_makes_the_whole_body_unreadable(client: OpenAI, clock: SteppedClock, said: object) -> None:
    assert refused(lambda: begun(client, clock, tier=said)) == ("invalidPayload", UNPARSABLE)


@pytest.mark.parametrize("tier", [None, "Standard", "GlobalStandard", "developerTier"])
def test_a_region_without_fine_tuning_says_the_same_sentence(emulator: AzureEmulator, clock: SteppedClock, tier: str | None) -> None:
    assert refused(lambda: begun(v1(emulator, resource="remote"), clock, tier=tier)) == ("invalidPayload", MISLEADING)


def test_a_newer_wording_names_the_base_and_the_training_type(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, habits=AzureHabits(names_training_type=True)) as emulator:
        said = refused(lambda: begun(v1(emulator), clock, tier=None))
        assert said[1] == f"The specified base model {GPT} does not support fine-tuning with Standard TrainingType."


# --- jobs -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["gpt-5", "gpt-4.2", "gpt-4o-audio-preview", "gpt-4.1-mini-2025-04-14.ft-0"])
def test_a_model_that_cannot_be_trained_is_refused(client: OpenAI, clock: SteppedClock, model: str) -> None:
    assert refused(lambda: begun(client, clock, model=model)) == ("invalidPayload", MISLEADING)


def test_a_tune_of_an_open_model_is_not_trained_on(client: OpenAI, clock: SteppedClock) -> None:
    first = tuned(client, clock, model="gpt-oss-20b")
    assert first.fine_tuned_model.startswith("gpt-oss-20b.ft-")
    assert refused(lambda: begun(client, clock, model=first.fine_tuned_model)) == ("invalidPayload", MISLEADING)


def test_a_base_is_not_trained_past_its_day(client: OpenAI, clock: SteppedClock) -> None:
    clock.advance(146 * 24 * 3600)
    assert refused(lambda: begun(client, clock)) == ("invalidPayload", MISLEADING)


def test_an_unprocessed_file_makes_no_job(client: OpenAI, clock: SteppedClock) -> None:
    file = client.files.create(file=("rows.jsonl", lines(chat_rows())), purpose="fine-tune")
    ask: Callable[[], object] = lambda: client.fine_tuning.jobs.create(  # noqa: E731
        model=GPT, training_file=file.id, extra_body={"trainingType": "GlobalStandard"}
    )
    words = "The specified file reference must point to a completed file import."
    assert refused(ask) == ("invalidPayload", words)
    clock.advance(4.9)
    assert refused(ask) == ("invalidPayload", words)
    clock.advance(0.1)
    ask()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"training_file": "file-0"}, "does not exist"),
        ({"suffix": "a" * 19}, "18 characters"),
        ({"suffix": "v1.2"}, "18 characters"),
        ({"suffix": ""}, "18 characters"),
        ({"seed": -1}, "seed"),
        ({"extra_body": {"trainingType": "GlobalStandard", "colour": "red"}}, "colour"),
        ({"extra_body": {"trainingType": "GlobalStandard", "training_type": "Standard"}}, "training_type"),
        ({"method": {"type": "magic"}}, "magic"),
        ({"method": {"type": "reinforcement"}, "validation_file": "file-0"}, "method.reinforcement"),
        ({"method": {"type": "dpo"}, "hyperparameters": {"n_epochs": 2}}, "method.dpo.hyperparameters"),
        ({"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 0}}}}, "n_epochs"),
        ({"model": "gpt-4o-mini", "method": {"type": "dpo"}}, "does not support the dpo method"),
        ({"model": "o4-mini"}, "Finetuning with o4-mini requires the reinforcement method of finetuning."),
        ({"integrations": [{"type": "wandb"}]}, "wandb"),
    ],
    ids=str,
)
def test_a_request_that_can_become_no_job_is_refused(client: OpenAI, clock: SteppedClock, asked: dict[str, Any], words: str) -> None:
    code, message = refused(lambda: begun(client, clock, **asked))
    assert code == "invalidPayload"
    assert words in message
    assert client.fine_tuning.jobs.list().data == []


def test_a_suffix_may_have_18_characters(client: OpenAI, clock: SteppedClock) -> None:
    job: Any = begun(client, clock, suffix="a" * 18)
    assert job.suffix == "a" * 18


def test_what_is_not_there_is_not_found(client: OpenAI, clock: SteppedClock) -> None:
    jobs, job = client.fine_tuning.jobs, begun(client, clock)
    for ask in (
        lambda: jobs.retrieve("ftjob-0"),
        lambda: jobs.cancel("ftjob-0"),
        lambda: jobs.checkpoints.list("ftjob-0"),
        lambda: jobs.list(after="ftjob-0"),
        lambda: jobs.list_events(job.id, after="ftevent-0"),
        lambda: client.files.content("file-0"),
        lambda: client.models.retrieve("gpt-0"),
        lambda: client.uploads.complete("upload_0", part_ids=[]),
    ):
        assert refused(ask, openai.NotFoundError)[0] == "notFound"


# --- files ------------------------------------------------------------------------------------------------------------------------------


def test_files_are_checked_when_they_come(client: OpenAI) -> None:
    for ask in (
        lambda: client.files.create(file=("rows.csv", b"a"), purpose="fine-tune"),
        lambda: client.files.create(file=("rows.jsonl", b"a"), purpose="training"),  # type: ignore[arg-type]
        lambda: client.files.create(file=("rows.jsonl", b"a"), purpose="fine-tune", extra_body={"colour": "red"}),
    ):
        assert refused(ask)[0] == "invalidPayload"
    assert client.files.list().data == []


def test_a_file_that_is_too_large_is_refused(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, habits=AzureHabits(largest_file_bytes=1000)) as emulator:
        client = v1(emulator)
        ask: Callable[[], object] = lambda: client.files.create(file=("rows.jsonl", b"x" * 1001), purpose="fine-tune")  # noqa: E731
        assert refused(ask, openai.APIStatusError)[1] == "The maximum allowed size is 512 MB."
        client.files.create(file=("rows.jsonl", b"x" * 1000), purpose="fine-tune")


# --- quotas -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 429])
def test_a_resource_has_room_for_so_many_jobs(clock: SteppedClock, status: int) -> None:
    quotas = Quotas(running_jobs=None, waiting_jobs=None, jobs=2)
    with AzureEmulator(clock=clock, quotas=quotas, habits=AzureHabits(quota_status=status)) as emulator:
        client = v1(emulator)
        for _ in range(2):
            begun(client, clock)
        clock.advance(10_000)
        with pytest.raises(openai.APIStatusError) as full:
            begun(client, clock)
        assert (full.value.status_code, full.value.code) == (status, "quotaExceeded")
        assert begun(v1(emulator, resource="nordic"), clock).status == "pending"


def test_so_many_jobs_may_wait(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, quotas=Quotas(waiting_jobs=1)) as emulator:
        client = v1(emulator)
        for _ in range(2):
            begun(client, clock)
        assert refused(lambda: begun(client, clock))[0] == "quotaExceeded"
        clock.advance(10_000)
        assert begun(client, clock).status == "pending"


def test_a_resource_has_room_for_so_many_files(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, quotas=Quotas(files=2)) as emulator:
        client = v1(emulator)
        files = [upload(client, clock) for _ in range(2)]
        assert refused(lambda: upload(client, clock))[0] == "quotaExceeded"
        client.files.delete(files[0])
        upload(client, clock)


def test_quotas_can_be_lifted(clock: SteppedClock) -> None:
    with AzureEmulator(clock=clock, quotas=UNLIMITED) as emulator:
        client = v1(emulator)
        file_id = upload(client, clock)
        for _ in range(130):
            client.fine_tuning.jobs.create(model=GPT, training_file=file_id, extra_body={"trainingType": "GlobalStandard"})
        clock.advance(120)
        assert {job.status for job in client.fine_tuning.jobs.list(limit=100)} == {"running"}


# --- who may come in --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["wrong", "nordic"])
def test_a_wrong_key_and_the_key_of_another_resource_get_one_answer(emulator: AzureEmulator, key: str) -> None:
    key = emulator.key("nordic") if key == "nordic" else key
    for client in (v1(emulator, key), dated(emulator, key=key), dated(emulator, GA, key=key)):
        code, message = refused(client.fine_tuning.jobs.list, openai.AuthenticationError)
        assert code == "401"
        assert message.startswith(KEY)


def bare(emulator: AzureEmulator, path: str, method: str = "GET", **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.request(method, f"{emulator.endpoint()}{path}", headers=named)


def test_a_key_comes_as_a_bearer_on_v1_only_and_as_api_key_everywhere(emulator: AzureEmulator) -> None:
    key, path = emulator.key(), f"/openai/files?api-version={GA}"
    assert bare(emulator, "/openai/v1/files", api_key=key).status_code == 200
    assert bare(emulator, "/openai/v1/files", Authorization=f"Bearer {key}").status_code == 200
    assert bare(emulator, path, api_key=key).status_code == 200
    assert bare(emulator, path, Authorization=f"Bearer {key}").status_code == 401
    assert bare(emulator, path).status_code == 401


@pytest.mark.parametrize("query", ["", "?api-version=2019-01-01", "?api-version=v1", f"?api-version={GA}&api-version={GA}"])
def test_a_dated_path_needs_a_version_that_is_known(emulator: AzureEmulator, query: str) -> None:
    answer = bare(emulator, f"/openai/files{query}", api_key=emulator.key())
    assert (answer.status_code, answer.json()) == (404, {"error": {"code": "404", "message": "Resource not found"}})


def test_v1_takes_no_dated_version(emulator: AzureEmulator) -> None:
    for path in ("/openai/v1/files", "/api/projects/p/openai/v1/files"):
        answer = bare(emulator, f"{path}?api-version={PREVIEW}", api_key=emulator.key())
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, "API version not supported")


def test_a_project_takes_no_version_at_all(emulator: AzureEmulator) -> None:
    paths = ("/openai/v1/files", "/api/projects/p/openai/v1/files")
    answers = [bare(emulator, f"{path}?api-version=preview", api_key=emulator.key()) for path in paths]
    assert [answer.status_code for answer in answers] == [200, 400]


def test_a_doubled_path_and_an_unknown_resource_are_not_there(emulator: AzureEmulator) -> None:
    key = emulator.key()
    doubled = AzureOpenAI(azure_endpoint=emulator.v1_url(), api_key=key, api_version=PREVIEW, max_retries=0)
    with doubled:
        assert refused(doubled.files.list, openai.NotFoundError) == ("404", "Resource not found")
    stranger = OpenAI(base_url=f"{emulator.server.url}/stranger/openai/v1/", api_key=key, max_retries=0)
    with stranger:
        assert refused(stranger.files.list, openai.NotFoundError) == ("404", "Resource not found")


def test_entra_tokens_come_in_on_both_forms(emulator: AzureEmulator, clock: SteppedClock) -> None:
    token = emulator.token(role="user")
    for client in (v1(emulator, lambda: token), dated(emulator, azure_ad_token_provider=lambda: token)):
        assert begun(client, clock).status == "pending"


def test_a_token_expires_is_revoked_or_was_meant_for_others(emulator: AzureEmulator, clock: SteppedClock) -> None:
    short, other = emulator.token(life_s=60), emulator.token(audience="https://management.azure.com")
    revoked = emulator.token()
    client = v1(emulator, lambda: short)
    client.fine_tuning.jobs.list()
    clock.advance(60)
    emulator.revoke(revoked)
    for wrong in (
        client,
        v1(emulator, lambda: other),
        v1(emulator, lambda: revoked),
        dated(emulator, azure_ad_token_provider=lambda: short),
    ):
        with pytest.raises(openai.AuthenticationError) as caught:
            wrong.fine_tuning.jobs.list()
        body: Any = caught.value.body
        assert (caught.value.code, body["statusCode"]) == (None, 401)


def test_a_role_may_be_too_little(emulator: AzureEmulator, clock: SteppedClock) -> None:
    reader, nobody = (emulator.token(role=role) for role in ("reader", "nobody"))
    elsewhere = emulator.token(role="user", resources=["nordic"])
    v1(emulator, lambda: reader).fine_tuning.jobs.list()
    for ask in (
        partial(v1(emulator, lambda: reader).fine_tuning.jobs.cancel, "ftjob-0"),
        v1(emulator, lambda: nobody).fine_tuning.jobs.list,
        v1(emulator, lambda: elsewhere).fine_tuning.jobs.list,
    ):
        code, message = refused(ask, openai.AuthenticationError)
        assert code == "PermissionDenied"
        assert "lacks the required data action" in message


def test_keys_can_be_switched_off_and_the_network_closed(emulator: AzureEmulator, client: OpenAI) -> None:
    token = emulator.token()
    emulator.resource().keys_disabled = True
    assert refused(client.files.list, openai.PermissionDeniedError)[0] == "AuthenticationTypeDisabled"
    v1(emulator, lambda: token).files.list()
    emulator.resource().network_closed = True
    code, message = refused(v1(emulator, lambda: token).files.list, openai.PermissionDeniedError)
    assert (code, message) == ("403", "Access denied due to Virtual Network/Firewall rules.")
