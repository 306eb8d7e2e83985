"""Files at Azure: listed as its reference has it, kept for a month, and found again before they have a size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tuneport_azure import provider as azure_provider
from tuneport_azure.adapter.trainer import AzureTrainer
from tuneport_azure.wire.plans import ImportedFile

from tuneport import Client
from tuneport.dataset import Dataset
from tuneport.errors import Ambiguous, NotFound, Refused, Unreachable
from tuneport.examples import Message, PreferenceExample
from tuneport.plan import PlannedFile
from tuneport.provider import ProviderSettings
from tuneport.recipe import DPO, Recipe
from tuneport.settings import Settings
from tuneport.testing import SimulatedClock

from .azure_emulated import chat_rows, dated, lines, v1
from .azure_stage import DATED, Stage, recipe, staged

UPLOAD = "POST /{resource}/openai/v1/files"
ENVIRON = {"AZURE_OPENAI_ENDPOINT": "https://contoso.openai.azure.com", "AZURE_OPENAI_API_KEY": "k" * 32}
ROWS = "https://account.blob.core.windows.net/rows/a.jsonl?sig=sgn0123456789abcdefghijklmnop"
MONTH_S = 30 * 86_400

Answer = Callable[[httpx2.Request], tuple[int, Any]]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


class Played:
    """A trainer whose resource answers what a test says; `asked` is what it was asked for."""

    def __init__(self, home: Path, answer: Answer, **profile: Any) -> None:
        self.asked: list[httpx2.Request] = []
        self.clock = SimulatedClock()
        self._answer = answer
        environ = {**ENVIRON, "ROWS_URL": ROWS}
        settings = ProviderSettings(name="azure", home=home, environ=environ, profile=profile, clock=self.clock)
        self.trainer = AzureTrainer(settings, http_client=httpx2.Client(transport=httpx2.MockTransport(self._take)))

    def _take(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.asked.append(request)
        status, body = self._answer(request)
        return httpx2.Response(status, json=body)

    @property
    def calls(self) -> list[tuple[str, str]]:
        return [(each.method, each.url.path.removeprefix("/openai").removeprefix("/v1")) for each in self.asked]

    def file(self, **options: Any) -> PlannedFile:
        return self.trainer.plan(recipe(**options)).files[0]

    def imported(self) -> PlannedFile:
        found = self.file(import_env={"train": "ROWS_URL"})
        assert isinstance(found, ImportedFile)
        return found


def row(file_id: str, file: PlannedFile, **changes: Any) -> dict[str, Any]:
    return {"id": file_id, "filename": file.name, "bytes": file.size_bytes, "created_at": 1_795_000_000, "status": "processed"} | changes


def listing(*rows: Mapping[str, Any], **more: Any) -> Answer:
    return lambda request: (200, {"object": "list", "data": list(rows), **more})


# --- the list ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, DATED])
def test_the_list_of_files_is_asked_for_once_by_its_purpose_and_nothing_else(tmp_path: Path, version: str | None) -> None:
    profile = {"api_version": version} if version else {}
    file = Played(tmp_path, listing()).file()
    rows = [row("file-old", file), row("file-new", file, created_at=1_795_000_900), row("file-odd", file, created_at=None)]
    played = Played(tmp_path, listing(*rows), **profile)
    assert played.trainer.find_file(file) == "file-new"
    (asked,) = played.asked
    assert dict(asked.url.params) == {"purpose": "fine-tune", **({"api-version": version} if version else {})}


def test_where_the_service_says_that_there_are_more_files_they_are_asked_for(tmp_path: Path) -> None:
    file = Played(tmp_path, listing()).file()

    def answer(request: httpx2.Request) -> tuple[int, Any]:
        first = "after" not in request.url.params
        data = [row("file-1", file, filename="another.jsonl")] if first else [row("file-2", file)]
        return 200, {"data": data, "has_more": first}

    played = Played(tmp_path, answer)
    assert played.trainer.find_file(file) == "file-2"
    assert [each.url.params.get("after") for each in played.asked] == [None, "file-1"]


def test_a_file_that_has_no_size_yet_is_known_by_its_name(tmp_path: Path) -> None:
    file = Played(tmp_path, listing()).file()
    assert Played(tmp_path, listing(row("file-1", file, bytes=None, status="pending"))).trainer.find_file(file) == "file-1"
    assert Played(tmp_path, listing(row("file-1", file, bytes=1))).trainer.find_file(file) is None
    assert Played(tmp_path, listing(row("file-1", file, bytes=None, filename="another.jsonl"))).trainer.find_file(file) is None


# --- how long they are kept -------------------------------------------------------------------------------------------------------------


def test_in_the_v1_api_a_file_is_uploaded_for_the_longest_time_and_the_plan_says_so(tmp_path: Path) -> None:
    played = Played(tmp_path, lambda request: (201, {"id": "file-1"}))
    planned = played.trainer.plan(recipe())
    assert planned.sends[0].body["expires_after"] == {"anchor": "created_at", "seconds": MONTH_S}
    assert any("dropped by the vendor after 30 days" in note and "tuneport archive" in note for note in planned.notes)
    played.trainer.upload(planned.files[0])
    sent = played.asked[0].content
    assert b'name="expires_after[anchor]"\r\n\r\ncreated_at\r\n' in sent
    assert b'name="expires_after[seconds]"\r\n\r\n2592000\r\n' in sent


def test_a_dated_version_is_not_asked_how_long_it_keeps_a_file(tmp_path: Path) -> None:
    played = Played(tmp_path, lambda request: (201, {"id": "file-1"}), api_version=DATED)
    planned = played.trainer.plan(recipe())
    assert "expires_after" not in planned.sends[0].body
    assert not any("30 days" in note for note in planned.notes)
    played.trainer.upload(planned.files[0])
    assert b"expires_after" not in played.asked[0].content


def test_a_plan_that_uploads_nothing_says_nothing_of_uploads(tmp_path: Path) -> None:
    planned = Played(tmp_path, listing()).trainer.plan(recipe(import_env={"train": "ROWS_URL"}))
    assert not any("30 days" in note for note in planned.notes)


def test_a_file_that_has_been_dropped_is_uploaded_again(stage: Stage) -> None:
    settings = Settings(home=stage.home, environ=stage.settings().environ)
    with Client(settings=settings, clock=stage.clock, providers=[azure_provider]) as client:
        for seed, uploads in ((1, 1), (2, 1), (3, 2)):
            job = client.submit(recipe().model_copy(update={"seed": seed}), provider="azure")
            assert stage.emulator.log.count(UPLOAD) == uploads
            client.wait(job, timeout_s=100_000)
            if seed == 2:
                stage.clock.sleep(MONTH_S)


def test_the_emulated_service_keeps_a_file_as_long_as_it_was_asked_to(stage: Stage) -> None:
    client = v1(stage.emulator)
    file = ("rows.jsonl", lines(chat_rows()))
    kept = client.files.create(file=file, purpose="fine-tune", expires_after={"anchor": "created_at", "seconds": 3600})
    assert kept.expires_at == kept.created_at + 3600
    assert client.files.create(file=file, purpose="fine-tune").expires_at is None
    stage.clock.sleep(timedelta(hours=1).total_seconds())
    assert kept.id not in [each.id for each in client.files.list().data]
    from openai import BadRequestError

    for ask, seconds in ((client, 30), (client, MONTH_S + 1), (dated(stage.emulator), 3600)):
        with pytest.raises(BadRequestError):
            ask.files.create(file=file, purpose="fine-tune", expires_after={"anchor": "created_at", "seconds": seconds})


# --- those that the vendor fetches ------------------------------------------------------------------------------------------------------


def importing(*rows: tuple[int, Any]) -> Answer:
    """A service that takes an import and then says, look by look, what is given; the last again and again."""
    left = list(rows)

    def answer(request: httpx2.Request) -> tuple[int, Any]:
        if request.method != "GET":
            return 201, {"id": "file-1", "status": "pending"}
        status, body = left.pop(0) if len(left) > 1 else left[0]
        return status, {"data": [body]} if request.url.path.endswith("/files") else body

    return answer


UNHEARD = (404, {"error": {"code": "notFound", "message": "no such file"}})


def test_an_imported_file_whose_size_comes_late_is_taken(tmp_path: Path) -> None:
    file = Played(tmp_path, listing()).imported()
    played = Played(tmp_path, importing(UNHEARD, UNHEARD, (200, row("file-1", file, bytes=None)), (200, row("file-1", file))))
    assert played.trainer.upload(file) == "file-1"
    assert "DELETE" not in [method for method, _ in played.calls]


def test_an_imported_file_whose_size_nobody_tells_stays_and_is_not_imported_again(tmp_path: Path) -> None:
    file = Played(tmp_path, listing()).imported()
    played = Played(tmp_path, importing((200, row("file-1", file, bytes=None))))
    with pytest.raises(Ambiguous, match="does not tell its size"):
        played.trainer.upload(file)
    with pytest.raises(Unreachable, match="does not tell its size"):
        played.trainer.find_file(file)
    assert [call for call in played.calls if call[0] != "GET"] == [("POST", "/files/import")]


def test_an_imported_file_that_stays_unknown_is_said_to_be_gone(tmp_path: Path) -> None:
    file = Played(tmp_path, listing()).imported()
    with pytest.raises(NotFound):
        Played(tmp_path, importing(UNHEARD)).trainer.upload(file)


def test_an_import_whose_answer_was_lost_is_found_while_it_is_pending_and_still_compared(tmp_path: Path) -> None:
    file = Played(tmp_path, listing()).imported()
    pending = (200, row("file-1", file, bytes=None, status="pending"))
    played = Played(tmp_path, importing(pending, pending, (200, row("file-1", file))))
    assert played.trainer.find_file(file) == "file-1"
    with pytest.raises(Refused, match="is not the planned train file"):
        Played(tmp_path, importing(pending, pending, (200, row("file-1", file, bytes=7)))).trainer.find_file(file)


# --- what is found again, and read ------------------------------------------------------------------------------------------------------


def job(**changes: Any) -> dict[str, Any]:
    echoed = {"n_epochs": -1, "batch_size": -1, "learning_rate_multiplier": 1}
    plain = {"id": "ftjob-1", "created_at": 1_795_000_000, "status": "pending", "model": "gpt-4.1-mini-2025-04-14", "seed": 0}
    return plain | {"training_file": "file-1", "method": None, "hyperparameters": echoed} | changes


def pairs() -> Recipe:
    rows = [
        PreferenceExample((Message("user", f"ask {n}"),), (Message("assistant", "good"),), (Message("assistant", "bad"),))
        for n in range(12)
    ]
    return Recipe(base="gpt-4.1-mini", train=Dataset.from_examples(rows, name="pairs"), method=DPO())


@pytest.mark.parametrize("changes", [{}, {"model": "gpt-4.1-mini"}, {"hyperparameters": None}])
@pytest.mark.parametrize("wanted", [recipe(), pairs()])
def test_a_lost_job_is_found_though_the_service_says_little_of_it(tmp_path: Path, wanted: Recipe, changes: dict[str, Any]) -> None:
    plan = Played(tmp_path, listing()).trainer.plan(wanted)
    files, jobs = listing(row("file-1", plan.files[0])), listing(job(**changes))
    trainer = Played(tmp_path, lambda request: (files if request.url.path.endswith("/files") else jobs)(request)).trainer
    found = trainer.find("c" * 32, plan)
    assert found is not None
    assert found.provider_id == "contoso/ftjob-1"


def test_a_time_beyond_all_calendars_and_a_results_file_that_is_null_are_no_error(tmp_path: Path) -> None:
    odd = job(created_at=1e20, result_files=[None], status="succeeded")

    def answer(request: httpx2.Request) -> tuple[int, Any]:
        return 200, odd if request.url.path.endswith("/ftjob-1") else {"data": [odd] if request.url.path.endswith("/jobs") else []}

    trainer = Played(tmp_path, answer).trainer
    (found,) = trainer.list()
    assert found.created_at is None
    assert list(trainer.metrics("contoso/ftjob-1")) == []
