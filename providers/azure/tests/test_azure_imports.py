"""Files that Azure fetches by itself: the planned ones or none, and nobody sees the address."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tuneport_azure import provider as azure_provider
from tuneport_azure.adapter.trainer import AzureTrainer

from tuneport import Client
from tuneport.errors import ConfigError, Refused
from tuneport.plan import Plan, PlannedFile
from tuneport.settings import Settings

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
