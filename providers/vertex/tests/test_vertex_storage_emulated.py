"""Files and media from submit to clean-up, over the emulated Vertex AI and Cloud Storage."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from tuneport_vertex import provider as vertex_provider
from tuneport_vertex.adapter.trainer import VertexTrainer
from tuneport_vertex.emulator import EUROPEAN_BUCKET, Habits

from tuneport import Client
from tuneport.cli import main
from tuneport.dataset import Dataset
from tuneport.errors import Unreachable
from tuneport.examples import ChatExample, ImagePart, Message, TextPart
from tuneport.plan import Plan, PlannedFile
from tuneport.recipe import SFT, Recipe
from tuneport.registry import JobRegistry
from tuneport.settings import Settings
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator import FaultPlan
from tuneport.upload import upload_files

from .vertex_bucket import planned
from .vertex_stage import GEMINI, Stage, chats, staged

LARGE = random.Random(11).randbytes(20_000_000)
IMAGES = [b"\x89PNG\r\n\x1a\n" + bytes([number]) for number in range(3)]
DAY_S = 86_400.0
Shell = Callable[..., Run]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """The environment names the platform, for datasets that are read before anybody asks a client."""
    with staged(tmp_path) as stage:
        for name, value in stage.emulator.exports.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TUNEPORT_CONFIG", str(tmp_path / "none.toml"))
        monkeypatch.chdir(tmp_path)
        yield stage


@pytest.fixture
def shell(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Shell:
    def typed(*words: object, environ: Mapping[str, str] | None = None) -> Run:
        def opening(home: Path | None) -> Client:
            settings = Settings(home=stage.home / "home", environ={**stage.settings().environ, **(environ or {})})
            return Client(settings=settings, clock=stage.clock, providers=[vertex_provider])

        code = main([str(word) for word in words], opening=opening)
        return Run(code, *capsys.readouterr())

    return typed


def submitted(shell: Shell, rows: object, *more: object, **how: Any) -> Run:
    return shell("submit", rows, "--base", GEMINI, "--provider", "vertex", "--epochs", 2, "--yes", "--json", *more, **how)


def pictures(folder: Path, *, rows: int = 24) -> Path:
    """Rows with images: one in the row, one beside the file, one in a bucket."""
    (folder / "beside.png").write_bytes(IMAGES[1])
    urls = (f"data:image/png;base64,{base64.b64encode(IMAGES[0]).decode()}", "beside.png", "gs://tune-main-us/there.png")
    examples = [
        ChatExample((Message("user", (TextPart(f"Picture {n}?"), ImagePart(urls[n % 3]))), Message("assistant", f"It is {n % 3}.")))
        for n in range(rows)
    ]
    Dataset.from_examples(examples).write(folder / "pictures.jsonl")
    return folder / "pictures.jsonl"


def names(stage: Stage) -> set[str]:
    return set(stage.emulator.objects())


# --- media ------------------------------------------------------------------------------------------------------------------------------


def test_images_of_a_recipe_lie_in_the_bucket_and_the_rows_name_them(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    stage.emulator.put("there.png", IMAGES[2], content_type="image/png")
    uri = str(submitted(shell, pictures(tmp_path)).document["uri"])
    ours = {planned(data, suffix=".png").name for data in IMAGES[:2]}
    (rows,) = (name for name in names(stage) if name.endswith(".jsonl"))
    assert names(stage) == {*ours, rows, "there.png"}
    sent = b"".join(stage.trainer().file_content(f"gs://tune-main-us/{rows}"))
    named = {
        part["fileData"]["fileUri"] for line in sent.splitlines() for part in json.loads(line)["contents"][0]["parts"] if "fileData" in part
    }
    assert named == {*(f"gs://tune-main-us/{name}" for name in ours), "gs://tune-main-us/there.png"}
    assert shell("jobs", "wait", uri).code == 0


def test_a_second_submit_uploads_no_image_again(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    rows = pictures(tmp_path)
    submitted(shell, rows)
    before = {name: each.generation for name, each in stage.emulator.objects().items()}
    assert submitted(shell, rows, "--force").code == 0
    assert {name: each.generation for name, each in stage.emulator.objects().items()} == before


def test_many_images_arrive_several_at_a_time(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    rows = []
    for number in range(60):
        (tmp_path / f"{number}.png").write_bytes(IMAGES[0] + bytes([number]))
        parts = (TextPart(f"Picture {number}?"), ImagePart(f"{number}.png"))
        rows.append(ChatExample((Message("user", parts), Message("assistant", f"It is {number}."))))
    Dataset.from_examples(rows).write(tmp_path / "many.jsonl")
    run = submitted(shell, tmp_path / "many.jsonl")
    assert run.code == 0
    assert sum(name.endswith(".png") for name in names(stage)) == 60
    assert shell("jobs", "wait", run.document["uri"]).code == 0


def test_an_image_that_is_not_there_stops_the_submit_before_anything_is_sent(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    rows = pictures(tmp_path)
    (tmp_path / "beside.png").unlink()
    run = submitted(shell, rows)
    assert run.code in (1, 2)
    assert "beside.png" in run.out + run.err
    assert names(stage) == set()


# --- rows that lie in a bucket ----------------------------------------------------------------------------------------------------------


def in_the_bucket(stage: Stage, *, rows: int = 24) -> str:
    path = stage.home / "made.jsonl"
    chats(rows).write(path, format="gemini")
    return stage.emulator.put("data/rows.jsonl", path.read_bytes())


def test_rows_in_a_bucket_are_trained_on_where_they_lie(shell: Shell, stage: Stage) -> None:
    address = in_the_bucket(stage)
    uri = str(submitted(shell, address).document["uri"])
    assert stage.sent(uri)["supervisedTuningSpec"]["trainingDatasetUri"] == address
    assert names(stage) == {"data/rows.jsonl"}
    assert shell("jobs", "wait", uri).code == 0


def test_rows_in_a_bucket_need_no_bucket_of_their_own(stage: Stage) -> None:
    address = in_the_bucket(stage)
    environ = {name: value for name, value in stage.emulator.exports.items() if name != "TUNEPORT_VERTEX_BUCKET"}
    settings = Settings(home=stage.home / "home", environ=environ)
    with Client(settings=settings, clock=stage.clock, providers=[vertex_provider]) as client:
        job = client.submit(Recipe(base=GEMINI, train=Dataset.read(address), method=SFT(epochs=2)), provider="vertex")
    assert job.uri.startswith("vertex:")


def test_other_rows_at_the_same_address_are_another_job(stage: Stage) -> None:
    trainer = stage.trainer()
    plans = [
        trainer.plan(Recipe(base=GEMINI, train=Dataset.read(in_the_bucket(stage, rows=rows)), method=SFT(epochs=2))) for rows in (24, 25)
    ]
    assert plans[0].files == plans[1].files == ()
    assert plans[0].fingerprint != plans[1].fingerprint
    again = trainer.plan(Recipe(base=GEMINI, train=Dataset.read(in_the_bucket(stage, rows=24)), method=SFT(epochs=2)))
    assert again.fingerprint == plans[0].fingerprint


def test_rows_of_another_format_in_a_bucket_are_written_anew(shell: Shell, stage: Stage) -> None:
    path = stage.home / "made.jsonl"
    chats(24).write(path, format="chat")
    address = stage.emulator.put("data/chat.jsonl", path.read_bytes())
    uri = str(submitted(shell, address).document["uri"])
    assert stage.sent(uri)["supervisedTuningSpec"]["trainingDatasetUri"].startswith("gs://tune-main-us/tuneport-")
    assert len(names(stage)) == 2


def test_data_check_reads_rows_in_a_bucket(shell: Shell, stage: Stage) -> None:
    run = shell("data", "check", in_the_bucket(stage), "--for", f"vertex:{GEMINI}", "--json")
    assert run.document["rows"] == 24


def test_data_split_writes_the_sides_of_rows_in_a_bucket_here(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    assert shell("data", "split", in_the_bucket(stage), "--test", 4).code == 0
    assert Dataset.read(tmp_path / "rows-test.jsonl").count() == 4
    assert names(stage) == {"data/rows.jsonl"}


# --- clean-up and archive ---------------------------------------------------------------------------------------------------------------


def test_clean_takes_what_was_uploaded_for_jobs_that_have_ended_and_nothing_else(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    stage.emulator.put("there.png", IMAGES[2], content_type="image/png")
    uri = str(submitted(shell, pictures(tmp_path)).document["uri"])
    assert shell("jobs", "clean", "--yes", "--json").document["files"] == []
    assert shell("jobs", "wait", uri).code == 0
    on_the_bucket = str(submitted(shell, in_the_bucket(stage)).document["uri"])
    assert shell("jobs", "wait", on_the_bucket).code == 0
    run = shell("jobs", "clean", "--yes", "--json")
    assert (run.code, len(run.document["files"]), run.document["errors"]) == (0, 3, [])
    assert names(stage) == {"data/rows.jsonl", "there.png"}
    assert shell("jobs", "clean", "--yes", "--json").document["files"] == []


def test_clean_forgets_what_somebody_deleted_already(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    assert shell("jobs", "wait", str(submitted(shell, pictures(tmp_path)).document["uri"])).code == 0
    stage.emulator.world.buckets["tune-main-us"].objects.clear()
    assert shell("jobs", "clean", "--yes").code == 0
    assert shell("jobs", "clean", "--yes", "--json").document["files"] == []


def test_an_archive_holds_the_rows_as_they_were_sent(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    stage.emulator.put("there.png", IMAGES[2], content_type="image/png")
    uri = str(submitted(shell, pictures(tmp_path)).document["uri"])
    assert shell("jobs", "wait", uri).code == 0
    run = shell("archive", uri, tmp_path / "kept", "--json")
    (archive,) = run.document["archives"]
    assert "train" not in {piece["piece"] for piece in archive["missing"]}
    kept = (Path(archive["folder"]) / "files" / "train.jsonl").read_bytes()
    (rows,) = (name for name in names(stage) if name.endswith(".jsonl"))
    assert kept == b"".join(stage.trainer().file_content(f"gs://tune-main-us/{rows}"))
    assert shell("archive", "--verify", tmp_path / "kept").code == 0


def test_an_archive_of_rows_in_a_bucket_holds_them_too(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    uri = str(submitted(shell, in_the_bucket(stage)).document["uri"])
    assert shell("jobs", "wait", uri).code == 0
    (archive,) = shell("archive", uri, tmp_path / "kept", "--json").document["archives"]
    kept = (Path(archive["folder"]) / "files" / "train.jsonl").read_bytes()
    assert len(kept.splitlines()) == 24


# --- what goes wrong --------------------------------------------------------------------------------------------------------------------


def test_a_bucket_in_another_region_is_refused_before_anything_is_sent(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    run = submitted(shell, pictures(tmp_path), environ={"TUNEPORT_VERTEX_BUCKET": EUROPEAN_BUCKET})
    assert run.code == 3
    assert "lies in europe-west4, and the tuning runs in us-central1" in run.document["error"]["message"]
    assert stage.emulator.objects(EUROPEAN_BUCKET) == {}
    assert shell("jobs", "list", "--json").document["jobs"] == []


def test_a_token_that_may_only_look_is_refused_with_the_role_that_is_missing(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    run = submitted(shell, pictures(tmp_path), environ={"GOOGLE_OAUTH_ACCESS_TOKEN": stage.emulator.token(role="viewer")})
    assert run.code == 3
    assert run.document["error"]["type"] == "CredentialsRefused"
    assert "storage.objects.create" in run.document["error"]["message"]
    assert names(stage) == set()


def test_a_token_that_ends_during_an_upload_is_told_and_the_next_submit_goes_on(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    rows = pictures(tmp_path)
    short = stage.emulator.token(life_s=10.0)
    stage.clock.sleep(60.0)
    run = submitted(shell, rows, environ={"GOOGLE_OAUTH_ACCESS_TOKEN": short})
    assert run.code == 3
    assert "expired" in run.document["error"]["message"]
    assert submitted(shell, rows).code == 0


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("habits", [None, Habits(admits_short_uploads=False)], ids=["", "silent"])
def test_whatever_goes_wrong_on_the_way_a_file_arrives_whole_or_not_at_all(seed: int, habits: Habits | None, tmp_path: Path) -> None:
    small = planned(b"a row\n" * 100, purpose="validation")
    with staged(tmp_path, habits=habits, faults=FaultPlan(seed=seed, share=0.25)) as stage:
        trainer, plan = stage.trainer(), _plan(planned(LARGE), small)
        with JobRegistry(tmp_path / "home", clock=stage.clock) as registry:
            ids = next(filter(None, (_tried(plan, trainer, registry, stage.clock) for _ in range(30))))
        contents = {name: each.blob.read() for name, each in stage.emulator.objects().items()}
    assert {purpose: contents[file_id.rpartition("/")[2]] for purpose, file_id in ids.items()} == {
        "train": LARGE,
        "validation": b"a row\n" * 100,
    }
    assert len(contents) == 2


def _tried(plan: Plan, trainer: VertexTrainer, registry: JobRegistry, clock: SimulatedClock) -> dict[str, str] | None:
    with suppress(Unreachable):
        return upload_files(plan, trainer=trainer, registry=registry, clock=clock)
    return None


def _plan(*files: PlannedFile) -> Plan:
    return Plan(provider="vertex", scope="tune-main/us-central1", base=GEMINI, method="sft", requests=(), files=files)
