"""Files that Azure fetches by itself: the planned ones or none, and nobody sees the address."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import quote, unquote, unquote_plus

import httpx2
import pytest
from tuneport_azure import provider as azure_provider
from tuneport_azure.adapter.signed_addresses import without_addresses
from tuneport_azure.adapter.trainer import AzureTrainer

from tuneport import Client
from tuneport.errors import ConfigError, Refused, TuneportError
from tuneport.plan import Plan, PlannedFile
from tuneport.provider import ProviderSettings
from tuneport.settings import Settings
from tuneport.testing import SimulatedClock

from .azure_stage import Stage, recipe, staged

SECRET = "sgn0123456789abcdefghijklmnop"
WANTED = recipe(import_env={"train": "ROWS_URL"})


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


def bytes_of(file: PlannedFile) -> bytes:
    return b"".join(file.chunks())


def trainer(stage: Stage, data: bytes, *, url: str | None = None) -> AzureTrainer:
    url = url or stage.emulator.publish("rows.jsonl", data, signature=SECRET)
    return stage.trainer(environ={**stage.settings().environ, "ROWS_URL": url})


def plan(stage: Stage) -> Plan:
    return stage.trainer().plan(recipe())


def test_a_file_is_fetched_and_found_again_as_if_it_had_been_uploaded(stage: Stage) -> None:
    (planned,) = plan(stage).files
    fetching = trainer(stage, bytes_of(planned))
    (file,) = fetching.plan(WANTED).files
    file_id = fetching.upload(file)
    assert b"".join(fetching.file_content(file_id)) == bytes_of(planned)
    assert fetching.find_file(planned) == file_id
    assert stage.emulator.log.count("POST /{resource}/openai/v1/files") == 0


def test_a_job_of_a_fetched_file_goes_its_whole_way(stage: Stage) -> None:
    url = stage.emulator.publish("rows.jsonl", bytes_of(plan(stage).files[0]), signature=SECRET)
    settings = Settings(home=stage.home, environ={**stage.settings().environ, "ROWS_URL": url})
    with Client(settings=settings, clock=stage.clock, providers=[azure_provider]) as client:
        done = client.wait(client.submit(WANTED, provider="azure"), timeout_s=100_000)
    assert done.state.value == "succeeded"
    kept = b"".join(path.read_bytes() for path in stage.home.rglob("*") if path.is_file())
    assert SECRET.encode() not in kept


def test_another_file_than_the_planned_one_is_refused_and_deleted(stage: Stage) -> None:
    (planned,) = plan(stage).files
    fetching = trainer(stage, bytes_of(planned).removeprefix(b"\xef\xbb\xbf"))
    with pytest.raises(Refused, match="is not the planned train file") as refused:
        fetching.upload(fetching.plan(WANTED).files[0])
    assert "byte order mark" in refused.value.remedy
    assert not stage.emulator.world.files


def test_an_address_that_cannot_be_read_is_told_by_its_variable(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    fetching = trainer(stage, b"", url=f"{stage.emulator.management_url}/blobs/none.jsonl?sv=2025-01-05&sig={SECRET}")
    with caplog.at_level(logging.DEBUG), pytest.raises(Refused, match="ROWS_URL") as refused:
        fetching.upload(fetching.plan(WANTED).files[0])
    assert SECRET not in str(refused.value) + refused.value.reason + repr(vars(refused.value)) + caplog.text


def test_a_plan_shows_the_variable_and_never_the_address(stage: Stage) -> None:
    planned = trainer(stage, b"x").plan(WANTED)
    assert [request.call for request in planned.sends] == ["POST /files/import", "POST /fine_tuning/jobs"]
    assert planned.sends[0].body["content_url"] == "{ROWS_URL}"
    assert SECRET not in repr(planned) + repr(planned.to_dict())
    assert planned.fingerprint == plan(stage).fingerprint


@pytest.mark.parametrize(
    "url", ["", "rows.jsonl", f"http://account.blob.core.windows.net/rows?sig={SECRET}", f"ftp://host/rows?sig={SECRET}"]
)
def test_a_variable_without_an_address_is_refused_before_anything_is_sent(stage: Stage, url: str) -> None:
    with pytest.raises(ConfigError, match="ROWS_URL") as refused:
        stage.trainer(environ={**stage.settings().environ, "ROWS_URL": url}).plan(WANTED)
    assert SECRET not in str(refused.value)
    assert stage.emulator.log.count() == 0


SIGNATURE = "Ab%2BcdEFghijkLMNop%2FqrsTUVwxyz0123456789abcde%3D"
SIGNED = f"https://account.blob.core.windows.net/c/rows.jsonl?sv=2024-11-04&se=2026-12-01T00%3A00%3A00Z&sr=b&sp=r&sig={SIGNATURE}"
TOLD = {
    "the address": SIGNED,
    "it decoded": unquote(SIGNED),
    "it encoded once more": quote(SIGNED, safe=""),
    "it escaped for HTML": escape(SIGNED),
    "its query": SIGNED.partition("?")[2],
    "its query escaped": escape(SIGNED.partition("?")[2]),
    "the signature": SIGNATURE,
    "it in small letters' escapes": SIGNATURE.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d"),
    "the signature decoded": unquote(SIGNATURE),
    "it as a form has it": unquote_plus(unquote(SIGNATURE)),
    "the signature without its end": unquote(SIGNATURE).rstrip("="),
    "its middle": SIGNATURE[8:-8],
    "it as JSON has it": unquote(SIGNATURE).replace("/", "\\/").replace("+", "\\u002b").replace("=", "\\u003D"),
}


def pieces(text: str) -> set[str]:
    """Ten characters of it in a row, whatever their case."""
    plain = unquote(text).casefold()
    return {plain[start : start + 10] for start in range(len(plain) - 9)}


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
@pytest.mark.parametrize("where", ["refusal", "no clear answer", "state"])
def test_no_form_of_a_signed_address_is_repeated(told: str, where: str, tmp_path: Path) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        words = {"error": {"code": "fileImportFailed", "message": f"cannot read {told}, which has expired"}}
        if request.method == "POST" and where != "state":
            return httpx2.Response(400 if where == "refusal" else 500, json=words)
        return httpx2.Response(200, json={"id": "file-1", "status": "error", "status_details": words["error"]["message"]})

    environ = {"AZURE_OPENAI_ENDPOINT": "https://contoso.openai.azure.com", "AZURE_OPENAI_API_KEY": "k" * 32, "ROWS_URL": SIGNED}
    settings = ProviderSettings(name="azure", home=tmp_path, environ=environ, profile={}, clock=SimulatedClock())
    fetching = AzureTrainer(settings, http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))
    with pytest.raises(TuneportError, match="ROWS_URL") as caught:
        fetching.upload(fetching.plan(WANTED).files[0])
    said = f"{caught.value!r} {caught.value} {vars(caught.value)} {fetching.file_state('file-1')}"
    assert "which has expired" in said
    assert not pieces(said) & pieces(SIGNATURE)


def test_what_is_no_secret_of_an_address_stays_readable() -> None:
    said = "The token expired at 2026-12-01, for rows.jsonl in account.blob.core.windows.net."
    assert without_addresses(said, {"ROWS_URL": SIGNED}) == said
